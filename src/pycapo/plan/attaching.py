# SPDX-License-Identifier: Apache-2.0
"""What gives a server the NICs of an attachment: which are missing, which changed, and which are nobody's wish any more.

    entry -> port made or claimed, its trunk made -> plugged in -> floating IP -> changed in place
    an entry that went, or that became another NIC: unplugged -> port gone (-> the new one made and plugged in)

Rule: a trunk is made before its port is plugged in. What one entry cannot have keeps none of the others; what keeps a floating IP
keeps no NIC.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, Server, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Plan, Step, Update, Wait
from pycapo.plan.asking import as_nics, as_own, asking_server, unresolved
from pycapo.plan.capabilities import extension_waits
from pycapo.plan.detaching import busy, leave_nics, nic_wait, take_out
from pycapo.plan.entries import Entry, entries, entry_at, trunk_role, wants_trunk
from pycapo.plan.existing_ports import claim_ports, existing_waits
from pycapo.plan.fixed_addresses import resolve_server
from pycapo.plan.machine_networks import plan_networks
from pycapo.plan.nics import CONDITION, Wish
from pycapo.plan.plugging import TROUBLE_AGAIN, plug, takes_ports
from pycapo.plan.port_body import port_body
from pycapo.plan.port_floating_ips import floating_ips
from pycapo.plan.port_names import name_ports
from pycapo.plan.port_repair import TAG_EXTENSION, repair_port
from pycapo.plan.ports import contradictions, create_ports, create_trunks, missing_ports
from pycapo.plan.references import Resolved
from pycapo.plan.subports import join_subports, subport_waits

DEFAULT_GROUP = "default"
"""The name of the group that each project has from Neutron."""
_PLACE = re.compile(r"spec\.ports\[(\d+)\]")


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The server that asks for the NICs, its own picture, what its entries mean, and the Nova server, None before it is made."""

    server: OpenStackServer
    seen: Seen
    resolved: Resolved
    record: Server | None

    @property
    def places(self) -> range:
        return range(len(self.server.spec.ports))

    def lacks_trunk(self, index: int) -> bool:
        """Whether a port that is to be the parent of a trunk is none."""
        wanted = wants_trunk(self.server.spec, self.server.spec.ports[index])
        return wanted and self.seen.one(Kind.TRUNK, trunk_role(index), Trunk) is None


def plan_nics(wish: Wish, server: OpenStackServer, seen: Seen, *, record: Server | None) -> Plan:
    """What gives a server the NICs of a wish and takes the others of its attachment away; `record` None: it is not made yet."""
    going = leave_nics(wish, server, seen, record=record)
    if not going.settled:
        # A new NIC may want the address or the place of an old one, so it comes at the next look.
        next_ones = (nic_wait("Unplugging", "NICs that replace others come next", after=0.0),)
        return going if going.waits or not wish.written else going + Plan(waits=next_ones)
    mine, asking = as_own(wish, server, seen), asking_server(wish, server)
    resolved = resolve_server(unresolved(wish, server, mine), mine)
    asked = _Asked(server=asking, seen=mine, resolved=resolved, record=record)
    return _own_networks(asking, seen) + as_nics(_give(asked), wish, server)


def _own_networks(asking: OpenStackServer, seen: Seen) -> Plan:
    """What gives the machine the networks of its own that NICs name."""
    own = plan_networks(asking, seen)
    made_first = (nic_wait("WaitingForNetwork", "the machine's own networks are made first", after=0.0),)
    return Plan(steps=own.steps, waits=own.waits or (made_first if own.steps else ()))


def _give(asked: _Asked) -> Plan:
    kept = tuple(_kept_from(asked))
    held = {place_of(it.path) for it in kept}
    plugged = sum((_plug(asked, index) for index in asked.places if index not in held), Plan())
    further = _floating(asked) + Plan(waits=tuple(_joining(asked)))
    further += name_ports(asked.server, asked.seen, asked.record) if asked.record else Plan()
    steps = (*_made(asked), *plugged.steps, *further.steps)
    waits = (*plugged.waits, *(it for it in further.waits if place_of(it.path) not in held))
    told = (msgspec.structs.replace(it, condition=CONDITION) for it in (*kept, *waits))
    return Plan(steps=tuple(it for it in steps if place_of(_path(it)) not in held), waits=tuple(told))


def place_of(path: str) -> int:
    """The place of the entry that a field belongs to."""
    found = _PLACE.match(path)
    return int(found[1]) if found else -1


def _path(step: Step) -> str:
    return step.path if isinstance(step, Create | Update) else ""


def _made(asked: _Asked) -> Iterator[Step]:
    """The ports and trunks that are missing, and what of the others is not as their entries say."""
    yield from claim_ports(asked.server, asked.seen)
    yield from create_ports(asked.server, asked.seen, asked.resolved)
    plugged = {f"{entry_at(asked.server, it).path}.trunk" for it in asked.places if _port(asked, it, plugged=True)}
    yield from (it for it in create_trunks(asked.server, asked.seen) if _path(it) not in plugged)
    yield from join_subports(asked.server, asked.seen)
    for entry in entries(asked.server):
        port = entry.seen(asked.seen)
        if port and not entry.port.existing_port:
            body = port_body(asked.server, entry, seen=asked.seen, resolved=asked.resolved)
            yield from repair_port(entry, port, {**_default_groups(entry, asked.seen), **body}, seen=asked.seen)


