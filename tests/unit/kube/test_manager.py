# SPDX-License-Identifier: Apache-2.0
"""The process over an API server in memory, with real threads, feeds and queues."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from memory_kube import MemoryServer
from pycapo.kube import manager as manager_module
from pycapo.kube.client import Client
from pycapo.kube.controller import Controller, Watch
from pycapo.kube.errors import Unreachable
from pycapo.kube.kube import Kube
from pycapo.kube.leader import Election, Terms
from pycapo.kube.life import Again, Gone, Verdict
from pycapo.kube.manager import Manager
from pycapo.kube.meta import document
from toys import KEY, Boat, BoatLife, Sail, a_boat


def until(condition: Callable[[], object]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(condition())


class Running:
    """A manager in a thread."""

    def __init__(self, manager: Manager) -> None:
        self.manager = manager
        self.thread = threading.Thread(target=manager.run, daemon=True)
        self.thread.start()

    def end(self) -> bool:
        self.manager.stop()
        self.thread.join(10)
        return not self.thread.is_alive()


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def start(server: MemoryServer) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def begin(
        life: BoatLife,
        *,
        watches: tuple[Watch, ...] = (),
        election: Election | None = None,
        namespace: str = "",
        watch_filter: str = "",
    ) -> Running:
        controller = Controller(life, workers=2, watches=watches)
        controller.watch_filter = watch_filter
        running = Running(Manager(Kube(Client(server)), [controller], namespace=namespace, election=election))
        started.append(running)
        return running

    yield begin
    [running.end() for running in started]


def status_of(server: MemoryServer, name: str = "anna") -> object:
    return server.objects["boats", KEY._replace(name=name)].get("status", {}).get("sails")


def test_objects_that_are_there_and_that_come_get_their_turn(
    server: MemoryServer, start: Callable[..., Running]
) -> None:
    server.put("boats", document(a_boat(sails=2)))
    start(BoatLife())
    first = until(lambda: status_of(server) == 2)

    server.put("boats", document(a_boat("bert", sails=3)))

    assert first
    assert until(lambda: status_of(server, "bert") == 3)


def test_a_boat_lives_from_birth_to_nothing_left(server: MemoryServer, start: Callable[..., Running]) -> None:
    class Short(BoatLife):
        def retire(self, obj: Boat) -> Verdict:
            self.turns.append("retire")
            return Gone() if self.turns.count("retire") > 2 else Again(0.01, "sails come down")

    start(Short())
    server.put("boats", document(a_boat()))
    lived = until(lambda: status_of(server) == 1)

    server.request("DELETE", "/apis/toys.test/v1/namespaces/sea/boats/anna")

    assert lived
    assert until(lambda: not [key for key in server.objects if key[0] == "boats"])


def test_another_namespace_is_not_looked_at(server: MemoryServer, start: Callable[..., Running]) -> None:
    life = BoatLife()
    server.put("boats", document(a_boat()))
    running = start(life, namespace="land")
    until(running.manager.leading.is_set)

    running.end()

    assert life.turns == []


def test_only_objects_with_the_label_of_the_filter_get_a_turn(
    server: MemoryServer, start: Callable[..., Running]
) -> None:
    server.put("boats", document(a_boat(sails=2)))
    server.put("boats", document(a_boat("bert", sails=3, labels={"cluster.x-k8s.io/watch-filter": "blue"})))

    start(BoatLife(), watch_filter="blue")

    assert until(lambda: status_of(server, "bert") == 3)
    assert status_of(server) is None


def test_a_missing_optional_kind_holds_nothing_up(server: MemoryServer, start: Callable[..., Running]) -> None:
    server.absent.add("sails")
    server.put("boats", document(a_boat(sails=2)))

    running = start(BoatLife(), watches=(Watch(Sail, lambda sail: [], optional=True),))

    assert until(lambda: status_of(server) == 2)
    assert running.manager.ready() == []


def test_a_missing_needed_kind_is_waited_for_and_told(server: MemoryServer, start: Callable[..., Running]) -> None:
    server.absent.add("sails")

    running = start(BoatLife(), watches=(Watch(Sail, lambda sail: []),))

    assert until(lambda: running.manager.ready() == ["Sail"])
    assert running.end()


def test_stopping_lets_a_turn_finish(server: MemoryServer, start: Callable[..., Running]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            begun.set()
            go_on.wait(5)
            return super().live(obj)

    server.put("boats", document(a_boat(sails=2)))
    running = start(Slow())
    begun.wait(5)
    running.manager.stop()
    go_on.set()

    assert running.end()
    assert status_of(server) == 2


def test_a_turn_that_does_not_end_holds_the_stop_up_only_so_long(
    server: MemoryServer, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager_module, "DRAIN_SECONDS", 0.1)
    begun, never = threading.Event(), threading.Event()

    class Stuck(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            begun.set()
            never.wait(30)
            return super().live(obj)

    server.put("boats", document(a_boat()))
    running = start(Stuck())
    begun.wait(5)

    assert running.end()
    never.set()


TERMS = Terms(lease=1.0, renew=0.4, retry=0.05)


LEASE = "namespaces/system/leases/boats"


def election(server: MemoryServer, who: str) -> Election:
    return Election(Client(server), "system", name="boats", terms=TERMS, identity=who)


def test_who_lost_the_lease_stands_by_and_acts_again_when_the_other_is_gone(
    server: MemoryServer, start: Callable[..., Running]
) -> None:
    life = BoatLife()
    running = start(life, election=election(server, "one"))
    led = until(running.manager.leading.is_set)

    server.edit("leases", "system", "boats", {"spec": {"holderIdentity": "two"}})
    lost = until(lambda: not running.manager.leading.is_set())
    server.put("boats", document(a_boat(sails=2)))

    assert (led, lost, life.turns) == (True, True, [])
    assert until(lambda: status_of(server) == 2)  # two never renewed it


def test_a_lease_that_cannot_be_renewed_ends_no_process(server: MemoryServer, start: Callable[..., Running]) -> None:
    running, forgotten = start(BoatLife(), election=election(server, "one")), threading.Event()
    running.manager.forget = forgotten.set
    until(running.manager.leading.is_set)
    server.fail("PUT", LEASE, Unreachable("cut off"), times=10_000)
    lost = until(lambda: not running.manager.leading.is_set())
    server.faults.clear()

    server.put("boats", document(a_boat(sails=2)))

    assert (lost, until(forgotten.is_set)) == (True, True)
    assert until(lambda: status_of(server) == 2)


def test_every_object_is_looked_at_in_a_new_term(server: MemoryServer, start: Callable[..., Running]) -> None:
    life = BoatLife()
    server.put("boats", document(a_boat()))
    running = start(life, election=election(server, "one"))
    until(lambda: life.turns)

    server.edit("leases", "system", "boats", {"spec": {"holderIdentity": "two"}})
    until(lambda: not running.manager.leading.is_set())

    assert until(lambda: len(life.turns) == 2)


def test_a_new_term_waits_for_the_turns_of_the_old_one(server: MemoryServer, start: Callable[..., Running]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(BoatLife):
        def live(self, obj: Boat) -> Verdict:
            begun.set()
            go_on.wait(10)
            return super().live(obj)

    server.put("boats", document(a_boat()))
    running = start(Slow(), election=election(server, "one"))
    begun.wait(5)
    server.fail("PUT", LEASE, Unreachable("cut off"), times=12)
    until(lambda: not running.manager.leading.is_set())
    early = running.manager.leading.wait(1.5)  # longer than the Lease
    go_on.set()

    assert not early
    assert until(running.manager.leading.is_set)


def test_only_the_leader_acts_and_the_other_takes_over(server: MemoryServer, start: Callable[..., Running]) -> None:
    one, two = BoatLife(), BoatLife()
    first = start(one, election=election(server, "one"))
    until(first.manager.leading.is_set)
    second = start(two, election=election(server, "two"))
    server.put("boats", document(a_boat()))
    until(lambda: one.turns)
    waited = two.turns == []

    first.end()

    assert waited
    assert until(second.manager.leading.is_set)
    assert until(lambda: two.turns)
