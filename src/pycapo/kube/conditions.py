# SPDX-License-Identifier: Apache-2.0
"""Conditions of an object: set one, read one, sum several up, put ours over those that others wrote.

Rule: type is the identity; lastTransitionTime moves only when status does; an entry of another type is never touched.
The types are found in the annotations of the kind's own Structs, so nothing here knows a kind.
"""

import datetime
import functools
import types
import typing
from typing import Any

import msgspec

from pycapo.kube.meta import Kind, Wire


def now() -> str:
    """Return the time as Kubernetes writes it: RFC 3339, UTC, whole seconds."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(annotation: Any) -> Any:
    """Return the type behind Annotated and `| None`."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return _plain(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return annotation


@functools.cache
def _types(kind: type[Kind]) -> tuple[type[Any], type[Any]] | None:
    """Return the Structs of a kind's status and of its conditions, None when it has no conditions."""
    fields = {field.name: field.type for field in msgspec.structs.fields(typing.cast(Any, kind))}
    if "status" not in fields:
        return None
    status = _plain(fields["status"])
    inner = {field.name: field.type for field in msgspec.structs.fields(status)}
    if "conditions" not in inner:
        return None
    return status, _plain(typing.get_args(_plain(inner["conditions"]))[0])


def conditions_of(obj: Kind) -> list[Any]:
    """Return the conditions of an object; an empty list when it has none."""
    status = getattr(obj, "status", None)
    return getattr(status, "conditions", None) or []


def find(obj: Kind, type_: str) -> Any | None:
    """Return the condition of a type, None when it is not there."""
    return next((condition for condition in conditions_of(obj) if condition.type == type_), None)


def is_true(obj: Kind, type_: str) -> bool:
    """Tell whether a condition is there and True."""
    found = find(obj, type_)
    return found is not None and found.status == "True"


def mark(obj: Kind, type_: str, *, status: bool | None, reason: str, message: str = "") -> None:
    """Set a condition (status None is Unknown); does nothing for a kind without conditions."""
    found_types = _types(type(obj))
    if found_types is None:
        return
    entries, condition_type = _entries(obj, found_types[0]), found_types[1]
    told = {True: "True", False: "False", None: "Unknown"}[status]
    old = find(obj, type_)
    fields = {
        "type": type_,
        "status": told,
        "reason": reason,
        "message": message,
        "last_transition_time": old.last_transition_time if old is not None and old.status == told else now(),
        "observed_generation": obj.metadata.generation,
    }
    new = condition_type(**{name: fields[name] for name in condition_type.__struct_fields__ if name in fields})
    if old is None:
        entries.append(new)
    else:
        entries[entries.index(old)] = new


def _entries(obj: Any, status_type: type[Any]) -> list[Any]:
    """Return the list of conditions, made when there is none."""
    if obj.status is None:
        obj.status = status_type()
    if obj.status.conditions is None:
        obj.status.conditions = []
    entries: list[Any] = obj.status.conditions
    return entries


def carry(before: Kind, after: Kind, type_: str) -> None:
    """Take a condition over from `before` when `after` has none of its type."""
    found, found_types = find(before, type_), _types(type(after))
    if found is not None and found_types is not None and find(after, type_) is None:
        _entries(after, found_types[0]).append(found)


def unmark(obj: Kind, type_: str) -> None:
    """Remove a condition."""
    found = find(obj, type_)
    if found is not None:
        conditions_of(obj).remove(found)


def summary(obj: Kind, types_: typing.Iterable[str]) -> tuple[bool | None, str, str]:
    """Return status, reason and message that sum up conditions: the worst status, and what each that is not True says."""
    parts = [(type_, find(obj, type_)) for type_ in types_]
    bad = [(type_, part) for type_, part in parts if part is None or part.status != "True"]
    if not bad:
        return True, "Ready", ""
    false = next((part for _, part in bad if part is not None and part.status == "False"), None)
    first = false or bad[0][1]
    message = "; ".join(f"{type_}: {part.message or part.reason if part else 'not known yet'}" for type_, part in bad)
    return (False if false else None), (first.reason if first else "NotKnownYet"), message


def overlay(before: list[Wire], after: list[Wire], base: list[Wire]) -> list[Wire]:
    """Return `base` with what changed from `before` to `after`, by type (all in wire form)."""
    old = {entry["type"]: entry for entry in before}
    new = {entry["type"]: entry for entry in after}
    changed = {type_: entry for type_, entry in new.items() if old.get(type_) != entry}
    kept = [changed.pop(entry["type"], entry) for entry in base if entry["type"] in new or entry["type"] not in old]
    return kept + list(changed.values())