def _default_groups(entry: Entry, seen: Seen) -> dict[str, Any]:
    """Neutron's default group, by its id, for a port whose entry leaves its groups to Neutron; it may have named others before."""
    if entry.port.security_groups is not None or entry.port.enable_port_security is False:
        return {}
    named = [it.id for it in seen.beside.get(Kind.SECURITY_GROUP, ()) if it.name == DEFAULT_GROUP]
    return {"security_groups": named} if len(named) == 1 else {}


def _port(asked: _Asked, index: int, *, plugged: bool) -> Port | None:
    """The port of an entry, if it is plugged into the server."""
    port = entry_at(asked.server, index).seen(asked.seen)
    inside = bool(port and asked.record and port.device_id == asked.record.id)
    return port if inside is plugged else None


def _plug(asked: _Asked, index: int) -> Plan:
    """What plugs the port of an entry in; a server that is made now is made with it."""
    entry, record = entry_at(asked.server, index), asked.record
    if record is None or record.status in ("", "BUILD"):
        return Plan(waits=(nic_wait("InstanceNotReady", "the server is being built", path=entry.path, after=None),))
    if port := _port(asked, index, plugged=True):
        if port.leaving:
            return Plan(waits=(nic_wait("Unplugging", f"port {port.name} is being unplugged", path=entry.path),))
        lost = asked.lacks_trunk(index)
        return take_out(port, record, why="it has lost its trunk, which is made first") if lost else Plan()
    port = entry.seen(asked.seen)
    if port and port.device_id:
        message = f"port {port.name} is plugged into {port.device_id}, not into server {record.id}"
        return Plan(waits=(nic_wait("InUse", message, path=entry.path, after=TROUBLE_AGAIN),))
    if not takes_ports(record):
        return Plan(waits=(busy(record, f"port {entry.name} cannot be plugged in", path=entry.path),))
    return Plan(steps=(plug(entry.ref(asked.seen), record, entry=entry),))


def _floating(asked: _Asked) -> Plan:
    """The floating IPs; one that was there is claimed before it is pointed at a port, so that it is known to be given back."""
    plan = floating_ips(asked.server, asked.seen)
    claims = {_path(step): claim for step in plan.steps if (claim := _claim(asked, step))}
    if claims and TAG_EXTENSION not in asked.seen.extensions:
        message = f'Neutron has no extension "{TAG_EXTENSION}", without which no floating IP can be claimed'
        waits = (nic_wait("NotSupported", message, path=path, after=TROUBLE_AGAIN) for path in claims)
        return Plan(steps=tuple(it for it in plan.steps if _path(it) not in claims), waits=(*plan.waits, *waits))
    steps = (it for step in plan.steps for it in (claims.get(_path(step)), step) if it)
    return Plan(steps=tuple(steps), waits=plan.waits)


def _claim(asked: _Asked, step: Step) -> Update | None:
    """What claims a floating IP that was there, before this step uses it; one of a pool is claimed by an object."""
    named = {f"{it.path}.floatingIP": it for it in entries(asked.server)}
    entry = named.get(_path(step))
    wanted = entry.port.floating_ip if entry else None
    beside = {it.id: it for it in asked.seen.beside.get(Kind.FLOATING_IP, ()) if it.mark is None}
    if not entry or not wanted or wanted.pool_ref or not isinstance(step, Update) or step.id not in beside:
        return None
    tags = [*beside[step.id].tags, Mark(asked.seen.owner, entry.role, borrowed=True).tag]
    return msgspec.structs.replace(step, body={"tags": tags}, why=f"claim {step.why.removeprefix('point ')}")


def _joining(asked: _Asked) -> Iterator[Wait]:
    """A wait for ports that are made now for a trunk that is there: they join it at the next look."""
    for entry in missing_ports(asked.server, asked.seen):
        index = place_of(entry.path)
        if ".subports[" in entry.path and asked.seen.one(Kind.TRUNK, trunk_role(index), Trunk):
            yield nic_wait("Creating", f"port {entry.name} joins its trunk next", path=entry.path, after=0.0)


def _kept_from(asked: _Asked) -> Iterator[Wait]:
    """What keeps entries from being acted on: contradictions, references that mean none or several, a server that is busy."""
    missing = {place_of(entry.path) for entry in missing_ports(asked.server, asked.seen)}
    own = {it.name for it in asked.server.spec.networks or ()}
    for entry in entries(asked.server):
        if name := entry.port.cluster_network:
            message = f'network "{name}" of the {"machine" if name in own else "cluster"} is not there yet'
            yield nic_wait("WaitingForNetwork", message, path=f"{entry.path}.clusterNetwork", after=None)
        else:
            yield from contradictions(entry)
    yield from subport_waits(asked.server)
    yield from existing_waits(asked.server, asked.seen)
    yield from asked.resolved.waits
    yield from extension_waits(asked.server, asked.seen)
    for index in sorted(missing):
        yield from _missing_waits(asked, index)


def _missing_waits(asked: _Asked, index: int) -> Iterator[Wait]:
    entry, first = entry_at(asked.server, index), next(iter(asked.resolved.waits), None)
    ports = (it.port for it in entries(asked.server) if place_of(it.path) == index)
    if (
        first
        and place_of(first.path) != index
        and any(it.range or it.address_from for p in ports for it in p.fixed_ips or ())
    ):
        yield nic_wait(first.reason, f"another entry comes first: {first.told}", path=entry.path)
    if asked.record and not takes_ports(asked.record):
        yield busy(asked.record, f"port {entry.name} cannot be plugged in", path=entry.path)
