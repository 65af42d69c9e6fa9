# SPDX-License-Identifier: Apache-2.0
"""A signal to end interrupts the work once, and never what cleans up."""

import signal

import pytest

from pycapo.lab.interruption import SIGNALS, interrupted, interruptible, shielded


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_to_end_interrupts(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)

    assert interrupted.is_set()


def work_and_clean(cleaned: list[bool]) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.raise_signal(signal.SIGINT)
        cleaned.append(True)


def test_only_the_first_signal_interrupts() -> None:
    cleaned: list[bool] = []

    with pytest.raises(KeyboardInterrupt), interruptible():
        work_and_clean(cleaned)

    assert cleaned == [True]


def test_what_cleans_up_is_not_interrupted() -> None:
    with interruptible(), shielded():
        signal.raise_signal(signal.SIGTERM)

    assert not interrupted.is_set()


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    with interruptible(), shielded():
        pass

    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_work_begins_uninterrupted() -> None:
    interrupted.set()

    with interruptible():
        assert not interrupted.is_set()
