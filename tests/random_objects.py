# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for API objects as plain data, made from the types themselves so that no field is left out."""

from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from pycapo.api.meta import Kind
from pycapo.api.record import Record

WORDS = st.sampled_from(["", "a", "b", "10.0.0.1", "Ready", "True", "None"])
SCALARS: dict[object, st.SearchStrategy[Any]] = {
    str: WORDS,
    int: st.sampled_from([0, 1, 6443]),
    bool: st.booleans(),
    Any: st.sampled_from(["x", 1, [1, {"a": "b"}], {"c": {}}]),
}


@cache
def hints(record: type[Record]) -> dict[str, Any]:
    """Return the annotated types of a struct's fields."""
    return get_type_hints(record, include_extras=True)


def values(annotation: object) -> st.SearchStrategy[Any]:
    """Return a strategy for JSON values of a type; None is never drawn."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0])
    if origin in (Union, UnionType):
        return st.one_of([values(member) for member in arguments if member is not type(None)])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is list:
        return st.lists(st.deferred(lambda: values(arguments[0])), max_size=2)
    if origin is dict:
        return st.dictionaries(WORDS, st.deferred(lambda: values(arguments[1])), max_size=2)
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return records(annotation)
    return SCALARS[annotation]


@st.composite
def records(draw: st.DrawFn, record: type[Record]) -> dict[str, Any]:
    """Draw a struct as plain data: all that is required, and a few of its optional fields."""
    types = hints(record)
    fields = msgspec.structs.fields(record)
    optional = [field.encode_name for field in fields if not field.required]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=4, unique=True)) if optional else []
    wanted = [field for field in fields if field.required or field.encode_name in chosen]
    return {field.encode_name: draw(values(types[field.name])) for field in wanted}


@st.composite
def kinds(draw: st.DrawFn, kind: type[Kind]) -> dict[str, Any]:
    """Draw an object of a kind as plain data, with the same name and generation each time."""
    body: dict[str, Any] = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": "a", "generation": 2},
    }
    for name in ("spec", "status"):
        if name in hints(kind):
            body[name] = draw(values(hints(kind)[name]))
    return body
