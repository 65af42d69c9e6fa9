# SPDX-License-Identifier: Apache-2.0
"""Where the bench plays: makes objects, waits until they are what they shall be, and until the product is still.

Rule: waiting costs the product nothing; it is done on the API server, the access log and the product's own counters.
"""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pycapo.lab.cloud_bootstrap import TENANT, connect
from pycapo.lab.cloud_log import PRODUCT, AccessLog
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, LabError
from pycapo.lab.workloads import CLUSTER, CORE, INFRASTRUCTURE, NAMESPACE, SIDE_NETWORK, collection, surroundings

MACHINES = (CORE, "machines")
CLUSTERS = (CORE, "clusters")
OUR_CLUSTERS = (INFRASTRUCTURE, "openstackclusters")
OUR_MACHINES = (INFRASTRUCTURE, "openstackmachines")
OUR_SERVERS = (INFRASTRUCTURE, "openstackservers")
OUR_ATTACHMENTS = (INFRASTRUCTURE, "openstacknetworkattachments")
Kind = tuple[str, str]

_PLURALS: Mapping[str, Kind] = {
    "Cluster": CLUSTERS,
    "Machine": MACHINES,
    "OpenStackCluster": OUR_CLUSTERS,
    "OpenStackMachine": OUR_MACHINES,
    "OpenStackNetworkAttachment": OUR_ATTACHMENTS,
}
_MERGE = {"Content-Type": "application/merge-patch+json"}
_PATIENCE = 300.0  # seconds until work that does not end is given up
_STILL = 4.0  # seconds without a request after which the product is taken to be done
_TURNS = re.compile(r"^controller_runtime_reconcile_total\{controller=\"(?P<kind>[^\"]*)\".*?\} (?P<count>\S+)", re.M)


