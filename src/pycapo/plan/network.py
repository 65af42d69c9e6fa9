# SPDX-License-Identifier: Apache-2.0
"""The cluster network: made with its subnet when the spec says `managedSubnets`, else found.

    managedSubnets  -> network -> subnet, ours, kept as the spec says
    network/subnets -> exactly one network, its subnets or those named

And the external network: the one named, else the only one there is, else none.
"""

import ipaddress
from typing import Any

import msgspec

from pycapo.api.cluster import SubnetSpec
from pycapo.api.references import NetworkParam, SubnetParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan, Ref, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.choose import LOOK_AGAIN, candidates, choose_one, query_of, spelled

CONDITION = "NetworkReady"


class Site(msgspec.Struct, frozen=True):
    """A subnet of the cluster network: what it is or will be, and its addresses."""

    ref: Ref
    cidr: str
    record: Subnet | None = None


class Ground(msgspec.Struct, frozen=True):
    """The cluster network with its subnets; `primary` carries the VIP. Records are there for what was seen."""

    ref: Ref
    sites: tuple[Site, ...]
    primary: Site
    record: Network | None = None


def plan_network(asked: Asked, seen: Seen) -> tuple[Plan, Ground | None]:
    """What makes or finds the cluster network, and the network if it can be told."""
    if asked.spec.managed_subnets:
        return _managed(asked, seen, asked.spec.managed_subnets)
    ground = _existing(asked, seen)
    return (Plan(waits=(ground,)), None) if isinstance(ground, Wait) else (Plan(), ground)


def plan_external(asked: Asked, seen: Seen) -> tuple[Plan, Network | None]:
    """The external network, None for a cluster without one; a wait when the spec leaves a choice."""
    if asked.spec.enable_external_network is False:
        return Plan(), None
    path, wanted = "spec.externalNetwork", asked.spec.external_network
    found = _networks(seen, path)
    if wanted is None and not found:
        return Plan(), None
    if wanted is None and len(found) > 1:
        message = f"{len(found)} external networks ({candidates(found)}): name the one to use"
        wait = Wait(condition=CONDITION, reason="Ambiguous", message=message, path=path, after=LOOK_AGAIN)
        return Plan(waits=(wait,)), None
    told = (
        f"{spelled(query_of(wanted))} among the external ones"
        if wanted and not wanted.id
        else spelled(query_of(wanted))
    )
    chosen = choose_one(found, path=path, kind=Kind.NETWORK, wanted=told, condition=CONDITION)
    return (Plan(waits=(chosen,)), None) if isinstance(chosen, Wait) else (Plan(), chosen)


def _managed(asked: Asked, seen: Seen, wanted: list[SubnetSpec]) -> tuple[Plan, Ground]:
    key = Key(Kind.NETWORK, roles.NETWORK)
    network, steps = kept(asked, seen, key, Network)
    if network is None:
        steps = (_creation(asked, key),)
    else:
        steps += _network_repairs(asked, network)
    ref: Ref = network.id if network else key
    sites = []
    for index, spec in enumerate(wanted):
        more, site = _managed_subnet(asked, seen, ref, index, spec)
        steps += more
        sites.append(site)
    return Plan(steps=steps), Ground(ref, tuple(sites), sites[0], network)


def _creation(asked: Asked, key: Key) -> Create:
    body: dict[str, Any] = {"name": asked.title, "description": asked.description, "admin_state_up": True}
    managed = asked.spec.managed_network
    if managed and managed.mtu:
        body["mtu"] = managed.mtu
    if managed and managed.enable_port_security is False:
        body["port_security_enabled"] = False
    return Create(
        key=key,
        body={**body, "tags": list(asked.tags)},
        mark=asked.mark(key.role),
        why=f"make network {asked.title}",
        path="spec.managedNetwork",
    )


def _network_repairs(asked: Asked, network: Network) -> tuple[Step, ...]:
    """What brings MTU and port security back to the spec, where the spec names them."""
    managed = asked.spec.managed_network
    if managed is None:
        return ()
    body: dict[str, Any] = {}
    if managed.mtu and network.mtu is not None and network.mtu != managed.mtu:
        body["mtu"] = managed.mtu
    secured = managed.enable_port_security
    if secured is not None and network.port_security_enabled not in (None, secured):
        body["port_security_enabled"] = secured
    if not body:
        return ()
    why = f"set {' and '.join(body)} of network {network.name}"
    return (Update(kind=Kind.NETWORK, id=network.id, body=body, why=why, path="spec.managedNetwork"),)


