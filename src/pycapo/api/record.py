# SPDX-License-Identifier: Apache-2.0
"""The struct that every API type derives from, and how its fields are described.

Rules:
- Wire names follow from Python names (see wire_name), a trailing underscore is dropped (from_ -> from).
- An absent optional field is None; an empty list, an empty object and false are kept apart from it.
- A default other than None is the default that the CRD declares, and is left out when encoding.
- Limits (lengths, ranges, patterns) are enforced by the API server through the CRD, not when decoding:
  an object that was stored before a limit existed still loads.
- Unknown fields are dropped when decoding, so every write of an object that exists must be a merge patch.
"""

from typing import Annotated, Any, ClassVar, Literal, TypedDict, Unpack

import msgspec

ACRONYMS = {
    "api": "API",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "dhcp": "DHCP",
    "gib": "GiB",
    "hw": "HW",
    "id": "ID",
    "ip": "IP",
    "ips": "IPs",
    "mtu": "MTU",
    "ra": "RA",
    "vf": "VF",
}


def wire_name(name: str) -> str:
    """Return the JSON name of a Python field name: camel case, acronyms in capitals unless they come first."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(ACRONYMS.get(word, word.capitalize()) for word in rest)


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One CEL validation rule of a CRD schema, and what to say when it does not hold."""

    rule: str
    message: str


class Limits(TypedDict, total=False):
    """What a CRD schema says of a field besides its type."""

    min_length: int
    max_length: int
    pattern: str
    format: str
    minimum: int
    maximum: int
    min_items: int
    max_items: int
    list_type: Literal["atomic", "set"]
    list_map_keys: tuple[str, ...]
    map_type: Literal["atomic"]
    rules: tuple[Rule, ...]


def described(text: str, **limits: Unpack[Limits]) -> msgspec.Meta:
    """Return the annotation that carries a field's description and limits to the CRD generator."""
    return msgspec.Meta(description=text, extra={"limits": limits})


Int32 = Annotated[int, msgspec.Meta(extra={"limits": {"format": "int32"}})]
Int64 = Annotated[int, msgspec.Meta(extra={"limits": {"format": "int64"}})]
FreeMap = dict[str, Any]


class Record(msgspec.Struct, omit_defaults=True, rename=wire_name, kw_only=True):
    """A part of an API object; the class variables describe the object as a whole. An open one keeps unknown fields."""

    schema_rules: ClassVar[tuple[Rule, ...]] = ()
    min_properties: ClassVar[int | None] = None
    max_properties: ClassVar[int | None] = None
    open: ClassVar[bool] = False
