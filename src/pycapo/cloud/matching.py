# SPDX-License-Identifier: Apache-2.0
"""Whether a record matches a list query: for what a service cannot filter itself, and for the memory cloud of the tests.

Rule: filters mean what they mean to Neutron (`tags` all, `tags-any` one, `not-tags` not all, `not-tags-any` none).
"""

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from pycapo.model.records import Record


def matches(record: Record, query: Mapping[str, str]) -> bool:
    """Whether the record matches every filter."""
    return all(_matches(record, name, wanted) for name, wanted in query.items())


def _matches(record: Record, name: str, wanted: str) -> bool:
    tags = set(record.tags)
    asked = set(filter(None, wanted.split(",")))
    match name:
        case "tags" | "tag":
            return asked <= tags
        case "tags-any":
            return bool(asked & tags)
        case "not-tags":
            return not asked <= tags
        case "not-tags-any":
            return not asked & tags
    found = _field(record, name)
    if isinstance(found, bool):
        return str(found).lower() == wanted.lower()
    if isinstance(found, tuple):
        return wanted in found
    return ("" if found is None else str(found)) == wanted


def _field(record: Record, name: str) -> Any:
    """The value of a wire field; a field that the record does not have matches nothing but the empty text."""
    return getattr(record, _names(type(record)).get(name, ""), None)


@functools.cache
def _names(record: type[Record]) -> Mapping[str, str]:
    return {field.encode_name: field.name for field in msgspec.structs.fields(record)}
