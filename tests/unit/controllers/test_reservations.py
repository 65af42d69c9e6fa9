# SPDX-License-Identifier: Apache-2.0
"""What is about to be taken is taken by nobody else, and is let go of in time."""

import pytest

from pycapo.cloud.errors import AddressTaken, NotFound
from pycapo.controllers.reservations import AT_ONCE, HELD, REFUSED, SEEN_BY, Reservations, taking

ONE, TWO = ("s", "10.0.0.1"), ("s", "10.0.0.2")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reservations(clock: Clock) -> Reservations[tuple[str, str]]:
    return Reservations(clock)


def others(reservations: Reservations[tuple[str, str]], owner: str) -> frozenset[tuple[str, str]]:
    with reservations.deciding():
        return reservations.of_others(owner)


def take(reservations: Reservations[tuple[str, str]], owner: str, *places: tuple[str, str]) -> None:
    with reservations.deciding():
        reservations.take(owner, places)


def test_what_one_takes_is_seen_by_others_and_not_by_itself(reservations: Reservations[tuple[str, str]]) -> None:
    take(reservations, "a", ONE)

    assert others(reservations, "b") == {ONE}
    assert others(reservations, "a") == frozenset()


def test_what_was_taken_is_held_until_pictures_show_it(
    reservations: Reservations[tuple[str, str]], clock: Clock
) -> None:
    take(reservations, "a", ONE)
    with taking(reservations, "a", [ONE]):
        clock.now += HELD / 2

    assert others(reservations, "b") == {ONE}
    clock.now += SEEN_BY + 1
    assert others(reservations, "b") == frozenset()


def test_who_never_says_how_it_went_holds_nothing_for_ever(
    reservations: Reservations[tuple[str, str]], clock: Clock
) -> None:
    take(reservations, "a", ONE)
    clock.now += HELD + 1

    assert others(reservations, "b") == frozenset()


def test_who_failed_lets_go(reservations: Reservations[tuple[str, str]]) -> None:
    take(reservations, "a", ONE)
    with pytest.raises(NotFound), taking(reservations, "a", [ONE]):
        raise NotFound("no such network", status=404)

    assert others(reservations, "b") == frozenset()


def test_what_neutron_refuses_is_tried_by_nobody_for_a_while_and_another_one_at_once(
    reservations: Reservations[tuple[str, str]], clock: Clock
) -> None:
    take(reservations, "a", ONE, TWO)
    with pytest.raises(AddressTaken) as refused, taking(reservations, "a", [ONE, TWO]):
        raise AddressTaken("IP address 10.0.0.1 already allocated in subnet s.", status=409)

    assert refused.value.retry_after == AT_ONCE
    assert (others(reservations, "a"), others(reservations, "b")) == ({ONE}, {ONE})
    clock.now += REFUSED + 1
    assert others(reservations, "a") == frozenset()


def test_an_address_that_was_refused_to_somebody_else_changes_nothing(
    reservations: Reservations[tuple[str, str]],
) -> None:
    with pytest.raises(AddressTaken) as refused, taking(reservations, "a", []):
        raise AddressTaken("IP address 10.0.0.1 already allocated in subnet s", status=409)

    assert (refused.value.retry_after, others(reservations, "a")) == (30.0, frozenset())
