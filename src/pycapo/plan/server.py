# SPDX-License-Identifier: Apache-2.0
"""The life of a server, decided: from a spec to a running Nova server, and back to nothing.

    spec    -> checked -> volumes, ports, trunks -> server -> ACTIVE
    nothing <- volumes, ports, trunks <- server <- deleted

Rule: a server is made once. One that was there and is gone is told, and never made again: replacing machines is for
MachineHealthCheck and the owner of the machine. Nothing is made before everything that the spec refers to is known.
"""

from collections.abc import Iterator
from typing import Any

from pycapo.api.machine import SchedulerHintAdditionalValue
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark
from pycapo.model.records import Port, Record, Server, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan.entries import entry_at, port_name, port_role, trunk_role
from pycapo.plan.existing_ports import claim_ports, existing_waits, give_back
from pycapo.plan.fixed_addresses import LOOK_AGAIN, PASSING, differing, resolve_server
from pycapo.plan.machine_networks import plan_networks, repair_networks, retire_networks
from pycapo.plan.overlaps import overlap_waits
from pycapo.plan.plugging import repair_ports
from pycapo.plan.port_floating_ips import floating_ips, leave_floating_ips
from pycapo.plan.port_names import name_ports
from pycapo.plan.port_repair import TAG_EXTENSION, repair_pairs, retag
from pycapo.plan.ports import create_ports, create_trunks, missing_ports, port_waits
from pycapo.plan.quota import quota_waits
from pycapo.plan.references import INSTANCE_READY, Resolved
from pycapo.plan.routes import lacks_ports, metadata, route_waits, size_waits, user_data
from pycapo.plan.subports import join_subports
from pycapo.plan.volumes import block_devices, create_volumes, making, remove_volumes, volume_waits

SERVER = "server"
"""The role of the server itself."""

BUILDING_AGAIN = 2.5
"""Seconds until a server that is being built or deleted is looked at again."""

TROUBLE_AGAIN = 60.0
"""Seconds until a server that is in ERROR, off or otherwise not ACTIVE is looked at again."""

GONE = frozenset({"DELETED", "SOFT_DELETED"})
SURE = 5.0
"""Seconds that a list may be old by which something of a server is believed to be lost."""
_BUILDING = frozenset({"", "BUILD", "UNKNOWN", "UNDEFINED"})


def freshness(server: Server | None, *, told: str = "", noted: bool = False) -> float:
    """How many seconds old the picture may be: what moves, the picture itself looks at soon; trouble it does not know.

    `told` is why the server was not ready before; `noted`, that it existed: what another management cluster made since the picture
    was taken is not in it, and is not to be taken for deleted."""
    if server is None and noted and told != "InstanceDeleted":
        return SURE
    if told in PASSING:
        return LOOK_AGAIN / 2
    return TROUBLE_AGAIN / 2 if server and server.status not in {"ACTIVE", *_BUILDING} else 300.0


def the_ports(server: OpenStackServer, seen: Seen) -> tuple[Port, ...]:
    """The server's ports in the order of the spec; those that do not exist are left out."""
    ports = (seen.one(Kind.PORT, port_role(index), Port) for index in range(len(server.spec.ports)))
    return tuple(port for port in ports if port)


def all_ports(server: OpenStackServer, seen: Seen) -> tuple[Port, ...]:
    """The ports of the spec, and after them what attachments plugged in, as far as they are plugged in."""
    nics = {port.id: port for port in seen.all(Kind.PORT, Port) if port.device_id}
    return (*the_ports(server, seen), *(nics[id] for id in seen.nics if id in nics))


def plan_server(server: OpenStackServer, seen: Seen) -> Plan:
    """What makes the server that the spec asks for, or what keeps it from being ready."""
    taking_over = Plan(steps=tuple(adopt(server, seen)))
    if taking_over.steps:
        return taking_over
    record = seen.one(Kind.SERVER, SERVER, Server)
    if record:
        return _keep(server, seen, record)
    existed = server.status.instance_id if server.status else None
    if existed:
        return Plan(waits=(_deleted(existed),))
    return make_server(server, seen)


def _keep(server: OpenStackServer, seen: Seen, record: Server) -> Plan:
    """What makes a server that exists whole again, and what keeps it from being ready."""
    told = (*state_waits(record), *differing(server, seen))
    ports = (*retag(server, seen), *repair_pairs(server, seen), *join_subports(server, seen))
    repairs = (*repair_networks(server, seen), *ports)
    plan = Plan(steps=repairs, waits=told)
    if record.status not in GONE:
        own = plan_networks(server, seen)
        plan += own if not own.settled else repair_ports(server, seen, record)
    plan += name_ports(server, seen, record)
    return plan if plan.waits or missing_ports(server, seen) else plan + floating_ips(server, seen)


