# SPDX-License-Identifier: Apache-2.0
"""Rules for the subnets of a cluster: its managed subnets, and those of its named networks."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

from pycapo.api.networks import NO_GATEWAY
from pycapo.api.rules.addresses import (
    Network,
    address,
    check_address,
    check_inside,
    check_prefix,
    check_range,
    check_subnet_cidr,
    network,
)
from pycapo.api.rules.fixed import items, part
from pycapo.api.rules.problem import Problem

Json = dict[str, Any]
MACHINE_NETWORKS_IN_PLACE = (
    *("mtu", "enablePortSecurity", "qosPolicy", "tags"),
    *(f"subnets[*].{name}" for name in ("dnsNameservers", "hostRoutes", "enableDHCP")),
)
"""What changes in place of the networks that are made for each machine."""


def check_subnets(path: str, spec: Json) -> Iterator[Problem]:
    """Yield the problems of all subnets that a cluster's spec asks for, also those that overlap on one router."""
    routed: list[tuple[str, Network]] = []
    for where, subnet, joins in _subnets(path, spec):
        yield from _subnet(where, subnet)
        if joins and (found := network(subnet.get("cidr"))) is not None:
            routed.append((where, found))
    for (first, one), (second, other) in combinations(routed, 2):
        if one.version == other.version and one.overlaps(other):
            yield Problem(
                f"{second}.cidr", f"overlaps {first} ({one}) on the cluster's router; choose another", str(other)
            )
    for index, named in enumerate(items(spec, "networks")):
        yield from _carved(f"{path}.networks[{index}].perMachine", part(named, "perMachine"))
        yield from _apart(f"{path}.networks[{index}].managed.subnets", items(part(named, "managed"), "subnets"))
    yield from _bastion(path, spec)


def _apart(path: str, subnets: list[Json]) -> Iterator[Problem]:
    """Yield a problem for each subnet that overlaps another one of its network: Neutron refuses that."""
    known = [(f"{path}[{index}].cidr", network(subnet.get("cidr"))) for index, subnet in enumerate(subnets)]
    for (first, one), (second, other) in combinations(known, 2):
        if _overlap(one, other):
            yield Problem(second, f"overlaps {first} ({one}) of the same network; choose another", str(other))


def _bastion(path: str, spec: Json) -> Iterator[Problem]:
    """Yield a problem for each port of a bastion whose network overlaps that of another one: it finds no way to one of them."""
    machine = part(spec, "bastion", "spec")
    if part(machine, "networkConfig").get("policyRouting") is False:
        return
    listed = {"ports": items(machine, "ports") or [{}], "additionalPorts": items(machine, "additionalPorts")}
    ports = [(f"{path}.bastion.spec.{name}[{i}]", port) for name, of in listed.items() for i, port in enumerate(of)]
    known = [it for where, port in ports if (it := _met(spec, port, where))]
    for (where, first, ones), (place, second, others) in combinations(known, 2):
        pairs = [(one, other) for one in ones for other in others if one.version == other.version]
        if first != second and pairs and all(_overlap(*pair) for pair in pairs):
            told = f"its {pairs[0][1]} overlaps {pairs[0][0]} of the network at {where}; a bastion on both finds no way to one"
            yield Problem(f"{place}.clusterNetwork", told, second)


def _met(spec: Json, port: Json, path: str) -> tuple[str, str, list[Network]] | None:
    """The path of a port, and name and CIDRs of its network, where this cluster makes it and the port may take any subnet."""
    name = port.get("clusterNetwork") or ""
    if port.get("network") or port.get("existingPort") or port.get("fixedIPs"):
        return None
    made = [part(it, "managed") for it in items(spec, "networks") if it.get("name") == name]
    subnets = items(spec, "managedSubnets") if not name else [it for of in made for it in items(of, "subnets")]
    return path, name, [found for it in subnets if (found := network(it.get("cidr"))) is not None]


def _overlap(one: Network | None, other: Network | None) -> bool:
    return one is not None and other is not None and one.version == other.version and one.overlaps(other)


def _subnets(path: str, spec: Json) -> Iterator[tuple[str, Json, bool]]:
    """Yield path, subnet, and whether it joins the cluster's router."""
    for index, subnet in enumerate(items(spec, "managedSubnets")):
        yield f"{path}.managedSubnets[{index}]", subnet, True
    for index, named in enumerate(items(spec, "networks")):
        managed = part(named, "managed")
        for position, subnet in enumerate(items(managed, "subnets")):
            yield f"{path}.networks[{index}].managed.subnets[{position}]", subnet, managed.get("router") == "Cluster"


