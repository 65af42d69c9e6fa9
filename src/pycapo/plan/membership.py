# SPDX-License-Identifier: Apache-2.0
"""The way from the API endpoint to a control plane node: a member in the load balancer, or the floating IP itself.

    machine runs -> member in each API pool          machine goes -> members out, before its server goes
    no balancer:    floating IP on its port                          floating IP to another living node, never deleted

Rule: one change of a load balancer at a time and only while it is ACTIVE, for it refuses any other; the address is that of the
port on the cluster network, by the network's id, in its primary subnet.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from pycapo.api.cluster import OpenStackCluster
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FloatingIP, LoadBalancer, Member, Pool, Port, Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan.addresses import address_on
from pycapo.plan.roles import ENDPOINT_ADDRESS

INGRESS_READY = "APIServerIngressReady"

BALANCER_AGAIN = 2.0
"""Seconds until a load balancer that is busy is looked at again."""

NOT_RUNNING_YET = Wait(
    condition=INGRESS_READY,
    reason="WaitingForInstance",
    message="the server of the machine does not run yet",
    after=None,
)

_POOL = "api-pool-"
LATER = 10_000

R = TypeVar("R", bound=Record)


class Seat(msgspec.Struct, frozen=True):
    """What a machine is to its load balancer: a name, the port and address it is reached at, and the cluster's tags."""

    name: str
    port: Port
    address: str
    tags: tuple[str, ...] = ()

    @property
    def subnet(self) -> str | None:
        """The subnet that the address is of."""
        return next((it.subnet_id for it in self.port.fixed_ips if it.ip_address == self.address), None)


def balanced(cluster: OpenStackCluster) -> bool:
    """Whether a load balancer is in front of the API servers."""
    server = cluster.spec.api_server
    return bool(server and server.managed_load_balancer and server.managed_load_balancer.enabled)


def floated(cluster: OpenStackCluster) -> bool:
    """Whether, without a load balancer, a floating IP leads to one of the control plane nodes."""
    server = cluster.spec.api_server
    wanted = server is None or server.enable_floating_ip is not False
    return not balanced(cluster) and wanted and cluster.spec.enable_external_network is not False


def plan_membership(name: str, cluster: OpenStackCluster, seen: Seen) -> Plan:
    """What makes a running control plane node of this name reachable through the API endpoint."""
    if not balanced(cluster) and not floated(cluster):
        return Plan()
    seat = seat_of(name, cluster, seen)
    if seat is None:
        return Plan(waits=(_nowhere(cluster),))
    return _join(seat, seen) if balanced(cluster) else _attach(seat.port, cluster, seen)


def leave(cluster: OpenStackCluster, seen: Seen) -> Plan:
    """What takes a control plane node out of the API endpoint's way before its server goes."""
    if cluster.metadata.deletion_timestamp:
        return Plan()  # the endpoint goes as a whole
    if floated(cluster):
        return Plan(steps=tuple(_hand_over(cluster, seen)))
    pools = {pool.id for pool in _beside(seen, Kind.POOL, Pool)}
    members = sorted(seen.all(Kind.MEMBER, Member), key=lambda item: item.id)
    return _one_at_a_time([_remove(member, "its machine goes") for member in members if member.pool_id in pools], seen)


def seat_of(name: str, cluster: OpenStackCluster, seen: Seen) -> Seat | None:
    """Where a machine is reached on the cluster network, in the primary subnet if there is one and the machine is in it."""
    where = _reached(cluster, sorted(seen.all(Kind.PORT, Port), key=_place))
    return Seat(name, where[0], where[1], tuple(cluster.spec.tags or ())) if where else None


def primary_subnet(cluster: OpenStackCluster) -> str | None:
    """The id of the subnet that the spec makes the primary one: as it gives it, else as status tells it, which has it first.

    None where the spec names no subnets: then Neutron's order of them, which may change, is no reason to move a node.
    """
    spec, network = cluster.spec, cluster.status.network if cluster.status else None
    first = spec.primary_subnet or next(iter(spec.subnets or ()), None)
    if first is None or first.id:
        return first.id if first else None
    return next((subnet.id for subnet in (network.subnets if network else None) or ()), None)


def _reached(cluster: OpenStackCluster, ports: Sequence[Port]) -> tuple[Port, str] | None:
    """The port and address of a node on the cluster network, of its primary subnet if the node is in it."""
    network = cluster.status.network if cluster.status else None
    if network is None:
        return None
    primary = primary_subnet(cluster)
    return (address_on(network.id, ports, primary) if primary else None) or address_on(network.id, ports)


def _join(seat: Seat, seen: Seen) -> Plan:
    pools = {port: pool for pool in _beside(seen, Kind.POOL, Pool) if (port := _served(pool))}
    if not pools:
        message = "the load balancer has no pool for the API server yet"
        return Plan(waits=(_wait("WaitingForLoadBalancer", message, after=10.0),))
    return _one_at_a_time(
        [step for port in sorted(pools) for step in _seated(seat, port, pools[port], seen=seen)], seen
    )


