# SPDX-License-Identifier: Apache-2.0
"""What a test of the whole can do: apply and read objects as a user, look into OpenStack, wait, and end processes.

Rule: whoever waits in vain is told how things stand: conditions, events and the end of pycapo's log.
"""

import json
import os
import signal
import subprocess
import time
import urllib.error
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pycapo.lab import process, provider
from pycapo.lab.cloud_faults import Faults
from pycapo.lab.cloud_log import AccessLog
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, LabError

Json = dict[str, Any]
INFRASTRUCTURE = "apis/infrastructure.cluster.x-k8s.io"
PATHS = {  # kind -> API group and version, plural
    "Cluster": ("apis/cluster.x-k8s.io/v1beta2", "clusters"),
    "Machine": ("apis/cluster.x-k8s.io/v1beta2", "machines"),
    "MachineDeployment": ("apis/cluster.x-k8s.io/v1beta2", "machinedeployments"),
    "KubeadmControlPlane": ("apis/controlplane.cluster.x-k8s.io/v1beta2", "kubeadmcontrolplanes"),
    "OpenStackCluster": (f"{INFRASTRUCTURE}/v1beta2", "openstackclusters"),
    "OpenStackMachine": (f"{INFRASTRUCTURE}/v1beta2", "openstackmachines"),
    "OpenStackMachineTemplate": (f"{INFRASTRUCTURE}/v1beta2", "openstackmachinetemplates"),
    "OpenStackServer": (f"{INFRASTRUCTURE}/v1alpha1", "openstackservers"),
    "OpenStackNetworkAttachment": (f"{INFRASTRUCTURE}/v1alpha1", "openstacknetworkattachments"),
    "OpenStackFloatingIPPool": (f"{INFRASTRUCTURE}/v1alpha1", "openstackfloatingippools"),
    "IPAddressClaim": ("apis/ipam.cluster.x-k8s.io/v1beta2", "ipaddressclaims"),
    "IPAddress": ("apis/ipam.cluster.x-k8s.io/v1beta2", "ipaddresses"),
    "Secret": ("api/v1", "secrets"),
    "Event": ("api/v1", "events"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
}
DENIED = ("is forbidden: User", "is forbidden: user")  # how the API server tells that a rule of RBAC is missing
LEASE = "controller-leader-election-capo"
BUSY = 3  # a busy machine takes that many times longer than an idle one
TOLD = (
    *("Cluster", "OpenStackCluster", "OpenStackMachine", "OpenStackServer", "OpenStackNetworkAttachment"),
    *("Machine", "OpenStackFloatingIPPool"),
)
MERGE = {"Content-Type": "application/merge-patch+json"}


class World:
    """One lab as its users see it; `past` is what ended pycapo processes had logged."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.api = KubeAPI(lab)
        self.faults = Faults(lab)
        self.requests = AccessLog(lab)
        self.past = ""
        self.excused = 0  # characters of the log in which denials do not count

    def kubectl(self, *words: str, given: str = "", kubeconfig: Path | None = None) -> str:
        command = [str(self.lab.root / "bin" / "kubectl"), f"--kubeconfig={kubeconfig or self.lab.kubeconfig}", *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def apply(self, *documents: Json) -> None:
        whole = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
        self.kubectl("apply", "-f", "-", given=json.dumps(whole))

    def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return an object, or None when there is none."""
        return self.api.request("GET", f"{_collection(kind, namespace)}/{name}", absent={}) or None

    def all(self, kind: str, namespace: str) -> list[Json]:
        return list(self.api.request("GET", _collection(kind, namespace))["items"])

    def patch(self, kind: str, namespace: str, name: str, change: Json, *, absent: Any = None) -> None:
        """Change an object; `absent`, when given, says that it may be gone."""
        self.api.request("PATCH", f"{_collection(kind, namespace)}/{name}", change, headers=MERGE, absent=absent)

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Ask for the end of an object; it is there until its finalizers are gone."""
        self.api.request("DELETE", f"{_collection(kind, namespace)}/{name}", absent={"gone": True})

    def wait_for(self, done: Callable[[], Any], what: str, seconds: float = 90, *, namespace: str = "") -> Any:
        """Return the first true answer; raise with a diagnosis when there is none in `seconds` of an idle machine."""
        deadline = time.monotonic() + seconds * BUSY
        while True:
            trouble = ""
            try:
                if answer := done():
                    return answer
            except (LabError, urllib.error.URLError, ConnectionError) as error:  # the API server may be restarting
                trouble = f"\nlast error: {error}"
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not after {seconds * BUSY:g} s{trouble}\n{self.diagnosis(namespace)}")
            time.sleep(0.3)

    def condition(self, kind: str, namespace: str, name: str, type_: str) -> Json:
        """Return a condition; an empty one when it has not been told yet."""
        return _condition(self.get(kind, namespace, name) or {}, type_)

    def gone(self, kind: str, namespace: str, name: str, seconds: float = 120) -> None:
        """Return when an object does not exist any more."""
        there = lambda: self.get(kind, namespace, name) is None  # noqa: E731
        self.wait_for(there, f"{kind} {name} is gone", seconds, namespace=namespace)

    def warnings(self, namespace: str, name: str) -> list[str]:
        """Return the messages of Warning events about objects of a name."""
        events = self.all("Event", namespace)
        return [e["message"] for e in events if e["type"] == "Warning" and e["involvedObject"]["name"] == name]

    def log(self) -> str:
        """Return all that pycapo logged, ended processes included."""
        path = self.lab.log(provider.NAME)
        return self.past + (path.read_text(errors="replace") if path.exists() else "")

    def excuse(self) -> None:
        """Let the denials in what was logged until now not count."""
        self.excused = len(self.log())

    def kill_pycapo(self) -> None:
        """End pycapo as a crash would, and take its Lease away so that the next one need not wait until it expires."""
        number = process.pid(self.lab, provider.NAME)
        assert number is not None
        os.kill(number, signal.SIGKILL)
        self.wait_for(lambda: not process.alive(self.lab, provider.NAME), "pycapo is dead", 10)
        self.past = self.log()

    def start_pycapo(self, *, at_once: bool = True) -> None:
        if at_once:
            self.delete("Lease", self.pycapo_namespace, LEASE)
        provider.start_provider(self.lab)

    @property
    def pycapo_namespace(self) -> str:
        document = json.loads(provider.kubeconfig(self.lab).read_text())
        return str(document["contexts"][0]["context"]["namespace"])

    def diagnosis(self, namespace: str) -> str:
        """Return conditions and warnings of a namespace and the end of pycapo's log."""
        try:
            told = self._told(namespace) if namespace else []
        except (LabError, OSError) as error:
            told = [f"the API server does not tell: {error}"]
        return "\n".join([*told, "end of pycapo's log:", process.log_tail(self.lab, provider.NAME, lines=12)])

    def _told(self, namespace: str) -> list[str]:
        objects = [(kind, item) for kind in TOLD for item in self.all(kind, namespace)]
        lines = [
            f"{kind} {item['metadata']['name']}: {c['type']}={c['status']} {c.get('reason', '')} {c.get('message', '')}"
            for kind, item in objects
            for c in (item.get("status") or {}).get("conditions") or ()
        ]
        events = [e for e in self.all("Event", namespace) if e["type"] == "Warning"]
        return [*lines, *(f"event about {e['involvedObject']['name']}: {e['message']}" for e in events)]


def _condition(thing: Json, type_: str) -> Json:
    found = (thing.get("status") or {}).get("conditions") or ()
    return next((dict(item) for item in found if item["type"] == type_), {})


def _collection(kind: str, namespace: str) -> str:
    group, plural = PATHS[kind]
    return f"{group}/namespaces/{namespace}/{plural}"


def denials(log: str) -> Sequence[str]:
    """Return the lines of a log that tell of a missing rule of RBAC."""
    return [line for line in log.splitlines() if any(words in line for words in DENIED)]


def wait_until_ready(world: World, kind: str, namespace: str, name: str, seconds: float = 120) -> None:
    ready = lambda: world.condition(kind, namespace, name, "Ready").get("status") == "True"  # noqa: E731
    world.wait_for(ready, f"{kind} {name} is ready", seconds, namespace=namespace)
