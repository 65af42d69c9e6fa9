# SPDX-License-Identifier: Apache-2.0
"""The shared picture: how old it may be, what own writes do to it, who lists."""

import threading
from collections.abc import Iterable

import msgspec
import pytest

from pycapo.cloud.errors import Busy, InUse, NotFound, Unanswered
from pycapo.cloud.inventory import Inventory
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark
from pycapo.model.records import Network, Port, Record, Server

OWNER = "abcdefabcdef"


class Service:
    """What lists answer; `during` runs while a list is on its way."""

    def __init__(self) -> None:
        self.networks: list[Record] = [Network(id="n1", tags=(Mark(OWNER, "network").tag,))]
        self.lists: list[Kind] = []
        self.now = 0.0
        self.error: Exception | None = None
        self.during = lambda: None
        self.inventory = Inventory(self.list, clock=lambda: self.now)

    def list(self, kind: Kind) -> Iterable[Record]:
        self.lists.append(kind)
        answer = list(self.networks)
        self.during()
        if self.error:
            raise self.error
        return answer

    def ids(self, max_age: float = 300.0) -> set[str]:
        return {record.id for record in self.inventory.look({Kind.NETWORK}, max_age=max_age).all(Kind.NETWORK)}


def test_a_page_is_listed_again_when_it_is_too_old() -> None:
    service = Service()
    service.ids()
    service.now = 301.0

    service.ids()

    assert len(service.lists) == 2


def test_what_a_picture_shows_never_changes() -> None:
    service = Service()
    picture = service.inventory.look({Kind.NETWORK}, max_age=300)

    service.inventory.put(Kind.NETWORK, [Network(id="n2")])

    assert picture.get(Kind.NETWORK, "n2") is None
    assert service.ids() == {"n1", "n2"}


def test_a_list_that_began_before_a_creation_does_not_undo_it() -> None:
    service = Service()
    service.during = lambda: service.inventory.put(Kind.NETWORK, [Network(id="n2")])

    assert service.ids() == {"n1", "n2"}


def test_a_list_that_began_before_a_deletion_does_not_bring_it_back() -> None:
    service = Service()
    service.during = lambda: service.inventory.drop(Kind.NETWORK, ["n1"])

    assert service.ids() == set()


def test_the_index_of_owners_follows_writes() -> None:
    service = Service()
    service.ids()
    mark = Mark(OWNER, "other")

    service.inventory.put(Kind.NETWORK, [Network(id="n2", tags=(mark.tag,)), Network(id="n1")])

    owned = service.inventory.look({Kind.NETWORK}, max_age=300).owned(Kind.NETWORK, OWNER)
    assert [record.id for record in owned] == ["n2"]


@pytest.mark.parametrize("error", [Unanswered("x"), InUse("x", status=409), NotFound("x"), Busy("x", status=503)])
def test_a_write_that_went_astray_makes_the_kind_doubtful(error: Exception) -> None:
    service = Service()
    service.ids()
    with pytest.raises(type(error)), service.inventory.writing(Kind.NETWORK):
        raise error

    service.ids()

    assert service.lists.count(Kind.NETWORK) == 2


def test_a_request_that_was_one_too_many_changes_no_picture() -> None:
    service = Service()
    service.ids()
    with pytest.raises(Busy), service.inventory.writing(Kind.NETWORK):
        raise Busy("x", status=429)

    service.ids()

    assert len(service.lists) == 1


def test_a_doubt_that_comes_while_a_list_is_on_its_way_has_it_listed_again() -> None:
    service = Service()
    service.during = lambda: service.inventory.doubt([Kind.NETWORK]) if len(service.lists) == 1 else None

    service.ids()

    assert len(service.lists) == 2


def test_a_failed_list_leaves_the_doubt() -> None:
    service = Service()
    service.ids()
    service.inventory.doubt([Kind.NETWORK])
    service.error = Unanswered("x")
    with pytest.raises(Unanswered):
        service.ids()

    service.error = None
    service.ids()

    assert len(service.lists) == 3


def test_many_who_look_at_once_share_one_list() -> None:
    service = Service()
    gate = threading.Event()
    service.during = lambda: gate.wait(10) and None
    threads = [threading.Thread(target=service.ids) for _ in range(20)]
    for thread in threads:
        thread.start()

    gate.set()
    for thread in threads:
        thread.join(10)

    assert len(service.lists) == 1


