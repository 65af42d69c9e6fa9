# SPDX-License-Identifier: Apache-2.0
"""Where a mark is written in the request that creates a resource.

Rule: the mark is part of the creating request, never a second one, so that nothing can exist without it: Nova and Cinder take
it as metadata, Octavia as a tag, Neutron as a tag where an extension allows tags on creation, else at the end of the description.
"""

from collections.abc import Collection, Mapping
from typing import Any

import structlog

from pycapo.cloud.errors import BadRequest
from pycapo.model.kinds import Kind
from pycapo.model.marks import DESCRIPTION_LENGTH, METADATA_KEY, Mark, find_mark, parse_mark, shortened
from pycapo.model.records import Record

log = structlog.get_logger(__name__)
METADATA = frozenset({Kind.SERVER, Kind.VOLUME})
BALANCING = frozenset({Kind.LOAD_BALANCER, Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR, Kind.MEMBER})
TAGGED = frozenset(
    {
        *(Kind.NETWORK, Kind.SUBNET, Kind.SUBNET_POOL, Kind.ROUTER, Kind.SECURITY_GROUP),
        *(Kind.PORT, Kind.TRUNK, Kind.FLOATING_IP),
    }
)
"""Neutron kinds that have tags."""
TAGS_ON_CREATION: Mapping[Kind, frozenset[str]] = {Kind.PORT: frozenset({"tag-ports-during-bulk-creation"})}
"""The Neutron extensions, any of which makes a kind's creating request take `tags`."""


def tags_on_creation(kind: Kind, extensions: Collection[str]) -> bool:
    """Whether the service takes tags in the creating request of this kind."""
    if kind in BALANCING or kind is Kind.SERVER:
        return True
    return not TAGS_ON_CREATION.get(kind, frozenset()).isdisjoint(extensions)


def marked(kind: Kind, body: Mapping[str, Any], mark: Mark | None, extensions: Collection[str]) -> dict[str, Any]:
    """The creating body with the mark in it, as far as the service takes one; `tags` only where they may be sent."""
    sent = {**body, **_fitting(kind, body)}
    if kind in METADATA:
        if mark:
            sent["metadata"] = {**body.get("metadata", {}), METADATA_KEY: mark.tag}
        return sent
    if tags_on_creation(kind, extensions):
        tags = with_mark(body.get("tags", ()), mark)
        return _nested({**sent, "tags": tags}, mark) if tags else sent
    sent.pop("tags", None)
    if mark:
        sent["description"] = mark.described(str(body.get("description") or ""))
    return sent


def _fitting(kind: Kind, body: Mapping[str, Any]) -> dict[str, str]:
    """The description, cut where the services would refuse the whole request for its length."""
    description = body.get("description")
    if not isinstance(description, str) or len(description) <= DESCRIPTION_LENGTH:
        return {}
    told = shortened(description)
    log.warning("a description is too long and is cut", kind=str(kind), length=len(description), sent=told)
    return {"description": told}


def with_mark(tags: Collection[str], mark: Mark | None) -> list[str]:
    """The tags and the mark's, once, unless they hold a mark already."""
    if mark is None or any(parse_mark(tag) for tag in tags):
        return list(tags)
    return [*tags, mark.tag]


def kept_mark(kind: Kind, record: Record, body: Mapping[str, Any]) -> dict[str, Any]:
    """The updating body in which the mark of what we made stays, whatever tags, metadata or description it sets."""
    mark = record.mark
    sent = {**body, **_fitting(kind, body)}
    if mark is None or mark.borrowed:
        return sent
    if "tags" in body and find_mark(tags=record.tags):
        sent["tags"] = with_mark(body["tags"], mark)
    if "metadata" in body and kind in METADATA:
        sent["metadata"] = {**body["metadata"], METADATA_KEY: mark.tag}
    if "description" in body and find_mark(description=record.description):
        sent["description"] = mark.described(str(body["description"] or ""))
    return sent


_GIVEN_BACK = frozenset({Kind.NETWORK_CLAIM, Kind.SERVER_INTERFACE})
"""What takes nothing away that somebody made: a claim, and a port's place in a server, which Nova did not make."""


def never_borrowed(kind: Kind, record: Record | None) -> None:
    """Raises BadRequest for what somebody made and we only use: whatever a plan says, it is not deleted."""
    if kind not in _GIVEN_BACK and record and record.mark and record.mark.borrowed:
        raise BadRequest(f"{kind} {record.id} was not made by pycapo and is never deleted by it")


_PARTS = ("listeners", "pools", "members", "default_pool", "healthmonitor")


def _nested(body: dict[str, Any], mark: Mark | None) -> dict[str, Any]:
    """Parts of a load balancer that are made with it carry its mark unless they have one of their own."""
    for name in _PARTS:
        parts = body.get(name)
        if isinstance(parts, Mapping):
            body[name] = _part(parts, mark)
        elif isinstance(parts, list | tuple):
            body[name] = [_part(part, mark) for part in parts]
    return body


def _part(body: Mapping[str, Any], mark: Mark | None) -> dict[str, Any]:
    return _nested({**body, "tags": with_mark(body.get("tags", ()), mark)}, mark)
