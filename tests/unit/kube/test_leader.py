# SPDX-License-Identifier: Apache-2.0
"""Leader election: one at a time, taken over when it is given up or expires, lost when it cannot be renewed."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from memory_kube import MemoryServer
from pycapo.kube.client import Client
from pycapo.kube.errors import NotLeading, Unreachable
from pycapo.kube.leader import Election, Fence, Terms

LEASE = "namespaces/system/leases/boats"
Candidate = Callable[[str], Election]
QUICK = Terms(lease=1.0, renew=0.4, retry=0.05)


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def candidate(server: MemoryServer) -> Iterator[Candidate]:
    """Makes contenders; none of them goes on when its test is over."""
    made: list[Election] = []

    def make(who: str) -> Election:
        made.append(Election(Client(server), "system", name="boats", terms=QUICK, identity=who))
        return made[-1]

    yield make
    server.faults.clear()
    for election in made:
        election.release()


def spec(server: MemoryServer) -> dict[str, object]:
    return next(doc["spec"] for (plural, _), doc in server.objects.items() if plural == "leases")


def wait_for(condition: object) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return bool(condition())  # type: ignore[operator]


def test_the_first_takes_the_lease_as_client_go_would_write_it(server: MemoryServer, candidate: Candidate) -> None:
    first = candidate("one")

    won = first.acquire(threading.Event())
    told = spec(server)

    assert won
    assert (told["holderIdentity"], told["leaseDurationSeconds"], told["leaseTransitions"]) == ("one", 1, 0)
    assert str(told["acquireTime"]).endswith("Z")


def test_the_second_waits_while_the_first_renews(server: MemoryServer, candidate: Candidate) -> None:
    first, second, stop = candidate("one"), candidate("two"), threading.Event()
    first.acquire(stop)
    threading.Timer(1.5, stop.set).start()

    won = second.acquire(stop)

    assert not won
    assert first.holds()


def test_a_lease_that_is_given_up_is_taken_at_once(server: MemoryServer, candidate: Candidate) -> None:
    first, second = candidate("one"), candidate("two")
    first.acquire(threading.Event())
    first.release()

    won = second.acquire(threading.Event())

    assert won
    assert (spec(server)["holderIdentity"], spec(server)["leaseTransitions"]) == ("two", 1)


def test_a_lease_that_is_not_renewed_is_lost_before_another_takes_it(
    server: MemoryServer, candidate: Candidate
) -> None:
    first, second = candidate("one"), candidate("two")
    first.acquire(threading.Event())
    server.fail("PUT", LEASE, Unreachable("cut off"), times=10_000)
    lost = wait_for(lambda: not first.holds())
    still = spec(server)["holderIdentity"]
    server.faults.clear()

    won = second.acquire(threading.Event())

    assert (lost, still, won) == (True, "one", True)


def test_a_lease_that_another_took_is_lost(server: MemoryServer, candidate: Candidate) -> None:
    first = candidate("one")
    first.acquire(threading.Event())

    server.edit("leases", "system", "boats", {"spec": {"holderIdentity": "two"}})

    assert wait_for(lambda: not first.holds())
    first.release()
    assert spec(server)["holderIdentity"] == "two"


def test_a_lease_left_by_a_dead_process_is_taken_after_its_time(server: MemoryServer, candidate: Candidate) -> None:
    body = {
        "metadata": {"namespace": "system", "name": "boats"},
        "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 1},
    }
    server.put("leases", body)
    begun = time.monotonic()

    won = candidate("two").acquire(threading.Event())

    assert won
    assert time.monotonic() - begun >= 1.0


def test_a_lease_that_was_lost_is_won_again(server: MemoryServer, candidate: Candidate) -> None:
    first = candidate("one")
    first.acquire(threading.Event())
    server.fail("PUT", LEASE, Unreachable("cut off"), times=10_000)
    lost = wait_for(lambda: not first.holds())
    server.faults.clear()

    won = first.acquire(threading.Event())

    assert (lost, won) == (True, True)
    assert first.holds()
    assert spec(server)["leaseTransitions"] == 0  # nobody had it meanwhile


def test_who_never_won_holds_nothing(candidate: Candidate) -> None:
    assert not candidate("one").holds()


def test_behind_a_fence_only_the_holder_writes(server: MemoryServer, candidate: Candidate) -> None:
    first = candidate("one")
    fenced = Fence(server, first.holds)
    path = "/api/v1/namespaces/system/secrets"

    with pytest.raises(NotLeading, match=r"POST .*: not sent"):
        fenced.request("POST", path, body={"metadata": {"name": "early"}})
    first.acquire(threading.Event())
    fenced.request("POST", path, body={"metadata": {"name": "due"}})

    assert [key.name for plural, key in server.objects if plural == "secrets"] == ["due"]


def test_a_fence_lets_everybody_read(server: MemoryServer, candidate: Candidate) -> None:
    server.put("secrets", {"metadata": {"namespace": "system", "name": "there"}})

    found = Fence(server, candidate("one").holds).request("GET", "/api/v1/namespaces/system/secrets/there")

    assert b"there" in found
