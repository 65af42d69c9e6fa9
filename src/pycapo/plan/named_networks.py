# SPDX-License-Identifier: Apache-2.0
"""The named networks of a cluster: made with their subnets and joined to the router, or found.

    spec.networks[].managed -> network -> subnets -> (router: Cluster) interfaces, ours, kept as the spec says
    spec.networks[].network -> exactly one network that exists, never changed
    spec.networks[].perMachine -> subnet pools that the networks of machines are carved out of, or networks to claim
    taken out of the spec   -> interfaces, subnets, network, once nobody has a port there

Rule: machines wait for the network that they name; a named network keeps nothing else of a cluster from working.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from pycapo.api.networks import NAMED_NETWORKS, NO_GATEWAY, ManagedNamedNetwork, NamedNetwork, NamedSubnet
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Port, Record, Subnet, SubnetPool
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.choose import choose_one, query_of, spelled
from pycapo.plan.named_subnets import subnet_body, subnet_changes
from pycapo.plan.network_options import option_changes, options_body, policy_of
from pycapo.plan.router import Way, leave
from pycapo.plan.subnet_pools import plan_claims, plan_pools, plan_unwanted_pools

CONDITION = NAMED_NETWORKS
SWEEP = 30.0
"""Seconds until the ports that keep a network from going are looked at again."""


class Named(msgspec.Struct, frozen=True):
    """A named network as it was seen, and what is still to be done for it."""

    name: str
    plan: Plan
    record: Network | None = None
    subnets: tuple[Subnet, ...] = ()
    pools: tuple[SubnetPool, ...] = ()
    policy: str | None = None


def plan_named(asked: Asked, seen: Seen, way: Way | None) -> tuple[Named, ...]:
    """Each network of the spec, in its order."""
    return tuple(_plan(asked, seen, way, index) for index in range(len(asked.spec.networks or ())))


def plan_unnamed(asked: Asked, seen: Seen) -> Plan:
    """What takes away the named networks that the spec names no more."""
    wanted = {roles.named_network(network.name) for network in asked.spec.networks or ()}
    gone = [
        network
        for network in seen.all(Kind.NETWORK, Network)
        if network.mark and roles.is_named(network.mark.role) and network.mark.role not in wanted
    ]
    return sum((_retire(seen, network) for network in gone), Plan()) + plan_unwanted_pools(asked, seen)


def _plan(asked: Asked, seen: Seen, way: Way | None, index: int) -> Named:
    wanted, path = (asked.spec.networks or [])[index], f"spec.networks[{index}]"
    if wanted.managed is not None:
        return _managed(asked, seen, way, f"{path}.managed", wanted)
    if wanted.network is not None:
        where = f"{path}.network"
        found = [item for item in seen.found.get(where, ()) if isinstance(item, Network)]
        told = spelled(query_of(wanted.network))
        chosen = choose_one(found, path=where, kind=Kind.NETWORK, wanted=told, condition=CONDITION)
        if isinstance(chosen, Wait):
            return Named(wanted.name, Plan(waits=(chosen,)))
        there = tuple(item for item in seen.found.get(f"{where}.subnets", ()) if isinstance(item, Subnet))
        return Named(wanted.name, Plan(), chosen, tuple(sorted(there, key=lambda it: it.id)))
    return _per_machine(asked, seen, wanted, path)


def _per_machine(asked: Asked, seen: Seen, wanted: NamedNetwork, path: str) -> Named:
    """What machines make their networks of, and the QoS policy that these are to have."""
    plan, pools = plan_pools(asked, seen, wanted, path=path)
    plan += plan_claims(seen, wanted, path=path)
    policy = policy_of(seen, f"{path}.perMachine", wanted.per_machine) if wanted.per_machine else None
    if isinstance(policy, Wait):
        return Named(wanted.name, plan + Plan(waits=(policy,)), pools=pools)
    return Named(wanted.name, plan, pools=pools, policy=policy)


def _managed(asked: Asked, seen: Seen, way: Way | None, where: str, wanted: NamedNetwork) -> Named:
    key, managed = Key(Kind.NETWORK, roles.named_network(wanted.name)), wanted.managed or ManagedNamedNetwork()
    record = seen.one(Kind.NETWORK, key.role, Network)
    policy = policy_of(seen, where, managed)
    if isinstance(policy, Wait):
        return Named(wanted.name, Plan(waits=(policy,)), record)
    title = f"{asked.title}-{wanted.name}"
    tags = list(dict.fromkeys((*asked.tags, *(managed.tags or ()))))
    if record is None:
        body = _body(asked, managed, title=title, tags=tags, policy=policy)
        mark = asked.mark(key.role)
        steps: tuple[Step, ...] = (Create(key=key, body=body, mark=mark, why=f"make network {title}", path=where),)
    else:
        steps = (*_tagged(asked, seen, key, tags), *option_changes(managed, record, policy, path=where))
    plan, subnets = Plan(steps=steps), []
    for place, subnet in enumerate(managed.subnets or ()):
        spot = _Spot(asked, seen, wanted.name, record.id if record else key, f"{where}.subnets[{place}]")
        more, there = _subnet(spot, subnet, tags)
        plan += more
        if there is not None:
            subnets.append(there)
        plan += _joined(spot, subnet, there, managed, way)
    return Named(wanted.name, plan + _surplus(seen, wanted, record), record, tuple(subnets))


def _body(
    asked: Asked, managed: ManagedNamedNetwork, *, title: str, tags: list[str], policy: str | None
) -> dict[str, Any]:
    provider = managed.provider
    given = {
        "provider:network_type": provider.network_type if provider else None,
        "provider:physical_network": provider.physical_network if provider else None,
        "provider:segmentation_id": provider.segmentation_id if provider else None,
    }
    body = {"name": title, "description": asked.description, "admin_state_up": True, "tags": tags}
    body |= options_body(managed, policy)
    return {**body, **{name: value for name, value in given.items() if value is not None}}


def _tagged(asked: Asked, seen: Seen, key: Key, tags: list[str]) -> tuple[Step, ...]:
    """What gives a network or subnet of ours the user's tags, those of the cluster and its own."""
    own = msgspec.structs.replace(asked, spec=msgspec.structs.replace(asked.spec, tags=tags))
    return kept(own, seen, key, Network if key.kind is Kind.NETWORK else Subnet)[1]


