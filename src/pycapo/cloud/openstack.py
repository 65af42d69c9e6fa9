# SPDX-License-Identifier: Apache-2.0
"""`Cloud` over the real APIs: the nine verbs, each told by the module that knows its business.

look ── inventory ── listing ──┐
find ── kept ─────── listing ──┼── wire ── OpenStack
create, update, delete ─ writes ┘
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from pycapo.cloud import listing, network, writes
from pycapo.cloud.answers import read
from pycapo.cloud.balancer import pools_with_members
from pycapo.cloud.claims import Claims
from pycapo.cloud.cloud import BULK
from pycapo.cloud.errors import BadRequest, NotFound
from pycapo.cloud.inventory import PARTS, Inventory
from pycapo.cloud.kept import Kept
from pycapo.cloud.marking import TAGGED, kept_mark, marked, never_borrowed, tags_on_creation
from pycapo.cloud.page import Snapshot
from pycapo.cloud.quota import Rooms
from pycapo.cloud.rest import COMPUTE, NETWORK
from pycapo.cloud.unsure import Unsure
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Record, Room, Zone
from pycapo.model.steps import Delete

_LONG, _SHORT, _EMPTY = 300.0, 2.0, 3.0  # seconds that an answer to `find` is kept; the picture is believed as long
_LASTING = frozenset({Kind.SUBNET, Kind.SECURITY_GROUP, Kind.SERVER_GROUP})
# Of these a spec means one: several are a mistake that somebody is about to mend, so they are not kept for long.
_SINGLE = frozenset({Kind.IMAGE, Kind.FLAVOR, Kind.NETWORK, Kind.ROUTER, Kind.LOAD_BALANCER_FLAVOR, Kind.QOS_POLICY})
_EXTENSIONS_KEPT, _EXTENSIONS_MISSED, _ZONES_KEPT = 3600.0, 300.0, 300.0  # seconds
_PARENTS_AGE = 5.0  # seconds: how old the list of load balancers and pools may be by which parts are listed

Found = tuple[Record, ...]


class OpenStack:
    """One project of one region over one wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.project_id, self.region = wire.project_id, wire.region
        self._inventory = Inventory(self._list)
        self._unsure = Unsure()
        self._claims = Claims(self._inventory)
        self._lasting: Kept[Found] = Kept(lambda found: _LONG if found else _EMPTY)
        self._single: Kept[Found] = Kept(lambda found: _LONG if len(found) == 1 else _EMPTY)
        self._passing: Kept[Found] = Kept(lambda _: _SHORT)
        self._extensions: Kept[frozenset[str]] = Kept(lambda _: _EXTENSIONS_KEPT)
        self._missed: Kept[frozenset[str]] = Kept(lambda _: _EXTENSIONS_MISSED)
        self._zones: Kept[tuple[Zone, ...]] = Kept(lambda _: _ZONES_KEPT)
        self._room = Rooms(wire)

    def look(self, kinds: Collection[Kind], *, max_age: float = 300.0) -> Snapshot:
        """The picture with these kinds no older than `max_age` seconds."""
        return self._inventory.look(kinds, max_age=max_age)

    def find(self, kind: Kind, query: Mapping[str, str]) -> Found:
        """What matches the query, also outside the project."""
        kept = self._single if kind in _SINGLE else self._lasting if kind in _LASTING else self._passing
        key = kind, tuple(sorted(query.items()))
        return kept.get(key, lambda: listing.find(self._wire, kind, query))

    def extensions(self, needed: Collection[str] = ()) -> frozenset[str]:
        """Aliases of the Neutron extensions; they are read again, now and then, while one that is needed is missing."""
        known = self._extensions.get("", self._read_extensions)
        if known.issuperset(needed):
            return known
        return self._missed.get("", self._read_extensions_again)

    def services(self, needed: Collection[str] = ()) -> frozenset[str]:
        """Service types of the catalog, which is read again now and then while a needed one is missing."""
        return self._wire.services(needed)

    def zones(self) -> tuple[Zone, ...]:
        """Nova's availability zones."""
        return self._zones.get("", self._read_zones)

    def room(self, *, anew: bool = False) -> Room:
        """Nova's quotas, what was used of them when they were read."""
        return self._room.read(anew=anew)

    def create(
        self,
        kind: Kind,
        bodies: Sequence[Mapping[str, Any]],
        *,
        marks: Sequence[Mark | None],
        parent: str | None = None,
    ) -> tuple[Record, ...]:
        """Make resources, each with its mark in the creating request."""
        if len(bodies) != 1 and kind not in BULK:
            raise ValueError(f"{len(bodies)} bodies in one request: a {kind} is made one at a time")
        extensions = self.extensions() if kind in TAGGED else frozenset()
        sent = [marked(kind, body, mark, extensions) for body, mark in zip(bodies, marks, strict=True)]
        with self._changing(kind, parent), self._unsure.creating(kind, marks):
            made = writes.create(self._wire, self._inventory, kind, sent, parent)
            self._forget(kind)
            if kind in TAGGED and not tags_on_creation(kind, extensions):
                made = tuple(self._tagged(kind, record, body) for record, body in zip(made, bodies, strict=True))
        return made

    def update(self, kind: Kind, id: str, body: Mapping[str, Any], *, parent: str | None = None) -> Record:
        """Change fields; our mark stays."""
        with self._inventory.writing(kind), self._doubting():
            known = writes.known_or_read(self._wire, self._inventory, kind, id, parent)
            record = writes.update(self._wire, self._inventory, known, kind, kept_mark(kind, known, body))
        self._forget(kind)
        return record

    def delete(self, kind: Kind, id: str, *, parent: str | None = None, body: Mapping[str, Any] | None = None) -> None:
        """Remove a resource; one that is gone already counts as removed. What is only used is never removed."""
        never_borrowed(kind, self._inventory.get(kind, id))
        try:
            with self._changing(kind, parent):
                step = Delete(kind=kind, id=id, why="", parent=parent, body=body or {})
                writes.delete(self._wire, self._inventory, step)
        except NotFound:
            return
        finally:
            self._forget(kind)

    @contextmanager
    def _changing(self, kind: Kind, parent: str | None) -> Iterator[None]:
        """Around a write; what was found is forgotten when a service refuses what may hang on it."""
        with self._claims.changing(kind, parent), self._inventory.writing(kind), self._doubting():
            yield

    @contextmanager
    def _doubting(self) -> Iterator[None]:
        """Around what refers to things that were found: what it was refused for may be that they are not there any more."""
        try:
            yield
        except (BadRequest, NotFound):
            self._lasting.forget(lambda _: True)
            self._single.forget(lambda _: True)
            raise

    def _tagged(self, kind: Kind, record: Record, body: Mapping[str, Any]) -> Record:
        """The user's tags, where the creating request could not take them."""
        if not body.get("tags"):
            return record
        tagged = msgspec.structs.replace(record, tags=network.put_tags(self._wire, kind, record.id, body["tags"]))
        self._inventory.put(kind, [tagged])
        return tagged

    def _forget(self, kind: Kind) -> None:
        """Answers to `find` that a write of ours has made old."""
        for kept in (self._lasting, self._single, self._passing):
            kept.forget(lambda key: isinstance(key, tuple) and key[0] is kind)

    def _list(self, kind: Kind) -> Iterable[Record]:
        """What the inventory lists a kind by."""
        if kind in PARTS and not self._balancers():
            return ()
        if kind is Kind.MEMBER:
            pools = self._inventory.look({Kind.POOL}, max_age=_PARENTS_AGE).all(Kind.POOL)
            return [member for pool in pools_with_members(pools) for member in listing.list_members(self._wire, pool)]
        found = list(listing.list_project(self._wire, kind))
        if kind is Kind.LOAD_BALANCER:
            self._notice_gone({record.id for record in found})
        return found

    def _balancers(self) -> Sequence[Record]:
        """The load balancers that may have parts; asked for only where none is known, however old that knowledge."""
        balancers = Kind.LOAD_BALANCER
        return self._inventory.known(balancers) or self._inventory.look({balancers}, max_age=_PARENTS_AGE).all(
            balancers
        )

    def _notice_gone(self, there: Collection[str]) -> None:
        """Parts of load balancers that have gone are gone too."""
        if any(balancer.id not in there for balancer in self._inventory.known(Kind.LOAD_BALANCER)):
            self._inventory.doubt(PARTS)

    def _read_extensions(self) -> frozenset[str]:
        content = self._wire.request(Ask(verb="GET", service=NETWORK, path="/extensions", kind=Kind.NETWORK))
        return frozenset(found.alias for found in read(content, _Extensions, Kind.NETWORK).extensions)

    def _read_extensions_again(self) -> frozenset[str]:
        self._extensions.forget(lambda _: True)
        return self._extensions.get("", self._read_extensions)

    def _read_zones(self) -> tuple[Zone, ...]:
        ask = Ask(verb="GET", service=COMPUTE, path="/os-availability-zone", kind=Kind.SERVER)
        listed = read(self._wire.request(ask), _Zones, Kind.SERVER).availabilityZoneInfo
        return tuple(Zone(zone.zoneName, zone.zoneState.available) for zone in listed)


class _Extension(msgspec.Struct):
    alias: str


class _Extensions(msgspec.Struct):
    extensions: tuple[_Extension, ...]


class _ZoneState(msgspec.Struct):
    available: bool


class _Zone(msgspec.Struct):
    zoneName: str  # noqa: N815
    zoneState: _ZoneState  # noqa: N815


class _Zones(msgspec.Struct):
    availabilityZoneInfo: tuple[_Zone, ...]  # noqa: N815
