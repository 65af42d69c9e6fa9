# SPDX-License-Identifier: Apache-2.0
"""Networks of one server whose addresses overlap: its node would find no way to one of them.

    ports of a server that is to be made -> their networks -> the subnets that they can be in -> refused if these overlap

Rule: what is certain is told before the first port is made; what depends on what Neutron chooses, before the server is made.
Nothing is refused whose guest has its routes from somebody else (`networkConfig.policyRouting: false`).
"""

import ipaddress
from collections.abc import Iterator, Sequence
from itertools import combinations, product

import msgspec

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.records import Network, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Wait
from pycapo.plan.entries import Entry, entries
from pycapo.plan.existing_ports import existing
from pycapo.plan.port_body import network_id
from pycapo.plan.references import INSTANCE_READY, Resolved, resolve

SPACES = "spec.ports.spaces"
"""Where the networks of ports stand among what was found, with their subnets."""

LOOK_AGAIN = 30.0
"""Seconds until the subnets are looked at again: somebody may change the networks, not the spec."""


class _Space(msgspec.Struct, frozen=True):
    """The network of a port, and the subnets of which it can have an address."""

    path: str
    network: str
    subnets: tuple[Subnet, ...]


def networks_met(server: OpenStackServer, seen: Seen) -> frozenset[str]:
    """The networks whose subnets have to be known before a server is made; none while there is only one."""
    config = server.spec.network_config
    if config and config.policy_routing is False:
        return frozenset()
    resolved = resolve(server.spec, seen)
    found = {id for entry in entries(server) if (id := _network(entry, seen, resolved))}
    return frozenset(found) if len(found) > 1 else frozenset()


def overlap_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each port whose network overlaps that of a port before it."""
    if SPACES not in seen.found:
        return
    resolved = resolve(server.spec, seen)
    spaces = [space for entry in entries(server) if (space := _space(entry, seen, resolved))]
    told: set[str] = set()
    for first, second in combinations(spaces, 2):
        clash = _clash(first.subnets, second.subnets) if first.network != second.network else None
        if clash and second.path not in told:
            told.add(second.path)
            one, other = (_named(it.network, seen) for it in (first, second))
            message = (
                f"{other} has {clash[1].cidr}, which overlaps {clash[0].cidr} of {one} at {first.path}: a node on both finds no "
                "way to one of them; take other subnets, or set networkConfig.policyRouting to false and route by other means"
            )
            yield Wait(
                condition=INSTANCE_READY,
                reason="OverlappingSubnets",
                path=f"{second.path}.network",
                message=message,
                after=LOOK_AGAIN,
            )


def _clash(first: Sequence[Subnet], second: Sequence[Subnet]) -> tuple[Subnet, Subnet] | None:
    """Two subnets that overlap, where of an IP version there are no others to choose from."""
    for version in (4, 6):
        pairs = [it for it in product(first, second) if it[0].ip_version == it[1].ip_version == version]
        if pairs and all(_overlap(*it) for it in pairs):
            return pairs[0]
    return None


def _overlap(one: Subnet, other: Subnet) -> bool:
    first, second = (ipaddress.ip_network(it.cidr, strict=False) for it in (one, other))
    return first.version == second.version and first.overlaps(second)


def _network(entry: Entry, seen: Seen, resolved: Resolved) -> str | None:
    port = entry.seen(seen) or existing(entry, seen)
    return port.network_id if port else network_id(entry, seen, resolved)


def _space(entry: Entry, seen: Seen, resolved: Resolved) -> _Space | None:
    """The subnets that the port has addresses of, else those that its entry names, else all of its network."""
    network = _network(entry, seen, resolved)
    if network is None:
        return None
    port = entry.seen(seen) or existing(entry, seen)
    places = range(len(entry.port.fixed_ips or ()))
    named = [resolved.one(f"{entry.path}.fixedIPs[{place}].subnet") for place in places]
    ids = {it.subnet_id for it in port.fixed_ips} if port else set(named) if named and all(named) else None
    known = (it for it in seen.found[SPACES] if isinstance(it, Subnet) and it.network_id == network)
    return _Space(entry.path, network, tuple(it for it in known if ids is None or it.id in ids))


def _named(id: str, seen: Seen) -> str:
    network = next((it for it in seen.found[SPACES] if isinstance(it, Network) and it.id == id), None)
    return f"network {network.name} ({id})" if network and network.name else f"network {id}"
