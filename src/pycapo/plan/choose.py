# SPDX-License-Identifier: Apache-2.0
"""Choosing: what a reference in a spec means, given everything in the cloud that matches it.

Rule: none and several are never guessed at; the wait names the field, what was looked for and what was found.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.records import Record
from pycapo.model.steps import Wait

R = TypeVar("R", bound=Record)

SHOWN = 5
"""How many candidates a message names."""

LOOK_AGAIN = 60.0
"""Seconds until a reference that matched none or several is looked up again: somebody may change the cloud, not the spec."""

_FILTERS = {
    "name": "name",
    "description": "description",
    "projectID": "project_id",
    "tags": "tags",
    "tagsAny": "tags-any",
    "notTags": "not-tags",
    "notTagsAny": "not-tags-any",
    "cidr": "cidr",
    "ipVersion": "ip_version",
    "gatewayIP": "gateway_ip",
    "ipv6AddressMode": "ipv6_address_mode",
    "ipv6RAMode": "ipv6_ra_mode",
}
_SPOKEN = {
    "project_id": "project",
    "tags-any": "any of the tags",
    "not-tags": "not all of the tags",
    "not-tags-any": "none of the tags",
    "ip_version": "IP version",
    "gateway_ip": "gateway",
    "ipv6_address_mode": "IPv6 address mode",
    "ipv6_ra_mode": "IPv6 RA mode",
    "router:external": "external",
}


def choose_one(found: Sequence[R], *, path: str, kind: Kind, wanted: str, condition: str) -> R | Wait:
    """The one resource found, or a wait that tells what was looked for (`wanted`, as `spelled` says it) and what was found."""
    if len(found) == 1:
        return found[0]
    return Wait(
        condition=condition,
        reason="Ambiguous" if found else "NotFound",
        message=f"{len(found)} {kind}s match {wanted} ({candidates(found)})"
        if found
        else f"no {kind} matches {wanted}",
        path=path,
        after=LOOK_AGAIN,
    )


def choose_some(found: Sequence[R], *, path: str, kind: Kind, wanted: str, condition: str) -> tuple[R, ...] | Wait:
    """Everything found, at least one, or a wait that tells what was looked for."""
    if found:
        return tuple(found)
    chosen = choose_one(found, path=path, kind=kind, wanted=wanted, condition=condition)
    return chosen if isinstance(chosen, Wait) else (chosen,)


def candidates(found: Sequence[Record]) -> str:
    """The ids of what was found, with the names where they differ; the first few by id."""
    shown = sorted(found, key=lambda item: item.id)[:SHOWN]
    if len({item.name for item in found}) > 1:
        told = ", ".join(f"{item.name or 'unnamed'} {item.id}" for item in shown)
    else:
        told = "ids " + ", ".join(item.id for item in shown)
    return f"{told} and {len(found) - SHOWN} more" if len(found) > SHOWN else told


def query_of(reference: msgspec.Struct | None) -> Mapping[str, str]:
    """The list filters of an OpenStack service for a reference ({id} or {filter}) or for a filter itself; empty matches all."""
    fields: Mapping[str, Any] = msgspec.to_builtins(reference) if reference is not None else {}
    if fields.get("id"):
        return {"id": str(fields["id"])}
    wanted = fields.get("filter") or fields
    return {query: _joined(wanted[field]) for field, query in _FILTERS.items() if wanted.get(field)}


def spelled(query: Mapping[str, str]) -> str:
    """A query as people say it: `name "traffic" and tags "a,b"`."""
    return " and ".join(f'{_SPOKEN.get(name, name)} "{value}"' for name, value in query.items()) or "everything"


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
