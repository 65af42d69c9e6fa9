# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes API server in memory, and the real facade over it, for unit tests of lives.

    kube = MemoryKube(Cluster, Server)        # the kinds that are cached
    kube.create(a_cluster())                  # lives use kube as ever
    turn(key, life, kube)
    kube.server.fail("PATCH", "/status", Conflict("late"))   # the next such request fails
    kube.server.fail("POST", "servers", Unreachable("cut off"), after_work=True)   # done, yet it fails
    kube.hold() ... kube.deliver()            # the watch lags behind; hold(Cluster): that of one kind
    kube.server.requests                      # [(verb, path)]; kube.events() what was told

It does what the real one does with: resource versions, generation, merge patches, the status subresource, conflicts,
finalizers and deletionTimestamp, uid preconditions, and garbage collection by owner references (at once).
It watches too (`Kube(Client(MemoryServer()))` under a Manager).
A status in a create request is dropped, as for every kind with a status subresource (`server.put` stores one).
It checks no schema. Rule: all through JSON, as over a wire, so that no test shares an object with the server.
"""

import base64
import contextlib
import copy
import itertools
import re
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from pycapo.kube.cache import Cache, Index
from pycapo.kube.client import Client
from pycapo.kube.conditions import now
from pycapo.kube.errors import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from pycapo.kube.kube import Kube
from pycapo.kube.meta import K, ObjectKey, decode, merged, path_of
from pycapo.kube.session import Lines, Params

Document = dict[str, Any]
Listener = Callable[[str, str, Document], None]
_PATH = re.compile(
    r"/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<sub>status))?$"
)
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion")


class _Fault:
    def __init__(self, verb: str, part: str, error: Exception, *, after_work: bool, times: int) -> None:
        self.verb, self.part, self.error, self.after_work, self.times = verb, part, error, after_work, times

    def meets(self, verb: str, path: str) -> bool:
        return self.times > 0 and self.verb == verb and self.part in path


class _Stream:
    """The events of one collection since a version, as lines; ends when cut."""

    def __init__(self, server: "MemoryServer", plural: str, namespace: str, *, since: int) -> None:
        self._server, self._plural, self._namespace, self._since = server, plural, namespace, since
        self._cut = False

    def cut(self) -> None:
        with self._server.changed:
            self._cut = True
            self._server.changed.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        position = 0
        while True:
            with self._server.changed:
                while position >= len(self._server.history) and not self._cut:
                    self._server.changed.wait(5)
                if self._cut:
                    return
                type_, plural, document = self._server.history[position]
            position += 1
            metadata = document["metadata"]
            mine = plural == self._plural and self._namespace in ("", metadata.get("namespace"))
            if mine and int(metadata["resourceVersion"]) > self._since:
                yield msgspec.json.encode({"type": type_, "object": document})


class _Store:
    """The verbs of the API on documents."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, ObjectKey], Document] = {}  # (plural, key)
        self.listeners: list[Listener] = []
        self.absent: set[str] = set()  # plurals whose CRD is missing
        self.history: list[tuple[str, str, Document]] = []
        self.changed = threading.Condition()
        self._versions = itertools.count(1)
        self._version = 0

    def _answer(self, method: str, path: str, body: Any) -> Document:
        found = _PATH.match(path)
        if found is None or found["plural"] in self.absent:
            raise NotFound(f"{method} {path}: no such kind", status=404, reason="NotFound")
        plural, key = found["plural"], ObjectKey(found["namespace"] or "", found["name"] or "")
        match method:
            case "GET" if not key.name:
                return self._list(plural, key.namespace)
            case "POST":
                return self._create(plural, key.namespace, body)
        document = self.objects.get((plural, key))
        if document is None:
            raise NotFound(f"{plural} {key} not found", status=404, reason="NotFound")
        match method:
            case "GET":
                return document
            case "PATCH" | "PUT":
                return self._write(plural, document, body, method=method, status=bool(found["sub"]))
            case "DELETE":
                return self._delete(plural, document, body or {})
        raise KubeError(f"{method} is not served", status=405)

    def _list(self, plural: str, namespace: str) -> Document:
        items = [
            document for (kind, key), document in self.objects.items()
            if kind == plural and (not namespace or key.namespace == namespace)
        ]  # fmt: skip
        return {"metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _create(self, plural: str, namespace: str, body: Document) -> Document:
        metadata = body.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        if not metadata.get("name"):
            raise Invalid("metadata.name: Required value", status=422, reason="Invalid")
        if namespace:
            metadata["namespace"] = namespace
        if (plural, ObjectKey(namespace, metadata["name"])) in self.objects:
            raise AlreadyExists(f"{plural} {metadata['name']} already exists", status=409, reason="AlreadyExists")
        return self._store("ADDED", plural, {name: value for name, value in body.items() if name != "status"})

    def _write(self, plural: str, old: Document, body: Document, *, method: str, status: bool) -> Document:
        asked = body.get("metadata", {})
        if asked.get("resourceVersion", old["metadata"]["resourceVersion"]) != old["metadata"]["resourceVersion"]:
            raise Conflict(f"{plural} {old['metadata']['name']} has been modified", status=409, reason="Conflict")
        new = merged(old, body) if method == "PATCH" else body
        new = {**old, "status": new.get("status")} if status else {**new, "status": old.get("status")}
        new = {name: value for name, value in new.items() if value is not None}
        new["metadata"] = {
            **new["metadata"], **{name: old["metadata"][name] for name in _IMMUTABLE if name in old["metadata"]}
        }  # fmt: skip
        return self._replace(plural, new)

    def _replace(self, plural: str, new: Document) -> Document:
        metadata = new["metadata"]
        old = self.objects[plural, ObjectKey(metadata.get("namespace", ""), metadata["name"])]
        if new == old:
            return old
        if new.get("spec") != old.get("spec"):
            metadata["generation"] = metadata.get("generation", 1) + 1
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            return self._remove(plural, new)
        return self._store("MODIFIED", plural, new)

    def _delete(self, plural: str, old: Document, body: Document) -> Document:
        uid = body.get("preconditions", {}).get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise Conflict(f"the uid in the precondition ({uid}) is not that of the object", status=409)
        if not old["metadata"].get("finalizers"):
            self._remove(plural, old)
            return {"kind": "Status", "status": "Success"}
        if old["metadata"].get("deletionTimestamp"):
            return old
        metadata = {**old["metadata"], "deletionTimestamp": now(), "generation": old["metadata"]["generation"] + 1}
        return self._store("MODIFIED", plural, {**old, "metadata": metadata})

    def _store(self, type_: str, plural: str, document: Document) -> Document:
        metadata = document["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", now())
        metadata.setdefault("generation", 1)
        self._stamp(metadata)
        self.objects[plural, ObjectKey(metadata.get("namespace", ""), metadata["name"])] = document
        self._tell(type_, plural, document)
        return document

    def _remove(self, plural: str, document: Document) -> Document:
        metadata = document["metadata"]
        del self.objects[plural, ObjectKey(metadata.get("namespace", ""), metadata["name"])]
        gone = copy.deepcopy(document)
        self._stamp(gone["metadata"])
        self._tell("DELETED", plural, gone)
        self._collect(metadata["uid"])
        return document

    def _collect(self, uid: str) -> None:
        """Delete what only the owner with this uid held."""
        for (plural, _), document in list(self.objects.items()):
            owners = document["metadata"].get("ownerReferences", [])
            left = [
                owner for owner in owners if any(owner["uid"] == o["metadata"]["uid"] for o in self.objects.values())
            ]
            if any(owner["uid"] == uid for owner in owners) and not left:
                self._delete(plural, document, {})

    def _stamp(self, metadata: Document) -> None:
        self._version = next(self._versions)
        metadata["resourceVersion"] = str(self._version)

    def _tell(self, type_: str, plural: str, document: Document) -> None:
        told = copy.deepcopy(document)
        with self.changed:
            self.history.append((type_, plural, told))
            self.changed.notify_all()
        for listener in self.listeners:
            listener(type_, plural, told)


class MemoryServer(_Store):
    """A Transport whose other end is a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str]] = []
        self.faults: list[_Fault] = []

    def fail(self, verb: str, part: str, error: Exception, *, after_work: bool = False, times: int = 1) -> None:
        """Fail the next requests whose path contains `part`; with `after_work` only after carrying them out."""
        self.faults.append(_Fault(verb, part, error, after_work=after_work, times=times))

    def writes(self) -> list[tuple[str, str]]:
        """Return the requests that were not reads, events left out."""
        return [(verb, path) for verb, path in self.requests if verb != "GET" and not path.endswith("/events")]

    def put(self, plural: str, document: Document) -> Document:
        """Store an object as someone else would, status included."""
        metadata = document.setdefault("metadata", {})
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        return self._store("MODIFIED" if (plural, key) in self.objects else "ADDED", plural, copy.deepcopy(document))

    def edit(self, plural: str, namespace: str, name: str, patch: Document) -> Document:
        """Apply a merge patch as someone else would, status included."""
        return self._replace(plural, merged(self.objects[plural, ObjectKey(namespace, name)], patch))

    def request(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, timeout: float | None = None
    ) -> bytes:
        """Carry out one request."""
        self.requests.append((method, path))
        fault = next((fault for fault in self.faults if fault.meets(method, path)), None)
        if fault:
            fault.times -= 1
            if not fault.after_work:
                raise fault.error
        with self.changed:
            answer = msgspec.json.encode(self._answer(method, path, msgspec.json.decode(msgspec.json.encode(body))))
        if fault:
            raise fault.error
        return answer

    @contextlib.contextmanager
    def stream(self, path: str, *, params: Params, idle: float) -> Iterator[Lines]:
        """Watch a collection from a resource version on."""
        found = _PATH.match(path)
        if found is None or found["plural"] in self.absent:
            raise NotFound(f"watch {path}: no such kind", status=404, reason="NotFound")
        yield _Stream(self, found["plural"], found["namespace"] or "", since=int(params["resourceVersion"]))


class MemoryKube(Kube):
    """The facade of the runtime over a MemoryServer; the caches of the given kinds follow at once unless held."""

    def __init__(self, *kinds: type[Any]) -> None:
        self.server = MemoryServer()
        self._held: list[tuple[str, str, Document]] | None = None
        self._lagging: set[str] = set()
        super().__init__(Client(self.server))
        self.server.listeners.append(self._listen)
        for kind in kinds:
            self.cache(kind)

    def cache(self, kind: type[K], indexes: Mapping[str, Index] | None = None) -> Cache[K]:
        """Return the cache of a kind, filled with what the server has."""
        cache = super().cache(kind, indexes)
        if not cache.synced.is_set():
            cache.replace(*self.client.list(kind))
        return cache

    def has_secret(self, namespace: str, name: str, data: dict[str, bytes]) -> None:
        """Store a Secret."""
        told = {field: base64.b64encode(value).decode() for field, value in data.items()}
        metadata = {"namespace": namespace, "name": name}
        self.server.put("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": told})
        self._secrets.clear()

    def hold(self, *kinds: type[Any]) -> None:
        """Let the watches lag, all or those of some kinds: events wait for `deliver`."""
        self._held, self._lagging = [], {kind.plural for kind in kinds}

    def deliver(self) -> None:
        """Deliver the events that waited, and all from now on."""
        held, self._held = self._held or [], None
        for event in held:
            self._listen(*event)

    def stored(self, plural: str, namespace: str, name: str) -> Document | None:
        """Return a copy of what the server has, as JSON."""
        return copy.deepcopy(self.server.objects.get((plural, ObjectKey(namespace, name))))

    def events(self) -> list[tuple[str, str, str]]:
        """Return type, reason and message of the events that were told."""
        self.recorder.flush()
        return [(e["type"], e["reason"], e["message"]) for (k, _), e in self.server.objects.items() if k == "events"]

    def _listen(self, type_: str, plural: str, document: Document) -> None:
        if self._held is not None and (not self._lagging or plural in self._lagging):
            self._held.append((type_, plural, document))
            return
        for cache in self.caches:
            if cache.kind.plural == plural and path_of(cache.kind).endswith(f"{document['apiVersion']}/{plural}"):
                cache.apply(type_, decode(cache.kind, msgspec.json.encode(document)))
