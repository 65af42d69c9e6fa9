# SPDX-License-Identifier: Apache-2.0
"""The other ports of a trunk: in the request that makes the trunk, and put back into one that lost them.

Rule: subports that somebody else put into a trunk stay in it, and are set free, never deleted, when it goes.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.ports import Subport
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Ref, Step, Update, Wait
from pycapo.plan.entries import port_path, subentries, trunk_role
from pycapo.plan.port_body import given
from pycapo.plan.references import INSTANCE_READY


def subport_waits(server: OpenStackServer) -> Iterator[Wait]:
    """A wait for each port of a trunk that nobody could tell from the others."""
    for index, port in enumerate(server.spec.ports):
        for place, subport in enumerate(port.subports or ()):
            if subport.segmentation_type == "vlan" and subport.segmentation_id is None:
                yield Wait(
                    condition=INSTANCE_READY,
                    reason="InvalidMachineSpec",
                    path=f"{port_path(index)}.subports[{place}].segmentationID",
                    message="a vlan needs an id; give one, or set segmentationType to inherit",
                    after=None,
                )


def subports(server: OpenStackServer, index: int, seen: Seen) -> list[dict[str, Any]]:
    """The other ports of the trunk on the port of a place, as Neutron takes them."""
    wanted = server.spec.ports[index].subports or ()
    return [_body(it, entry.ref(seen)) for it, entry in zip(wanted, subentries(server, index), strict=True)]


def join_subports(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """Puts the ports that exist and are not in their trunk into it."""
    for index in range(len(server.spec.ports)):
        trunk = seen.one(Kind.TRUNK, trunk_role(index), Trunk)
        inside = {it.port_id for it in trunk.sub_ports} if trunk else set()
        ids = {port.id for entry in subentries(server, index) if (port := entry.seen(seen))}
        joining = [it for it in subports(server, index, seen) if it["port_id"] in ids - inside]
        if trunk and joining:
            there = [msgspec.to_builtins(it) for it in trunk.sub_ports]
            yield Update(
                kind=Kind.TRUNK,
                id=trunk.id,
                body={"sub_ports": [*there, *joining]},
                why=f"put {len(joining)} ports back into trunk {trunk.name}",
                path=f"{port_path(index)}.subports",
            )


def _body(subport: Subport, port: Ref) -> dict[str, Any]:
    return given(port_id=port, segmentation_type=subport.segmentation_type, segmentation_id=subport.segmentation_id)
