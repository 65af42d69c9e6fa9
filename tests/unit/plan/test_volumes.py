# SPDX-License-Identifier: Apache-2.0
"""Volumes of a server: made before it, and deleted without it."""

import pytest

from machines import OWNER, a_server, seen_of, the_port
from pycapo.api.machine import (
    AdditionalBlockDevice,
    BlockDeviceStorage,
    BlockDeviceVolume,
    RootVolume,
    VolumeAvailabilityZone,
)
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark
from pycapo.model.records import Volume
from pycapo.model.steps import Create, Delete
from pycapo.plan.server import plan_server, retire_server

LOCAL = AdditionalBlockDevice(name="scratch", size_gib=5, storage=BlockDeviceStorage(type="Local"))
DATA = AdditionalBlockDevice(
    name="data", size_gib=20, storage=BlockDeviceStorage(type="Volume", volume=BlockDeviceVolume(type="ssd"))
)


def the_volume(place: str, status: str = "available") -> tuple[Kind, Volume]:
    metadata = {METADATA_KEY: Mark(OWNER, f"volume-{place}").tag}
    return Kind.VOLUME, Volume(id=f"vol-{place}", name=f"worker-0-{place}", status=status, metadata=metadata)


def test_volumes_are_made_with_the_ports_and_the_server_waits_for_them() -> None:
    server = a_server(root_volume=RootVolume(size_gib=50), additional_block_devices=[LOCAL, DATA])

    plan = plan_server(server, seen_of())

    assert [step.key.role for step in plan.steps if isinstance(step, Create)] == ["volume-root", "volume-1", "port-0"]


def test_the_root_volume_is_made_from_the_image_and_others_are_empty() -> None:
    server = a_server(root_volume=RootVolume(size_gib=50, type="fast"), additional_block_devices=[DATA])

    root, data, _ = (step.body for step in plan_server(server, seen_of()).steps if isinstance(step, Create))

    assert root == {
        "name": "worker-0-root",
        "size": 50,
        "description": "Volume of server worker-0",
        "imageRef": "image-1",
        "volume_type": "fast",
    }
    assert (data["name"], data["volume_type"], "imageRef" in data) == ("worker-0-data", "ssd", False)


@pytest.mark.parametrize(
    ("zone", "made_in"),
    [
        (None, None),
        (VolumeAvailabilityZone(name="cinder-1"), "cinder-1"),
        (VolumeAvailabilityZone(from_="Machine"), "az2"),
    ],
)
def test_a_volume_is_made_where_the_spec_says(zone: VolumeAvailabilityZone | None, made_in: str | None) -> None:
    server = a_server(root_volume=RootVolume(size_gib=9, availability_zone=zone), availability_zone="az2")

    (step, *_) = plan_server(server, seen_of()).steps

    assert isinstance(step, Create)
    assert step.body.get("availability_zone") == made_in


@pytest.mark.parametrize(("status", "reason"), [("creating", "WaitingForVolume"), ("error", "VolumeFailed")])
def test_the_server_is_not_made_on_a_volume_that_cannot_be_used(status: str, reason: str) -> None:
    server = a_server(root_volume=RootVolume(size_gib=50))

    plan = plan_server(server, seen_of(the_port(), the_volume("root", status)))

    assert plan.steps == ()
    assert [(wait.reason, wait.path) for wait in plan.waits] == [(reason, "spec.rootVolume")]
    assert status in plan.waits[0].message


def test_the_server_boots_from_its_volume_and_gets_the_others_in_order() -> None:
    server = a_server(root_volume=RootVolume(size_gib=50), additional_block_devices=[LOCAL, DATA])

    (step,) = plan_server(server, seen_of(the_port(), the_volume("root"), the_volume("1"))).steps

    assert isinstance(step, Create)
    assert "imageRef" not in step.body
    root, scratch, data = step.body["block_device_mapping_v2"]
    gone_with_it = {"delete_on_termination": True}
    volume = {"source_type": "volume", "destination_type": "volume", **gone_with_it}
    assert root == {**volume, "boot_index": 0, "uuid": "vol-root"}
    assert scratch == {
        "source_type": "blank",
        "destination_type": "local",
        **gone_with_it,
        "boot_index": -1,
        "volume_size": 5,
        "tag": "scratch",
    }
    assert data == {**volume, "boot_index": -1, "uuid": "vol-1", "tag": "data"}


def test_a_server_with_only_local_disks_boots_from_its_image() -> None:
    (_, step) = plan_server(a_server(additional_block_devices=[LOCAL]), seen_of()).steps

    assert isinstance(step, Create)
    assert step.body["imageRef"] == "image-1"
    assert step.body["block_device_mapping_v2"][0]["uuid"] == "image-1"
    assert step.body["block_device_mapping_v2"][0]["destination_type"] == "local"


def test_volumes_that_nova_left_are_deleted_and_busy_ones_waited_for() -> None:
    plan = retire_server(a_server(), seen_of(the_volume("root"), the_volume("1", "detaching")))

    assert [step.id for step in plan.steps if isinstance(step, Delete)] == ["vol-root"]
    assert [wait.message for wait in plan.waits] == ["volume worker-0-1 (vol-1) is detaching"]
