# SPDX-License-Identifier: Apache-2.0
"""Where the fields of older versions are in v1beta2: for people and their comments; the values are conversion's matter.

Rule: pure. Paths are tuples of names and places; a table row says where a field, and what has no row of its own below it,
went. `*` stands for any place in a list.
"""

from itertools import accumulate
from typing import Any

from pycapo.api.from_v1alpha3 import ports_of
from pycapo.api.rules.change import ANY, Path, pattern

_PORTS_V1BETA1 = (
    ("ports[*].disablePortSecurity", "ports[*].enablePortSecurity"),
    ("additionalPorts[*].disablePortSecurity", "additionalPorts[*].enablePortSecurity"),
)
_MACHINE = {
    "v1alpha3": (
        ("networks[*].uuid", "ports[*].network.id"),
        ("networks[*].filter", "ports[*].network.filter"),
        ("networks[*].fixedIp", "ports[*].fixedIPs[0].ipAddress"),
        ("networks[*].filter.id", "ports[*].network.id"),
        ("networks[*].subnets[*].uuid", "ports[*].fixedIPs[0].subnet.id"),
        ("networks[*].subnets[*].filter.id", "ports[*].fixedIPs[0].subnet.id"),
        ("networks[*].subnets[*]", "ports[*].fixedIPs[0].subnet"),
        ("networks[*].subnets", "ports[*].fixedIPs"),
        ("networks", "ports"),
        ("cloudsSecret.name", "identityRef.name"),
        ("cloudsSecret", "identityRef"),
        ("cloudName", "identityRef.cloudName"),
        ("flavor", "flavor.filter.name"),
        ("image", "image.filter.name"),
        ("rootVolume.diskSize", "rootVolume.sizeGiB"),
        ("rootVolume.sourceUUID", "image.id"),
        ("serverGroupID", "serverGroup.id"),
        ("floatingIP", "ports[0].floatingIP.address"),
        ("securityGroups[*].uuid", "securityGroups[*].id"),
        ("securityGroups[*].name", "securityGroups[*].filter.name"),
    ),
    "v1beta1": (("flavor", "flavor.filter.name"), ("flavorID", "flavor.id"), *_PORTS_V1BETA1),
}
_BASTION_PARTS = ("flavor", "image", "sshKeyName", "networks", "securityGroups")
_CLUSTER = {
    "v1alpha3": (
        ("cloudsSecret.name", "identityRef.name"),
        ("cloudsSecret", "identityRef"),
        ("cloudName", "identityRef.cloudName"),
        ("nodeCidr", "managedSubnets[0].cidr"),
        ("dnsNameservers", "managedSubnets[0].dnsNameservers"),
        ("network", "network.filter"),
        ("subnet", "subnets[0].filter"),
        ("externalNetworkId", "externalNetwork.id"),
        ("externalRouterIPs", "managedRouter.externalIPs"),
        ("managedAPIServerLoadBalancer", "apiServer.managedLoadBalancer"),
        ("apiServerLoadBalancerAdditionalPorts", "apiServer.managedLoadBalancer.additionalPorts"),
        ("apiServerFloatingIP", "apiServer.floatingIP"),
        ("apiServerPort", "apiServer.port"),
        ("disablePortSecurity", "managedNetwork.enablePortSecurity"),
        ("managedSecurityGroups", "managedSecurityGroups.clusterNodesSecurityGroupRules"),
        *((f"bastion.{name}", f"bastion.spec.{name}") for name in _BASTION_PARTS),
    ),
    "v1beta1": (
        ("apiServerLoadBalancer", "apiServer.managedLoadBalancer"),
        ("apiServerFixedIP", "apiServer.fixedIP"),
        ("apiServerFloatingIP", "apiServer.floatingIP"),
        ("apiServerPort", "apiServer.port"),
        ("disableAPIServerFloatingIP", "apiServer.enableFloatingIP"),
        ("disableExternalNetwork", "enableExternalNetwork"),
        ("networkMTU", "managedNetwork.mtu"),
        ("disablePortSecurity", "managedNetwork.enablePortSecurity"),
        ("externalRouterIPs", "managedRouter.externalIPs"),
        (
            "managedSecurityGroups.allNodesSecurityGroupRules",
            "managedSecurityGroups.clusterNodesSecurityGroupRules",
        ),
    ),
}
ROOTS: dict[str, Path] = {
    "OpenStackCluster": ("spec",),
    "OpenStackClusterTemplate": ("spec", "template", "spec"),
    "OpenStackMachine": ("spec",),
    "OpenStackMachineTemplate": ("spec", "template", "spec"),
}
_BASTION_SPEC: Path = ("bastion", "spec")


class Moves:
    """Where each field of one object went."""

    def __init__(self, version: str, obj: dict[str, Any]) -> None:
        kind = str(obj.get("kind"))
        self.root = ROOTS.get(kind, ())
        self._is_cluster = kind.startswith("OpenStackCluster")
        tables = _CLUSTER if self._is_cluster else _MACHINE
        self._rows = [(pattern(old), pattern(new)) for old, new in tables.get(version, ())]
        self._bastion = [(pattern(old), pattern(new)) for old, new in _MACHINE.get(version, ())]
        self._obj = obj

    def new(self, path: Path) -> Path:
        """Return where a field of the old object is in the new one."""
        depth = len(self.root)
        if not self.root or path[:depth] != self.root:
            return path
        inner = _moved(self._rows, path[depth:], self._places(path[:depth]))
        if self._is_cluster and inner[:2] == _BASTION_SPEC:
            inner = (*_BASTION_SPEC, *_moved(self._bastion, inner[2:], self._places((*path[:depth], "bastion"))))
        return (*self.root, *inner)

    def _places(self, holder: Path) -> list[int]:
        """Return where the first port of each entry of `networks` is: an entry with several subnets is several ports."""
        found: Any = self._obj
        for name in holder:
            found = found.get(name) if isinstance(found, dict) else None
        entries = (found.get("networks") if isinstance(found, dict) else None) or ()
        return list(accumulate((len(ports_of(entry, "networks")) for entry in entries), initial=0))


def _moved(rows: list[tuple[Path, Path]], path: Path, places: list[int]) -> Path:
    fitting = [(old, new) for old, new in rows if len(old) <= len(path) and all(map(_fits, old, path))]
    if not fitting:
        return path
    old, new = max(fitting, key=lambda row: len(row[0]))
    found = [step for wanted, step in zip(old, path, strict=False) if wanted == ANY]
    inside = path[len(old) :]
    if old[0] == "networks":
        entry, *subnet = [index for index in found if isinstance(index, int)] or [0]
        found = [places[entry] + sum(subnet)]
        if len(old) == 1 and inside and isinstance(inside[0], int):
            inside = (places[inside[0]], *inside[1:])
    filled = iter(found)
    return (*(next(filled) if step == ANY else _place(step) for step in new), *inside)


def _fits(wanted: str | int, step: str | int) -> bool:
    return wanted == step or (wanted == ANY and isinstance(step, int))


def _place(step: str | int) -> str | int:
    """Return a step of a table row; a number in it is a place in a list."""
    return int(step) if isinstance(step, str) and step.isdigit() else step
