# SPDX-License-Identifier: Apache-2.0
"""Client-side limits."""

import pytest

from pycapo.cloud.errors import Busy
from pycapo.cloud.limits import Limits


def limits(slept: list[float], now: list[float]) -> Limits:
    return Limits(rate=10, burst=5, clock=lambda: now[0], sleep=slept.append)


def test_a_burst_waits_for_nothing() -> None:
    slept: list[float] = []
    bucket = limits(slept, [0.0])
    for _ in range(5):
        with bucket.request():
            pass

    assert slept == []


def test_the_next_ones_wait_for_their_turn() -> None:
    slept: list[float] = []
    bucket = limits(slept, [0.0])
    for _ in range(7):
        with bucket.request():
            pass

    assert slept == pytest.approx([0.1, 0.2])


def test_who_would_wait_long_is_sent_away_and_told_when_to_come() -> None:
    bucket = limits([], [0.0])
    for _ in range(14):
        with bucket.request():
            pass
    with pytest.raises(Busy) as raised, bucket.request():
        pass

    assert raised.value.retry_after == pytest.approx(1.0)


def test_the_stock_fills_up_again() -> None:
    slept: list[float] = []
    now = [0.0]
    bucket = limits(slept, now)
    for _ in range(5):
        with bucket.request():
            pass
    now[0] = 0.5

    with bucket.request():
        pass

    assert slept == []