class _Spot(msgspec.Struct, frozen=True):
    """Where a subnet belongs."""

    asked: Asked
    seen: Seen
    network: str
    ref: Ref
    path: str

    def key(self, subnet: NamedSubnet) -> Key:
        return Key(Kind.SUBNET, roles.named_subnet(self.network, subnet.name))


def _subnet(spot: _Spot, wanted: NamedSubnet, tags: list[str]) -> tuple[Plan, Subnet | None]:
    key = spot.key(wanted)
    record = spot.seen.one(Kind.SUBNET, key.role, Subnet)
    title = f"{spot.asked.title}-{spot.network}-{wanted.name}"
    if record is None:
        body = {"network_id": spot.ref, "name": title, "description": spot.asked.description, "tags": tags}
        body |= subnet_body(wanted)
        why = f"make subnet {wanted.cidr} in network {spot.network}"
        step = Create(key=key, body=body, mark=spot.asked.mark(key.role), why=why, path=spot.path)
        return Plan(steps=(step,)), None
    changes = subnet_changes(wanted, record)
    steps = list(_tagged(spot.asked, spot.seen, key, tags))
    if changes:
        why = f"set {', '.join(changes)} of subnet {record.name}"
        steps.append(Update(kind=Kind.SUBNET, id=record.id, body=changes, why=why, path=spot.path))
    return Plan(steps=tuple(steps)), record


