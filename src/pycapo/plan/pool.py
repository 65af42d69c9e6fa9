# SPDX-License-Identifier: Apache-2.0
"""The life of a floating IP pool, decided: which address goes to which claim, what is made, what is given back.

    claim        -> a free address: pre-allocated first, then ours, else one is made -> IPAddress
    IPAddress of a claim that is gone -> floating IP deleted (Delete, ours) or pointed nowhere -> free again

Rule: only what carries the pool's mark is ever deleted. An address is free while no IPAddress holds it and it points nowhere: so
whatever moment a process dies at, the next look finds what it made and hands it out.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from pycapo.api.cluster import NetworkStatus
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackFloatingIPPoolStatus
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FloatingIP, Network, Port
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan.choose import choose_one, query_of, spelled

POOL_READY = "OpenstackFloatingIPPoolReadyCondition"
NETWORK = "spec.floatingIPNetwork"
ROLE = "address"
"""The role of every floating IP that a pool made: which claim has it is told by the IPAddress, not by the mark."""

AT_ONCE = 10
"""How many floating IPs one pass makes: those it has are handed out before it makes more."""

LOOK_AGAIN = 60.0
_THEIR_TAG = "cluster-api-provider-openstack-fip-pool-"
_THEIR_WORDS = "Created by cluster-api-provider-openstack OpenStackFloatingIPPool "


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """An IPAddress of the pool; `released` when its claim is gone and it waits for us to let it go."""

    name: str
    address: str
    released: bool = False


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """What Kubernetes holds of a pool: names of claims that wait, the addresses given, and names that others took.

    `servers` are the owners in the marks of the servers that waiting claims are for, by the claim's name.
    """

    wishes: tuple[str, ...] = ()
    servers: Mapping[str, str] = {}
    held: tuple[Held, ...] = ()
    taken: tuple[str, ...] = ()


class Grant(msgspec.Struct, frozen=True):
    """An address for a claim."""

    claim: str
    address: str


class PoolPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to hand out, what to take back first (`released`: the IPAddresses that may go then), what to make and to wait for."""

    grants: tuple[Grant, ...] = ()
    releases: Plan = Plan()
    released: tuple[str, ...] = ()
    rest: Plan = Plan()
    status: OpenStackFloatingIPPoolStatus


def pre_allocated_path(index: int) -> str:
    """The field of one address that exists."""
    return f"spec.preAllocatedFloatingIPs[{index}]"


def network_query(pool: OpenStackFloatingIPPool) -> dict[str, str]:
    """The list filters of the external network; without one in the spec, all external networks."""
    query = dict(query_of(pool.spec.floating_ip_network))
    return query if "id" in query else {**query, "router:external": "true"}


