# SPDX-License-Identifier: Apache-2.0
"""What differs between two states of an object, field by field.

Rule: a difference that means nothing is none. Absent, null, an empty list and an empty string are the same, except that
an empty `securityGroups` means "no group" and an absent one "the default group". References (`{id}`, `{filter}`,
`{imageRef}`) are one value: nobody thinks of a flavor as of two fields.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any


class Name(str):
    """The step into an item of a list whose items have unique names."""

    __slots__ = ()


Path = tuple[str | int, ...]
ANY = "*"
REFERENCE = frozenset({"id", "filter", "imageRef"})
EMPTY_IS_NOTHING = "apiServer"


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs; None stands for absent."""

    path: Path
    old: object
    new: object


def changes(old: object, new: object, path: Path = ()) -> Iterator[Change]:
    """Yield the fields that differ, as deep as both sides have the same shape."""
    old, new = _meaning(path, old), _meaning(path, new)
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping) and not _is_reference(old, new):
        for key in dict.fromkeys((*old, *new)):
            yield from changes(old.get(key), new.get(key), (*path, key))
    elif pairs := _paired(old, new):
        for step, before, after in pairs:
            yield from changes(before, after, (*path, step))
    else:
        yield Change(path, old, new)


def pattern(text: str) -> Path:
    """Return the path that a text such as `managedSubnets[*].dnsNameservers` spells; `*` stands for any item."""
    return tuple(re.findall(r"[^.\[\]]+", text))


def covers(prefix: Path, path: Path) -> bool:
    """Tell whether a path is, or lies below, what a pattern spells."""
    return len(prefix) <= len(path) and all(map(_step_matches, prefix, path))


def spell(path: Path) -> str:
    """Return a path as people write it: `ports[0].network`, `networks[storage].managed`."""
    text = "".join(f"[{step}]" if isinstance(step, int | Name) else f".{step}" for step in path)
    return text.removeprefix(".")


def _step_matches(wanted: str | int, step: str | int) -> bool:
    return wanted == step or (wanted == ANY and isinstance(step, int | Name))


def _meaning(path: Path, value: object) -> object:
    """Return a value, or None where it says no more than absence does."""
    key = path[-1] if path else None
    if key == EMPTY_IS_NOTHING:
        return value or {}
    if value == "" or (value == [] and key != "securityGroups"):
        return None
    # A machine's `trunk: false` is the default; a port's overrules its machine.
    return None if value is False and path == ("trunk",) else value


def _is_reference(*sides: Mapping[str, Any]) -> bool:
    return all(side and side.keys() <= REFERENCE for side in sides)


def _paired(old: object, new: object) -> list[tuple[str | int, object, object]] | None:
    """Return the items of two lists in pairs; None when that is not possible.

    They belong together by name or else by position, as long as objects were only added to, or taken from, the end.
    """
    if not _is_list_or_nothing(old) or not _is_list_or_nothing(new):
        return None
    before, after = _named(old), _named(new)
    if before is not None and after is not None:
        return [(Name(name), before.get(name), after.get(name)) for name in dict.fromkeys((*before, *after))]
    if not isinstance(old, Sequence) or not isinstance(new, Sequence):
        return None
    shared = min(len(old), len(new))
    if len(old) == len(new) or (_are_objects(old, new) and old[:shared] == new[:shared]):
        return list(zip_longest(range(max(len(old), len(new))), old, new))
    return None


def _are_objects(*lists: Sequence[Any]) -> bool:
    return all(isinstance(item, Mapping) for items in lists for item in items)


def _is_list_or_nothing(value: object) -> bool:
    return value is None or isinstance(value, list)


def _named(items: object) -> dict[str, object] | None:
    """Return the items by name when each has one of its own."""
    if not isinstance(items, list):
        return {}
    named: dict[str, object] = {
        item["name"]: item for item in items if isinstance(item, Mapping) and isinstance(item.get("name"), str)
    }
    return named if len(named) == len(items) else None
