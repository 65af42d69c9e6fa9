# SPDX-License-Identifier: Apache-2.0
"""The contract of `Cloud`, kept by the real implementation over the lab's OpenStack."""

import time
from collections.abc import Iterator

import pytest

from cloud_contract import *  # noqa: F403
from cloud_contract import Place, swept
from pycapo.cloud.login import Clouds
from pycapo.cloud.openstack import OpenStack
from pycapo.lab.cloud_bootstrap import ADMIN, TENANT, all_clouds_file
from pycapo.lab.places import Lab
from pycapo.model.kinds import Kind
from pycapo.model.records import Record, Room

pytestmark = pytest.mark.openstack
CLOUDS = Clouds()


def opened(lab: Lab, name: str, clouds: Clouds = CLOUDS) -> OpenStack:
    return clouds.open(clouds_yaml=all_clouds_file(lab).read_bytes(), cacert=None, cloud=name)


def only(found: tuple[Record, ...]) -> str:
    assert found
    return found[0].id


@pytest.fixture
def place(lab: Lab) -> Iterator[Place]:
    cloud = opened(lab, TENANT)
    external = only(cloud.find(Kind.NETWORK, {"router:external": "true"}))
    flavor = only(cloud.find(Kind.FLAVOR, {"name": "m1.small"}))
    image = only(cloud.find(Kind.IMAGE, {"tag": "kube-v1.36"}))
    with swept(Place(cloud, external, flavor, image, pause=0.3)) as place:
        yield place


def test_an_administrators_picture_holds_no_other_projects_resources(lab: Lab, place: Place) -> None:
    network, _ = place.network()

    admin = opened(lab, ADMIN)

    assert network.id not in {record.id for record in admin.look({Kind.NETWORK}, max_age=0).all(Kind.NETWORK)}
    assert [record.id for record in admin.find(Kind.NETWORK, {"id": network.id})] == [network.id]


def test_another_process_sees_what_is_owned(lab: Lab, place: Place) -> None:
    network, _ = place.network()
    other = opened(lab, TENANT, Clouds())

    found = other.look({Kind.NETWORK}).owned(Kind.NETWORK, place.owner)

    assert [record.id for record in found] == [network.id]


def test_a_server_is_counted_in_the_quotas_that_the_project_may_see(lab: Lab, place: Place) -> None:
    network, _ = place.network()
    place.server(place.make(Kind.PORT, "nic", {"network_id": network.id}))

    room = until_counted(opened(lab, TENANT, Clouds()))

    assert room.quotas.keys() == {"instances", "cores", "ram"}
    assert room.quotas["cores"].used >= 2
    assert all(quota.used <= quota.limit for quota in room.quotas.values())


def until_counted(cloud: OpenStack, patience: float = 180.0) -> Room:
    """The quotas once Nova counts a server, which it does a moment after it has taken the request."""
    deadline = time.monotonic() + patience
    while not (room := cloud.room(anew=True)).quotas["instances"].used:
        assert time.monotonic() < deadline, room
        time.sleep(0.5)
    return room
