# SPDX-License-Identifier: Apache-2.0
"""What the management cluster tells of one workload cluster: its conditions, machines and events at a moment.

Rule: it repeats what objects say and concludes nothing that no object says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from textwrap import shorten
from typing import Any

from pycapo.lab.kubeapi import KubeAPI

NAMESPACE = "default"
_CAPI = "apis/cluster.x-k8s.io/v1beta2"
_OPENSTACK = "apis/infrastructure.cluster.x-k8s.io/v1beta2"
_LABEL = "cluster.x-k8s.io/cluster-name"
_LONGEST = 160  # of what an event says; kubectl shows the rest
_ROLE = "cluster.x-k8s.io/control-plane"
# What Cluster API says of the whole; the rest repeats these or says how a change is going.
CLUSTER_CONDITIONS = ("ControlPlaneInitialized", "ControlPlaneAvailable", "WorkersAvailable", "Available")
# Conditions whose good value is not True, and sums of others.
_ASIDE = frozenset({"Updating", "Paused", "Deleting", "Ready", "Available", "UpToDate"})


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as it stands."""

    status: str
    reason: str = ""
    message: str = ""

    @property
    def good(self) -> bool:
        """Whether it is True."""
        return self.status == "True"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: its phase, and where it got to; empty is what it does not have yet."""

    name: str
    role: str
    phase: str = ""
    node: str = ""
    address: str = ""
    zone: str = ""
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """An event about an object of the cluster."""

    uid: str
    time: float
    about: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """A cluster at a moment; `exists` is false when neither it nor its OpenStackCluster is there."""

    exists: bool = False
    deleting: bool = False
    wanted: int = 0
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    machines: tuple[Machine, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def running(self) -> int:
        """How many machines run and have a node."""
        return sum(1 for machine in self.machines if machine.phase == "Running" and machine.node)

    @property
    def complete(self) -> bool:
        """Whether all wanted machines run, no other is there, and Cluster API calls the cluster available."""
        available = self.conditions.get("Available", Condition("Unknown"))
        whole = self.running == len(self.machines) == self.wanted
        return self.exists and not self.deleting and self.wanted > 0 and whole and available.good


def look(api: KubeAPI, name: str, *, since: float = 0) -> View:
    """Return what is known of the cluster now, and its events since a time (seconds since 1970)."""
    cluster = _one(api, _CAPI, "clusters", name)
    infrastructure = _one(api, _OPENSTACK, "openstackclusters", name)
    if not cluster and not infrastructure:
        return View()
    status = cluster.get("status", {})
    parts = [status.get(part, {}).get("desiredReplicas", 0) for part in ("controlPlane", "workers")]
    conditions = conditions_of(infrastructure)
    conditions |= {key: value for key, value in conditions_of(cluster).items() if key in CLUSTER_CONDITIONS}
    return View(
        exists=True,
        deleting="deletionTimestamp" in cluster.get("metadata", {}) or not cluster,
        wanted=sum(parts) if all(parts) else 0,
        conditions=conditions,
        machines=_machines(api, name),
        events=events_of(_items(api, f"api/v1/namespaces/{NAMESPACE}/events"), name, since=since),
    )


def conditions_of(thing: Mapping[str, Any]) -> dict[str, Condition]:
    """Return the conditions of an object by their type, its Paused and Ready aside."""
    return {
        item["type"]: Condition(item["status"], item.get("reason", ""), one_line(item.get("message", "")))
        for item in thing.get("status", {}).get("conditions") or ()
        if item["type"] not in {"Paused", "Ready"}
    }


def machine_of(thing: Mapping[str, Any]) -> Machine:
    """Return a machine from its object."""
    metadata, status = thing["metadata"], thing.get("status", {})
    addresses = [item["address"] for item in status.get("addresses") or () if item["type"].endswith("IP")]
    conditions = conditions_of(thing).items()
    troubles = [f"{key}: {value.message}" for key, value in conditions if key not in _ASIDE and not value.good]
    return Machine(
        name=metadata["name"],
        role="control plane" if _ROLE in metadata.get("labels", {}) else "worker",
        phase=status.get("phase", ""),
        node=status.get("nodeRef", {}).get("name", ""),
        address=", ".join(addresses),
        zone=status.get("failureDomain", "") or thing["spec"].get("failureDomain", ""),
        troubles=tuple(trouble for trouble in troubles if not trouble.endswith(": ")),
    )


def events_of(items: Sequence[Mapping[str, Any]], name: str, *, since: float = 0) -> tuple[Event, ...]:
    """Return the events about OpenStack objects of a cluster, and warnings about its other ones, oldest first.

    Those of an earlier cluster of that name were before `since` (seconds since 1970).
    """
    found = []
    for item in items:
        about, warning = item["involvedObject"], item["type"] == "Warning"
        ours = about["kind"].startswith("OpenStack") or warning
        if ours and (about["name"] == name or about["name"].startswith(f"{name}-")):
            stamp = item.get("lastTimestamp") or item.get("eventTime") or item["metadata"]["creationTimestamp"]
            text = (
                f"{item.get('reason', '')}: {shorten(one_line(item.get('message', '')), _LONGEST, placeholder=' ...')}"
            )
            time = datetime.fromisoformat(stamp).timestamp()
            found.append(Event(item["metadata"]["uid"], time, f"{about['kind']} {about['name']}", text, warning))
    return tuple(event for event in sorted(found, key=lambda event: event.time) if event.time >= int(since))


def infrastructure_status(api: KubeAPI, name: str) -> dict[str, Any]:
    """Return the status of the OpenStackCluster, empty without one."""
    status = _one(api, _OPENSTACK, "openstackclusters", name).get("status", {})
    return dict(status)


def one_line(text: str) -> str:
    """Return a message of several lines (Cluster API makes lists) as one."""
    return "; ".join(line.strip().removeprefix("* ") for line in text.splitlines() if line.strip()).replace(":;", ":")


def _machines(api: KubeAPI, name: str) -> tuple[Machine, ...]:
    path = f"{_CAPI}/namespaces/{NAMESPACE}/machines?labelSelector={_LABEL}%3D{name}"
    machines = map(machine_of, _items(api, path))
    return tuple(sorted(machines, key=lambda machine: (machine.role, machine.name)))


def _one(api: KubeAPI, group: str, plural: str, name: str) -> dict[str, Any]:
    return dict(api.request("GET", f"{group}/namespaces/{NAMESPACE}/{plural}/{name}", absent={}))


def _items(api: KubeAPI, path: str) -> list[dict[str, Any]]:
    return list(api.request("GET", path, absent={}).get("items") or ())