def _managed_subnet(
    asked: Asked, seen: Seen, network: Ref, index: int, spec: SubnetSpec
) -> tuple[tuple[Step, ...], Site]:
    key, path = Key(Kind.SUBNET, roles.subnet(index)), f"spec.managedSubnets[{index}]"
    subnet, steps = kept(asked, seen, key, Subnet)
    servers = list(spec.dns_nameservers or ())
    if subnet is None:
        body = _subnet_body(asked, network, spec)
        why = f"make subnet {spec.cidr} in network {asked.title}"
        return (Create(key=key, body=body, mark=asked.mark(key.role), why=why, path=path),), Site(key, spec.cidr)
    if list(subnet.dns_nameservers) != servers:
        why = f"set the DNS servers of subnet {subnet.name} to {', '.join(servers) or 'none'}"
        body = {"dns_nameservers": servers}
        steps += (Update(kind=Kind.SUBNET, id=subnet.id, body=body, why=why, path=f"{path}.dnsNameservers"),)
    return steps, Site(subnet.id, subnet.cidr, subnet)


def _subnet_body(asked: Asked, network: Ref, spec: SubnetSpec) -> dict[str, Any]:
    body: dict[str, Any] = {
        "network_id": network,
        "name": asked.title,
        "description": asked.description,
        "ip_version": ip_version(spec.cidr),
        "cidr": spec.cidr,
        "dns_nameservers": list(spec.dns_nameservers or ()),
        "tags": list(asked.tags),
    }
    if spec.allocation_pools:
        body["allocation_pools"] = [{"start": pool.start, "end": pool.end} for pool in spec.allocation_pools]
    return body


def ip_version(cidr: str) -> int:
    """4 or 6, of an address or a CIDR; 4 for what is neither, so that the cloud refuses it in its own words."""
    try:
        return ipaddress.ip_interface(cidr).version
    except ValueError:
        return 4


def _existing(asked: Asked, seen: Seen) -> Ground | Wait:
    path, wanted = "spec.network", asked.spec.network or NetworkParam()
    if asked.spec.network is None and not asked.spec.subnets:
        message = "give managedSubnets for a network that is made, or network or subnets for one that exists"
        return Wait(condition=CONDITION, reason="NoNetwork", message=message, path="spec", after=None)
    told = spelled(query_of(wanted)) if asked.spec.network else "the subnets of spec.subnets"
    network = choose_one(_networks(seen, path), path=path, kind=Kind.NETWORK, wanted=told, condition=CONDITION)
    if isinstance(network, Wait):
        first = _subnet(seen, "spec.subnets[0]", asked.spec.subnets[0]) if asked.spec.subnets else None
        return first if asked.spec.network is None and isinstance(first, Wait) else network
    sites = _existing_sites(asked, seen, network)
    if isinstance(sites, Wait):
        return sites
    primary = sites[0]
    if asked.spec.primary_subnet:
        chosen = _subnet(seen, "spec.primarySubnet", asked.spec.primary_subnet, network)
        if isinstance(chosen, Wait):
            return chosen
        primary = Site(chosen.id, chosen.cidr, chosen)
    return Ground(network.id, sites, primary, network)


def _existing_sites(asked: Asked, seen: Seen, network: Network) -> tuple[Site, ...] | Wait:
    if not asked.spec.subnets:
        found = subnets_at(seen, "spec.subnets")
        if not found:
            message = f"network {network.name} ({network.id}) has no subnet"
            return Wait(condition=CONDITION, reason="NotFound", message=message, path="spec.network", after=LOOK_AGAIN)
        order = {id: place for place, id in enumerate(network.subnets)}
        ordered = sorted(found, key=lambda item: (order.get(item.id, len(order)), item.id))
        return tuple(Site(item.id, item.cidr, item) for item in ordered)
    sites = []
    for index, wanted in enumerate(asked.spec.subnets):
        chosen = _subnet(seen, f"spec.subnets[{index}]", wanted, network)
        if isinstance(chosen, Wait):
            return chosen
        sites.append(Site(chosen.id, chosen.cidr, chosen))
    return tuple(sites)


def _subnet(seen: Seen, path: str, wanted: SubnetParam, network: Network | None = None) -> Subnet | Wait:
    """The one subnet that a reference means, in a network if one is given."""
    return choose_subnet(seen, path, wanted, network=network, condition=CONDITION)


def choose_subnet(
    seen: Seen, path: str, wanted: SubnetParam, *, network: Network | None, condition: str
) -> Subnet | Wait:
    """The one subnet of a network that a reference means."""
    found = [item for item in subnets_at(seen, path) if network is None or item.network_id == network.id]
    told = spelled(query_of(wanted)) + (f" in network {network.name} ({network.id})" if network else "")
    return choose_one(found, path=path, kind=Kind.SUBNET, wanted=told, condition=condition)


def subnets_at(seen: Seen, path: str) -> tuple[Subnet, ...]:
    """The subnets found for a path."""
    return tuple(item for item in seen.found.get(path, ()) if isinstance(item, Subnet))


def _networks(seen: Seen, path: str) -> tuple[Network, ...]:
    return tuple(item for item in seen.found.get(path, ()) if isinstance(item, Network))
