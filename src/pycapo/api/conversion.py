# SPDX-License-Identifier: Apache-2.0
"""Conversion of objects between versions, through the hub v1beta2: loses nothing, and never shows anything stale.

What the other version cannot express is kept in an annotation (see leftovers). The Go provider keeps a copy of the
whole object instead; of that copy only what v1beta2 cannot express is believed, and the copy itself is dropped.
"""

import copy
from collections.abc import Callable
from typing import Any

import msgspec

from pycapo.api import from_v1alpha3, from_v1beta1
from pycapo.api.leftovers import Group, Leftover, leftovers, restore
from pycapo.api.meta import API_GROUP
from pycapo.api.steps import Body, ConversionError, Step, lower_from_hub, raise_to_hub

__all__ = ["ConversionError", "convert"]

HUB = "v1beta2"
KEPT_ANNOTATION = f"{API_GROUP}/kept-for-"
HUB_GROUPS: tuple[Group, ...] = (frozenset({"id", "filter"}),)
WHOLE_COPY_ANNOTATION = "cluster.x-k8s.io/conversion-data"


class Spoke(msgspec.Struct, frozen=True):
    """A version besides the hub: the steps for each kind, what belongs together, and what absent fields mean."""

    version: str
    steps: dict[str, tuple[Step, ...]]
    groups: tuple[Group, ...]
    complete: Callable[[str, Body], None]
    hub_groups: tuple[Group, ...] = HUB_GROUPS


SPOKES = {
    "v1alpha3": Spoke(
        "v1alpha3",
        from_v1alpha3.STEPS,
        from_v1alpha3.GROUPS,
        from_v1alpha3.complete,
        from_v1alpha3.HUB_GROUPS,
    ),
    "v1beta1": Spoke("v1beta1", from_v1beta1.STEPS, from_v1beta1.GROUPS, from_v1beta1.complete),
}


def convert(obj: dict[str, Any], desired: str) -> dict[str, Any]:
    """Return obj as the version desired (group/version); obj itself is left alone.

    Raises ConversionError with the path of the field that is wrong.
    """
    source, target = _version(obj.get("apiVersion")), _version(desired)
    converted = copy.deepcopy(obj)
    if source != target:
        converted = to_hub(converted, source) if source != HUB else converted
        converted = from_hub(converted, target) if target != HUB else converted
    converted["apiVersion"] = desired
    return converted


def to_hub(obj: Body, version: str) -> Body:
    """Return obj, which is of another version, as the hub version."""
    spoke, kind = _spoke(obj, version)
    steps = spoke.steps[kind]
    original = _content(obj)
    spoke.complete(kind, original)
    hub = copy.deepcopy(original)
    raise_to_hub(hub, steps)
    annotations = _annotations(obj)
    restore(hub, _kept(annotations, HUB), spoke.hub_groups)
    image = copy.deepcopy(hub)
    lower_from_hub(image, steps)
    _restore_template_metadata(hub, annotations)
    _keep(annotations, version, leftovers(original, image, spoke.groups))
    return _assembled(obj, hub, annotations)


def from_hub(obj: Body, version: str) -> Body:
    """Return obj, which is of the hub version, as another version."""
    spoke, kind = _spoke(obj, version)
    steps = spoke.steps[kind]
    original = _content(obj)
    other = copy.deepcopy(original)
    lower_from_hub(other, steps)
    annotations = _annotations(obj)
    kept = [*_kept_in_whole_copy(annotations, spoke, kind), *_kept(annotations, version)]
    restore(other, kept, spoke.groups)
    image = copy.deepcopy(other)
    raise_to_hub(image, steps)
    _keep(annotations, HUB, leftovers(original, image, spoke.hub_groups))
    return _assembled(obj, other, annotations)


def _version(api_version: object) -> str:
    group, _, version = str(api_version).rpartition("/")
    if group != API_GROUP:
        raise ConversionError("apiVersion", f"expected group {API_GROUP}, found {api_version!r}")
    return version


def _spoke(obj: Body, version: str) -> tuple[Spoke, str]:
    kind = str(obj.get("kind"))
    spoke = SPOKES.get(version)
    if spoke is None or kind not in spoke.steps:
        raise ConversionError("apiVersion", f"{kind} is not convertible between {version} and {HUB}")
    return spoke, kind


def _content(obj: Body) -> Body:
    return {name: copy.deepcopy(value) for name, value in obj.items() if name in ("spec", "status")}


def _annotations(obj: Body) -> dict[str, str]:
    metadata = obj.get("metadata") or {}
    return dict(metadata.get("annotations") or {})


def _assembled(obj: Body, content: Body, annotations: dict[str, str]) -> Body:
    """Return obj with other content and annotations; the rest of its metadata must not change."""
    annotations.pop(WHOLE_COPY_ANNOTATION, None)
    metadata = dict(obj.get("metadata") or {})
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    rest = {name: value for name, value in obj.items() if name not in ("metadata", "spec", "status")}
    return {**rest, **({"metadata": metadata} if metadata or "metadata" in obj else {}), **content}


def _kept(annotations: dict[str, str], version: str) -> list[Leftover]:
    text = annotations.pop(KEPT_ANNOTATION + version, None)
    if text is None:
        return []
    try:
        return msgspec.json.decode(text, type=list[Leftover])
    except msgspec.DecodeError:
        return []  # someone edited it; the fields themselves are worth more than what could not be expressed


def _keep(annotations: dict[str, str], version: str, kept: list[Leftover]) -> None:
    annotations.pop(KEPT_ANNOTATION + version, None)
    if kept:
        annotations[KEPT_ANNOTATION + version] = msgspec.json.encode(kept, order="deterministic").decode()


def _whole_copy(annotations: dict[str, str]) -> Body:
    try:
        found = msgspec.json.decode(annotations.get(WHOLE_COPY_ANNOTATION, "{}"))
    except msgspec.DecodeError:
        return {}
    return _content(found) if isinstance(found, dict) else {}


def _kept_in_whole_copy(annotations: dict[str, str], spoke: Spoke, kind: str) -> list[Leftover]:
    """Return what the Go provider's copy of the other version's object says that the hub cannot."""
    original = _whole_copy(annotations)
    spoke.complete(kind, original)
    image = copy.deepcopy(original)
    try:
        raise_to_hub(image, spoke.steps[kind])
        lower_from_hub(image, spoke.steps[kind])
    except ConversionError:
        return []
    return leftovers(original, image, spoke.groups)


def _restore_template_metadata(hub: Body, annotations: dict[str, str]) -> None:
    """Take a cluster template's metadata out of the Go provider's copy: its v1beta1 has no field for them."""
    saved = _whole_copy(annotations).get("spec") or {}
    metadata = (saved.get("template") or {}).get("metadata")
    template = (hub.get("spec") or {}).get("template")
    if metadata and isinstance(template, dict):
        template.setdefault("metadata", metadata)
