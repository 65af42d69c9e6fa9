# SPDX-License-Identifier: Apache-2.0
"""Kept answers: fetched once while they are good, by one caller for all who wait."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pycapo.cloud import kept
from pycapo.cloud.kept import Kept


class Source:
    """Counts how often it was asked; the clock is its own."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        self.kept: Kept[int] = Kept(lambda _: 10.0, clock=lambda: self.now)

    def fetch(self) -> int:
        self.asked += 1
        return self.asked

    def get(self, key: str = "a") -> int:
        return self.kept.get(key, self.fetch)


@pytest.mark.parametrize(("later", "value"), [(0.0, 1), (9.9, 1), (10.0, 2), (1000.0, 2)])
def test_a_value_is_good_for_its_time_and_no_longer(later: float, value: int) -> None:
    source = Source()
    source.get()
    source.now = later

    assert source.get() == value


def test_keys_are_kept_apart() -> None:
    source = Source()

    assert [source.get("a"), source.get("b"), source.get("a")] == [1, 2, 1]


def test_what_is_forgotten_is_fetched_again_and_nothing_else() -> None:
    source = Source()
    source.get("a"), source.get("b")

    source.kept.forget(lambda key: key == "a")

    assert [source.get("a"), source.get("b")] == [3, 2]


def test_a_failure_is_not_kept() -> None:
    source = Source()

    def fail() -> int:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        source.kept.get("a", fail)

    assert source.get() == 1


def test_many_threads_cause_one_fetch() -> None:
    source, begun, go_on = Source(), threading.Event(), threading.Event()

    def slowly() -> int:
        begun.set()
        assert go_on.wait(10)
        return source.fetch()

    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(source.kept.get, "a", slowly)
        assert begun.wait(10)
        others = [pool.submit(source.kept.get, "a", slowly) for _ in range(8)]
        go_on.set()

        assert {first.result(10), *(other.result(10) for other in others)} == {1}


def test_a_fetch_that_was_overtaken_by_a_write_is_not_kept() -> None:
    source = Source()

    def overtaken() -> int:
        source.kept.forget(lambda key: True)
        return source.fetch()

    assert source.kept.get("a", overtaken) == 1
    assert source.get() == 2


def test_what_has_run_out_is_thrown_away_when_there_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_MOST", 3)
    source = Source()
    for key in "abcd":
        source.get(key)
    source.now = 20.0

    source.get("e")

    assert set(source.kept._entries) == {"e"}
