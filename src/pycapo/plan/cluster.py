# SPDX-License-Identifier: Apache-2.0
"""A cluster's infrastructure as one plan, and its end.

    network -> router -> security groups -> API endpoint
    floating IPs -> load balancer, until it is gone -> router -> ports -> subnets -> network -> security groups

Rule: the parts are cut by the condition that they make true. What has no mark of the cluster is never deleted.
"""

from collections.abc import Iterator, Sequence

from pycapo.model.kinds import Kind
from pycapo.model.records import LoadBalancer, Network, Port, Record, Router, SecurityGroup, Subnet, SubnetPool
from pycapo.model.seen import Seen
from pycapo.model.steps import Delete, Key, Plan, Step, Wait
from pycapo.plan import balancer, endpoint, named_networks, network, roles, router, security, subnet_pools, zones
from pycapo.plan.asked import Asked, kept
from pycapo.plan.report import Parts

SHOWN = 5
BASTION = "BastionReady"
OPTIONAL = frozenset({named_networks.CONDITION, zones.CONDITION})
"""Conditions that are there only while the spec asks for what they tell of."""
HARMLESS = frozenset({"NotUsed", "NotSupported"})
"""Reasons of waits that tell of something and keep nothing from working."""
_BY_NEUTRON = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")
"""Owners of ports that Neutron deletes together with the network."""
_ROUTERS = "network:router", "network:ha_router"
SWEEP = 5.0
"""Seconds until what is in the way of a removal is looked at again."""


def plan_cluster(asked: Asked, seen: Seen) -> Parts:
    """What brings the infrastructure to what the spec says, by condition type in the order in which it is done."""
    leading, external = network.plan_external(asked, seen)
    laying, ground = network.plan_network(asked, seen)
    parts = {network.CONDITION: leading + laying}
    way: router.Way | None = None
    if leading.waits and asked.spec.router is None:
        unknown = "the external network is not known yet"
        parts[router.CONDITION] = _waiting(router.CONDITION, unknown)
        parts[security.CONDITION] = security.plan_security(asked, seen, ground)
        parts[balancer.CONDITION] = _waiting(balancer.CONDITION, unknown)
    else:
        joining, way = router.plan_router(asked, seen, ground, external)
        if asked.spec.router or asked.spec.managed_subnets:
            parts[router.CONDITION] = joining
        parts[security.CONDITION] = security.plan_security(asked, seen, ground)
        parts[balancer.CONDITION] = endpoint.plan_endpoint(asked, seen, ground, way, external)
    if asked.spec.control_plane_availability_zones:
        parts[zones.CONDITION] = zones.plan_zones(asked, seen)
    named = sum((each.plan for each in named_networks.plan_named(asked, seen, way)), Plan())
    leaving = named_networks.plan_unnamed(asked, seen)
    if asked.spec.networks or not leaving.settled:
        parts[named_networks.CONDITION] = named + leaving
    return parts


def complete(parts: Parts) -> bool:
    """Whether machines can join: all that they need was seen."""
    needed = [part for condition, part in parts.items() if condition not in (BASTION, named_networks.CONDITION)]
    return not any(part.steps or any(wait.reason not in HARMLESS for wait in part.waits) for part in needed)


def _waiting(condition: str, message: str) -> Plan:
    return Plan(waits=(Wait(condition=condition, reason="WaitingForNetwork", message=message, after=None),))


def plan_retirement(asked: Asked, seen: Seen, remaining: Sequence[str]) -> Plan:
    """What takes the infrastructure away, innermost first; `remaining` names machines and servers that still use it."""
    if remaining:
        shown = ", ".join(remaining[:SHOWN]) + (f" and {len(remaining) - SHOWN} more" if len(remaining) > SHOWN else "")
        message = f"{len(remaining)} machines still exist: {shown}"
        return Plan(waits=(_hold("WaitingForMachines", message),))
    taking = tuple(_taken_over(asked, seen))
    if taking:
        return Plan(steps=taking)
    freeing = tuple(_delete(item, Kind.FLOATING_IP) for item in seen.all(Kind.FLOATING_IP, Record))
    balancing = _end_of_balancers(seen)
    if not balancing.settled:
        return Plan(steps=freeing) + balancing
    in_the_way = (*_in_the_way(seen), *_carved(seen))
    if in_the_way:
        return Plan(steps=(*freeing, *_detached(seen)), waits=in_the_way)
    last = (Kind.ROUTER, Kind.PORT, Kind.SUBNET, Kind.NETWORK, Kind.SUBNET_POOL, Kind.SECURITY_GROUP)
    deleted = tuple(_delete(item, kind) for kind in last for item in _in_order(seen, kind))
    return Plan(steps=(*freeing, *_detached(seen), *deleted))


