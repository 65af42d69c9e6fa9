# SPDX-License-Identifier: Apache-2.0
"""Telling: conditions from decisions.

Rule: a condition is True only for what was seen. What a plan still makes or waits for is False, with the reason and the
words that were born with the decision; what was not looked at is not told at all.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from pycapo.api.meta import Condition
from pycapo.model.steps import Create, Delete, Plan, Step, Update, Wait

READY = "Ready"
AUTHENTICATED = "OpenStackAuthenticationSucceeded"

SHOWN = 3
"""How many steps or waits a message names."""

Parts = Mapping[str, Plan]
"""A plan cut by the condition type that its steps and waits stand for."""


class Failure(Protocol):
    """An error as `cloud.errors.CloudError` tells it: a reason for the condition, and words through `str`."""

    reason: str


def whole(parts: Parts) -> Plan:
    """The parts as one plan, in their order."""
    return sum(parts.values(), Plan())


def report(
    parts: Parts, generation: int, *, failure: Failure | None = None, stopped_at: Step | None = None
) -> tuple[Condition, ...]:
    """A condition for each part; the part that holds the step at which applying stopped tells the failure."""
    return tuple(
        failed(condition, failure, generation)
        if failure is not None and stopped_at is not None and any(step is stopped_at for step in part.steps)
        else condition_of(condition, part, generation)
        for condition, part in parts.items()
    )


def stopped(plan: Plan, done: Sequence[Step]) -> Step | None:
    """The step at which applying a plan stopped, when `done` were taken."""
    return plan.steps[len(done)] if len(done) < len(plan.steps) else None


def condition_of(condition: str, part: Plan, generation: int) -> Condition:
    """False with the waits' words, else with the steps', else True."""
    if part.waits:
        return condition_from(part.waits, condition=condition, generation=generation)
    if part.steps:
        message = _several([step.why for step in part.steps])
        return _false(condition, _verb(part.steps[0]), message, generation)
    return _true(condition, generation)


def condition_from(waits: Sequence[Wait], *, condition: str, generation: int) -> Condition:
    """A False condition that tells what is waited for; the reason is that of the first wait."""
    return _false(condition, waits[0].reason, _several([wait.told for wait in waits]), generation)


def failed(condition: str, failure: Failure, generation: int) -> Condition:
    """A False condition that tells an error."""
    return _false(condition, failure.reason, str(failure), generation)


def succeeded(condition: str, generation: int) -> Condition:
    """A True condition for what was seen."""
    return _true(condition, generation)


def ready(conditions: Sequence[Condition], generation: int, *, retiring: Plan | None = None) -> Condition:
    """The summary `Ready`: True when all are, else the words of those that are not; while deleting, what deletion waits for."""
    if retiring is not None:
        told = [wait.told for wait in retiring.waits] or [step.why for step in retiring.steps]
        return _false(READY, "Deleting", _several(told), generation)
    lacking = [item for item in conditions if item.status != "True" and item.type != READY]
    if not lacking:
        return _true(READY, generation)
    message = "; ".join(f"{item.type}: {item.message or item.reason}" for item in lacking)
    return _false(READY, lacking[0].reason, message, generation)


def _true(condition: str, generation: int) -> Condition:
    return Condition(
        type=condition,
        status="True",
        reason="Ready",
        message="",
        last_transition_time="",
        observed_generation=generation,
    )


def _false(condition: str, reason: str, message: str, generation: int) -> Condition:
    return Condition(
        type=condition,
        status="False",
        reason=reason,
        message=message,
        last_transition_time="",
        observed_generation=generation,
    )


def _verb(step: Step) -> str:
    match step:
        case Create():
            return "Creating"
        case Update():
            return "Updating"
        case Delete():
            return "Deleting"


def _several(told: Sequence[str]) -> str:
    """The first few different messages and how many more there are."""
    different = list(dict.fromkeys(told))
    more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
    return "; ".join(different[:SHOWN]) + more