def plan_pool(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> PoolPlan:
    """What a pool that shall exist does now."""
    free, network = free_addresses(pool, seen, book), _network(pool, seen)
    room = len(book.wishes) if pool.spec.max_ips is None else max(0, pool.spec.max_ips - len(book.held))
    served, later = book.wishes[:room], book.wishes[room:]
    again = {claim: address for claim, address in _known_again(pool, seen, book) if claim in served}
    others = [claim for claim in served if claim not in again]
    lacking = others[len(free) :]
    grants = tuple(Grant(*given) for given in (*again.items(), *zip(others, free, strict=False)))
    waits = [*_pre_allocated_waits(pool, seen, book), *_taken_waits(book), *_limit_waits(pool, later)]
    made: tuple[Step, ...] = ()
    if isinstance(network, Wait):
        waits.append(network)
    elif network is not None:
        made = tuple(_create(pool, seen, network.id, claim) for claim in islice(lacking, AT_ONCE))
    status = _status(pool, seen, book, grants)
    status.floating_ip_network = network if isinstance(network, NetworkStatus) else None
    releases, released = _take_back(pool, seen, book)
    rest = Plan(steps=made, waits=tuple(waits))
    return PoolPlan(grants=grants, releases=releases, released=released, rest=rest, status=status)


def retire_pool(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> PoolPlan:
    """What takes a pool away: nothing while somebody holds an address of it; then everything it made, if nobody uses it."""
    releases, released = _take_back(pool, seen, book)
    status = _status(pool, seen, book, ())
    status.floating_ip_network = pool.status.floating_ip_network if pool.status else None
    if book.held or releases.steps:
        names = ", ".join(held.name for held in book.held[:3])
        wait = _wait("Deleting", f"{len(book.held)} IPAddresses are held ({names}); their claims go first", after=None)
        rest = Plan(waits=(wait,) if book.held else ())
        return PoolPlan(releases=releases, released=released, rest=rest, status=status)
    ours = [item for item in seen.all(Kind.FLOATING_IP, FloatingIP) if not _is_pre_allocated(pool, item)]
    used = tuple(_used(item, path="", after=LOOK_AGAIN / 2) for item in ours if item.port_id)
    gone = tuple(_delete(item, "its pool is deleted") for item in ours if not item.port_id)
    return PoolPlan(rest=Plan(steps=gone, waits=used), status=status)


def used_addresses(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> tuple[FloatingIP, ...]:
    """The floating IPs of the pool that point at a port although no IPAddress holds them."""
    held = {item.address for item in book.held}
    given = (*_pre_allocated(pool, seen), *seen.all(Kind.FLOATING_IP, FloatingIP))
    return tuple(it for it in given if it.port_id and it.floating_ip_address not in held)


def _known_again(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> Iterator[tuple[str, str]]:
    """The claims whose servers have an address of the pool already: their IPAddresses were lost, as in a move broken off."""
    ports = {it.id: it.mark.owner for it in seen.beside.get(Kind.PORT, ()) if isinstance(it, Port) and it.mark}
    used = {ports.get(it.port_id or "", ""): it.floating_ip_address for it in used_addresses(pool, seen, book)}
    for claim, server in book.servers.items():
        if server in used:
            yield claim, used[server]


def free_addresses(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> tuple[str, ...]:
    """The addresses that can be handed out, pre-allocated ones first."""
    held = {item.address for item in book.held}
    given = (*_pre_allocated(pool, seen), *sorted(seen.all(Kind.FLOATING_IP, FloatingIP), key=lambda it: it.id))
    free = (it.floating_ip_address for it in given if not it.port_id and it.floating_ip_address not in held)
    return tuple(dict.fromkeys(free))


def _pre_allocated(pool: OpenStackFloatingIPPool, seen: Seen) -> Iterator[FloatingIP]:
    for index in range(len(pool.spec.pre_allocated_floating_ips or ())):
        found = seen.found.get(pre_allocated_path(index), ())
        yield from (item for item in found[:1] if isinstance(item, FloatingIP))


def _is_pre_allocated(pool: OpenStackFloatingIPPool, item: FloatingIP) -> bool:
    return item.floating_ip_address in (pool.spec.pre_allocated_floating_ips or ())


def _network(pool: OpenStackFloatingIPPool, seen: Seen) -> NetworkStatus | Wait | None:
    """The external network: as it was looked up, else as it was noted."""
    found = seen.found.get(NETWORK)
    if found is None:
        return pool.status.floating_ip_network if pool.status else None
    networks = [item for item in found if isinstance(item, Network)]
    wanted = spelled(network_query(pool))
    chosen = choose_one(networks, path=NETWORK, kind=Kind.NETWORK, wanted=wanted, condition=POOL_READY)
    if isinstance(chosen, Wait):
        return msgspec.structs.replace(chosen, reason="UnableToFindNetwork")
    if not chosen.external:
        message = f'network {chosen.name} ({chosen.id}) was found, which is not external; name one with "External"'
        return Wait(condition=POOL_READY, reason="UnableToFindNetwork", path=NETWORK, message=message, after=LOOK_AGAIN)
    return NetworkStatus(id=chosen.id, name=chosen.name or "", tags=list(chosen.tags) or None)


def _create(pool: OpenStackFloatingIPPool, seen: Seen, network: str, claim: str) -> Create:
    place = f"{pool.metadata.namespace}/{pool.metadata.name}"
    return Create(
        key=Key(Kind.FLOATING_IP, claim),
        mark=Mark(seen.owner, ROLE),
        body={"floating_network_id": network, "description": f"Floating IP of pool {place}"[:200]},
        why=f"make a floating IP for claim {claim}",
        path=NETWORK,
    )


def _take_back(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> tuple[Plan, tuple[str, ...]]:
    """What takes back the floating IPs of claims that are gone, and their IPAddresses; marks go on before that."""
    adopted = tuple(_adopt(pool, seen))
    if adopted:
        return Plan(steps=adopted), ()
    return Plan(steps=tuple(_release(pool, seen, book))), tuple(item.name for item in book.held if item.released)


def _release(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> Iterator[Step]:
    released = {item.address for item in book.held if item.released}
    for item in seen.beside.get(Kind.FLOATING_IP, ()):
        if not isinstance(item, FloatingIP) or item.floating_ip_address not in released:
            continue
        ours = item.mark is not None and item.mark.owner == seen.owner
        if ours and pool.spec.reclaim_policy == "Delete" and not _is_pre_allocated(pool, item):
            yield _delete(item, "its claim is gone")
        elif item.port_id:
            why = f"point floating IP {item.floating_ip_address} nowhere: its claim is gone"
            yield Update(kind=Kind.FLOATING_IP, id=item.id, body={"port_id": None}, why=why)


def _adopt(pool: OpenStackFloatingIPPool, seen: Seen) -> Iterator[Step]:
    """Puts our mark on what the Go provider made for this pool; `seen.named` holds only addresses that the pool gave or noted."""
    for item in seen.named.get(Kind.FLOATING_IP, ()):
        if not isinstance(item, FloatingIP) or _is_pre_allocated(pool, item):
            continue
        name = pool.metadata.name
        if f"{_THEIR_TAG}{name}" in item.tags or item.description == f"{_THEIR_WORDS}{name}":
            described = Mark(seen.owner, ROLE).described(item.description or "")
            why = f"floating IP {item.floating_ip_address} was made by the Go provider: mark it"
            yield Update(kind=Kind.FLOATING_IP, id=item.id, body={"description": described}, why=why)


def _pre_allocated_waits(pool: OpenStackFloatingIPPool, seen: Seen, book: Book) -> Iterator[Wait]:
    """What is wrong with the addresses that the spec names."""
    held = {item.address for item in book.held}
    for index, address in enumerate(pool.spec.pre_allocated_floating_ips or ()):
        path = pre_allocated_path(index)
        found = next((it for it in seen.found.get(path, ()) if isinstance(it, FloatingIP)), None)
        if found is None:
            message = f"no floating IP of this project has the address {address}"
            yield Wait(condition=POOL_READY, reason="NotFound", path=path, message=message, after=LOOK_AGAIN)
        elif found.port_id and address not in held:
            yield _used(found, path=path, after=LOOK_AGAIN)


def _taken_waits(book: Book) -> Iterator[Wait]:
    for name in book.taken:
        message = f"IPAddress {name} exists and was not made for the claim of its name; it is left alone"
        yield _wait("NameTaken", message, after=None)


def _limit_waits(pool: OpenStackFloatingIPPool, later: Sequence[str]) -> Iterator[Wait]:
    if later:
        message = f"{len(later)} claims wait ({', '.join(later[:3])}): all {pool.spec.max_ips} floating IPs are in use"
        yield Wait(condition=POOL_READY, reason="MaxIPsReached", path="spec.maxIPs", message=message, after=None)


def _used(item: FloatingIP, *, path: str, after: float) -> Wait:
    message = f"floating IP {item.floating_ip_address} ({item.id}) is in use at port {item.port_id}"
    return Wait(condition=POOL_READY, reason="InUse", path=path, message=message, after=after)


def _status(
    pool: OpenStackFloatingIPPool, seen: Seen, book: Book, grants: tuple[Grant, ...]
) -> OpenStackFloatingIPPoolStatus:
    """The status as it was seen and with what is handed out, with the conditions that it had."""
    before = pool.status or OpenStackFloatingIPPoolStatus()
    given = {grant.address for grant in grants}
    claimed = {item.address for item in book.held if not item.released} | given
    free = [address for address in free_addresses(pool, seen, book) if address not in given]
    unusable = list(_pre_allocated_waits(pool, seen, book))
    paths = {wait.path for wait in unusable}
    wanted = enumerate(pool.spec.pre_allocated_floating_ips or ())
    failed = [address for index, address in wanted if pre_allocated_path(index) in paths]
    return msgspec.structs.replace(before, claimed_ips=sorted(claimed), available_ips=free, failed_ips=failed or None)


def _delete(item: FloatingIP, why: str) -> Delete:
    return Delete(kind=Kind.FLOATING_IP, id=item.id, why=f"delete floating IP {item.floating_ip_address}: {why}")


def _wait(reason: str, message: str, *, after: float | None) -> Wait:
    return Wait(condition=POOL_READY, reason=reason, message=message, after=after)
