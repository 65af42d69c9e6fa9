# SPDX-License-Identifier: Apache-2.0
"""What of an object may change after it was made.

Rule: everything is fixed, except what a table lists. A refusal names the field, what it was, what was asked for, and
what to do instead; the whole spec is never named where one field differs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pycapo.api.rules.change import Change, Path, changes, covers, pattern, spell
from pycapo.api.rules.problem import Problem, forbidden, show

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Update:
    """The specs before and after, and the status before."""

    old: Json
    new: Json
    status: Json = field(default_factory=dict)


Allowed = Callable[[Update, Change], bool]
Instead = Callable[[Update], str]


class Freedom:
    """What may change: always, or when a condition holds; and what to do instead of what may not."""

    def __init__(
        self, *, always: tuple[str, ...] = (), when: Mapping[str, Allowed] | None = None, default: str
    ) -> None:
        self._always = tuple(map(pattern, always))
        self._when = {pattern(text): allowed for text, allowed in (when or {}).items()}
        self._instead: dict[Path, Instead] = {}
        self._default = default

    def instead(self, path: str, text: str | Instead) -> "Freedom":
        """Say what to do instead of changing a field (the longest path that fits is taken); returns itself."""
        self._instead[pattern(path)] = text if callable(text) else lambda _update: text
        return self

    def paths(self) -> set[Path]:
        """Return every path that the tables speak of."""
        return {*self._always, *self._when, *self._instead}

    def refuse(self, update: Update, root: str = "spec") -> Iterator[Problem]:
        """Yield a problem for each change that is not allowed; `root` is where the specs are in their objects."""
        for change in changes(update.old, update.new):
            if not self._allows(update, change):
                told = f"{self._advice(update, change.path)} (it is {show(change.old)}, asked for {show(change.new)})"
                yield forbidden(f"{root}.{spell(change.path)}", told)

    def _allows(self, update: Update, change: Change) -> bool:
        if any(covers(prefix, change.path) for prefix in self._always):
            return True
        return any(covers(prefix, change.path) and allowed(update, change) for prefix, allowed in self._when.items())

    def _advice(self, update: Update, path: Path) -> str:
        fitting = [prefix for prefix in self._instead if covers(prefix, path)]
        return self._instead[max(fitting, key=len)](update) if fitting else self._default


def spec_of(found: Json) -> Json:
    """Return the spec of an object, empty when it has none."""
    return found.get("spec") or {}


def template_spec_of(found: Json) -> Json:
    """Return the spec that a template object gives to what is made from it."""
    return (spec_of(found).get("template") or {}).get("spec") or {}


def items(holder: Mapping[str, Any], name: str) -> list[Any]:
    """Return a list of an object, empty when it is absent."""
    return holder.get(name) or []


def part(holder: Mapping[str, Any], *names: str) -> Json:
    """Return a part of an object by the names that lead to it, empty when one is absent."""
    found: Any = holder
    for name in names:
        found = (found or {}).get(name)
    return found or {}