def _joined(
    spot: _Spot, wanted: NamedSubnet, there: Subnet | None, managed: ManagedNamedNetwork, way: Way | None
) -> Plan:
    """Puts the cluster's router into a subnet, or takes it out of one that is to stay apart."""
    interfaces = [
        port
        for port in _interfaces(spot.seen)
        if there and way and port.device_id == way.ref and _addresses_in(port, there.id)
    ]
    if managed.router == "Cluster" and way is None:
        message = "the cluster has no router that the network could join; give the cluster one, or set router to None"
        return Plan(waits=(_wait("NoRouter", message, spot.path.rpartition(".subnets")[0] + ".router"),))
    if managed.router == "Cluster" and wanted.gateway == NO_GATEWAY:
        message = "a router joins a subnet at its gateway, and this one has none; give it one, or set router to None"
        return Plan(waits=(_wait("NoGateway", message, f"{spot.path}.gateway"),))
    if managed.router == "Cluster" and way is not None and not interfaces:
        step = Create(
            key=Key(Kind.ROUTER_INTERFACE, spot.key(wanted).role),
            body={"subnet_id": there.id if there else spot.key(wanted)},
            parent=way.ref,
            why=f"join subnet {wanted.cidr} of network {spot.network} to the router",
            path=spot.path.rpartition(".subnets")[0] + ".router",
        )
        return Plan(steps=(step,))
    if managed.router == "Cluster" or way is None:
        return Plan()
    return Plan(steps=tuple(leave(port) for port in interfaces))


def _surplus(seen: Seen, wanted: NamedNetwork, record: Network | None) -> Plan:
    """Takes away the subnets that the spec names no more, once nobody has an address there."""
    names = {subnet.name for subnet in (wanted.managed.subnets if wanted.managed else None) or ()}
    stay = {roles.named_subnet(wanted.name, name) for name in names}
    plan = Plan()
    for subnet in seen.all(Kind.SUBNET, Subnet):
        ours = record is not None and subnet.network_id == record.id
        if ours and subnet.mark and subnet.mark.role not in stay:
            users = [port for port in _ports(seen, subnet.network_id) if _addresses_in(port, subnet.id)]
            plan += _emptied(f"subnet {subnet.name}", users) if users else _removal(seen, [subnet])
    return plan


def _retire(seen: Seen, network: Network) -> Plan:
    users = _ports(seen, network.id)
    if users:
        return _emptied(f"network {network.name}", users)
    subnets = [item for item in seen.all(Kind.SUBNET, Subnet) if item.network_id == network.id]
    why = f"delete network {network.name}, which spec.networks names no more"
    last = Delete(kind=Kind.NETWORK, id=network.id, why=why)
    return _removal(seen, subnets) + Plan(steps=(last,))


def _removal(seen: Seen, subnets: Sequence[Subnet]) -> Plan:
    """Takes routers out of subnets and deletes these."""
    leaving = [leave(port) for it in subnets for port in _interfaces(seen) if _addresses_in(port, it.id)]
    gone = [Delete(kind=Kind.SUBNET, id=it.id, why=f"delete subnet {it.name}") for it in subnets]
    return Plan(steps=(*leaving, *gone))


def _emptied(what: str, ports: Sequence[Port]) -> Plan:
    shown = ", ".join(f"{port.name or 'unnamed'} ({port.id})" for port in ports[:5])
    more = f" and {len(ports) - 5} more" if len(ports) > 5 else ""
    message = f"{what} is to go, and {len(ports)} ports are still on it: {shown}{more}"
    return Plan(waits=(_wait("WaitingForPorts", message, "spec.networks", after=SWEEP),))


def _ports(seen: Seen, network: str) -> list[Port]:
    """The ports on a network that Neutron does not take away by itself."""
    found = (*seen.beside.get(Kind.PORT, ()), *seen.all(Kind.PORT, Record))
    by_neutron = "network:"
    return [
        item
        for item in found
        if isinstance(item, Port) and item.network_id == network and not item.device_owner.startswith(by_neutron)
    ]


def _interfaces(seen: Seen) -> list[Port]:
    return [item for item in seen.beside.get(Kind.ROUTER_INTERFACE, ()) if isinstance(item, Port)]


def _addresses_in(port: Port, subnet: str) -> bool:
    return any(address.subnet_id == subnet for address in port.fixed_ips)


def _wait(reason: str, message: str, path: str, *, after: float | None = 60.0) -> Wait:
    return Wait(condition=CONDITION, reason=reason, message=message, path=path, after=after)
