# SPDX-License-Identifier: Apache-2.0
"""Many threads on one cloud: one list for all who look, and no write that gets lost between them."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pycapo.cloud.errors import Busy, CloudError, RetryNow
from pycapo.cloud.inventory import Inventory
from pycapo.cloud.limits import Limits
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Record


class Slow:
    """A service whose lists land when the test lets them."""

    def __init__(self) -> None:
        self.lists = 0
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.inventory = Inventory(self._list, clock=lambda: 0.0)

    def _list(self, kind: Kind) -> Iterable[Record]:
        self.lists += 1
        self.begun.set()
        assert self.go_on.wait(10)
        if self.error:
            raise self.error
        return [Network(id="n1")]

    def ids(self) -> set[str]:
        return {record.id for record in self.inventory.look({Kind.NETWORK}, max_age=300).all(Kind.NETWORK)}

    def outcome(self) -> str:
        try:
            return ",".join(sorted(self.ids()))
        except CloudError as error:
            return str(error)


def test_writes_of_many_threads_during_a_list_are_all_in_the_picture() -> None:
    slow = Slow()
    with ThreadPoolExecutor(9) as pool:
        looking = pool.submit(slow.ids)
        assert slow.begun.wait(10)
        writes = [pool.submit(slow.inventory.put, Kind.NETWORK, [Network(id=f"w{n}")]) for n in range(8)]
        for write in writes:
            write.result(10)
        slow.go_on.set()

        assert looking.result(10) == {"n1", *(f"w{n}" for n in range(8))}


def test_a_resource_that_came_and_went_during_a_list_is_gone() -> None:
    slow = Slow()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(slow.ids)
        assert slow.begun.wait(10)
        slow.inventory.put(Kind.NETWORK, [Network(id="n2")])
        slow.inventory.drop(Kind.NETWORK, ["n2", "n1"])
        slow.go_on.set()

        assert looking.result(10) == set()


def test_an_accident_of_one_who_lists_does_not_hang_the_others() -> None:
    slow = Slow()
    slow.error = KeyError("an accident")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slow.ids)
        assert slow.begun.wait(10)
        slow.go_on.set()
        with pytest.raises(KeyError):
            first.result(10)
        slow.error = None

        assert pool.submit(slow.ids).result(10) == {"n1"}


def test_those_who_wait_for_a_list_that_fails_are_told_and_may_look_again() -> None:
    slow = Slow()
    slow.error = RetryNow("broken")
    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(slow.outcome) for _ in range(4)]
        assert slow.begun.wait(10)
        slow.go_on.set()

        assert {one.result(10) for one in looking} == {"broken"}
    slow.error = None
    assert slow.outcome() == "n1"


def test_no_more_requests_are_on_their_way_than_the_limit_allows() -> None:
    limits = Limits(rate=1000, burst=1000, at_once=3)
    lock, go_on, full = threading.Lock(), threading.Event(), threading.Event()
    inside = most = 0

    def request() -> None:
        nonlocal inside, most
        with limits.request():
            with lock:
                inside += 1
                most = max(most, inside)
                if inside == 3:
                    full.set()
            assert go_on.wait(10)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(request) for _ in range(6)]
        assert full.wait(10)
        go_on.set()
        for one in running:
            one.result(10)

    assert most == 3


def test_a_place_is_given_back_even_when_the_request_fails() -> None:
    limits = Limits(at_once=1)
    for _ in range(3):
        with pytest.raises(RetryNow), limits.request():
            raise RetryNow("broken")

    with limits.request():
        pass


def test_who_finds_no_place_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(at_once=1)
    monkeypatch.setattr("pycapo.cloud.limits._LONGEST_WAIT", 0.0)
    with limits.request(), pytest.raises(Busy, match="on their way"), limits.request():
        pass
