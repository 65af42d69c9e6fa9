# SPDX-License-Identifier: Apache-2.0
"""Steps of a conversion between two versions of a kind, on plain JSON data.

A step changes, in place, every object that lies at a path such as spec.ports[] ([] stands for each item of a list).
What a step does not know it leaves alone.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

Body = dict[str, Any]
Change = Callable[[Body], None]


class ConversionError(ValueError):
    """An object that cannot be converted; path is the field that is wrong."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class Step(msgspec.Struct, frozen=True):
    """What happens to the objects at one path on the way to the hub, and on the way back."""

    at: str
    to_hub: Change
    from_hub: Change


def raise_to_hub(body: Body, steps: Iterable[Step]) -> None:
    """Change body, in place, from the other version to the hub version."""
    for step in steps:
        for found in objects_at(body, step.at):
            step.to_hub(found)


def lower_from_hub(body: Body, steps: Iterable[Step]) -> None:
    """Change body, in place, from the hub version to the other version."""
    for step in reversed(tuple(steps)):
        for found in objects_at(body, step.at):
            step.from_hub(found)


def objects_at(body: Body, at: str) -> Iterator[Body]:
    """Yield the objects at a path; absent ones are skipped, anything else there raises ConversionError."""
    found = [("", body)]
    for part in at.split("."):
        name = part.removesuffix("[]")
        below = [(f"{path}.{name}".lstrip("."), here.get(name)) for path, here in found]
        if part.endswith("[]"):
            below = [
                (f"{path}[{i}]", item) for path, items in below for i, item in enumerate(_expected(items, list, path))
            ]
        found = [(path, _expected(here, dict, path)) for path, here in below if here is not None]
    yield from (here for _, here in found)


def _expected(value: Any, kind: type, path: str) -> Any:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise ConversionError(path, f"expected {wanted}, found {type(value).__name__}")
    return value


def expect_objects(at: str) -> Step:
    """Return the step that changes nothing and raises ConversionError, with the path, where no objects are."""
    return Step(at, _nothing, _nothing)


def _nothing(body: Body) -> None:
    """Change nothing."""


def rename(at: str, other: str, hub: str) -> Step:
    """Return the step for a field that has another name or place in the hub version; both are dotted paths below at."""
    return Step(at, lambda body: _move(body, other, hub), lambda body: _move(body, hub, other))


def negate(at: str, other: str, hub: str) -> Step:
    """Return the step for a switch that says the opposite in the hub version (disableX and enableX)."""

    def moved(body: Body, source: str, target: str) -> None:
        _move(body, source, target, lambda value: not value if isinstance(value, bool) else value)

    return Step(at, lambda body: moved(body, other, hub), lambda body: moved(body, hub, other))


def _move(body: Body, source: str, target: str, change: Callable[[Any], Any] = lambda value: value) -> None:
    *parents, leaf = source.split(".")
    holders = [body]
    for parent in parents:
        below = holders[-1].get(parent)
        if not isinstance(below, dict):
            return
        holders.append(below)
    value = holders[-1].pop(leaf, None)
    if value is not None:
        _put(body, target, change(value))
        for holder, parent in reversed(list(zip(holders, parents, strict=False))):
            if not holder[parent]:
                del holder[parent]


def _put(body: Body, target: str, value: Any) -> None:
    *parents, leaf = target.split(".")
    for parent in parents:
        if body.get(parent) is None:
            body[parent] = {}
        body = _expected(body[parent], dict, parent)
    body[leaf] = value
