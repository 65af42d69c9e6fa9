# SPDX-License-Identifier: Apache-2.0
"""turn: what is written, when, and what is not."""

import msgspec
import pytest

from memory_kube import MemoryKube
from pycapo.kube import conditions
from pycapo.kube.errors import Conflict, Forbidden, KubeError, Unreachable
from pycapo.kube.life import MOVED_ANNOTATION, Again, Failed, Gone, Settled, Verdict, turn
from toys import FINALIZER, KEY, Boat, BoatLife, BoatStatus, a_boat


@pytest.fixture
def kube() -> MemoryKube:
    kube = MemoryKube(Boat)
    kube.create(a_boat(sails=2))
    kube.server.requests.clear()
    return kube


@pytest.fixture
def life() -> BoatLife:
    return BoatLife()


def boat(kube: MemoryKube) -> Boat:
    found = kube.read(Boat, *KEY)
    assert found is not None
    return found


class NoWind(Exception):
    reason = "NoWind"
    message = "spec.sails: 2 sails, no wind"
    retry_after = 7.0


def test_the_first_turn_stores_finalizer_and_mark_before_it_acts_and_status_after(
    kube: MemoryKube, life: BoatLife
) -> None:
    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert [path.rsplit("/", 1)[-1] for _, path in kube.server.writes()] == ["anna", "status"]
    assert boat(kube).metadata.finalizers == [FINALIZER]
    assert boat(kube).metadata.annotations == {"mark": "m1"}
    assert boat(kube).status.sails == 2


def test_life_does_not_act_when_the_finalizer_cannot_be_stored(kube: MemoryKube, life: BoatLife) -> None:
    kube.server.fail("PATCH", "boats/anna", Unreachable("cut off"))

    outcome = turn(KEY, life, kube)

    assert isinstance(outcome, Failed)
    assert life.turns == []


def test_a_turn_that_changes_nothing_sends_nothing(kube: MemoryKube, life: BoatLife) -> None:
    turn(KEY, life, kube)
    kube.server.requests.clear()

    turn(KEY, life, kube)

    assert kube.server.requests == []
    assert life.turns == ["live", "live"]


def test_what_we_wrote_is_seen_by_the_next_turn_although_the_watch_lags(kube: MemoryKube, life: BoatLife) -> None:
    kube.hold()
    turn(KEY, life, kube)
    kube.server.requests.clear()

    turn(KEY, life, kube)

    assert kube.server.requests == []


def test_an_old_event_does_not_undo_what_we_wrote(kube: MemoryKube, life: BoatLife) -> None:
    kube.hold()
    kube.server.edit("boats", "sea", "anna", {"metadata": {"labels": {"by": "someone"}}})
    turn(KEY, life, kube)
    kube.deliver()

    seen = kube.get(Boat, *KEY)

    assert seen is not None
    assert seen.metadata.finalizers == [FINALIZER]
    assert seen.metadata.labels == {"by": "someone"}


def test_status_is_written_when_live_fails_and_the_error_tells_when_to_come_back(
    kube: MemoryKube, life: BoatLife
) -> None:
    life.error = NoWind()

    outcome = turn(KEY, life, kube)

    assert outcome == Failed("spec.sails: 2 sails, no wind", 7.0)
    assert boat(kube).status.sails == 2
    assert kube.events() == [("Warning", "NoWind", "spec.sails: 2 sails, no wind")]


def test_the_same_failure_again_is_one_event(kube: MemoryKube, life: BoatLife) -> None:
    life.error = NoWind()

    turn(KEY, life, kube)
    turn(KEY, life, kube)

    assert len(kube.events()) == 1


def test_an_error_without_a_reason_waits_for_the_usual_backoff(kube: MemoryKube, life: BoatLife) -> None:
    life.error = ZeroDivisionError("by zero")

    outcome = turn(KEY, life, kube)

    assert outcome == Failed("by zero", None)
    assert kube.events() == [("Warning", "UnexpectedError", "by zero")]


