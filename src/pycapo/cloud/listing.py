# SPDX-License-Identifier: Apache-2.0
"""Reading: all of a kind in the project, page by page, and whatever matches a query."""

from collections.abc import Iterator, Mapping
from urllib.parse import quote

import msgspec

from pycapo.cloud.answers import decode, has_next, read
from pycapo.cloud.errors import NotFound
from pycapo.cloud.matching import matches
from pycapo.cloud.rest import IMAGE, NETWORK, TABLE, Rest
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import Member, Record

PAGE = 500
"""How many resources one page of a list is asked for; services may give fewer."""
_WHOLE = frozenset({Kind.FLAVOR, Kind.SERVER_GROUP})
"""Kinds that their service cannot filter: few, so all are asked for."""


def list_project(wire: Wire, kind: Kind) -> Iterator[Record]:
    """Everything of a kind in the project: an administrator's list is narrowed to it. A missing service has nothing."""
    rest = TABLE[kind]
    query = {"project_id": wire.project_id} if rest.by_project else {}
    try:
        yield from _pages(wire, kind, rest.list_path or rest.path, query)
    except NotFound:
        return


def list_members(wire: Wire, pool_id: str) -> Iterator[Member]:
    """The members of a pool, with its id put in; none where the pool is gone."""
    path = TABLE[Kind.MEMBER].path.format(parent=pool_id)
    try:
        for member in _pages(wire, Kind.MEMBER, path, {}):
            if isinstance(member, Member):
                yield msgspec.structs.replace(member, pool_id=pool_id)
    except NotFound:
        return


def find(wire: Wire, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
    """What matches, in and outside the project. Filters that the service cannot do itself are done here."""
    rest = TABLE[kind]
    if kind in _WHOLE:
        return tuple(record for record in _pages(wire, kind, rest.list_path or rest.path, {}) if matches(record, query))
    if set(query) == {"id"} and rest.service is not NETWORK:
        return _by_id(wire, kind, rest, query["id"])
    found = _pages(wire, kind, rest.list_path or rest.path, query)
    ours = {name: value for name, value in query.items() if name in ("id", "name")}
    return tuple(record for record in found if matches(record, ours))


def get(wire: Wire, kind: Kind, id: str, parent: str | None = None) -> Record:
    """One resource; raises NotFound."""
    rest = TABLE[kind]
    path = f"{rest.path.format(parent=parent)}/{quote(id, safe='')}"
    content = wire.request(Ask(verb="GET", service=rest.service, path=path, kind=kind))
    if rest.service is IMAGE:
        return read(content, rest.record, kind)
    return decode(content, rest.one, rest.record, kind)


def _by_id(wire: Wire, kind: Kind, rest: Rest, id: str) -> tuple[Record, ...]:
    try:
        return (get(wire, kind, id),)
    except NotFound:
        return ()


def _pages(wire: Wire, kind: Kind, path: str, query: Mapping[str, str]) -> Iterator[Record]:
    rest = TABLE[kind]
    asked = list(_parameters(rest, query))
    page_of: type[list[Record]] = list[rest.record]  # type: ignore[name-defined]
    marker: list[tuple[str, str]] = []
    while True:
        parameters = [*asked, ("limit", str(PAGE)), *marker]
        content = wire.request(Ask(verb="GET", service=rest.service, path=path, kind=kind, query=parameters))
        page = decode(content, rest.many, page_of, kind)
        yield from page
        if not page or not (has_next(content, rest.many) or len(page) >= PAGE):
            return
        marker = [("marker", page[-1].id)]


def _parameters(rest: Rest, query: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The query as the service wants it; Glance takes one `tag` for each."""
    for name, value in query.items():
        if rest.service is IMAGE and name in ("tag", "tags"):
            yield from (("tag", tag) for tag in value.split(",") if tag)
        else:
            yield name, value
