# SPDX-License-Identifier: Apache-2.0
"""Structural OpenAPI schemas from the API's structs.

A field is required when it has no default, and nullable types are simply optional: an API server drops nulls.
A default other than None goes into the schema. Descriptions and limits come from record.described().
"""

from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from pycapo.api.record import Limits, Record, Rule

Schema = dict[str, Any]

QUANTITY = (
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|"
    r"([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$"
)

LIMIT_KEYS = {
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
    "format": "format",
    "minimum": "minimum",
    "maximum": "maximum",
    "min_items": "minItems",
    "max_items": "maxItems",
    "list_type": "x-kubernetes-list-type",
    "map_type": "x-kubernetes-map-type",
}

SCALARS: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    Any: {"x-kubernetes-preserve-unknown-fields": True},
}


def schema_of(annotation: object) -> Schema:
    """Return the schema of a type annotation; raises TypeError for a type that CRDs cannot express."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(schema_of(arguments[0]), arguments[1:])
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return _mapping(arguments[1])
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return record_schema(annotation)
    if annotation in SCALARS:
        return dict(SCALARS[annotation])
    raise TypeError(f"no CRD schema for {annotation!r}")


def record_schema(record: type[Record]) -> Schema:
    """Return the schema of a struct: its properties by name, what is required, and its rules."""
    hints = get_type_hints(record, include_extras=True)
    fields = sorted(msgspec.structs.fields(record), key=lambda field: field.encode_name)
    schema: Schema = {
        "type": "object",
        "description": (record.__doc__ or "").strip().split("\n")[0],
        "properties": {field.encode_name: _property(hints[field.name], field) for field in fields},
    }
    required = [field.encode_name for field in fields if field.required]
    if required:
        schema["required"] = required
    if record.open:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    if record.min_properties is not None:
        schema["minProperties"] = record.min_properties
    if record.max_properties is not None:
        schema["maxProperties"] = record.max_properties
    return _with_rules(schema, record.schema_rules)


def _property(annotation: object, field: msgspec.structs.FieldInfo) -> Schema:
    schema = schema_of(annotation)
    if field.default is not msgspec.NODEFAULT:
        default = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    else:
        return schema
    return schema if default is None else {**schema, "default": default}


def _union(members: tuple[object, ...]) -> Schema:
    present = [member for member in members if member is not type(None)]
    if present == [int, str]:
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": QUANTITY,
            "x-kubernetes-int-or-string": True,
        }
    if len(present) != 1:
        raise TypeError(f"no CRD schema for a union of {present!r}")
    return schema_of(present[0])


def _mapping(value: object) -> Schema:
    if value is Any:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {"type": "object", "additionalProperties": schema_of(value)}


def _limited(schema: Schema, annotations: tuple[object, ...]) -> Schema:
    for annotation in annotations:
        if isinstance(annotation, msgspec.Meta):
            if annotation.description is not None:
                schema["description"] = annotation.description
            schema = _with_limits(schema, (annotation.extra or {}).get("limits", {}))
    return schema


def _with_limits(schema: Schema, limits: Limits) -> Schema:
    for name, key in LIMIT_KEYS.items():
        if name in limits:
            schema[key] = limits[name]  # type: ignore[literal-required]
    if "list_map_keys" in limits:
        schema["x-kubernetes-list-type"] = "map"
        schema["x-kubernetes-list-map-keys"] = list(limits["list_map_keys"])
    return _with_rules(schema, limits.get("rules", ()))


def _with_rules(schema: Schema, rules: tuple[Rule, ...]) -> Schema:
    if rules:
        known = schema.get("x-kubernetes-validations", [])
        schema["x-kubernetes-validations"] = [*known, *({"rule": r.rule, "message": r.message} for r in rules)]
    return schema