def test_a_paused_object_gets_the_condition_and_nothing_else(kube: MemoryKube, life: BoatLife) -> None:
    kube.server.edit("boats", "sea", "anna", {"metadata": {"annotations": {"cluster.x-k8s.io/paused": ""}}})

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert life.turns == []
    assert boat(kube).metadata.finalizers is None
    assert conditions.is_true(boat(kube), "Paused")


@pytest.mark.parametrize("asked_to_go", [False, True])
def test_an_object_that_was_moved_to_another_cluster_is_left_wholly_alone(
    kube: MemoryKube, life: BoatLife, asked_to_go: bool
) -> None:
    turn(KEY, life, kube)
    kube.server.edit("boats", "sea", "anna", {"metadata": {"annotations": {MOVED_ANNOTATION: "", "mark": None}}})
    if asked_to_go:
        kube.delete(Boat, *KEY)
    life.turns.clear()
    kube.server.requests.clear()

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert life.turns == []
    assert kube.server.requests == []


def test_a_paused_object_is_not_removed(kube: MemoryKube, life: BoatLife) -> None:
    turn(KEY, life, kube)
    kube.delete(Boat, *KEY)
    life.is_paused = True

    turn(KEY, life, kube)

    assert life.turns == ["live"]


def test_paused_becomes_false_with_the_first_turn_after_it(kube: MemoryKube, life: BoatLife) -> None:
    life.is_paused = True
    turn(KEY, life, kube)
    life.is_paused = False

    turn(KEY, life, kube)

    found = conditions.find(boat(kube), "Paused")
    assert found is not None
    assert (found.status, found.reason) == ("False", "NotPaused")


def test_a_skipped_object_is_left_wholly_alone(kube: MemoryKube, life: BoatLife) -> None:
    life.skipped = "managed by someone else"

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert kube.server.requests == []


@pytest.mark.parametrize(("label", "turns"), [("blue", ["live"]), ("red", []), (None, [])])
def test_the_watch_filter_lets_only_its_label_through(label: str | None, turns: list[str], life: BoatLife) -> None:
    kube = MemoryKube(Boat)
    kube.create(a_boat(labels={"cluster.x-k8s.io/watch-filter": label} if label else None))

    turn(KEY, life, kube, watch_filter="blue")

    assert life.turns == turns


def test_removal_keeps_the_finalizer_until_nothing_is_left(kube: MemoryKube, life: BoatLife) -> None:
    turn(KEY, life, kube)
    kube.delete(Boat, *KEY)
    life.verdict = Again(5.0, "sails come down")

    first = turn(KEY, life, kube)
    life.verdict = Gone()
    last = turn(KEY, life, kube)

    assert (first, last) == (Again(5.0, "sails come down"), Gone())
    assert kube.read(Boat, *KEY) is None
    assert kube.get(Boat, *KEY) is None


def test_an_object_whose_last_finalizer_we_took_off_is_gone_although_the_watch_lags(
    kube: MemoryKube, life: BoatLife
) -> None:
    turn(KEY, life, kube)
    kube.delete(Boat, *KEY)
    kube.hold()
    life.verdict = Gone()

    turn(KEY, life, kube)
    seen = kube.get(Boat, *KEY)
    kube.deliver()

    assert (seen, kube.get(Boat, *KEY)) == (None, None)


def test_removal_leaves_the_finalizers_of_others(kube: MemoryKube, life: BoatLife) -> None:
    turn(KEY, life, kube)
    kube.server.edit("boats", "sea", "anna", {"metadata": {"finalizers": ["other.test", FINALIZER]}})
    kube.delete(Boat, *KEY)
    life.verdict = Gone()

    turn(KEY, life, kube)

    assert boat(kube).metadata.finalizers == ["other.test"]


def test_a_deleted_object_without_our_finalizer_is_not_touched(kube: MemoryKube, life: BoatLife) -> None:
    kube.server.edit("boats", "sea", "anna", {"metadata": {"finalizers": ["other.test"]}})
    kube.delete(Boat, *KEY)
    kube.server.requests.clear()

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert (life.turns, kube.server.requests) == ([], [])


