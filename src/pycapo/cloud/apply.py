# SPDX-License-Identifier: Apache-2.0
"""Acting: takes the steps of a plan in order, and decides nothing.

Keys of the plan are replaced by the ids that earlier steps brought; neighbouring creations of a bulk kind go out together.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pycapo.cloud.cloud import BULK, Cloud
from pycapo.cloud.errors import CloudError, Forbidden
from pycapo.cloud.reserved import ADVICE, reserved
from pycapo.model.steps import Create, Delete, Key, Plan, Sealed, Step, Update

_TELLING = re.compile(r"[0-9a-f-]{36}|(\d+\.){3}\d+|[0-9a-f:]*:[0-9a-f:]*", re.IGNORECASE)
Ledger = dict[Key, str]


def apply(plan: Plan, cloud: Cloud, *, done: list[Step] | None = None) -> Ledger:
    """Take every step and return the ids of what was made.

    Raises the first `CloudError`, with the field path of the step that it stopped at; `done` tells how far it came.
    """
    ledger: Ledger = {}
    for group in _groups(plan.steps):
        try:
            _take(group, cloud, ledger)
        except CloudError as error:
            error.path = error.path or _path(group, error)
            raise
        if done is not None:
            done.extend(group)
    return ledger


def _path(group: Sequence[Step], error: CloudError) -> str:
    """The field that an error is about: of several that went out together the one that it mentions, else all of them."""
    fields = reserved(group, error.message) if isinstance(error, Forbidden) else ()
    if fields:
        error.message = f"{error.message}; {ADVICE}"
        return ", ".join(fields)
    said = [step for step in group if isinstance(step, Create) and any(it in error.message for it in _words(step.body))]
    paths = dict.fromkeys(getattr(step, "path", "") for step in said or group)
    return ", ".join(path for path in paths if path)


def _words(value: Any) -> Iterator[str]:
    """What tells one request from another in the words of an error: ids, addresses, and attributes of an extension."""
    match value:
        case Mapping():
            yield from (name for name in value if ":" in name)
            yield from (word for item in value.values() for word in _words(item))
        case list() | tuple():
            yield from (word for item in value for word in _words(item))
        case str() if _TELLING.fullmatch(value):
            yield value


def _groups(steps: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """Runs of creations that one request can make; every other step by itself."""
    run: list[Step] = []
    for step in steps:
        if run and not _together(run[-1], step):
            yield tuple(run)
            run = []
        run.append(step)
    if run:
        yield tuple(run)


def _together(before: Step, after: Step) -> bool:
    return (
        isinstance(before, Create)
        and isinstance(after, Create)
        and before.key.kind == after.key.kind
        and after.key.kind in BULK
        and before.parent == after.parent
    )


def _take(group: tuple[Step, ...], cloud: Cloud, ledger: Ledger) -> None:
    match group[0]:
        case Create():
            made = [step for step in group if isinstance(step, Create)]
            parent = made[0].parent
            records = cloud.create(
                made[0].key.kind,
                [_resolve(step.body, ledger) for step in made],
                marks=[step.mark for step in made],
                parent=None if parent is None else _resolve(parent, ledger),
            )
            ledger.update({step.key: record.id for step, record in zip(made, records, strict=True)})
        case Update(kind=kind, id=id, body=body, parent=parent):
            cloud.update(kind, id, _resolve(body, ledger), parent=parent)
        case Delete(kind=kind, id=id, parent=parent, body=body):
            cloud.delete(kind, id, parent=parent, body=body or None)


def _resolve(value: Any, ledger: Ledger) -> Any:
    """The value with keys replaced by ids and seals opened, at any depth."""
    match value:
        case Key():
            return ledger[value]
        case Sealed():
            return value.value
        case Mapping():
            return {name: _resolve(item, ledger) for name, item in value.items()}
        case list() | tuple():
            return [_resolve(item, ledger) for item in value]
        case _:
            return value