def _seated(seat: Seat, port: int, pool: Pool, *, seen: Seen) -> Iterator[Step]:
    """What gives a machine its one right member in a pool."""
    mark = Mark(seen.owner, f"member-{port}")
    mine = [item for item in seen.all(Kind.MEMBER, Member) if item.mark == mark and item.pool_id == pool.id]
    right = [item for item in mine if _sits(item, seat, port)]
    yield from (_remove(item, f"{seat.name} is reached at {seat.address}") for item in mine if item not in right)
    if right:
        return
    taken_over = (item for item in seen.named.get(Kind.MEMBER, ()) if isinstance(item, Member))
    for item in taken_over:
        if item.pool_id == pool.id and _sits(item, seat, port):
            why = f"member {item.name} was made by the Go provider: mark it"
            yield Update(kind=Kind.MEMBER, id=item.id, parent=pool.id, body={"tags": [*item.tags, mark.tag]}, why=why)
            return
    body = {"name": seat.name, "address": seat.address, "protocol_port": port, "subnet_id": seat.subnet}
    yield Create(
        key=Key(Kind.MEMBER, mark.role),
        mark=mark,
        parent=pool.id,
        body={**body, "tags": list(seat.tags)} if seat.tags else body,
        why=f"make {seat.name} a member of pool {pool.name}",
    )


def _sits(member: Member, seat: Seat, port: int) -> bool:
    return member.address == seat.address and member.protocol_port == port


def _one_at_a_time(steps: list[Step], seen: Seen) -> Plan:
    """The first change, if the load balancer takes one now; what is left is a wait."""
    if not steps:
        return Plan()
    balancer = next(iter(_beside(seen, Kind.LOAD_BALANCER, LoadBalancer)), None)
    state = balancer.provisioning_status if balancer else "not there"
    if state == "ACTIVE":
        message = f"{len(steps) - 1} more changes of the load balancer"
        return Plan(steps=(steps[0],), waits=(_wait("LoadBalancerBusy", message),) if len(steps) > 1 else ())
    failed = state == "ERROR"
    message = f"{steps[0].why}; the load balancer is {state} and takes changes only while it is ACTIVE"
    reason = "LoadBalancerMemberError" if failed else "LoadBalancerBusy"
    return Plan(waits=(_wait(reason, message, after=60.0 if failed else BALANCER_AGAIN),))


def _attach(port: Port, cluster: OpenStackCluster, seen: Seen) -> Plan:
    floating = endpoint_address(cluster, seen)
    if floating is None:
        message = "the cluster has no floating IP for the API server yet"
        return Plan(waits=(_wait("WaitingForFloatingIP", message, after=10.0),))
    if floating.port_id:
        return Plan()
    why = f"floating IP {floating.floating_ip_address} leads to no control plane node"
    return Plan(steps=(Update(kind=Kind.FLOATING_IP, id=floating.id, body={"port_id": port.id}, why=why),))


def _hand_over(cluster: OpenStackCluster, seen: Seen) -> Iterator[Step]:
    """Gives the floating IP to the port of another living control plane node, or to none."""
    floating = endpoint_address(cluster, seen)
    mine = {port.id for port in seen.all(Kind.PORT, Port)}
    if floating is None or floating.port_id not in mine:
        return
    heir = _reached(cluster, sorted(_beside(seen, Kind.PORT, Port), key=_place))
    why = f"floating IP {floating.floating_ip_address} leads to a node that goes"
    yield Update(kind=Kind.FLOATING_IP, id=floating.id, body={"port_id": heir[0].id if heir else None}, why=why)


def endpoint_address(cluster: OpenStackCluster, seen: Seen) -> FloatingIP | None:
    """The floating IP of the API server: the cluster's own by its mark, else the one whose address the spec gives."""
    given = cluster.spec.api_server.floating_ip if cluster.spec.api_server else None
    floating = _beside(seen, Kind.FLOATING_IP, FloatingIP)
    own = (item for item in floating if item.mark and item.mark.role == ENDPOINT_ADDRESS)
    named = (item for item in floating if given and item.floating_ip_address == given)
    return next(own, None) or next(named, None)


def _served(pool: Pool) -> int | None:
    """The port that a pool serves, from its role."""
    role = pool.mark.role if pool.mark else ""
    return int(role.removeprefix(_POOL)) if role.startswith(_POOL) and role.removeprefix(_POOL).isdigit() else None


def _place(port: Port) -> tuple[int, str]:
    """Ports in the order of the spec, by their roles; what was plugged in later comes last."""
    role = port.mark.role if port.mark else ""
    place = role.removeprefix("port-")
    later = 0 if role.startswith("port-") or not role else LATER
    return (int(place) if place.isdigit() else later, port.id)


def _remove(member: Member, why: str) -> Delete:
    return Delete(kind=Kind.MEMBER, id=member.id, parent=member.pool_id, why=f"member {member.name}: {why}")


def _beside(seen: Seen, kind: Kind, record: type[R]) -> list[R]:
    return [item for item in seen.beside.get(kind, ()) if isinstance(item, record)]


def _nowhere(cluster: OpenStackCluster) -> Wait:
    network = cluster.status.network if cluster.status else None
    message = (
        f"no port of the machine has an address on the cluster network {network.name if network else ''}, where the API server "
        "is reached: add an entry without a network to spec.ports, or leave spec.ports out"
    )
    return Wait(condition=INGRESS_READY, reason="NoClusterNetworkPort", path="spec.ports", message=message, after=60.0)


def _wait(reason: str, message: str, *, after: float | None = BALANCER_AGAIN) -> Wait:
    return Wait(condition=INGRESS_READY, reason=reason, message=message, after=after)
