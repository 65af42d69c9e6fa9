# SPDX-License-Identifier: Apache-2.0
"""The work queue: once each, one worker at a time, earliest delay, backoff, two priorities."""

import threading

import pytest

from pycapo.kube.queue import Queue


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> Queue[str]:
    return Queue("test", first=1.0, most=8.0, clock=clock)


def drain(queue: Queue[str]) -> list[str]:
    keys = []
    while (key := queue.take(timeout=0)) is not None:
        keys.append(key)
        queue.done(key)
    return keys


def test_a_key_added_twice_is_given_out_once(queue: Queue[str]) -> None:
    queue.add("a")
    queue.add("b")
    queue.add("a")

    assert drain(queue) == ["a", "b"]


def test_a_key_that_is_worked_on_is_not_given_to_another_worker(queue: Queue[str]) -> None:
    queue.add("a")
    queue.take()
    queue.add("a")

    meanwhile = queue.take(timeout=0)
    queue.done("a")

    assert meanwhile is None
    assert drain(queue) == ["a"]


def test_what_is_urgent_goes_before_what_is_low(queue: Queue[str]) -> None:
    queue.add("resync", low=True)
    queue.add("changed")

    assert drain(queue) == ["changed", "resync"]


def test_a_low_key_that_becomes_urgent_moves_up_and_comes_once(queue: Queue[str]) -> None:
    queue.add("a", low=True)
    queue.add("b", low=True)
    queue.add("b")
    queue.add("b", low=True)

    assert drain(queue) == ["b", "a"]


def test_a_delayed_key_comes_when_it_is_due(queue: Queue[str], clock: Clock) -> None:
    queue.add("a", after=5)
    before = drain(queue)
    clock.time += 5

    assert (before, drain(queue)) == ([], ["a"])


def test_of_two_delays_the_earlier_wins_and_the_later_is_dropped(queue: Queue[str], clock: Clock) -> None:
    queue.add("a", after=50)
    queue.add("a", after=5)
    queue.add("a", after=20)
    clock.time += 5
    first = drain(queue)
    clock.time += 100

    assert (first, drain(queue)) == (["a"], [])


def test_a_key_that_is_asked_for_now_needs_no_delayed_turn(queue: Queue[str], clock: Clock) -> None:
    queue.add("a", after=5)
    queue.add("a")
    first = drain(queue)
    clock.time += 10

    assert (first, drain(queue)) == (["a"], [])


def test_a_delay_that_is_asked_for_during_a_turn_counts_from_then(queue: Queue[str], clock: Clock) -> None:
    queue.add("a")
    queue.take()
    queue.add("a", after=5)
    queue.done("a")
    before = drain(queue)
    clock.time += 5

    assert (before, drain(queue)) == ([], ["a"])


def test_a_delay_that_matures_during_a_long_turn_waits_for_its_end(queue: Queue[str], clock: Clock) -> None:
    queue.add("a")
    queue.take()
    queue.add("a", after=5)
    clock.time += 5
    meanwhile = queue.take(timeout=0)
    queue.done("a")

    assert (meanwhile, drain(queue)) == (None, ["a"])


def test_failures_wait_longer_each_time_up_to_the_limit_and_success_forgets_them(queue: Queue[str]) -> None:
    delays = [queue.retry("a") for _ in range(6)]
    queue.forget("a")
    after = queue.retry("a")

    for delay, whole in zip(delays, [1, 2, 4, 8, 8, 8], strict=True):
        assert 0.75 * whole <= delay <= whole
    assert after <= 1


def test_closing_wakes_the_workers_and_gives_out_nothing_until_it_opens(queue: Queue[str]) -> None:
    got: list[str | None] = []
    worker = threading.Thread(target=lambda: got.append(queue.take()))
    worker.start()

    queue.close()
    worker.join(5)
    queue.add("a")

    assert got == [None]
    assert queue.take(timeout=0) is None
    queue.open()
    assert queue.take(timeout=0) == "a"


def test_many_workers_never_share_a_key() -> None:
    queue: Queue[int] = Queue("threads")
    active: set[int] = set()
    clashes: list[int] = []
    turns: list[int] = []

    def work() -> None:
        while (key := queue.take(timeout=0.5)) is not None:
            clashes.extend({key} & active)
            active.add(key)
            turns.append(key)
            active.discard(key)
            queue.done(key)

    workers = [threading.Thread(target=work) for _ in range(8)]
    [worker.start() for worker in workers]
    [queue.add(number % 7) for number in range(3000)]
    [worker.join(20) for worker in workers]

    assert clashes == []
    assert set(turns) == set(range(7))
    assert queue.idle()
