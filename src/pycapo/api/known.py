# SPDX-License-Identifier: Apache-2.0
"""What of plain data a type knows.

Rule: an API server drops unknown fields; dropping them here first lets a conversion see, and keep, what would be lost.
"""

from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec

from pycapo.api.record import Record


def drop_unknown(body: dict[str, Any], record: type[Record]) -> None:
    """Take the fields that a struct does not have out of its plain data, in place; values of another type stay."""
    known = _fields(record)
    for name in [name for name in body if name not in known]:
        if not record.open:
            del body[name]
    for name in body.keys() & known.keys():
        _drop(body[name], known[name])


def _drop(value: Any, annotation: object) -> None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        _drop(value, arguments[0])
    elif origin in (Union, UnionType):
        for member in arguments:
            _drop(value, member)
    elif origin is list and isinstance(value, list):
        for item in value:
            _drop(item, arguments[0])
    elif isinstance(annotation, type) and issubclass(annotation, Record) and isinstance(value, dict):
        drop_unknown(value, annotation)


@cache
def _fields(record: type[Record]) -> dict[str, Any]:
    hints = get_type_hints(record, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(record)}
