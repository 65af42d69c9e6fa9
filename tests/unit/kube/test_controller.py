# SPDX-License-Identifier: Apache-2.0
"""A controller: what makes it look, what does not, and when it looks again."""

import pytest

from memory_kube import MemoryKube
from pycapo.kube.controller import Controller, Watch
from pycapo.kube.life import Again, Failed, Gone, Outcome, Settled
from pycapo.kube.meta import ObjectKey
from toys import KEY, Boat, BoatLife, Sail, a_boat, a_sail


def boat_of(sail: Sail) -> list[ObjectKey]:
    return [ObjectKey(sail.metadata.namespace or "", owner.name) for owner in sail.metadata.owner_references or ()]


@pytest.fixture
def kube() -> MemoryKube:
    return MemoryKube(Boat, Sail)


@pytest.fixture
def controller(kube: MemoryKube) -> Controller[Boat]:
    controller = Controller(BoatLife(), watches=[Watch(Sail, boat_of)])
    controller.attach(kube)
    return controller


def keys(controller: Controller[Boat]) -> list[str]:
    found = []
    while (key := controller.queue.take(timeout=0)) is not None:
        found.append(str(key))
        controller.queue.done(key)
    return found


def one_turn(controller: Controller[Boat], kube: MemoryKube) -> Outcome:
    key = controller.queue.take(timeout=0)
    assert key is not None
    return controller.work(key, kube)


def test_a_new_object_is_looked_at(kube: MemoryKube, controller: Controller[Boat]) -> None:
    kube.create(a_boat())

    assert keys(controller) == ["sea/anna"]


@pytest.mark.parametrize(
    ("patch", "looked"),
    [
        ({"spec": {"sails": 9}}, ["sea/anna"]),
        ({"metadata": {"labels": {"a": "b"}}}, ["sea/anna"]),
        ({"metadata": {"annotations": {"a": "b"}}}, ["sea/anna"]),
        ({"status": {"sails": 9}}, []),
        ({"metadata": {"finalizers": ["a/b"]}}, []),
    ],
)
def test_what_was_wished_is_looked_at_and_what_was_told_is_not(
    kube: MemoryKube, controller: Controller[Boat], patch: dict[str, object], looked: list[str]
) -> None:
    kube.create(a_boat())
    keys(controller)

    kube.server.edit("boats", "sea", "anna", patch)

    assert keys(controller) == looked


def test_deletion_is_looked_at(kube: MemoryKube, controller: Controller[Boat]) -> None:
    kube.create(a_boat(finalizers=["a/b"]))
    keys(controller)

    kube.delete(Boat, *KEY)

    assert keys(controller) == ["sea/anna"]


def test_a_watched_object_leads_to_the_object_that_it_concerns(kube: MemoryKube, controller: Controller[Boat]) -> None:
    boat = kube.create(a_boat())
    kube.create(a_sail("main", boat))
    keys(controller)

    kube.server.edit("sails", "sea", "main", {"status": {"up": True}})

    assert keys(controller) == ["sea/anna"]


def test_a_watch_may_leave_out_what_does_not_matter(kube: MemoryKube) -> None:
    controller = Controller(BoatLife(), watches=[Watch(Sail, boat_of, changed=lambda old, new: False)])
    controller.attach(kube)
    kube.create(a_sail("main", kube.create(a_boat())))
    keys(controller)

    kube.server.edit("sails", "sea", "main", {"metadata": {"labels": {"a": "b"}}})

    assert keys(controller) == []


def test_a_settled_object_is_looked_at_again_after_the_resync_time(kube: MemoryKube) -> None:
    controller = Controller(BoatLife(), resync=0.001)
    controller.attach(kube)
    kube.create(a_boat())
    first = one_turn(controller, kube)

    keys_later = controller.queue.take(timeout=5)

    assert (first, keys_later) == (Settled(), KEY)


def test_a_failed_turn_is_tried_again_with_backoff(kube: MemoryKube, controller: Controller[Boat]) -> None:
    kube.create(a_boat())
    controller.life.error = RuntimeError("broken")  # type: ignore[attr-defined]

    outcome = one_turn(controller, kube)

    assert isinstance(outcome, Failed)
    assert controller.queue.take(timeout=5) == KEY


def test_again_comes_after_its_time(kube: MemoryKube, controller: Controller[Boat]) -> None:
    kube.create(a_boat())
    controller.life.verdict = Again(0.02, "soon")  # type: ignore[attr-defined]

    outcome = one_turn(controller, kube)

    assert outcome == Again(0.02, "soon")
    assert controller.queue.take(timeout=5) == KEY


def test_an_object_that_is_gone_is_forgotten(kube: MemoryKube, controller: Controller[Boat]) -> None:
    controller.queue.add(KEY)

    outcome = one_turn(controller, kube)

    assert outcome == Gone()
    assert keys(controller) == []


def test_a_fault_of_the_runtime_ends_no_worker(kube: MemoryKube, controller: Controller[Boat]) -> None:
    kube.create(a_boat())
    kube.server.fail("PATCH", "boats/anna", ZeroDivisionError("a bug"))

    outcome = one_turn(controller, kube)

    assert outcome == Failed("a bug")
