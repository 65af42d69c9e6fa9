# SPDX-License-Identifier: Apache-2.0
"""Octavia's peculiarities: one creation brings all parts, a change of a part locks its load balancer, members hang on pools."""

from collections.abc import Iterable, Iterator

import msgspec

from pycapo.cloud.answers import decode, read
from pycapo.cloud.inventory import PARTS, Inventory
from pycapo.model.kinds import Kind
from pycapo.model.records import HealthMonitor, Listener, LoadBalancer, Member, Owned, Pool, Record


class _PoolParts(msgspec.Struct, frozen=True):
    members: tuple[Member, ...] = ()
    healthmonitor: HealthMonitor | None = None


class _Full(msgspec.Struct, frozen=True):
    """The answer to a load balancer's creation; the parts in it do not say to whom they belong."""

    id: str
    listeners: tuple[Listener, ...] = ()
    pools: tuple[msgspec.Raw, ...] = ()


def parts_of(content: bytes) -> Iterator[tuple[Kind, Record]]:
    """The parts that came with a load balancer, with the references that a list would show."""
    full = decode(content, "loadbalancer", _Full, Kind.LOAD_BALANCER)
    owner = (Owned(full.id),)
    for listener in full.listeners:
        yield Kind.LISTENER, msgspec.structs.replace(listener, loadbalancers=owner)
    for raw in full.pools:
        pool, parts = read(raw, Pool, Kind.POOL), read(raw, _PoolParts, Kind.POOL)
        yield (
            Kind.POOL,
            msgspec.structs.replace(
                pool,
                loadbalancers=owner,
                listeners=tuple(
                    Owned(listener.id) for listener in full.listeners if listener.default_pool_id == pool.id
                ),
                healthmonitor_id=parts.healthmonitor.id if parts.healthmonitor else None,
            ),
        )
        if parts.healthmonitor:
            yield Kind.HEALTH_MONITOR, msgspec.structs.replace(parts.healthmonitor, pools=(Owned(pool.id),))
        for member in parts.members:
            yield Kind.MEMBER, msgspec.structs.replace(member, pool_id=pool.id)


def lock(inventory: Inventory, kind: Kind, part: Record | None) -> None:
    """Show the load balancer of a changed part as pending, so that it is looked at again soon."""
    balancer = balancer_of(inventory, kind, part)
    if balancer is None:
        inventory.doubt([Kind.LOAD_BALANCER])
        return
    pending = msgspec.structs.replace(balancer, provisioning_status="PENDING_UPDATE")
    inventory.put(Kind.LOAD_BALANCER, [pending])


def balancer_of(inventory: Inventory, kind: Kind, part: Record | None) -> LoadBalancer | None:
    """The load balancer that a part belongs to, as far as the picture knows."""
    match part:
        case Member():
            return balancer_of(inventory, Kind.POOL, inventory.get(Kind.POOL, part.pool_id))
        case HealthMonitor() if part.pools:
            return balancer_of(inventory, Kind.POOL, inventory.get(Kind.POOL, part.pools[0].id))
        case Pool(loadbalancers=owners) | Listener(loadbalancers=owners) if owners:
            found = inventory.get(Kind.LOAD_BALANCER, owners[0].id)
            return found if isinstance(found, LoadBalancer) else None
    return None


def joined(inventory: Inventory, part: Record) -> None:
    """Show what a new part changes in its neighbours: a listener's pool, a pool's monitor or members."""
    match part:
        case Pool(listeners=owners):
            for owner in owners:
                listener = inventory.get(Kind.LISTENER, owner.id)
                if isinstance(listener, Listener):
                    inventory.put(Kind.LISTENER, [msgspec.structs.replace(listener, default_pool_id=part.id)])
        case HealthMonitor(pools=owners):
            for owner in owners:
                pool = inventory.get(Kind.POOL, owner.id)
                if isinstance(pool, Pool):
                    inventory.put(Kind.POOL, [msgspec.structs.replace(pool, healthmonitor_id=part.id)])
        case Member():
            _set_member(inventory, part, there=True)


def left(inventory: Inventory, kind: Kind, part: Record | None) -> None:
    """Show what the removal of a part changes: a member leaves its pool; for other parts all are looked at again."""
    if isinstance(part, Member):
        _set_member(inventory, part, there=False)
    else:
        inventory.doubt(PARTS)


def _set_member(inventory: Inventory, member: Member, *, there: bool) -> None:
    pool = inventory.get(Kind.POOL, member.pool_id)
    if isinstance(pool, Pool):
        others = tuple(owned for owned in pool.members if owned.id != member.id)
        members = (*others, Owned(member.id)) if there else others
        inventory.put(Kind.POOL, [msgspec.structs.replace(pool, members=members)])


def pools_with_members(pools: Iterable[Record]) -> Iterator[str]:
    """The pools that are ours, or look like the Go provider's, and have members."""
    for pool in pools:
        if isinstance(pool, Pool) and pool.members and (pool.mark or (pool.name or "").startswith(_GO_PROVIDER)):
            yield pool.id


_GO_PROVIDER = "k8s-clusterapi-cluster-"
