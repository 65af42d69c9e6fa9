# SPDX-License-Identifier: Apache-2.0
"""The objects of one kind in memory, as Structs, with named indexes; handlers hear each change as (old, new).

    list, watch ──> replace, apply ──┐
    our own writes ──> wrote ────────┴──> objects, indexes ──> handlers

Rule: read your writes. What we wrote is visible at once, and an event older than it is ignored,
so that a decision is never taken twice on a stale picture. Objects in here are never changed by anyone.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic

import structlog

from pycapo.kube import metrics
from pycapo.kube.meta import K, Kind, ObjectKey, deleting, key_of, version_of

log = structlog.get_logger(__name__)
Index = Callable[[Any], Iterable[str]]
Handler = Callable[[Any, Any], None]


def by_owner(obj: Kind) -> Iterable[str]:
    """Index by kind, namespace and name of each owner: what stays when objects move to another management cluster."""
    return [f"{it.kind} {obj.metadata.namespace}/{it.name}" for it in obj.metadata.owner_references or ()]


def by_label(name: str) -> Index:
    """Index by namespace/value of a label."""

    def values(obj: Kind) -> Iterable[str]:
        value = (obj.metadata.labels or {}).get(name)
        return [f"{obj.metadata.namespace}/{value}"] if value else []

    return values


def by_namespace(obj: Kind) -> Iterable[str]:
    """Index by namespace."""
    return [obj.metadata.namespace or ""]


CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
"""By which Cluster API and its providers tell what belongs to a cluster."""

DEFAULT_INDEXES: Mapping[str, Index] = {
    "owner": by_owner,
    "namespace": by_namespace,
    "cluster": by_label(CLUSTER_LABEL),
}


class Cache(Generic[K]):
    """All objects of a kind; get is O(1), list by index is O(found)."""

    def __init__(self, kind: type[K], indexes: Mapping[str, Index] | None = None) -> None:
        self.kind = kind
        self.synced = threading.Event()
        self._lock = threading.RLock()
        self._objects: dict[ObjectKey, K] = {}
        self._functions: dict[str, Index] = {**DEFAULT_INDEXES, **(indexes or {})}
        self._found: dict[str, dict[str, set[ObjectKey]]] = {name: {} for name in self._functions}
        self._position = 0  # newest version that the watch has shown
        self._floors: dict[ObjectKey, int] = {}  # our own writes that the watch has not shown yet
        self._handlers: list[Handler] = []
        self._gauge = metrics.CACHED.labels(kind.kind)

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: ObjectKey) -> K | None:
        """Return the object, None when it does not exist; do not change it."""
        return self._objects.get(key)

    def list(self, index: str = "", value: str = "") -> list[K]:
        """Return all objects, or those that an index finds under a value."""
        with self._lock:
            if not index:
                return list(self._objects.values())
            return [self._objects[key] for key in self._found[index].get(value, ())]

    def subscribe(self, handler: Handler) -> None:
        """Call `handler(old, new)` for each object that is there and for each change from now on."""
        with self._lock:
            self._handlers.append(handler)
            there = list(self._objects.values())
        for obj in there:
            handler(None, obj)

    def replace(self, objects: Iterable[K], version: str) -> None:
        """Take over a whole list that was read at a resource version."""
        new = {key_of(obj): obj for obj in objects}
        with self._lock:
            position = int(version or 0)
            # A version that went back means a restored etcd: what we know of versions is void.
            back = position < self._position
            self._position = position
            self._floors = {} if back else {key: floor for key, floor in self._floors.items() if floor > position}
            missing = self._objects.keys() - new.keys() - self._floors.keys()
            changes: list[tuple[K | None, K | None]] = [(self._store(key, None), None) for key in missing]
            changes += [(self._store(key, obj), obj) for key, obj in new.items() if self._is_news(key, obj)]
        self.synced.set()
        for old, current in changes:
            self._tell(old, current)

    def apply(self, type_: str, obj: K) -> None:
        """Take over one event of the watch: ADDED, MODIFIED or DELETED."""
        key, version = key_of(obj), version_of(obj)
        with self._lock:
            self._position = max(self._position, version)
            if version <= self._floor(key):
                return
            self._floors.pop(key, None)
            new = None if type_ == "DELETED" else obj
            old = self._store(key, new)
        self._tell(old, new)

    def wrote(self, obj: K) -> None:
        """Take over the answer to our own write, unless the watch is past it."""
        key, version = key_of(obj), version_of(obj)
        if deleting(obj) and not obj.metadata.finalizers:
            # The answer to taking off the last finalizer shows the object once more, at its old version.
            self.vanished(key, last=obj)
            return
        with self._lock:
            if version <= max(self._position, self._floors.get(key, 0)):
                return
            self._floors[key] = version
            old = self._store(key, obj)
        self._tell(old, obj)

    def vanished(self, key: ObjectKey, *, last: K | None = None) -> None:
        """Take over that the API server no longer has the object, and what was `last` seen of it."""
        with self._lock:
            there = self._objects.get(key)
            if there is None or (last is not None and last.metadata.uid != there.metadata.uid):
                return
            self._floors[key] = max(version_of(there), version_of(last) if last is not None else 0)
            self._store(key, None)
        self._tell(there, None)

    def bookmark(self, version: str) -> None:
        """Take over how far the watch is; floors below it are no longer needed."""
        with self._lock:
            self._position = max(self._position, int(version))
            self._floors = {key: floor for key, floor in self._floors.items() if floor > self._position}

    def _is_news(self, key: ObjectKey, obj: K) -> bool:
        there = self._objects.get(key)
        return key not in self._floors and (there is None or version_of(there) != version_of(obj))

    def _floor(self, key: ObjectKey) -> int:
        """Return the version up to which news of an object are old."""
        there = self._objects.get(key)
        return max(self._floors.get(key, 0), version_of(there) if there is not None else 0)

    def _store(self, key: ObjectKey, new: K | None) -> K | None:
        old = self._objects.pop(key, None)
        if old is not None:
            self._index(key, old, remove=True)
        if new is not None:
            self._objects[key] = new
            self._index(key, new, remove=False)
        self._gauge.set(len(self._objects))
        return old

    def _index(self, key: ObjectKey, obj: K, *, remove: bool) -> None:
        for name, values in self._functions.items():
            found = self._found[name]
            for value in values(obj):
                if not remove:
                    found.setdefault(value, set()).add(key)
                    continue
                found[value].discard(key)
                if not found[value]:
                    del found[value]

    def _tell(self, old: K | None, new: K | None) -> None:
        if old is None and new is None:
            return
        for handler in self._handlers:
            try:
                handler(old, new)
            except Exception:
                log.exception("a handler of cache events failed", kind=self.kind.kind)
