# SPDX-License-Identifier: Apache-2.0
"""Leader election: one at a time, taken over when it is given up or expires, lost when it cannot be renewed."""

import threading
import time

import pytest

from memory_kube import MemoryServer
from pycapo.kube.client import Client
from pycapo.kube.errors import Unreachable
from pycapo.kube.leader import Election, Terms

LEASE = "namespaces/system/leases/boats"
QUICK = Terms(lease=1.0, renew=0.4, retry=0.05)


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


def candidate(server: MemoryServer, who: str) -> Election:
    return Election(Client(server), "system", name="boats", terms=QUICK, identity=who)


def spec(server: MemoryServer) -> dict[str, object]:
    return next(doc["spec"] for (plural, _), doc in server.objects.items() if plural == "leases")


def wait_for(condition: object) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)
    return bool(condition())  # type: ignore[operator]


def test_the_first_takes_the_lease_as_client_go_would_write_it(server: MemoryServer) -> None:
    first = candidate(server, "one")

    won = first.acquire(threading.Event())
    told = spec(server)
    first.release()

    assert won
    assert (told["holderIdentity"], told["leaseDurationSeconds"], told["leaseTransitions"]) == ("one", 1, 0)
    assert str(told["acquireTime"]).endswith("Z")


def test_the_second_waits_while_the_first_renews(server: MemoryServer) -> None:
    first, second, stop = candidate(server, "one"), candidate(server, "two"), threading.Event()
    first.acquire(stop)
    threading.Timer(1.5, stop.set).start()

    won = second.acquire(stop)
    first.release()

    assert not won
    assert not first.lost()


def test_a_lease_that_is_given_up_is_taken_at_once(server: MemoryServer) -> None:
    first, second = candidate(server, "one"), candidate(server, "two")
    first.acquire(threading.Event())
    first.release()

    won = second.acquire(threading.Event())

    assert won
    assert (spec(server)["holderIdentity"], spec(server)["leaseTransitions"]) == ("two", 1)
    second.release()


def test_a_lease_that_is_not_renewed_is_lost_before_another_takes_it(server: MemoryServer) -> None:
    first, second = candidate(server, "one"), candidate(server, "two")
    first.acquire(threading.Event())
    server.fail("PUT", LEASE, Unreachable("cut off"), times=10_000)
    lost = wait_for(first.lost)
    still = spec(server)["holderIdentity"]
    server.faults.clear()

    won = second.acquire(threading.Event())

    assert (lost, still, won) == (True, "one", True)
    second.release()


def test_a_lease_that_another_took_is_lost(server: MemoryServer) -> None:
    first = candidate(server, "one")
    first.acquire(threading.Event())

    server.edit("leases", "system", "boats", {"spec": {"holderIdentity": "two"}})

    assert wait_for(first.lost)
    first.release()
    assert spec(server)["holderIdentity"] == "two"


def test_a_lease_left_by_a_dead_process_is_taken_after_its_time(server: MemoryServer) -> None:
    body = {
        "metadata": {"namespace": "system", "name": "boats"},
        "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 1},
    }
    server.put("leases", body)
    begun = time.monotonic()

    won = candidate(server, "two").acquire(threading.Event())

    assert won
    assert time.monotonic() - begun >= 1.0
