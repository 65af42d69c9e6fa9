# SPDX-License-Identifier: Apache-2.0
"""The contract of `Cloud`, kept by the real implementation over the lab's OpenStack (`eval "$(pycapo lab env)"` first)."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_contract import *  # noqa: F403
from cloud_contract import Place, swept
from pycapo.cloud.login import Clouds
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.records import Record

CONFIG = os.environ.get("OS_CLIENT_CONFIG_FILE", "")
pytestmark = [
    pytest.mark.openstack,
    pytest.mark.skipif(not CONFIG, reason="no lab: OS_CLIENT_CONFIG_FILE names no clouds.yaml"),
]
CLOUDS = Clouds()


def opened(name: str) -> OpenStack:
    return CLOUDS.open(clouds_yaml=Path(CONFIG).read_bytes(), cacert=None, cloud=name)


def only(found: tuple[Record, ...]) -> str:
    assert found
    return found[0].id


@pytest.fixture
def place() -> Iterator[Place]:
    cloud = opened(os.environ.get("OS_CLOUD", "pycapo"))
    external = only(cloud.find(Kind.NETWORK, {"router:external": "true"}))
    flavor = only(cloud.find(Kind.FLAVOR, {"name": "m1.small"}))
    image = only(cloud.find(Kind.IMAGE, {"tag": "kube-v1.36"}))
    with swept(Place(cloud, external, flavor, image, pause=0.3)) as place:
        yield place


def test_an_administrators_picture_holds_no_other_projects_resources(place: Place) -> None:
    network, _ = place.network()

    admin = opened("admin")

    assert network.id not in {record.id for record in admin.look({Kind.NETWORK}, max_age=0).all(Kind.NETWORK)}
    assert [record.id for record in admin.find(Kind.NETWORK, {"id": network.id})] == [network.id]


def test_another_process_sees_what_is_owned(place: Place) -> None:
    network, _ = place.network()
    other = Clouds().open(clouds_yaml=Path(CONFIG).read_bytes(), cacert=None, cloud="pycapo")

    found = other.look({Kind.NETWORK}).owned(Kind.NETWORK, place.owner)

    assert [record.id for record in found] == [network.id]