def a_server(status: str) -> Server:
    return Server(id="s1", status=status, metadata={METADATA_KEY: Mark(OWNER, "server").tag})


@pytest.mark.parametrize(("status", "lists"), [("BUILD", 2), ("DELETED", 2), ("ACTIVE", 1), ("SOFT_DELETED", 1)])
def test_only_what_moves_is_looked_at_often(status: str, lists: int) -> None:
    service = Service()
    service.networks = [a_server(status)]
    service.inventory.look({Kind.SERVER}, max_age=300)
    service.now = 30.0

    service.inventory.look({Kind.SERVER}, max_age=300)

    assert len(service.lists) == lists


def test_what_a_write_sets_in_motion_is_looked_at_seconds_later_however_old_the_list() -> None:
    service = Service()
    service.networks = [a_server("ACTIVE")]
    service.inventory.look({Kind.SERVER}, max_age=300)
    service.now = 100.0
    service.inventory.put(Kind.SERVER, [a_server("BUILD")])

    service.inventory.look({Kind.SERVER}, max_age=300)
    early = len(service.lists)
    service.now = 102.5
    service.inventory.look({Kind.SERVER}, max_age=300)

    assert (early, len(service.lists)) == (1, 2)


def test_a_stream_of_writes_does_not_put_the_next_look_off() -> None:
    service = Service()
    service.networks = [a_server("BUILD")]
    service.inventory.look({Kind.SERVER}, max_age=300)
    for service.now in (1.0, 2.0, 3.0):
        service.inventory.put(Kind.SERVER, [a_server("BUILD")])

    service.inventory.look({Kind.SERVER}, max_age=300)

    assert len(service.lists) == 2


def test_a_list_that_took_long_is_not_asked_for_at_once_again() -> None:
    service = Service()
    service.networks = [a_server("BUILD")]
    service.during = lambda: setattr(service, "now", service.now + 5.0)
    service.inventory.look({Kind.SERVER}, max_age=300)

    service.now = 15.0
    service.inventory.look({Kind.SERVER}, max_age=300)
    early = len(service.lists)
    service.now = 21.0
    service.inventory.look({Kind.SERVER}, max_age=300)

    assert (early, len(service.lists)) == (1, 2)


def test_what_has_just_been_asked_for_is_not_looked_at_yet() -> None:
    service = Service()
    service.networks = []
    service.inventory.look({Kind.SERVER}, max_age=300)
    service.inventory.put(Kind.SERVER, [a_server("BUILD")])
    service.now = 1.0

    service.inventory.look({Kind.SERVER}, max_age=300)

    assert len(service.lists) == 1


def a_plugged_port(device: str = "server-1") -> Port:
    return Port(id="port-1", network_id="n1", device_id=device, tags=(Mark(OWNER, "nic").tag,))


@pytest.mark.parametrize(
    ("after", "listed", "leaving"),
    [
        (9.0, a_plugged_port(), True),
        (11.0, a_plugged_port(), False),  # Nova has forgotten it: it has to be asked again
        (9.0, a_plugged_port(""), False),
        (9.0, a_plugged_port("server-2"), False),
    ],
)
def test_a_port_is_leaving_as_long_as_unplugging_may_take(after: float, listed: Port, leaving: bool) -> None:
    service = Service()
    service.networks = [listed]
    service.inventory.put(Kind.PORT, [msgspec.structs.replace(a_plugged_port(), leaving=True)])
    service.now = after

    (port,) = service.inventory.look({Kind.PORT}, max_age=0).all(Kind.PORT)

    assert isinstance(port, Port)
    assert port.leaving is leaving


def test_a_port_that_is_plugged_in_again_is_not_leaving() -> None:
    service = Service()
    service.networks = [a_plugged_port()]
    for leaving in (True, False):
        service.inventory.put(Kind.PORT, [msgspec.structs.replace(a_plugged_port(), leaving=leaving)])
    service.now = 1.0

    (port,) = service.inventory.look({Kind.PORT}, max_age=0).all(Kind.PORT)

    assert port == a_plugged_port()
