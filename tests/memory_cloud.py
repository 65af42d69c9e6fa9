# SPDX-License-Identifier: Apache-2.0
"""A cloud in memory for the tests of plans, of acting and of controllers: it behaves like OpenStack as far as they can see.

    cloud = MemoryCloud()
    cloud.fail_next(Kind.PORT, "create", QuotaExceeded("..."))              # before anything is made
    cloud.fail_next(Kind.SERVER, "create", Unanswered("..."), after=True)   # after the work was done
    cloud.die_at(3)                                                         # Killed instead of the third write
    again = cloud.restarted()                                               # a new process looks at the same world

The picture is that of the real implementation (`cloud.inventory`) over a world in memory. Every look lists anew, unless the
cloud was made with a clock: then `max_age` counts, as it does over the real APIs.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec

import memory_neutron as neutron
import memory_nova as nova
import memory_octavia as octavia
from memory_world import World
from pycapo.cloud.cloud import BULK
from pycapo.cloud.errors import BadRequest, CloudError, NotFound, QuotaExceeded
from pycapo.cloud.inventory import Inventory
from pycapo.cloud.marking import BALANCING, kept_mark, marked, never_borrowed
from pycapo.cloud.matching import matches
from pycapo.cloud.page import Snapshot, listed_as
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Fault, Flavor, Image, Network, Port, Record, Room, Zone

PROJECT = "project-1"


class Killed(BaseException):
    """The process ended here."""


class _Fault(msgspec.Struct):
    kind: Kind | None
    verb: str
    error: BaseException
    after: bool


class MemoryCloud:
    """One project's view of a world; `calls` counts requests by verb and kind, bulk as one, `writes` those that change."""

    def __init__(
        self,
        world: World | None = None,
        *,
        project_id: str = PROJECT,
        region: str = "RegionOne",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.world = world or World()
        self.project_id = project_id
        self.region = region
        self.calls: Counter[tuple[str, Kind]] = Counter()
        self.writes = self.readings = 0
        self._room: Room | None = None
        self._faults: list[_Fault] = []
        self._death: tuple[int, bool] | None = None
        self._clock = clock
        self._inventory = Inventory(self._list, clock=clock or (lambda: 0.0))
        neutron.default_group(self.world, project_id)

    # the port

    def look(self, kinds: Collection[Kind], *, max_age: float = 300.0) -> Snapshot:
        if self._clock is None:
            self._inventory.doubt(kinds)
        return self._inventory.look(kinds, max_age=max_age)

    def find(self, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
        with self._called("find", kind):
            return tuple(record for record in self.world.records[kind].values() if matches(record, query))

    def extensions(self, needed: Collection[str] = ()) -> frozenset[str]:
        return self.world.extensions

    def services(self, needed: Collection[str] = ()) -> frozenset[str]:
        return self.world.services

    def zones(self) -> tuple[Zone, ...]:
        return self.world.zones

    def room(self, *, anew: bool = False) -> Room:
        if anew or self._room is None:
            self.readings += 1
            self._room = Room(time.monotonic(), nova.quotas(self.world, self.project_id))
        return self._room

    def create(
        self,
        kind: Kind,
        bodies: Sequence[Mapping[str, Any]],
        *,
        marks: Sequence[Mark | None],
        parent: str | None = None,
    ) -> tuple[Record, ...]:
        if len(bodies) != len(marks) or (len(bodies) > 1 and kind not in BULK):
            raise AssertionError(f"{len(bodies)} bodies and {len(marks)} marks of {kind}")
        self._require_service(kind)
        sent = [marked(kind, body, mark, self.world.extensions) for body, mark in zip(bodies, marks, strict=True)]
        made: list[Record] = []
        with self._inventory.writing(kind), self._written("create", kind):
            saved = {which: dict(records) for which, records in self.world.records.items()}
            try:
                for body in sent:
                    self._check_quota(kind)
                    made.append(self._make(kind, body, parent))
            except CloudError:
                self.world.records = saved
                raise
        self._take_in(kind, made)
        return tuple(made)

    def update(self, kind: Kind, id: str, body: Mapping[str, Any], *, parent: str | None = None) -> Record:
        with self._inventory.writing(kind), self._written("update", kind):
            sent = kept_mark(kind, self.world.get(kind, id), body)
            record = self._change(kind, id, sent)
        self._take_in(kind, [record])
        return record

    def delete(self, kind: Kind, id: str, *, parent: str | None = None, body: Mapping[str, Any] | None = None) -> None:
        never_borrowed(kind, self.world.records[listed_as(kind)].get(id))
        with self._inventory.writing(kind), self._written("delete", kind):
            try:
                self._remove(kind, id, parent, body or {})
            except NotFound:
                self._inventory.doubt([kind])
        if left := self.world.records[kind].get(id) if listed_as(kind) is kind else None:
            self._inventory.put(kind, [left])
        elif listed_as(kind) is kind:
            self._inventory.drop(kind, [id])
            subnets = {it.id for it in self._inventory.known(Kind.SUBNET)} - set(self.world.records[Kind.SUBNET])
            self._inventory.drop(Kind.SUBNET, subnets)
        elif kind is Kind.NETWORK_CLAIM:
            self._inventory.put(Kind.NETWORK, [self.world.get(Kind.NETWORK, id)])
        elif kind is Kind.SERVER_INTERFACE and isinstance(port := self._inventory.get(Kind.PORT, id), Port):
            self._inventory.put(Kind.PORT, [msgspec.structs.replace(port, leaving=True)])
        else:
            self._inventory.doubt([kind])

    # knobs

    def fail_next(self, kind: Kind | None, verb: str, error: BaseException, *, after: bool = False) -> None:
        """Let the next call of a verb (look, find, create, update, delete) on a kind (None: any) fail, before or after its work."""
        self._faults.append(_Fault(kind, verb, error, after))

    def die_at(self, write: int, *, after: bool = False) -> None:
        """Raise `Killed` at the n-th write from now, counted from 1: before or after its work."""
        self._death = (self.writes + write, after)

    def break_servers(self, message: str | None, *, code: int = 500) -> None:
        """Let servers that are made from now on end in ERROR with this fault; None ends that."""
        self.world.server_fault = None if message is None else Fault(code, message)

    def restarted(self, *, project_id: str = "") -> "MemoryCloud":
        """A new process, or another project, that looks at the same world."""
        return MemoryCloud(self.world, project_id=project_id or self.project_id, region=self.region, clock=self._clock)

    def snapshot(self) -> dict[str, tuple[Record, ...]]:
        """Everything there is, in all projects, for comparing before and after."""
        kinds = {
            kind: tuple(sorted(found.values(), key=lambda record: record.id))
            for kind, found in self.world.records.items()
        }
        return {str(kind): found for kind, found in kinds.items() if found}

    def all(self, kind: Kind) -> tuple[Any, ...]:
        """The true records of a kind in this project, without a look."""
        return tuple(record for record in self.world.records[kind].values() if record.project_id == self.project_id)

    # inside

    def _list(self, kind: Kind) -> Iterator[Record]:
        with self._called("look", kind):
            self.world.pass_look(kind)
            return iter(
                [record for record in self.world.records[kind].values() if record.project_id == self.project_id]
            )

    def _called(self, verb: str, kind: Kind) -> "_Call":
        return _Call(self, verb, kind)

    def _written(self, verb: str, kind: Kind) -> "_Call":
        self.writes += 1
        return _Call(self, verb, kind, write=self.writes)

    def _raise_faults(self, verb: str, kind: Kind, write: int, *, after: bool) -> None:
        if self._death == (write, after):
            self._death = None
            raise Killed(f"{'after' if after else 'before'} write {write} ({verb} {kind})")
        for fault in self._faults:
            if fault.verb == verb and fault.after is after and fault.kind in (None, kind):
                self._faults.remove(fault)
                raise fault.error

    def _require_service(self, kind: Kind) -> None:
        if kind in BALANCING and "load-balancer" not in self.world.services:
            raise NotFound("The catalog has no load-balancer service", status=None)
        if kind is Kind.TRUNK and "trunk" not in self.world.extensions:
            raise NotFound("The resource could not be found.", status=404)

    def _check_quota(self, kind: Kind) -> None:
        limit = self.world.quota.get(kind)
        if limit is not None and len(self.all(kind)) >= limit:
            raise QuotaExceeded(f"Quota exceeded for resources: ['{kind}'].", status=409)

    def _take_in(self, kind: Kind, made: Sequence[Record]) -> None:
        """Put into the picture what a write brought, with the parts of a load balancer and the group of a rule."""
        if kind is Kind.SECURITY_GROUP_RULE:
            groups = {rule.security_group_id for rule in made}  # type: ignore[attr-defined]
            self._inventory.put(Kind.SECURITY_GROUP, [self.world.get(Kind.SECURITY_GROUP, id) for id in groups])
            return
        self._inventory.put(kind, made)
        if kind is Kind.SERVER:
            plugged = {port.id for port in self.all(Kind.PORT) for server in made if port.device_id == server.id}
            self._inventory.put(Kind.PORT, [self.world.get(Kind.PORT, id) for id in plugged])
        if kind in BALANCING:
            balancers = self.all(Kind.LOAD_BALANCER)
            self._inventory.put(Kind.LOAD_BALANCER, balancers)
            for part in BALANCING - {Kind.LOAD_BALANCER}:
                self._inventory.put(part, self.all(part))

    def _make(self, kind: Kind, body: Mapping[str, Any], parent: str | None) -> Any:
        world, project = self.world, self.project_id
        if kind in _PARTED and parent is None:
            raise BadRequest(f"A {kind} needs a parent")
        match kind:
            case Kind.MEMBER:
                return octavia.create_member(world, str(parent), body, project)
            case Kind.NETWORK_CLAIM:
                return neutron.claim_network(world, str(parent), body["tag"])
            case Kind.ROUTER_INTERFACE:
                return neutron.create_interface(world, str(parent), body)
            case Kind.SERVER_INTERFACE:
                return nova.attach(world, str(parent), body)
            case _ if kind in _CREATE:
                return _CREATE[kind](world, body, project)
        return world.make(kind, body, project=project)

    def _change(self, kind: Kind, id: str, body: Mapping[str, Any]) -> Any:
        if kind in BALANCING - {Kind.LOAD_BALANCER}:
            return octavia.update_part(self.world, kind, id, body)
        if kind in _UPDATE:
            return _UPDATE[kind](self.world, id, body)
        return self.world.change(kind, id, body)

    def _remove(self, kind: Kind, id: str, parent: str | None, body: Mapping[str, Any]) -> None:
        match kind:
            case Kind.ROUTER_INTERFACE:
                neutron.delete_interface(self.world, str(parent), id, body)
            case Kind.SERVER_INTERFACE:
                nova.detach(self.world, str(parent), id)
            case Kind.NETWORK_CLAIM:
                neutron.release_network(self.world, id, body["tag"])
            case Kind.LOAD_BALANCER:
                octavia.delete_balancer(self.world, id, body)
            case _ if kind in BALANCING:
                octavia.delete_part(self.world, kind, id)
            case _ if kind in _DELETE:
                _DELETE[kind](self.world, id)
            case _:
                self.world.get(kind, id)
                self.world.drop(kind, id)


class _Call:
    """One request: counted, and failed where a knob says so."""

    def __init__(self, cloud: MemoryCloud, verb: str, kind: Kind, *, write: int = 0) -> None:
        self._told = cloud, verb, kind, write

    def __enter__(self) -> None:
        cloud, verb, kind, write = self._told
        cloud.calls[verb, kind] += 1
        cloud._raise_faults(verb, kind, write, after=False)

    def __exit__(self, failed: object, *_: object) -> None:
        cloud, verb, kind, write = self._told
        if failed is None:
            cloud._raise_faults(verb, kind, write, after=True)


_PARTED = frozenset({Kind.MEMBER, Kind.ROUTER_INTERFACE, Kind.SERVER_INTERFACE, Kind.NETWORK_CLAIM})
_CREATE: Mapping[Kind, Callable[[World, Mapping[str, Any], str], Any]] = {
    Kind.NETWORK: neutron.create_network,
    Kind.SUBNET: neutron.create_subnet,
    Kind.SUBNET_POOL: neutron.create_subnet_pool,
    Kind.ROUTER: neutron.create_router,
    Kind.SECURITY_GROUP: neutron.create_security_group,
    Kind.SECURITY_GROUP_RULE: neutron.create_rule,
    Kind.PORT: neutron.create_port,
    Kind.TRUNK: neutron.create_trunk,
    Kind.FLOATING_IP: neutron.create_floating_ip,
    Kind.SERVER: nova.create_server,
    Kind.VOLUME: nova.create_volume,
    Kind.LOAD_BALANCER: octavia.create_balancer,
    Kind.LISTENER: octavia.create_listener,
    Kind.POOL: octavia.create_pool,
    Kind.HEALTH_MONITOR: octavia.create_monitor,
}
_UPDATE: Mapping[Kind, Callable[[World, str, Mapping[str, Any]], Any]] = {
    Kind.SUBNET_POOL: neutron.update_subnet_pool,
    Kind.ROUTER: neutron.update_router,
    Kind.PORT: neutron.update_port,
    Kind.TRUNK: neutron.update_trunk,
    Kind.FLOATING_IP: neutron.update_floating_ip,
    Kind.LOAD_BALANCER: octavia.update_balancer,
}
_DELETE: Mapping[Kind, Callable[[World, str], None]] = {
    Kind.NETWORK: neutron.delete_network,
    Kind.SUBNET: neutron.delete_subnet,
    Kind.SUBNET_POOL: neutron.delete_subnet_pool,
    Kind.ROUTER: neutron.delete_router,
    Kind.SECURITY_GROUP: neutron.delete_security_group,
    Kind.SECURITY_GROUP_RULE: neutron.delete_rule,
    Kind.PORT: neutron.delete_port,
    Kind.TRUNK: neutron.delete_trunk,
    Kind.FLOATING_IP: neutron.delete_floating_ip,
    Kind.SERVER: nova.delete_server,
    Kind.VOLUME: nova.delete_volume,
}


def a_memory_cloud(**knobs: Any) -> MemoryCloud:
    """A cloud with what an operator provides: external network "public" (203.0.113.0/24), flavor "m1.small", image "ubuntu"."""
    cloud = MemoryCloud(**knobs)
    world = cloud.world
    public = Network(
        id="public-id", name="public", external=True, status="ACTIVE", project_id="admin", subnets=("public-subnet",)
    )
    world.add(Kind.NETWORK, public)
    neutron.create_subnet(
        world, {"id": "public-subnet", "name": "public", "network_id": "public-id", "cidr": "203.0.113.0/24"}, "admin"
    )
    world.add(Kind.FLAVOR, Flavor(id="flavor-small", name="m1.small", ram=2048, vcpus=1, disk=20))
    world.add(Kind.IMAGE, Image(id="image-ubuntu", name="ubuntu", status="active", tags=("linux",)))
    return cloud