def takes_nics(plan: Plan, seen: Seen) -> bool:
    """Whether NICs of attachments may be made now: the server exists, or is made by this very plan."""
    record = seen.one(Kind.SERVER, SERVER, Server)
    if record:
        return record.status not in GONE
    return any(isinstance(step, Create) and step.key.kind is Kind.SERVER for step in plan.steps)


def make_server(server: OpenStackServer, seen: Seen) -> Plan:
    """The volumes, ports, trunks and the server that are missing; nothing but waits while the spec cannot be met."""
    resolved = resolve_server(server, seen)
    ports = (*port_waits(server, seen), *existing_waits(server, seen), *overlap_waits(server, seen))
    floating = floating_ips(server, seen)
    data = (*user_data_waits(server, seen), *route_waits(server, seen), *size_waits(server, seen))
    waits = (*ports, *resolved.waits, *floating.waits, *data, *quota_waits(server, seen))
    if waits:
        return Plan(waits=waits)
    own = plan_networks(server, seen)
    if not own.settled:
        return (
            own
            if own.waits
            else own + Plan(waits=(_wait("InstanceNotReady", "its networks are made first", after=0.0),))
        )
    volumes = tuple(create_volumes(server, seen, resolved))
    parts = (
        *volumes,
        *claim_ports(server, seen),
        *create_ports(server, seen, resolved),
        *create_trunks(server, seen),
        *join_subports(server, seen),
        *floating.steps,
        *retag(server, seen),
    )
    unusable = (*making(volumes), *volume_waits(server, seen))
    if unusable:
        return Plan(steps=parts, waits=unusable)
    if lacks_ports(server, seen):
        return Plan(steps=parts, waits=(_wait("InstanceNotReady", "its ports are made first", after=BUILDING_AGAIN),))
    asked = _wait("InstanceNotReady", "the server is asked for", after=BUILDING_AGAIN)
    return Plan(steps=(*parts, create_server(server, seen, resolved)), waits=(asked,))


def create_server(server: OpenStackServer, seen: Seen, resolved: Resolved) -> Create:
    """The one request that makes the Nova server on its ports and volumes."""
    name = server.metadata.name
    return Create(
        key=Key(Kind.SERVER, SERVER),
        mark=Mark(seen.owner, SERVER),
        body=server_body(server, seen, resolved),
        why=f"make server {name}",
    )


def server_body(server: OpenStackServer, seen: Seen, resolved: Resolved) -> dict[str, Any]:
    """Nova's request body; scheduler hints are in it under Nova's name for them, outside of which they go is the cloud's matter."""
    spec, image = server.spec, resolved.one("spec.image")
    optional: dict[str, Any] = {
        "imageRef": None if spec.root_volume else image,
        "key_name": spec.ssh_key_name,
        "availability_zone": spec.availability_zone,
        "user_data": user_data(server, seen),
        "config_drive": spec.config_drive,
        "metadata": {item.key: item.value for item in spec.server_metadata or ()} | metadata(server, seen),
        "tags": spec.tags,
        "block_device_mapping_v2": block_devices(spec, seen, image),
        "os:scheduler_hints": scheduler_hints(server, resolved),
    }
    return {
        "name": server.metadata.name,
        "flavorRef": resolved.one("spec.flavorID") or resolved.one("spec.flavor"),
        "networks": [
            {"port": ref}
            for ref in (*(entry_at(server, index).ref(seen) for index in range(len(spec.ports))), *seen.nics)
        ],
        **{field: value for field, value in optional.items() if value not in (None, "", [], {})},
    }


def scheduler_hints(server: OpenStackServer, resolved: Resolved) -> dict[str, Any]:
    """The hints for Nova's scheduler, the server group among them."""
    hints = {hint.name: _value(hint.value) for hint in server.spec.scheduler_hint_additional_properties or ()}
    group = resolved.one("spec.serverGroup")
    return {**hints, **({"group": group} if group else {})}


def user_data_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """The user data, as long as they are not there yet."""
    reference = server.spec.user_data_ref
    if reference and seen.user_data is None:
        yield Wait(
            condition=INSTANCE_READY,
            reason="WaitingForBootstrapData",
            path="spec.userDataRef",
            message=f'no Secret "{reference.name}" with the key "value" in this namespace',
            after=10.0,
        )


def state_waits(server: Server) -> Iterator[Wait]:
    """What a server that exists is still waited for, in Nova's own words where it has some."""
    state = server.status
    if state == "ACTIVE":
        return
    if state in GONE:
        yield _deleted(server.id)
    elif state == "ERROR":
        fault = server.fault.message if server.fault else ""
        message = f"server {server.id} is in ERROR: {fault or 'Nova tells no fault'}"
        yield _wait("InstanceStateError", message, after=TROUBLE_AGAIN)
    elif state in _BUILDING:
        doing = f" ({server.task_state})" if server.task_state else ""
        yield _wait("InstanceNotReady", f"server {server.id} is being built{doing}", after=BUILDING_AGAIN)
    else:
        yield _wait("InstanceNotReady", f"server {server.id} is {state}, not ACTIVE", after=TROUBLE_AGAIN)


