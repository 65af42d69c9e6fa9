# SPDX-License-Identifier: Apache-2.0
"""`clusterctl move` between two API servers in memory, request by request, so that a test can look in between.

for _ in move(one.kube.server, other.kube.server):
    ...                                     # what a pycapo on either side does now

Rule: it does what clusterctl v1.14 does and in its order: what a Cluster owns, and kinds whose definition has the label
move-hierarchy, are made anew from owners to owned; the other way round all annotations are replaced by one, then the object
is deleted, then its finalizers are taken off.
"""

import copy
from collections.abc import Iterator
from typing import Any

from memory_kube import MemoryServer
from pycapo.api.crd import MOVE_HIERARCHY_LABEL, crds
from pycapo.kube.errors import AlreadyExists
from pycapo.kube.life import MOVED_ANNOTATION

Document = dict[str, Any]
LABELLED = {crd["spec"]["names"]["plural"] for crd in crds() if MOVE_HIERARCHY_LABEL in crd["metadata"]["labels"]}
ROOTS = {"clusters", *LABELLED}


def move(source: MemoryServer, target: MemoryServer, *, roots: frozenset[str] = frozenset(ROOTS)) -> Iterator[str]:
    """Move everything that can be; yields what was done after each request."""
    groups = sequence(source, roots)
    clusters = [it for it in source.objects if it[0] == "clusters"]
    for plural, key in clusters:
        source.edit(plural, *key, {"spec": {"paused": True}})
        yield "paused"
    uids: dict[str, str] = {}
    for plural, document in (it for group in groups for it in group):
        uids[document["metadata"]["uid"]] = _made(source, target, plural, document, uids)
        yield f"made {plural} {document['metadata']['name']}"
    for plural, document in (it for group in reversed(groups) for it in group):
        yield from _deleted(source, plural, document["metadata"])
    for plural, key in clusters:
        target.edit(plural, *key, {"spec": {"paused": None}})
    yield "resumed"


def sequence(server: MemoryServer, roots: frozenset[str]) -> list[list[tuple[str, Document]]]:
    """What is moved, in groups: each after what owns it. What has an owner that is not moved, is not moved either."""
    known = [(plural, copy.deepcopy(it)) for (plural, _), it in server.objects.items() if plural != "events"]
    moved = {it["metadata"]["uid"] for plural, it in known if plural in roots}
    while more := {it["metadata"]["uid"] for _, it in known if moved & _owners(it)} - moved:
        moved |= more
    groups: list[list[tuple[str, Document]]] = []
    placed: set[str] = set()
    while group := [(plural, it) for plural, it in known if _next(it, moved, placed)]:
        groups.append(group)
        placed |= {it["metadata"]["uid"] for _, it in group}
    return groups


def _next(document: Document, moved: set[str], placed: set[str]) -> bool:
    uid = document["metadata"]["uid"]
    return uid in moved and uid not in placed and _owners(document) <= placed


def _owners(document: Document) -> set[str]:
    return {owner["uid"] for owner in document["metadata"].get("ownerReferences") or ()}


def _made(source: MemoryServer, target: MemoryServer, plural: str, known: Document, uids: dict[str, str]) -> str:
    meta = known["metadata"]
    namespace, name = meta["namespace"], meta["name"]
    path = f"/apis/{known['apiVersion']}/namespaces/{namespace}/{plural}"
    document = copy.deepcopy(next(it for (p, k), it in source.objects.items() if (p, *k) == (plural, namespace, name)))
    kept = {field: value for field, value in document["metadata"].items() if field not in _OF_THE_SERVER}
    owners = [{**owner, "uid": uids[owner["uid"]]} for owner in kept.get("ownerReferences") or ()]
    document["metadata"] = {**kept, "ownerReferences": owners} if owners else kept
    try:
        target.request("POST", path, body=document)
    except AlreadyExists:
        target.request("PUT", f"{path}/{name}", body=document)
    made = next(it for (p, k), it in target.objects.items() if (p, *k) == (plural, namespace, name))
    return str(made["metadata"]["uid"])


_OF_THE_SERVER = ("uid", "resourceVersion", "creationTimestamp", "generation")


def _deleted(source: MemoryServer, plural: str, meta: Document) -> Iterator[str]:
    namespace, name = meta["namespace"], meta["name"]
    there = lambda: [it for (p, k), it in source.objects.items() if (p, *k) == (plural, namespace, name)]  # noqa: E731
    for document in there():
        wiped = dict.fromkeys(document["metadata"].get("annotations") or {})
        source.edit(plural, namespace, name, {"metadata": {"annotations": {**wiped, MOVED_ANNOTATION: ""}}})
        yield f"annotated {plural} {name}"
        path = f"/apis/{document['apiVersion']}/namespaces/{namespace}/{plural}/{name}"
        source.request("DELETE", path)
        yield f"deleted {plural} {name}"
        if there():
            source.edit(plural, namespace, name, {"metadata": {"finalizers": None}})
            yield f"let {plural} {name} go"


def lasting(value: Any) -> Any:
    """What of a status has to be told again after a move: all but times, generations, uids, and what new servers are made with."""
    if isinstance(value, list):
        return [lasting(it) for it in value]
    if not isinstance(value, dict):
        return value
    plain = {name: lasting(it) for name, it in value.items() if name not in _OF_THE_MOMENT}
    return {**plain, "conditions": {it["type"]: it for it in plain.get("conditions") or ()}}


_OF_THE_MOMENT = ("lastTransitionTime", "observedGeneration", "uid", "resolved")
