# SPDX-License-Identifier: Apache-2.0
"""The volumes of a server: made before it, handed to Nova to delete with it.

Rule: Nova deletes what it was given; a volume without a server is ours to delete.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pycapo.api.machine import BlockDeviceVolume
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Volume
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Step, Wait
from pycapo.plan.references import INSTANCE_READY, Resolved

ROOT = "root"
LOOK_AGAIN = 2.0
"""Seconds until a volume that is being made or taken down is looked at again."""

_USABLE = frozenset({"available", "in-use", "reserved", "attaching"})
_REMOVABLE = frozenset({"available", "error", "error_deleting", "error_restoring", "error_extending"})


class Device(msgspec.Struct, frozen=True):
    """A volume that the spec asks for: its role and name, size in GiB, options, and the field that asks for it."""

    role: str
    name: str
    size: int
    options: BlockDeviceVolume | None
    path: str


def devices(spec: OpenStackServerSpec) -> Iterator[Device]:
    """The volumes of a server: the one it boots from, then the additional ones in their order."""
    if spec.root_volume:
        root = spec.root_volume
        yield Device(volume_role(ROOT), ROOT, root.size_gib, root, "spec.rootVolume")
    for index, extra in enumerate(spec.additional_block_devices or ()):
        if extra.storage.type == "Volume":
            path = f"spec.additionalBlockDevices[{index}]"
            yield Device(volume_role(str(index)), extra.name, extra.size_gib, extra.storage.volume, path)


def volume_role(place: str) -> str:
    """The role of a volume: `root`, or the place of the device in the spec (a device may have any name)."""
    return f"volume-{place}"


def create_volumes(server: OpenStackServer, seen: Seen, resolved: Resolved) -> Iterator[Step]:
    """One creation for each volume that is missing."""
    for device in devices(server.spec):
        if seen.one(Kind.VOLUME, device.role, Volume):
            continue
        name = names.volume(server.metadata.name, device.name)
        yield Create(
            key=Key(Kind.VOLUME, device.role),
            mark=Mark(seen.owner, device.role),
            body=_body(server, device, name=name, image=resolved.one("spec.image")),
            why=f"make volume {name} of server {server.metadata.name}",
            path=device.path,
        )


def making(volumes: Sequence[Step]) -> Iterator[Wait]:
    """The wait for volumes that this very plan makes."""
    if volumes:
        message = f"{len(volumes)} volumes are asked for"
        yield Wait(condition=INSTANCE_READY, reason="WaitingForVolume", message=message, after=LOOK_AGAIN)


def volume_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each volume that the server cannot be given yet."""
    for device in devices(server.spec):
        volume = seen.one(Kind.VOLUME, device.role, Volume)
        if volume is None or volume.status in _USABLE:
            continue
        failed = volume.status.startswith("error")
        yield Wait(
            condition=INSTANCE_READY,
            reason="VolumeFailed" if failed else "WaitingForVolume",
            path=device.path,
            message=f"volume {volume.name or device.name} ({volume.id}) is {volume.status or 'being made'}",
            after=60.0 if failed else LOOK_AGAIN,
        )


def block_devices(spec: OpenStackServerSpec, seen: Seen, image: str | None) -> list[dict[str, Any]]:
    """Nova's `block_device_mapping_v2`; empty when the server only boots from its image."""
    root = seen.one(Kind.VOLUME, volume_role(ROOT), Volume) if spec.root_volume else None
    extra = spec.additional_block_devices or ()
    if not spec.root_volume and not extra:
        return []
    first: dict[str, Any] = {"boot_index": 0, "delete_on_termination": True}
    if root:
        first |= {"source_type": "volume", "destination_type": "volume", "uuid": root.id}
    else:
        first |= {"source_type": "image", "destination_type": "local", "uuid": image}
    mapping = [first]
    for index, device in enumerate(extra):
        volume = seen.one(Kind.VOLUME, volume_role(str(index)), Volume)
        entry: dict[str, Any] = {"boot_index": -1, "delete_on_termination": True, "tag": device.name}
        if device.storage.type == "Volume" and volume:
            entry |= {"source_type": "volume", "destination_type": "volume", "uuid": volume.id}
        else:
            entry |= {"source_type": "blank", "destination_type": "local", "volume_size": device.size_gib}
        mapping.append(entry)
    return mapping


def remove_volumes(seen: Seen) -> tuple[tuple[Step, ...], tuple[Wait, ...]]:
    """Removes what Nova did not take with the server, once it is free."""
    volumes = seen.all(Kind.VOLUME, Volume)
    steps = tuple(
        Delete(kind=Kind.VOLUME, id=volume.id, why=f"volume {volume.name} has no server any more")
        for volume in volumes
        if volume.status in _REMOVABLE
    )
    waits = tuple(
        Wait(
            condition=INSTANCE_READY,
            reason="Deleting",
            message=f"volume {volume.name} ({volume.id}) is {volume.status}",
            after=LOOK_AGAIN,
        )
        for volume in volumes
        if volume.status not in _REMOVABLE
    )
    return steps, waits


def _body(server: OpenStackServer, device: Device, *, name: str, image: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": name,
        "size": device.size,
        "description": f"Volume of server {server.metadata.name}",
    }
    if device.name == ROOT and device.role == volume_role(ROOT):
        body["imageRef"] = image
    zone = _zone(server.spec, device.options)
    if zone:
        body["availability_zone"] = zone
    if device.options and device.options.type:
        body["volume_type"] = device.options.type
    return body


def _zone(spec: OpenStackServerSpec, options: BlockDeviceVolume | None) -> str | None:
    """The zone that the volume is made in: a named one, or the server's own."""
    if not options or not options.availability_zone:
        return None
    zone = options.availability_zone
    return spec.availability_zone if zone.from_ == "Machine" else zone.name
