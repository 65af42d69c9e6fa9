# SPDX-License-Identifier: Apache-2.0
"""Kubernetes as a life sees it: read from caches, write differences, read secrets, tell events.

Rule: what was written through here is seen by the next read through here.
"""

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from pycapo.kube import conditions
from pycapo.kube.cache import Cache, Index
from pycapo.kube.client import Client
from pycapo.kube.errors import Conflict
from pycapo.kube.events import Recorder
from pycapo.kube.meta import K, Kind, ObjectKey, Wire, difference, is_owned, key_of, wire

_OURS = ("labels", "annotations", "finalizers", "ownerReferences")
_LISTS = ("finalizers", "ownerReferences")
SECRET_SECONDS = 10.0


class _Meta(msgspec.Struct, rename="camel", omit_defaults=True):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Secret(msgspec.Struct, omit_defaults=True):
    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Secret"
    plural: ClassVar[str] = "secrets"
    namespaced: ClassVar[bool] = True
    metadata: _Meta
    data: dict[str, str] = {}


class Kube:
    """The facade over one API server; its caches are filled by feeds that the manager runs."""

    def __init__(self, client: Client, *, component: str = "pycapo") -> None:
        self.client = client
        self.recorder = Recorder(client, component)
        self._caches: dict[type[Any], Cache[Any]] = {}
        self._secrets: dict[ObjectKey, tuple[float, dict[str, bytes] | None]] = {}
        self._lock = threading.Lock()
        self.clock: Callable[[], float] = time.monotonic

    def cache(self, kind: type[K], indexes: Mapping[str, Index] | None = None) -> Cache[K]:
        """Return the cache of a kind; the first call makes it, with its indexes."""
        with self._lock:
            if kind not in self._caches:
                self._caches[kind] = Cache(kind, indexes)
            return self._caches[kind]

    @property
    def caches(self) -> list[Cache[Any]]:
        """All caches there are."""
        return list(self._caches.values())

    def get(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return an object of the cache (not to be changed), None when it does not exist; uncached kinds are read."""
        cache = self._caches.get(kind)
        return cache.get(ObjectKey(namespace, name)) if cache else self.client.read(kind, namespace, name)

    def owned(self, kind: type[K], owner: Kind) -> list[K]:
        """Return those objects of the cache (not to be changed) that name `owner` as theirs; costs what is found."""
        found = self.list(kind, index="owner", value=f"{owner.kind} {owner.metadata.namespace}/{owner.metadata.name}")
        return [obj for obj in found if is_owned(obj, owner)]

    def list(self, kind: type[K], *, namespace: str = "", index: str = "", value: str = "") -> list[K]:
        """Return objects of the cache (not to be changed): all, of a namespace, or those of an index's value."""
        cache = self._caches.get(kind)
        if cache is None:
            raise LookupError(f"{kind.kind} is not cached: declare a Watch of it, or use read")
        if namespace and not index:
            return cache.list("namespace", namespace)
        found = cache.list(index, value)
        return [obj for obj in found if obj.metadata.namespace == namespace] if namespace else found

    def read(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return the object as it is stored now, None when it does not exist; the cache learns it too."""
        obj = self.client.read(kind, namespace, name)
        cache = self._caches.get(kind)
        if cache is not None:
            if obj is None:
                cache.vanished(ObjectKey(namespace, name))
            else:
                cache.wrote(obj)
        return obj

    def create(self, obj: K) -> K:
        """Create an object and return it as stored; raises AlreadyExists."""
        return self._wrote(self.client.create(obj))

    def patch(self, before: K, after: K) -> K:
        """Write what differs outside of status; no request when nothing does. Raises Conflict where lists differ."""
        body = _difference(before, after)
        if not body:
            return before
        metadata = body.get("metadata", {})
        if any(name in metadata for name in _LISTS):
            metadata["resourceVersion"] = after.metadata.resource_version
        return self._wrote(self.client.patch(after, body))

    def patch_status(self, before: K, after: K, *, onto: K | None = None) -> K:
        """Write what differs in status; conditions by type, over those of `onto` (newer than `before`) or of the server."""
        if getattr(before, "status", None) == getattr(after, "status", None):
            return onto or before
        old, new = _status(before), _status(after)
        change = difference(old, new)
        if not change:
            return onto or before
        conflict: Conflict | None = None
        for base in self._bases(onto or before):
            body: Wire = {"status": dict(change)}
            if "conditions" in change:
                there = _status(base).get("conditions") or []
                entries = conditions.overlay(old.get("conditions") or [], new.get("conditions") or [], there)
                body["status"]["conditions"] = entries
                body["metadata"] = {"resourceVersion": base.metadata.resource_version}
            try:
                return self._wrote(self.client.patch(after, body, subresource="status"))
            except Conflict as error:
                conflict = error
        raise conflict or Conflict("status changes too quickly")

    def _bases(self, first: K) -> Iterator[K]:
        """Yield what conditions are laid over: what we know, then what is stored, a few times."""
        yield first
        for _ in range(4):
            fresh = self.read(type(first), *key_of(first))
            if fresh is None:
                return
            yield fresh

    def delete(self, kind: type[K], namespace: str, name: str, *, uid: str = "") -> None:
        """Ask for deletion, only of the object with `uid` when given; an object that is gone is no error."""
        left = self.client.delete(kind, namespace, name, uid=uid)
        cache = self._caches.get(kind)
        if left is not None:
            self._wrote(left)
        elif cache is not None:
            cache.vanished(ObjectKey(namespace, name))

    def secret(self, namespace: str, name: str) -> dict[str, bytes] | None:
        """Return a Secret's data, None when it does not exist; at most SECRET_SECONDS old."""
        key = ObjectKey(namespace, name)
        read, data = self._secrets.get(key, (0.0, None))
        if data is None or self.clock() - read > SECRET_SECONDS:
            found = self.client.read(_Secret, namespace, name)
            data = {k: base64.b64decode(v) for k, v in found.data.items()} if found else None
            self._secrets = {k: v for k, v in self._secrets.items() if self.clock() - v[0] <= SECRET_SECONDS}
            self._secrets[key] = (self.clock(), data)
        return data

    def event(self, obj: Kind, type_: str, reason: str, message: str) -> None:
        """Tell an event (type_ Normal or Warning) about an object; the same one again is counted."""
        self.recorder.tell(obj, type_, reason, message)

    def _wrote(self, obj: K) -> K:
        cache = self._caches.get(type(obj))
        if cache is not None:
            cache.wrote(obj)
        return obj


def _difference(before: Any, after: Any) -> Wire:
    """Return the merge patch of all but status; what Structs say are equal is not even encoded."""
    names = [n for n in before.__struct_fields__ if n != "status" and getattr(before, n) != getattr(after, n)]
    if not names:
        return {}
    body = difference(_without_status(wire(before)), _without_status(wire(after)))
    metadata = {name: value for name, value in body.pop("metadata", {}).items() if name in _OURS}
    return {**body, "metadata": metadata} if metadata else body


def _without_status(obj: Wire) -> Wire:
    return {name: value for name, value in obj.items() if name != "status"}


def _status(obj: Kind) -> Wire:
    status = getattr(obj, "status", None)
    return {} if status is None else wire(status)