def _subnet(path: str, subnet: Json) -> Iterator[Problem]:
    cidr = subnet.get("cidr")
    yield from check_subnet_cidr(f"{path}.cidr", cidr)
    for index, pool in enumerate(items(subnet, "allocationPools")):
        yield from check_range(f"{path}.allocationPools[{index}]", pool, cidr)
    yield from _learned(path, subnet, cidr)
    gateway = subnet.get("gateway")
    if gateway != NO_GATEWAY:
        yield from check_address(f"{path}.gateway", gateway)
        yield from check_inside(f"{path}.gateway", gateway, cidr)


def _learned(path: str, subnet: Json, cidr: object) -> Iterator[Problem]:
    """Yield the problems of what guests of a subnet learn."""
    for index, server in enumerate(items(subnet, "dnsNameservers")):
        yield from _same_version(f"{path}.dnsNameservers[{index}]", server, cidr)
    for index, route in enumerate(items(subnet, "hostRoutes")):
        yield from check_prefix(f"{path}.hostRoutes[{index}].destination", route.get("destination"))
        yield from _same_version(f"{path}.hostRoutes[{index}].nextHop", route.get("nextHop"), cidr)


def _same_version(path: str, text: object, cidr: object) -> Iterator[Problem]:
    """Yield a problem when an address is none, or of another IP version than its subnet (Neutron refuses that)."""
    yield from check_address(path, text)
    found, around = address(text), network(cidr)
    if found is not None and around is not None and found.version != around.version:
        yield Problem(path, f"is an IPv{found.version} address, its subnet {around} is IPv{around.version}", text)


def advise_networks(path: str, spec: Json) -> Iterator[str]:
    """Yield what Neutron allows but leaves a node with two routes to one place: prefixes that it can meet twice."""
    known = [(f"{where}.cidr", network(subnet.get("cidr")), joins) for where, subnet, joins in _subnets(path, spec)]
    places = [(where, found) for where, found, _ in known]
    for (first, one, joins), (second, other, too) in combinations(known, 2):
        if (
            _overlap(one, other)
            and not (joins and too)
            and first.partition(".subnets")[0] != second.partition(".subnets")[0]
        ):
            yield f"{second}: {other} overlaps {first} ({one}); a machine on both networks finds no way to one of them"
    for index, named in enumerate(items(spec, "networks")):
        for position, subnet in enumerate(items(part(named, "perMachine"), "subnets")):
            where = f"{path}.networks[{index}].perMachine.subnets[{position}].from"
            for found in (it for it in map(network, items(subnet, "from")) if it is not None):
                yield from (
                    f"{where}: {found} overlaps {other} ({one}); a machine on both networks finds no way to one of them"
                    for other, one in places
                    if one is not None and one.version == found.version and one.overlaps(found)
                )


def _carved(path: str, per_machine: Json) -> Iterator[Problem]:
    versions: dict[int, str] = {}
    for index, subnet in enumerate(items(per_machine, "subnets")):
        where, length = f"{path}.subnets[{index}]", subnet.get("prefixLength") or 0
        spaces = [(f"{where}.from[{i}]", network(cidr)) for i, cidr in enumerate(items(subnet, "from"))]
        for (spot, around), cidr in zip(spaces, items(subnet, "from"), strict=True):
            yield from check_subnet_cidr(spot, cidr)
            if around is not None:
                yield from _fitting(f"{where}.prefixLength", length, around)
        yield from _one_space([(spot, found) for spot, found in spaces if found is not None])
        for version in {found.version for _, found in spaces if found is not None}:
            first = versions.setdefault(version, where)
            if first != where:
                told = f"is the second IPv{version} subnet after {first}; Neutron takes one subnet pool for each IP version"
                yield Problem(where, f"{told} of a network", subnet.get("name"))
        yield from _learned(where, subnet, (items(subnet, "from") or [None])[0])


def _fitting(path: str, length: int, around: Network) -> Iterator[Problem]:
    """Yield a problem when a prefix has no room for a subnet of this length, or the subnet none for a gateway and a node."""
    most = around.max_prefixlen - 2
    if not around.prefixlen <= length <= most:
        told = f"no subnet for a gateway and a node fits into {around}; use {around.prefixlen} to {most}"
        yield Problem(path, told, length)


def _one_space(spaces: list[tuple[str, Network]]) -> Iterator[Problem]:
    """Yield a problem for each prefix of another IP version than the first, and for each that overlaps another one."""
    for spot, found in spaces:
        if found.version != spaces[0][1].version:
            yield Problem(spot, f"is IPv{found.version}, the first is IPv{spaces[0][1].version}", str(found))
    for (first, one), (second, other) in combinations(spaces, 2):
        if one.version == other.version and one.overlaps(other):
            yield Problem(second, f"overlaps {first} ({one})", str(other))