class BenchStage:
    """One namespace of a lab and one tenant of its cloud."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._api = KubeAPI(lab)
        self.log = AccessLog(lab)

    def prepare(self) -> None:
        """Make what everything refers to: namespace, Secrets, a network besides the cluster's."""
        self._api.apply(surroundings(self._lab))
        network: Any = connect(self._lab, TENANT).network
        if not list(network.networks(name=SIDE_NETWORK)):
            made = network.create_network(name=SIDE_NETWORK)
            network.create_subnet(name=SIDE_NETWORK, network_id=made.id, ip_version=4, cidr="10.7.0.0/24")

    def clear(self) -> None:
        """Delete what the bench makes, whoever made it, and return when nothing of it is left."""
        for kind in (OUR_ATTACHMENTS, MACHINES, CLUSTERS):
            self.delete(kind)
            self.until_gone(kind)
        for kind in (OUR_MACHINES, OUR_SERVERS, OUR_CLUSTERS):
            self.until_gone(kind)
        network: Any = connect(self._lab, TENANT).network
        for found in network.networks(name=SIDE_NETWORK):
            network.delete_network(found)

    def create(self, objects: Sequence[Mapping[str, Any]]) -> None:
        """Make objects of Cluster API's kinds and ours."""
        for thing in objects:
            self._api.request("POST", collection(*_PLURALS[thing["kind"]]), thing)

    def change(self, kind: Kind, name: str, **spec: Any) -> None:
        """Change fields of an object's spec."""
        self._api.request("PATCH", f"{collection(*kind)}/{name}", {"spec": spec}, headers=_MERGE)

    def delete(self, kind: Kind, names: Sequence[str] | None = None) -> None:
        """Ask for the end of some objects of a kind, or of all of them."""
        for item in self._items(kind):
            name = item["metadata"]["name"]
            if names is None or name in names:
                self._api.request("DELETE", f"{collection(*kind)}/{name}", absent={})

    def touch(self, kinds: Sequence[Kind]) -> None:
        """Change an annotation of every object of these kinds and return when there was a turn for each."""
        before = self._turns()
        patch = {"metadata": {"annotations": {"bench.example/touched": str(time.time_ns())}}}
        for kind in kinds:
            for item in self._items(kind):
                path = f"{collection(*kind)}/{item['metadata']['name']}"
                self._api.request("PATCH", path, patch, headers=_MERGE)
        self.until_turns(kinds, before)

    def until_turns(self, kinds: Sequence[Kind], before: Mapping[str, float] = MappingProxyType({})) -> None:
        """Return when there were as many turns of each kind as it has objects, besides those `before`."""
        wanted = {kind[1]: before.get(kind[1], 0.0) + self.count(kind) for kind in kinds}
        self._wait(
            lambda: all(self._turns().get(plural, 0.0) >= turns for plural, turns in wanted.items()),
            lambda: f"{wanted} turns were looked for, {self._turns()} were found",
        )

    def until_ready(self, kind: Kind, count: int) -> None:
        """Return when so many objects of a kind exist and all of them are Ready."""

        def unready() -> list[str]:
            return [_told(item) for item in self._items(kind) if not _ready(item)]

        self._wait(lambda: len(self._items(kind)) == count and not unready(), lambda: "; ".join(unready()[:3]))

    def until_done(self, kind: Kind, name: str) -> None:
        """Return when an object is Ready as its newest spec wants it."""

        def found() -> dict[str, Any]:
            answer: dict[str, Any] = self._api.request("GET", f"{collection(*kind)}/{name}")
            return answer

        self._wait(lambda: _ready(it := found(), it["metadata"]["generation"]), lambda: _told(found()))

    def until_gone(self, kind: Kind, names: Sequence[str] | None = None) -> None:
        """Return when none of these objects, or of all of a kind, is left."""

        def left() -> list[str]:
            return [_told(it) for it in self._items(kind) if names is None or it["metadata"]["name"] in names]

        self._wait(lambda: not left(), lambda: "; ".join(left()[:3]))

    def until_still(self) -> None:
        """Return when the product has asked nothing for some seconds."""
        seen, since = self._requests(), time.monotonic()
        while time.monotonic() - since < _STILL:
            time.sleep(0.5)
            if (now := self._requests()) != seen:
                seen, since = now, time.monotonic()

    def count(self, kind: Kind) -> int:
        """Return how many objects of a kind there are."""
        return len(self._items(kind))

    def size(self) -> int:
        """Return how many resources the tenant's largest kind has; every machine of the bench has three ports at most."""
        return 3 * len(self._items(OUR_MACHINES)) + 5

    def _requests(self) -> int:
        return len(self.log.read(agent=PRODUCT))

    def _items(self, kind: Kind) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._api.request("GET", collection(*kind), absent={}).get("items") or []
        return found

    def _turns(self) -> dict[str, float]:
        """Return how many turns each controller has taken, from the product's metrics."""
        turns: dict[str, float] = {}
        with urllib.request.urlopen(f"{self._lab.url('pycapo_metrics')}/metrics", timeout=10) as answer:
            for found in _TURNS.finditer(answer.read().decode()):
                turns[found["kind"]] = turns.get(found["kind"], 0.0) + float(found["count"])
        return turns

    def _wait(self, check: Callable[[], bool], what: Callable[[], str]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not check():
            if time.monotonic() > deadline:
                raise LabError(f"namespace {NAMESPACE}, cluster {CLUSTER}: not after {_PATIENCE:g} s: {what()}")
            time.sleep(0.5)


def _ready(item: Mapping[str, Any], generation: int = 0) -> bool:
    """Tell whether an object is Ready, and knows it of this generation or a later one."""
    told = item.get("status", {}).get("conditions") or ()
    ready = (it for it in told if it["type"] == "Ready" and it["status"] == "True")
    return any(it.get("observedGeneration", 0) >= generation for it in ready)


def _told(item: Mapping[str, Any]) -> str:
    """Return an object's name and what its conditions say is missing."""
    conditions = item.get("status", {}).get("conditions") or ()
    missing = [f"{it['type']}: {it.get('message') or it.get('reason')}" for it in conditions if it["status"] != "True"]
    return f"{item['kind']} {item['metadata']['name']} ({', '.join(missing) or 'no conditions'})"
