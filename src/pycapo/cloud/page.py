# SPDX-License-Identifier: Apache-2.0
"""One kind's part of the shared picture: all its resources at one moment, found by id and by what they are looked for by.

    records: id -> record      found: (owner | address | port_id | network_id | tags, value) -> id -> record

Rule: never changed. A write makes another page, which shares nearly everything with the one before: what is new lies in a thin
layer on top, that is worked in when it has become as thick as the square root of what it lies on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, LoadBalancer, Network, Port, Record, SecurityGroup, Server, Subnet, Volume

K = TypeVar("K")
V = TypeVar("V")
Word = tuple[str, str]
_INTERFACES = "network:router_interface", "network:ha_router_replicated_interface", "network:router_centralized_snat"
_MOVING_SERVERS = frozenset({"BUILD", "DELETED"})  # Nova shows DELETED for a moment before it forgets the server
_STEADY_VOLUMES = frozenset({"", "available", "in-use", "error", "error_deleting", "maintenance"})


def listed_as(kind: Kind) -> Kind:
    """The kind whose list shows resources of this kind."""
    match kind:
        case Kind.ROUTER_INTERFACE | Kind.SERVER_INTERFACE:
            return Kind.PORT
        case Kind.SECURITY_GROUP_RULE:
            return Kind.SECURITY_GROUP
        case Kind.NETWORK_CLAIM:
            return Kind.NETWORK
    return kind


def moving(record: Record) -> bool:
    """Whether a resource of ours is on its way to another state by itself."""
    if record.mark is None:
        return False
    match record:
        case Server():
            return record.status in _MOVING_SERVERS or bool(record.task_state)
        case LoadBalancer():
            return record.provisioning_status.startswith("PENDING")
        case Volume():
            return record.status not in _STEADY_VOLUMES
        case Port():
            return record.leaving
    return False


class Layers(Mapping[K, V], Generic[K, V]):
    """A mapping that is never changed; one with changes costs their number and some, not the size."""

    def __init__(self, base: Mapping[K, V], recent: Mapping[K, V | None] | None = None) -> None:
        self._base = base
        self._recent = recent or {}

    def __getitem__(self, key: K) -> V:
        found = self._recent[key] if key in self._recent else self._base[key]
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[K]:
        return iter(self._merged() if self._recent else self._base)

    def __len__(self) -> int:
        return len(self._merged() if self._recent else self._base)

    def all(self) -> tuple[V, ...]:
        """Every value; costs the size."""
        return tuple((self._merged() if self._recent else self._base).values())

    def changed(self, changes: Mapping[K, V | None]) -> "Layers[K, V]":
        """The mapping with these changes; None takes a key out."""
        layers = Layers(self._base, {**self._recent, **changes})
        return layers if len(layers._recent) ** 2 <= len(self._base) else Layers(layers._merged())

    def _merged(self) -> Mapping[K, V]:
        both: dict[K, V | None] = {**self._base, **self._recent}
        return {key: value for key, value in both.items() if value is not None}


def words(record: Record) -> Iterator[Word]:
    """What a resource is found by besides its id."""
    if mark := record.mark:
        yield "owner", mark.owner
    match record:
        case Port():
            yield from {("address", fixed.ip_address) for fixed in record.fixed_ips}
        case FloatingIP():
            told = ("address", record.floating_ip_address), ("port_id", record.port_id)
            yield from ((field, value) for field, value in told if value)
        case Subnet():
            yield "network_id", record.network_id
        case Network():
            yield from {("tags", tag) for tag in record.tags}


class Page(msgspec.Struct, frozen=True):
    """All resources of one kind at one moment, with those of ours that are moving."""

    records: Layers[str, Record] = Layers({})
    found: Layers[Word, Mapping[str, Record]] = Layers({})
    moving: frozenset[str] = frozenset()

    def changed(self, writes: Mapping[str, Record | None]) -> "Page":
        """The page after these writes; None is a deletion."""
        found: dict[Word, Mapping[str, Record] | None] = {}

        def there(word: Word) -> Mapping[str, Record]:
            return (found[word] if word in found else self.found.get(word)) or {}

        for id, record in writes.items():
            before = self.records.get(id)
            for word in words(before) if before else ():
                found[word] = {key: value for key, value in there(word).items() if key != id} or None
            if record is None:
                continue
            for word in words(record):
                found[word] = {**there(word), id: record}
        going = {id for id, record in writes.items() if record and moving(record)}
        return Page(self.records.changed(writes), self.found.changed(found), (self.moving - writes.keys()) | going)


def page_of(records: Iterable[Record]) -> Page:
    """The page of what a list showed."""
    by_id = {record.id: record for record in records}
    found: dict[Word, dict[str, Record]] = {}
    for record in by_id.values():
        for word in words(record):
            found.setdefault(word, {})[record.id] = record
    return Page(Layers(by_id), Layers(found), frozenset(id for id, record in by_id.items() if moving(record)))


class Snapshot:
    """A picture that stays as it was when it was looked at."""

    def __init__(self, pages: Mapping[Kind, Page]) -> None:
        self._pages = pages

    def all(self, kind: Kind) -> Sequence[Record]:
        """Every resource of the kind in the project."""
        records = self._page(kind).records.all()
        match kind:
            case Kind.ROUTER_INTERFACE:
                return [
                    port for port in records if isinstance(port, Port) and port.device_owner.startswith(_INTERFACES)
                ]
            case Kind.SERVER_INTERFACE:
                return [port for port in records if isinstance(port, Port) and port.device_owner.startswith("compute:")]
            case Kind.SECURITY_GROUP_RULE:
                groups = [group for group in records if isinstance(group, SecurityGroup)]
                return [rule for group in groups for rule in group.security_group_rules]
        return records

    def owned(self, kind: Kind, owner: str) -> tuple[Record, ...]:
        """The resources of the kind that carry the owner's mark."""
        if listed_as(kind) is not kind:
            return tuple(record for record in self.all(kind) if record.mark and record.mark.owner == owner)
        return self.where(kind, "owner", owner)

    def where(self, kind: Kind, field: str, value: str) -> tuple[Record, ...]:
        """The resources of the kind by what `words` tells of them."""
        return tuple(self._page(kind).found.get((field, value), {}).values())

    def get(self, kind: Kind, id: str) -> Record | None:
        """One resource by id."""
        if kind is Kind.SECURITY_GROUP_RULE:
            return next((rule for rule in self.all(kind) if rule.id == id), None)
        return self._page(kind).records.get(id)

    def _page(self, kind: Kind) -> Page:
        return self._pages.get(listed_as(kind), EMPTY)


EMPTY = Page()