def _taken_over(asked: Asked, seen: Seen) -> Iterator[Step]:
    """Marks what the Go provider made for this cluster, so that it is ours to delete; the rest goes with these."""
    wholes: tuple[tuple[Kind, str, type[Record]], ...] = (
        (Kind.NETWORK, roles.NETWORK, Network),
        (Kind.SUBNET, roles.subnet(0), Subnet),
        (Kind.ROUTER, roles.ROUTER, Router),
        (Kind.SECURITY_GROUP, roles.CONTROL_PLANE_GROUP, SecurityGroup),
        (Kind.SECURITY_GROUP, roles.WORKER_GROUP, SecurityGroup),
        (Kind.SECURITY_GROUP, roles.BASTION_GROUP, SecurityGroup),
        (Kind.LOAD_BALANCER, roles.LOAD_BALANCER, LoadBalancer),
    )
    for kind, role, record in wholes:
        there, steps = kept(asked, seen, Key(kind, role), record)
        if there is not None and there.mark is None:
            yield from steps
    address, steps = endpoint.held_address(asked, seen)
    if address is not None and address.mark is None:
        yield from steps


def _hold(reason: str, message: str, after: float = SWEEP) -> Wait:
    return Wait(condition="Ready", reason=reason, message=message, after=after)


def _delete(item: Record, kind: Kind) -> Delete:
    told = getattr(item, "floating_ip_address", "") or item.name or item.id
    return Delete(kind=kind, id=item.id, why=f"delete {kind} {told}")


def _in_order(seen: Seen, kind: Kind) -> Sequence[Record]:
    return sorted(seen.all(kind, Record), key=lambda item: (item.name or "", item.id))


def _end_of_balancers(seen: Seen) -> Plan:
    """Deletes load balancers with all their parts, and waits until they are gone: their ports are in the network."""
    steps: list[Step] = []
    waits: list[Wait] = []
    for item in seen.all(Kind.LOAD_BALANCER, LoadBalancer):
        status = item.provisioning_status
        told = f"load balancer {item.name} ({item.id}) is {status}"
        if status.startswith("PENDING"):
            waits.append(_hold("WaitingForLoadBalancer", told, balancer.POLL))
        else:
            why = f"delete load balancer {item.name} with its parts"
            steps.append(Delete(kind=Kind.LOAD_BALANCER, id=item.id, why=why, body={"cascade": True}))
    return Plan(steps=tuple(steps), waits=tuple(waits))


def _detached(seen: Seen) -> Iterator[Step]:
    """Takes our router out of our subnets, and a router that existed before out of them too."""
    ours = {item.id for item in seen.all(Kind.SUBNET, Subnet)}
    for port in seen.beside.get(Kind.ROUTER_INTERFACE, ()):
        joined = {address.subnet_id for address in port.fixed_ips} if isinstance(port, Port) else set()
        if isinstance(port, Port) and joined and joined <= ours:
            yield router.leave(port)


def _in_the_way(seen: Seen) -> Iterator[Wait]:
    """What others put on our network or our router: it is named, never touched."""
    networks = {item.id: item.name for item in seen.all(Kind.NETWORK, Network)}
    routers = {item.id: item.name for item in seen.all(Kind.ROUTER, Router)}
    subnets = {item.id for item in seen.all(Kind.SUBNET, Subnet)}
    foreign = [port for port in seen.beside.get(Kind.PORT, ()) if isinstance(port, Port) and _foreign(port, networks)]
    if foreign:
        shown = ", ".join(
            f"{port.name or 'unnamed'} ({port.id}, {port.device_owner or 'no device'})" for port in foreign[:SHOWN]
        )
        more = f" and {len(foreign) - SHOWN} more" if len(foreign) > SHOWN else ""
        message = f"{len(foreign)} ports that are not the cluster's are on its network: {shown}{more}"
        yield _hold("WaitingForPorts", message)
    for port in seen.beside.get(Kind.ROUTER_INTERFACE, ()):
        if (
            isinstance(port, Port)
            and port.device_id in routers
            and not {a.subnet_id for a in port.fixed_ips} <= subnets
        ):
            message = (
                f"router {routers[port.device_id]} still joins subnets that are not the cluster's (port {port.id})"
            )
            yield _hold("WaitingForRouter", message)


def _carved(seen: Seen) -> Iterator[Wait]:
    """Subnets of others that are carved out of our pools: a pool cannot go before them."""
    for pool in seen.all(Kind.SUBNET_POOL, SubnetPool):
        ours = {it.id for it in seen.all(Kind.SUBNET, Subnet)}
        if left := [it for it in subnet_pools.subnets_of(seen, pool) if it.id not in ours]:
            yield subnet_pools.still_carved(pool, left, condition="Ready", after=SWEEP)


def _foreign(port: Port, networks: dict[str, str | None]) -> bool:
    return port.network_id in networks and not port.device_owner.startswith((*_BY_NEUTRON, *_ROUTERS))
