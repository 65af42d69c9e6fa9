# SPDX-License-Identifier: Apache-2.0
"""The memory cloud keeps the contract, and its knobs do what they say."""

from collections.abc import Iterator

import pytest

from cloud_contract import *  # noqa: F403
from cloud_contract import Place, swept
from memory_cloud import Killed, a_memory_cloud
from pycapo.cloud.errors import QuotaExceeded, Unanswered
from pycapo.model.kinds import Kind
from pycapo.model.records import Network


@pytest.fixture
def place() -> Iterator[Place]:
    with swept(Place(a_memory_cloud(), "public-id", "flavor-small", "image-ubuntu")) as place:
        yield place


def test_a_failure_before_the_work_leaves_nothing() -> None:
    cloud = a_memory_cloud()
    before = cloud.snapshot()
    cloud.fail_next(Kind.NETWORK, "create", Unanswered("x"))

    with pytest.raises(Unanswered):
        cloud.create(Kind.NETWORK, [{}], marks=[None])

    assert cloud.snapshot() == before


def test_a_failure_after_the_work_leaves_it_done() -> None:
    cloud = a_memory_cloud()
    cloud.fail_next(Kind.NETWORK, "create", Unanswered("x"), after=True)

    with pytest.raises(Unanswered):
        cloud.create(Kind.NETWORK, [{}], marks=[None])

    assert len(cloud.look({Kind.NETWORK}).all(Kind.NETWORK)) == 1


@pytest.mark.parametrize(("after", "made"), [(False, 1), (True, 2)])
def test_a_death_strikes_at_its_write_once(after: bool, made: int) -> None:
    cloud = a_memory_cloud()
    cloud.die_at(2, after=after)
    cloud.create(Kind.NETWORK, [{}], marks=[None])
    with pytest.raises(Killed):
        cloud.create(Kind.NETWORK, [{}], marks=[None])

    assert len(cloud.all(Kind.NETWORK)) == made
    cloud.create(Kind.NETWORK, [{}], marks=[None])


def test_a_quota_counts_the_ports_of_one_request() -> None:
    cloud = a_memory_cloud()
    cloud.world.quota[Kind.PORT] = 1
    network = cloud.create(Kind.NETWORK, [{}], marks=[None])[0].id

    with pytest.raises(QuotaExceeded):
        cloud.create(Kind.PORT, [{"network_id": network}] * 2, marks=[None] * 2)

    assert cloud.all(Kind.PORT) == ()


def test_another_project_sees_nothing_of_ours() -> None:
    cloud = a_memory_cloud()
    cloud.create(Kind.NETWORK, [{}], marks=[None])

    assert not cloud.restarted(project_id="other").look({Kind.NETWORK}).all(Kind.NETWORK)


def test_a_broken_server_tells_its_fault() -> None:
    cloud = a_memory_cloud()
    cloud.break_servers("No valid host was found.")
    cloud.create(Kind.SERVER, [{"flavorRef": "flavor-small", "networks": "none"}], marks=[None])
    cloud.look({Kind.SERVER})

    (server,) = cloud.look({Kind.SERVER}).all(Kind.SERVER)

    assert (server.status, server.fault.message) == ("ERROR", "No valid host was found.")  # type: ignore[attr-defined]


def test_with_a_clock_a_picture_gets_old() -> None:
    now = [0.0]
    cloud = a_memory_cloud(clock=lambda: now[0])
    cloud.look({Kind.NETWORK})
    cloud.world.add(Kind.NETWORK, Network(id="n", project_id=cloud.project_id))
    assert not cloud.look({Kind.NETWORK}).all(Kind.NETWORK)

    now[0] = 301.0

    assert cloud.look({Kind.NETWORK}).all(Kind.NETWORK)
