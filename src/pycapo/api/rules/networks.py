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
    for index, server in enumerate(items(subnet, "dnsNameservers")):
        yield from _same_version(f"{path}.dnsNameservers[{index}]", server, cidr)
    for index, route in enumerate(items(subnet, "hostRoutes")):
        yield from check_prefix(f"{path}.hostRoutes[{index}].destination", route.get("destination"))
        yield from _same_version(f"{path}.hostRoutes[{index}].nextHop", route.get("nextHop"), cidr)
    gateway = subnet.get("gateway")
    if gateway != NO_GATEWAY:
        yield from check_address(f"{path}.gateway", gateway)
        yield from check_inside(f"{path}.gateway", gateway, cidr)


def _same_version(path: str, text: object, cidr: object) -> Iterator[Problem]:
    """Yield a problem when an address is none, or of another IP version than its subnet (Neutron refuses that)."""
    yield from check_address(path, text)
    found, around = address(text), network(cidr)
    if found is not None and around is not None and found.version != around.version:
        yield Problem(path, f"is an IPv{found.version} address, its subnet {around} is IPv{around.version}", text)


def _carved(path: str, per_machine: Json) -> Iterator[Problem]:
    for index, subnet in enumerate(items(per_machine, "subnets")):
        where, length = f"{path}.subnets[{index}]", subnet.get("prefixLength") or 0
        for position, cidr in enumerate(items(subnet, "from")):
            yield from check_subnet_cidr(f"{where}.from[{position}]", cidr)
            around = network(cidr)
            if around is not None and not around.prefixlen <= length <= around.max_prefixlen:
                told = f"no such subnet fits into {around}; use {around.prefixlen} to {around.max_prefixlen}"
                yield Problem(f"{where}.prefixLength", told, length)