def adopt(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """Puts our mark on what the Go provider made for this server, so that it is known again from now on."""
    for record in seen.named.get(Kind.SERVER, ()):
        if isinstance(record, Server):
            metadata = {**record.metadata, METADATA_KEY: Mark(seen.owner, SERVER).tag}
            yield _take_over(Kind.SERVER, record, {"metadata": metadata})
    for record in seen.named.get(Kind.PORT, ()):
        index = _place(server, record)
        if index is None or (server.spec.ports[index].existing_port and not _plugged(server, record, seen)):
            continue
        yield _take_over(Kind.PORT, record, _marking(record, entry_at(server, index).mark(seen.owner), seen))
        for trunk in seen.named.get(Kind.TRUNK, ()):
            if isinstance(trunk, Trunk) and trunk.port_id == record.id:
                yield _take_over(Kind.TRUNK, trunk, _marking(trunk, Mark(seen.owner, trunk_role(index)), seen))


def _plugged(server: OpenStackServer, port: Record, seen: Seen) -> bool:
    """Whether a port of somebody else is in this server, and that stays: only then it is claimed once more."""
    record = seen.one(Kind.SERVER, SERVER, Server)
    plugged = isinstance(port, Port) and record is not None and port.device_id == record.id
    return plugged and not server.metadata.deletion_timestamp


def _marking(record: Record, mark: Mark, seen: Seen) -> dict[str, Any]:
    """The update that puts a mark on a Neutron resource: as a tag where Neutron has tags."""
    if TAG_EXTENSION in seen.extensions:
        return {"tags": [*record.tags, mark.tag]}
    return {"description": mark.described(record.description or "")}


def _place(server: OpenStackServer, port: Record) -> int | None:
    """Which port of the spec this is: by the order in which the Go provider noted their ids, else by the name it gives."""
    noted = server.status.resources.ports if server.status and server.status.resources else None
    ids = [item.id for item in noted or ()]
    if port.id in ids:
        return ids.index(port.id)
    given = [port_name(server.metadata.name, entry, index) for index, entry in enumerate(server.spec.ports)]
    return given.index(port.name) if port.name in given else None


def retire_server(server: OpenStackServer, seen: Seen) -> Plan:
    """What takes a server and all that belongs to it away, innermost first, whatever of it exists and whatever the spec says."""
    taking_over = Plan(steps=tuple(adopt(server, seen)))
    if taking_over.steps:
        return taking_over  # what carries no mark of ours is never deleted
    alive = [item for item in seen.all(Kind.SERVER, Server) if item.status not in GONE]
    if alive:
        return Plan(
            steps=tuple(_delete_server(item) for item in alive if item.task_state != "deleting"), waits=(_going,)
        )
    trunks = tuple(_delete(Kind.TRUNK, trunk, "its server is gone") for trunk in seen.all(Kind.TRUNK, Trunk))
    ports = tuple(_leave(port) for port in seen.all(Kind.PORT, Port))
    volumes, waits = remove_volumes(seen)
    leaving = Plan(steps=(*leave_floating_ips(server, seen), *trunks, *ports, *volumes), waits=waits)
    return leaving + retire_networks(server, seen)


_going = Wait(
    condition=INSTANCE_READY,
    reason="Deleting",
    message="the server is being deleted; its ports and volumes follow",
    after=2.0,
)


def _delete_server(server: Server) -> Delete:
    return Delete(kind=Kind.SERVER, id=server.id, why=f"delete server {server.name}")


def _delete(kind: Kind, record: Record, why: str) -> Delete:
    return Delete(kind=kind, id=record.id, why=f"{kind} {record.name}: {why}")


def _leave(port: Port) -> Step:
    borrowed = port.mark is not None and port.mark.borrowed
    return give_back(port) if borrowed else _delete(Kind.PORT, port, "its server is gone")


def _take_over(kind: Kind, record: Record, body: dict[str, Any]) -> Update:
    return Update(kind=kind, id=record.id, body=body, why=f"{kind} {record.name} was made by the Go provider: mark it")


def _deleted(id: str) -> Wait:
    return _wait("InstanceDeleted", f"server {id} was deleted by somebody else; it is not made again", after=None)


def _wait(reason: str, message: str, *, after: float | None) -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, message=message, after=after)


def _value(value: SchedulerHintAdditionalValue) -> bool | int | str | None:
    return next((it for it in (value.bool_, value.number, value.string) if it is not None), None)
