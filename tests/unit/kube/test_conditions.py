# SPDX-License-Identifier: Apache-2.0
"""Conditions: set by type, summed up, and laid over those of others."""

import pytest

from pycapo.kube import conditions
from toys import Boat, Sail, a_boat, a_sail


@pytest.fixture
def boat() -> Boat:
    return a_boat(generation=3)


def entry(type_: str, status: str = "True") -> dict[str, str]:
    return {"type": type_, "status": status}


def test_the_first_condition_makes_status_and_list(boat: Boat) -> None:
    conditions.mark(boat, "Ready", status=True, reason="Rigged")

    found = conditions.find(boat, "Ready")
    assert found is not None
    assert (found.status, found.reason, found.observed_generation) == ("True", "Rigged", 3)
    assert conditions.is_true(boat, "Ready")


def test_the_time_moves_only_with_the_status(boat: Boat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "now", iter(["t1", "t2"]).__next__)

    times = []
    for status, reason in ((False, "A"), (False, "B"), (True, "C")):
        conditions.mark(boat, "Ready", status=status, reason=reason)
        times.append(conditions.find(boat, "Ready").last_transition_time)  # type: ignore[union-attr]

    assert times == ["t1", "t1", "t2"]
    assert len(conditions.conditions_of(boat)) == 1


def test_a_kind_without_conditions_is_left_alone() -> None:
    sail = a_sail("main")

    conditions.mark(sail, "Ready", status=True, reason="Up")

    assert sail == a_sail("main")
    assert isinstance(sail, Sail)


def test_a_condition_can_be_taken_away(boat: Boat) -> None:
    conditions.mark(boat, "Ready", status=True, reason="Up")

    conditions.unmark(boat, "Ready")
    conditions.unmark(boat, "Ready")

    assert conditions.conditions_of(boat) == []


def test_the_sum_of_true_conditions_is_true(boat: Boat) -> None:
    conditions.mark(boat, "A", status=True, reason="X")

    assert conditions.summary(boat, ["A"]) == (True, "Ready", "")


def test_the_sum_names_each_that_is_not_true_and_takes_the_worst(boat: Boat) -> None:
    conditions.mark(boat, "A", status=True, reason="X")
    conditions.mark(boat, "B", status=None, reason="Waiting", message="for wind")
    conditions.mark(boat, "C", status=False, reason="Broken", message="mast")

    assert conditions.summary(boat, ["A", "B", "C", "D"]) == (
        False,
        "Broken",
        "B: for wind; C: mast; D: not known yet",
    )


def test_what_is_not_known_yet_is_unknown(boat: Boat) -> None:
    assert conditions.summary(boat, ["A"]) == (None, "NotKnownYet", "A: not known yet")


def test_our_changes_are_laid_over_the_entries_of_others() -> None:
    before = [entry("Ready", "False"), entry("Old")]
    after = [entry("Ready"), entry("New")]
    theirs = [entry("Painted"), entry("Old"), entry("Ready", "False")]

    assert conditions.overlay(before, after, theirs) == [entry("Painted"), entry("Ready"), entry("New")]


def test_what_we_did_not_change_stays_as_others_left_it() -> None:
    ours = [entry("Ready", "False")]

    assert conditions.overlay(ours, ours, [entry("Ready")]) == [entry("Ready")]
