# SPDX-License-Identifier: Apache-2.0
"""Plugging ports into a server that runs, and unplugging them.

    port made -> plugged in -> unplugged -> deleted

Rule: whether a port is plugged in is what its `device_id` says, so a step that was taken is not taken again, whoever died after
it; a port that somebody plugged in elsewhere is left alone.
"""

from collections.abc import Iterator

import msgspec

from pycapo.api.references import ImageParam
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Image, Port, Server, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Wait
from pycapo.plan.entries import Entry, entry_at, trunk_role, wants_trunk
from pycapo.plan.existing_ports import claim_ports, existing_waits
from pycapo.plan.fixed_addresses import resolve_server
from pycapo.plan.ports import create_ports, create_trunks, missing_ports
from pycapo.plan.references import INSTANCE_READY, Resolved, Wanted, wanted

NIC = "attach-"
"""What the roles of NICs of attachments begin with; the attachment's own id and the fingerprint of the entry follow."""

UNPLUGGED_AGAIN = 3.0
"""Seconds until a port that Nova was asked to unplug is looked at again."""

BUSY_AGAIN = 10.0
"""Seconds until a server that is busy with something else is looked at again."""

TROUBLE_AGAIN = 60.0
"""Seconds until a port that somebody else has to do something about is looked at again."""

_TAKES_PORTS = frozenset({"ACTIVE", "PAUSED", "SHUTOFF"})


def is_child(role: str) -> bool:
    """Whether a port of an attachment is one that a trunk carries: it is plugged in nowhere itself."""
    return role.startswith(NIC) and role.count("-") > 3


def takes_ports(server: Server) -> bool:
    """Whether Nova plugs ports into a server in this state, and out of it."""
    return server.status in _TAKES_PORTS and not server.task_state


def loose_ports(server: OpenStackServer, seen: Seen) -> tuple[Entry, ...]:
    """The entries of a spec whose port exists and is plugged in nowhere."""
    own = (entry_at(server, index) for index in range(len(server.spec.ports)))
    return tuple(entry for entry in own if (port := entry.seen(seen)) and not port.device_id)


def unplugged(server: OpenStackServer, seen: Seen, record: Server) -> bool:
    """Whether a port that a running server should have is missing or plugged in nowhere, as far as the picture tells."""
    marked = ((it, it.mark.role) for it in seen.all(Kind.PORT, Port) if it.mark)
    nics = (it for it, role in marked if role.startswith(NIC) and not is_child(role))
    loose = any(not port.device_id for port in nics) or bool(loose_ports(server, seen))
    return takes_ports(record) and (loose or bool(missing_ports(server, seen)))


def lost_wanted(server: OpenStackServer, seen: Seen) -> Wanted:
    """What has to be looked up before the lost ports of a server that runs can be made again."""
    lost = missing_ports(server, seen)
    return _of_entries(wanted(server.spec), lost) if lost else {}


def resolve_lost(server: OpenStackServer, seen: Seen) -> Resolved:
    """What the entries of lost ports mean; what else the spec refers to was looked up when the server was made."""
    spec = msgspec.structs.replace(server.spec, flavor=None, flavor_id=None, server_group=None, image=ImageParam(id=""))
    known = {"spec.image": (Image(id=""),), **seen.found}
    return resolve_server(msgspec.structs.replace(server, spec=spec), msgspec.structs.replace(seen, found=known))


def repair_ports(server: OpenStackServer, seen: Seen, record: Server) -> Plan:
    """Makes the lost ports of a server that runs again, with their trunks, and plugs in what is not; each once."""
    lost, loose = missing_ports(server, seen), loose_ports(server, seen)
    elsewhere = tuple(_elsewhere(server, seen, record))
    if not lost and not loose:
        return Plan(waits=elsewhere)
    if not takes_ports(record):
        busy = record.status in _TAKES_PORTS  # any other state says by itself what is wrong
        return Plan(waits=(*elsewhere, *(_lost(entry, record) for entry in (*lost, *loose) if busy)))
    resolved = resolve_lost(server, seen)
    unknown = tuple(wait for wait in (*resolved.waits, *existing_waits(server, seen)) if _is_of(wait.path, lost))
    if unknown:
        return Plan(waits=(*elsewhere, *unknown))
    return Plan(steps=tuple(_remake(server, seen, resolved, record=record)), waits=elsewhere)


def _remake(server: OpenStackServer, seen: Seen, resolved: Resolved, *, record: Server) -> Iterator[Step]:
    lost, loose = missing_ports(server, seen), loose_ports(server, seen)
    yield from claim_ports(server, seen)
    yield from create_ports(server, seen, resolved)
    parents = {trunk_role(index) for index in range(len(server.spec.ports)) if _lost_parent(server, index, seen)}
    yield from (step for step in create_trunks(server, seen) if isinstance(step, Create) and step.key.role in parents)
    top = {entry_at(server, index).role for index in range(len(server.spec.ports))}
    for entry in (*lost, *loose):
        if entry.role in top:
            yield plug(entry.ref(seen), record, entry=entry)


def _lost_parent(server: OpenStackServer, index: int, seen: Seen) -> bool:
    """Whether the port of a trunk is lost, and the trunk with it."""
    missing = entry_at(server, index).seen(seen) is None and seen.one(Kind.TRUNK, trunk_role(index), Trunk) is None
    return missing and wants_trunk(server.spec, server.spec.ports[index])


def plug(port: Ref, server: Server, *, entry: Entry) -> Create:
    """The one request that plugs a port into a server."""
    return Create(
        key=Key(Kind.SERVER_INTERFACE, entry.role),
        body={"port_id": port},
        parent=server.id,
        why=f"plug port {entry.name} into server {server.name}",
        path=entry.path,
    )


def unplug(port: Port, server: Server, *, why: str) -> Delete:
    """The request to unplug a port; Nova does it a little later."""
    told = f"unplug port {port.name} from server {server.name}: {why}"
    return Delete(kind=Kind.SERVER_INTERFACE, id=port.id, parent=server.id, why=told)


def _elsewhere(server: OpenStackServer, seen: Seen, record: Server) -> Iterator[Wait]:
    for index in range(len(server.spec.ports)):
        entry = entry_at(server, index)
        port = entry.seen(seen)
        if port and port.device_id not in ("", record.id):
            message = f"port {port.name or port.id} is plugged into {port.device_id}, not into server {record.id}"
            yield Wait(
                condition=INSTANCE_READY, reason="PortLost", path=entry.path, message=message, after=TROUBLE_AGAIN
            )


def _lost(entry: Entry, record: Server) -> Wait:
    return Wait(
        condition=INSTANCE_READY,
        reason="PortLost",
        path=entry.path,
        message=f"port {entry.name} is not plugged into server {record.id}, which is busy ({record.task_state})",
        after=BUSY_AGAIN,
    )


def _of_entries(references: Wanted, lost: tuple[Entry, ...]) -> Wanted:
    return {path: query for path, query in references.items() if _is_of(path, lost)}


def _is_of(path: str, lost: tuple[Entry, ...]) -> bool:
    """Whether a field belongs to one of these entries, or to all ports."""
    return path.startswith(("spec.securityGroups[", *(f"{entry.path}." for entry in lost)))
