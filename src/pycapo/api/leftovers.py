# SPDX-License-Identifier: Apache-2.0
"""What one version of an object can say and the other cannot, kept so that the way there and back loses nothing.

A leftover is a field of the original that the image (the original, converted there and back) has not or has
otherwise. Beside its value it holds a digest of what the image shows around it. It is restored only while that is
still the same: a later change made through the other version wins, so that nothing stale is ever shown.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

Key = str | int | dict[str, str]
Group = frozenset[str]

ABSENT = "absent"
NOTHING: Any = object()


class Leftover(msgspec.Struct, omit_defaults=True):
    """A field that the other version cannot express; without value it is one that must be taken out."""

    path: list[Key]
    seen: str
    value: Any = msgspec.UNSET


def leftovers(original: Any, image: Any, groups: Iterable[Group]) -> list[Leftover]:
    """Return the differences of original from image, in the order of their paths.

    groups are names of sibling fields that speak of one thing: a change of one makes leftovers of all stale.
    """
    found = _differences(original, image, [])
    return [Leftover(path, _digest(_around(image, path, groups)), value) for path, value in found]


def restore(body: Any, kept: Iterable[Leftover], groups: Iterable[Group]) -> None:
    """Put the leftovers that are not stale into body, in place."""
    fresh = [leftover for leftover in kept if _digest(_around(body, leftover.path, groups)) == leftover.seen]
    for leftover in fresh:
        _set(body, leftover.path, leftover.value)


def _differences(original: Any, image: Any, path: list[Key]) -> Iterator[tuple[list[Key], Any]]:
    if original == image:
        return
    if isinstance(original, dict) and isinstance(image, dict):
        for name in sorted(original.keys() | image.keys()):
            yield from _differences(original.get(name, NOTHING), image.get(name, NOTHING), [*path, name])
    elif keys := _shared_keys(original, image):
        for key, one, other in zip(keys, original, image, strict=True):
            yield from _differences(one, other, [*path, key])
    else:
        yield path, msgspec.UNSET if original is NOTHING else original


def _shared_keys(original: Any, image: Any) -> list[Key]:
    """Return what tells the items of two lists apart, if both have the same items in the same order."""
    if not isinstance(original, list) or not isinstance(image, list) or len(original) != len(image):
        return []
    if not all(isinstance(item, dict) for item in [*original, *image]):
        return []
    for name in ("type", "name"):
        values = [item.get(name) for item in original]
        if all(isinstance(value, str) for value in values) and len(set(values)) == len(values):
            return [{name: value} for value in values] if values == [item.get(name) for item in image] else []
    return list(range(len(original)))


def _around(body: Any, path: list[Key], groups: Iterable[Group]) -> Any:
    """Return what a leftover at path depends on: the list item it is in, else its group, else its own place."""
    items = [end for end, key in enumerate(path, 1) if not isinstance(key, str)]
    if items:
        return _get(body, path[: items[-1]])
    *parents, leaf = path
    for group in groups:
        if leaf in group:
            parent = _get(body, parents)
            return {name: parent.get(name) for name in group} if isinstance(parent, dict) else NOTHING
    return _get(body, path)


def _get(body: Any, path: Iterable[Key]) -> Any:
    for key in path:
        body = _below(body, key)
    return body


def _below(body: Any, key: Key) -> Any:
    if isinstance(key, str):
        return body.get(key, NOTHING) if isinstance(body, dict) else NOTHING
    if not isinstance(body, list):
        return NOTHING
    if isinstance(key, int):
        return body[key] if key < len(body) else NOTHING
    matches = [item for item in body if isinstance(item, dict) and key.items() <= item.items()]
    return matches[0] if len(matches) == 1 else NOTHING


def _set(body: Any, path: list[Key], value: Any) -> None:
    *parents, leaf = path
    parent = _get(body, parents)
    if not isinstance(parent, dict) or not isinstance(leaf, str):
        return
    if value is msgspec.UNSET:
        parent.pop(leaf, None)
    else:
        parent[leaf] = value


def _digest(value: Any) -> str:
    if value is NOTHING:
        return ABSENT
    text = msgspec.json.encode(value, order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]