def test_an_object_that_is_gone_needs_no_turn(life: BoatLife) -> None:
    assert turn(KEY, life, MemoryKube(Boat)) == Gone()


def test_conditions_of_others_stay_when_they_write_while_we_act(kube: MemoryKube, life: BoatLife) -> None:
    theirs = {
        "type": "Painted",
        "status": "True",
        "reason": "R",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }

    class Meanwhile(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            conditions.mark(obj, "Ready", status=True, reason="Rigged")
            kube.server.edit("boats", "sea", "anna", {"status": {"conditions": [theirs]}})
            return Settled()

    kube.hold()
    outcome = turn(KEY, Meanwhile(), kube)

    assert outcome == Settled()
    assert {c.type for c in boat(kube).status.conditions} == {"Painted", "Ready", "Paused"}


def test_a_conflict_leads_to_a_fresh_look_at_once(kube: MemoryKube, life: BoatLife) -> None:
    kube.hold()
    kube.server.edit("boats", "sea", "anna", {"metadata": {"finalizers": ["other.test"]}})

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert boat(kube).metadata.finalizers == ["other.test", FINALIZER]


def test_conflicts_without_end_are_a_failure(kube: MemoryKube, life: BoatLife) -> None:
    kube.server.fail("PATCH", "boats/anna", Conflict("late"), times=99)

    outcome = turn(KEY, life, kube)

    assert isinstance(outcome, Failed)


def test_an_object_that_vanishes_meanwhile_is_no_error(kube: MemoryKube, life: BoatLife) -> None:
    kube.hold()
    kube.client.delete(Boat, *KEY)

    outcome = turn(KEY, life, kube)

    assert outcome == Settled()
    assert kube.get(Boat, *KEY) is None


def test_a_status_write_whose_answer_is_lost_is_not_an_error_for_ever(kube: MemoryKube, life: BoatLife) -> None:
    kube.hold()
    kube.server.fail("PATCH", "/status", Unreachable("cut off"), after_work=True)
    first = turn(KEY, life, kube)

    second = turn(KEY, life, kube)

    assert isinstance(first, Failed)
    assert second == Settled()
    assert boat(kube).status == kube.get(Boat, *KEY).status  # type: ignore[union-attr]


def test_a_life_may_change_the_spec(kube: MemoryKube) -> None:
    class Named(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            obj.spec.captain = "ada"
            obj.status = BoatStatus(sails=1)
            return Settled()

    turn(KEY, Named(), kube)

    assert (boat(kube).spec.captain, boat(kube).spec.sails, boat(kube).metadata.generation) == ("ada", 2, 2)


def test_a_life_that_makes_a_new_status_each_time_settles(kube: MemoryKube) -> None:
    class Fresh(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            obj.status = BoatStatus(sails=2)
            return Settled()

    turn(KEY, Fresh(), kube)
    found = conditions.find(boat(kube), "Paused")
    found.last_transition_time = "2026-01-01T00:00:00Z"
    kube.server.edit("boats", "sea", "anna", {"status": {"conditions": [msgspec.to_builtins(found)]}})
    kube.server.requests.clear()

    turn(KEY, Fresh(), kube)

    assert kube.server.requests == []


def test_an_error_before_the_life_acts_is_told_too(kube: MemoryKube) -> None:
    class Torn(BoatLife):
        def skip(self, obj: Boat) -> str | None:
            raise NoWind

    outcome = turn(KEY, Torn(), kube)

    assert outcome == Failed("spec.sails: 2 sails, no wind", 7.0)
    assert [event[1] for event in kube.events()] == ["NoWind"]


@pytest.mark.parametrize("error", [Forbidden("no rule"), Unreachable("cut off")])
def test_only_an_api_server_that_answers_is_told_of_its_refusal(
    kube: MemoryKube, life: BoatLife, error: KubeError
) -> None:
    kube.server.fail("PATCH", "/status", error)

    outcome = turn(KEY, life, kube)

    assert outcome == Failed(error.message)
    assert len(kube.events()) == (1 if isinstance(error, Forbidden) else 0)
