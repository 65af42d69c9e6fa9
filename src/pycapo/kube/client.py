# SPDX-License-Identifier: Apache-2.0
"""The verbs of the Kubernetes API on typed objects: read, list, create, patch, delete.

Rule: it reads and writes, it never retries and never remembers; the caller knows what an error means.
"""

from typing import Any

import msgspec
import structlog

from pycapo.kube.errors import NotFound
from pycapo.kube.meta import K, Kind, Wire, decode, document, key_of, path_of
from pycapo.kube.session import Transport

log = structlog.get_logger(__name__)
FIELD_MANAGER = {"fieldManager": "pycapo"}


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] = []


_list_decoder = msgspec.json.Decoder(_List)


def decode_or_skip(kind: type[K], data: bytes | msgspec.Raw) -> K | None:
    """Return the object, or None after a log line when it does not fit its type: one bad object hides no other."""
    try:
        return decode(kind, data)
    except msgspec.ValidationError as error:
        log.error("object does not fit its type", kind=kind.kind, error=str(error))
        return None


class Client:
    """Typed requests over a Transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def read(self, kind: type[K], namespace: str, name: str) -> K | None:
        """Return the object as it is stored now, None when it does not exist."""
        try:
            return decode(kind, self.transport.request("GET", path_of(kind, namespace, name)))
        except NotFound:
            return None

    def list(self, kind: type[K], namespace: str = "", *, page: int = 500) -> tuple[list[K], str]:
        """Return all objects and the resource version to watch from; read in pages."""
        found: list[K] = []
        more = ""
        while True:
            params = {"limit": str(page), **({"continue": more} if more else {})}
            answer = _list_decoder.decode(self.transport.request("GET", path_of(kind, namespace), params=params))
            found.extend(obj for raw in answer.items if (obj := decode_or_skip(kind, raw)) is not None)
            more = answer.metadata.continue_
            if not more:
                return found, answer.metadata.resource_version

    def create(self, obj: K) -> K:
        """Create the object and return it as stored; raises AlreadyExists."""
        path = path_of(type(obj), key_of(obj).namespace)
        return decode(type(obj), self.transport.request("POST", path, params=FIELD_MANAGER, body=document(obj)))

    def patch(self, obj: K, body: Wire, *, subresource: str = "") -> K:
        """Send a merge patch to where `obj` is stored and return the result."""
        key = key_of(obj)
        path = path_of(type(obj), key.namespace, key.name, *([subresource] if subresource else []))
        return decode(type(obj), self.transport.request("PATCH", path, params=FIELD_MANAGER, body=body))

    def delete(self, kind: type[K], namespace: str, name: str, *, uid: str = "") -> K | None:
        """Ask for deletion; return the object when it still exists (finalizers), None when it is gone."""
        body: dict[str, Any] = {"propagationPolicy": "Background"}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            answer = self.transport.request("DELETE", path_of(kind, namespace, name), body=body)
        except NotFound:
            return None
        return decode(kind, answer) if b'"deletionTimestamp"' in answer else None


def describe(kind: type[Kind], namespace: str, name: str) -> str:
    """Return how an object is named in messages: Kind namespace/name."""
    return f"{kind.kind} {namespace}/{name}" if namespace else f"{kind.kind} {name}"
