# SPDX-License-Identifier: Apache-2.0
"""What every Kubernetes object has, whatever its kind: a path, a key, a version, a wire form, a difference.

Rule: nothing here knows a kind. A kind is any msgspec.Struct with the class variables of `Kind`.
A patch is always the merge patch (RFC 7386) of a difference, so that fields which a Struct does not know stay.
"""

import functools
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, cast

import msgspec


class Kind(Protocol):
    """A type of Kubernetes object: a Struct that omits defaults; `metadata` has Kubernetes' names in Python spelling."""

    api_version: ClassVar[str]  # group/version, or v1 alone
    kind: ClassVar[str]
    plural: ClassVar[str]
    namespaced: ClassVar[bool]
    metadata: Any


K = TypeVar("K", bound=Kind)
Wire = dict[str, Any]


class ObjectKey(NamedTuple):
    """Where an object of a known kind is found; the namespace of a cluster-wide object is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Kind) -> ObjectKey:
    """Return the key of an object."""
    return ObjectKey(obj.metadata.namespace or "", obj.metadata.name)


def version_of(obj: Kind) -> int:
    """Return the resource version as a number: later writes of one kind have greater ones (KEP-5504)."""
    return int(obj.metadata.resource_version or 0)


def deleting(obj: Kind) -> bool:
    """Tell whether deletion was asked for."""
    return bool(obj.metadata.deletion_timestamp)


def owners_of(obj: Kind, kind: type[Kind]) -> list[ObjectKey]:
    """Return the keys of an object's owners of a kind, whatever the version they were written in."""
    named = kind.kind, _group(kind.api_version)
    owners = obj.metadata.owner_references or ()
    return [
        ObjectKey(obj.metadata.namespace or "", it.name) for it in owners if (it.kind, _group(it.api_version)) == named
    ]


def is_owned(obj: Kind, owner: Kind) -> bool:
    """Tell whether an object names another one of its namespace as an owner."""
    return key_of(owner) in owners_of(obj, type(owner))


def _group(version: str) -> str:
    return version.rpartition("/")[0]


def path_of(kind: type[Kind], namespace: str = "", *names: str) -> str:
    """Return the REST path of a collection, or with names of an object and its subresource."""
    root = ("/apis/" if "/" in kind.api_version else "/api/") + kind.api_version
    scope = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return "/".join((root + scope, kind.plural, *names))


@functools.cache
def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[K], data: bytes | msgspec.Raw) -> K:
    """Return the object that JSON holds; raises msgspec.ValidationError with the path of what does not fit."""
    obj: K = _decoder(kind).decode(data)
    return obj


def copy_of(obj: K) -> K:
    """Return a deep copy, quicker than copy.deepcopy."""
    return decode(type(obj), msgspec.json.encode(obj))


def wire(obj: Any) -> Wire:
    """Return the JSON form of an object as plain dicts and lists."""
    return cast(Wire, msgspec.to_builtins(obj))


def document(obj: Kind) -> Wire:
    """Return the JSON form of an object with apiVersion and kind, as a create request needs it."""
    return {"apiVersion": obj.api_version, "kind": obj.kind, **wire(obj)}


def difference(before: Wire, after: Wire) -> Wire:
    """Return the merge patch that turns `before` into `after`; empty when they are equal."""
    patch: Wire = {name: None for name in before if name not in after}
    for name, new in after.items():
        old = before.get(name)
        if isinstance(new, dict) and isinstance(old, dict):
            inner = difference(old, new)
            if inner:
                patch[name] = inner
        elif new != old or name not in before:
            patch[name] = new
    return patch


def merged(target: Any, patch: Any) -> Any:
    """Return the target with a merge patch applied (RFC 7386); neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
