# SPDX-License-Identifier: Apache-2.0
"""The NICs that network attachments ask for on a server: which are missing, which changed, and which are nobody's wish any more.

    entry -> port made -> plugged in -> updated in place    an entry that went, or that became another NIC:
                                                            unplugged -> port deleted (-> the new one made and plugged in)

Rule: a NIC is known again by what cannot change of it. The role of its port (its mark) holds the attachment and a fingerprint of
the entry without the fields that Neutron changes in place; so an entry may move in the list, and what was made for it stays.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.ports import PortOpts
from pycapo.api.references import ImageParam
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Image, Port, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Plan, Step, Wait
from pycapo.plan.capabilities import extension_waits
from pycapo.plan.entries import Entry, port_path, port_role
from pycapo.plan.fixed_addresses import resolve_server, subnets_wanted
from pycapo.plan.machine_networks import plan_networks
from pycapo.plan.plugging import BUSY_AGAIN, NIC, TROUBLE_AGAIN, UNPLUGGED_AGAIN, plug, takes_ports, unplug
from pycapo.plan.port_body import port_body
from pycapo.plan.port_names import name_port
from pycapo.plan.port_repair import repair_port
from pycapo.plan.ports import contradictions, wire
from pycapo.plan.references import Resolved, Wanted, wanted

CONDITION = "Ready"
_IN_PLACE = ("tags", "description", "nameSuffix", "adminStateUp", "allowedAddressPairs", "defaultSecurityGroups")
"""Fields of an entry that Neutron changes in place, whatever was there before."""

_SAID = ("securityGroups", "enablePortSecurity", "qosPolicy")
"""Fields that Neutron changes in place as long as the entry has a word on them; without one they are Neutron's default."""

_IN_PLACE_TOO = re.compile(r"spec\.ports\[\d+\]\.(securityGroups\[|qosPolicy$)")
_LATER = ("existing_port", "floating_ip", "default_route", "trunk", "subports")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one attachment asks of one server: its entries as written, and completed as those of the machine's own ports are.

    `id` is the attachment's mark. An attachment that is to go, or that does not select the machine, asks for nothing. What is held
    is left as it is."""

    id: str
    name: str = ""
    held: bool = False
    written: tuple[PortOpts, ...] = ()
    completed: tuple[PortOpts, ...] = ()


def hold_back(wish: Wish) -> Wish:
    """The wish of an attachment while a server can get no NIC: what it asks for waits, what it does not may go."""
    return msgspec.structs.replace(wish, held=True) if wish.written else wish


def attachment_of(role: str) -> str | None:
    """The id of the attachment that a port was made for, from its role; None for any other port."""
    return role.removeprefix(NIC).partition("-")[0] if role.startswith(NIC) else None


def nics_of(seen: Seen, id: str) -> tuple[Port, ...]:
    """The ports that were made for an attachment."""
    return tuple(it for it in seen.all(Kind.PORT, Port) if it.mark and attachment_of(it.mark.role) == id)


def attachments_of(seen: Seen) -> tuple[str, ...]:
    """The ids of all attachments that ports were made for."""
    ids = (attachment_of(it.mark.role) for it in seen.all(Kind.PORT, Port) if it.mark)
    return tuple(sorted({id for id in ids if id}))


def fingerprint(port: PortOpts) -> str:
    """What cannot change of a NIC, as ten letters: the same for ever, for it is written in the marks of ports."""
    said: dict[str, Any] = msgspec.to_builtins(port)
    fixed = {name: True if name in _SAID else value for name, value in said.items() if name not in _IN_PLACE}
    return hashlib.sha256(msgspec.json.encode(fixed, order="sorted")).hexdigest()[:10]


def nic_entries(wish: Wish, server: OpenStackServer) -> Iterator[Entry]:
    """The entries of a wish: each with the path in the attachment, and with the role and name of its port on this server."""
    counted: Counter[str] = Counter()
    for index, (written, completed) in enumerate(zip(wish.written, wish.completed, strict=True)):
        print_ = fingerprint(written)
        suffix = written.name_suffix or str(index)
        yield Entry(
            path=port_path(index),
            role=f"{NIC}{wish.id}-{print_}-{counted[print_]}",
            name=names.port(server.metadata.name, f"{wish.name}-{suffix}"),
            port=completed,
        )
        counted[print_] += 1


def nics_wanted(wish: Wish, server: OpenStackServer, seen: Seen) -> Wanted:
    """What has to be looked up: everything for a NIC that is missing, only the security groups for one that is there."""
    found = wanted(asking_server(wish, server).spec)
    missing = tuple(f"{entry.path}." for entry in nic_entries(wish, server) if entry.seen(seen) is None)
    return {path: query for path, query in found.items() if path.startswith(missing) or _IN_PLACE_TOO.match(path)}


def nic_subnets_wanted(wish: Wish, server: OpenStackServer, seen: Seen) -> Wanted:
    """What has to be looked up then: the subnets in which missing NICs ask for addresses."""
    if all(entry.seen(seen) for entry in nic_entries(wish, server)):
        return {}
    return subnets_wanted(asking_server(wish, server), as_own(wish, server, seen))


def asking_server(wish: Wish, server: OpenStackServer) -> OpenStackServer:
    """The server as it would be with the entries of a wish for its ports, so that they are understood as those are."""
    plain = {"flavor": None, "flavor_id": None, "server_group": None, "security_groups": None, "trunk": None}
    spec = msgspec.structs.replace(server.spec, ports=list(wish.completed), image=ImageParam(id=""), **plain)
    return msgspec.structs.replace(server, spec=spec)


def as_own(wish: Wish, server: OpenStackServer, seen: Seen) -> Seen:
    """The picture in which the NICs of a wish are the ports of the asking server's spec."""
    there = ((index, entry.seen(seen)) for index, entry in enumerate(nic_entries(wish, server)))
    owned = (
        msgspec.structs.replace(port, tags=(Mark(seen.owner, port_role(index)).tag,), description="")
        for index, port in there
        if port
    )
    found = {"spec.image": (Image(id=""),), **seen.found}
    return msgspec.structs.replace(seen, owned={**seen.owned, Kind.PORT: tuple(owned)}, found=found)


def plan_nics(wish: Wish, server: OpenStackServer, seen: Seen, *, record: Server | None) -> Plan:
    """What gives a server the NICs of a wish and takes the others of its attachment away; `record` None: it is not made yet."""
    entries = tuple(nic_entries(wish, server))
    roles = {entry.role for entry in entries}
    stale = [port for port in nics_of(seen, wish.id) if port.mark and port.mark.role not in roles]
    leaving = [take_away(port, record) for port in sorted(stale, key=lambda it: it.id)]
    if leaving:
        # A new NIC may want the address or the place of an old one, so it comes at the next look.
        going = sum(leaving, Plan())
        next_ones = (_wait("Unplugging", "NICs that replace others come next", after=0.0),)
        return going if going.waits or not entries else going + Plan(waits=next_ones)
    asking = asking_server(wish, server)
    resolved = resolve_server(asking, as_own(wish, server, seen))
    parts = [_nic(entry, asking, seen, resolved=resolved, record=record) for entry in entries]
    own = plan_networks(asking, seen)
    made_first = (_wait("WaitingForNetwork", "the machine's own networks are made first", after=0.0),)
    return sum(parts, Plan(steps=own.steps, waits=own.waits or (made_first if own.steps else ())))


def take_away(port: Port, record: Server | None) -> Plan:
    """Unplugs a NIC that nobody asks for any more, and deletes its port once it is unplugged."""
    if port.leaving:
        return Plan(waits=(_wait("Unplugging", f"port {port.name} is being unplugged", after=UNPLUGGED_AGAIN),))
    if not port.device_id or record is None or record.id != port.device_id:
        return _delete(port, record)
    if not takes_ports(record):
        return Plan(waits=(_busy(record, f"port {port.name} cannot be unplugged"),))
    going = _wait("Unplugging", f"port {port.name} is being unplugged", after=UNPLUGGED_AGAIN)
    return Plan(steps=(unplug(port, record, why="no attachment asks for it any more"),), waits=(going,))


def _delete(port: Port, record: Server | None) -> Plan:
    if port.device_id and record is not None:
        message = f"port {port.name} is plugged into {port.device_id}, not into server {record.id}; it is left alone"
        return Plan(waits=(_wait("InUse", message, after=TROUBLE_AGAIN),))
    why = f"port {port.name}: no attachment asks for it any more"
    return Plan(steps=(Delete(kind=Kind.PORT, id=port.id, why=why),))


def _nic(entry: Entry, asking: OpenStackServer, seen: Seen, *, resolved: Resolved, record: Server | None) -> Plan:
    """What one entry needs: its port, plugged in and as the entry says, or why that cannot be."""
    port = entry.seen(seen)
    lacking = (wait for wait in extension_waits(asking, seen) if wait.path.startswith(f"{entry.path}."))
    own = frozenset(it.name for it in asking.spec.networks or ())
    waits = (*_kept_from(entry, resolved, missing=port is None, own=own), *lacking)
    if waits:
        return Plan(waits=waits)
    if port is None and record and not takes_ports(record):
        return Plan(waits=(_busy(record, f"port {entry.name} cannot be plugged in", path=entry.path),))
    body = port_body(asking, entry, seen=seen, resolved=resolved)
    made: tuple[Step, ...] = (_make(entry, body, seen),) if port is None else ()
    mended = tuple(repair_port(entry, port, body, seen=seen)) if port else ()
    named = name_port(entry, seen, record) if record else Plan()
    return Plan(steps=(*made, *mended)) + _plugged(entry, seen, record) + named


def _make(entry: Entry, body: dict[str, Any], seen: Seen) -> Create:
    mark = entry.mark(seen.owner)
    return Create(key=entry.key, mark=mark, body=body, why=f"make port {entry.name}", path=entry.path)


def _plugged(entry: Entry, seen: Seen, record: Server | None) -> Plan:
    """What plugs the port of an entry in; a server that is made now is made with it."""
    port = entry.seen(seen)
    if record is None or record.status in ("", "BUILD"):
        return Plan(waits=(_wait("InstanceNotReady", "the server is being built", path=entry.path, after=None),))
    if port and port.device_id == record.id:
        return Plan(waits=(_wait("Unplugging", f"port {port.name} is being unplugged"),)) if port.leaving else Plan()
    if port and port.device_id:
        message = f"port {port.name} is plugged into {port.device_id}, not into server {record.id}"
        return Plan(waits=(_wait("InUse", message, path=entry.path, after=TROUBLE_AGAIN),))
    if not takes_ports(record):
        return Plan(waits=(_busy(record, f"port {entry.name} cannot be plugged in", path=entry.path),))
    return Plan(steps=(plug(entry.ref(seen), record, entry=entry),))


def _kept_from(entry: Entry, resolved: Resolved, *, missing: bool, own: frozenset[str]) -> Iterator[Wait]:
    """What keeps an entry from being acted on: what is not done yet, contradictions, references that mean none or several."""
    for field in _LATER:
        if getattr(entry.port, field, None):
            path = f"{entry.path}.{wire(entry.port, field)}"
            yield _wait("NotYetSupported", "this version does not act on it in an attachment", path=path, after=None)
    for place, fixed in enumerate(entry.port.fixed_ips or ()):
        if fixed.address_from:
            path = f"{entry.path}.fixedIPs[{place}].addressFrom"
            yield _wait("NotYetSupported", "this version does not act on it in an attachment", path=path, after=None)
    if name := entry.port.cluster_network:
        message = f'network "{name}" of the {"machine" if name in own else "cluster"} is not there yet'
        yield _wait("WaitingForNetwork", message, path=f"{entry.path}.clusterNetwork", after=None)
        return
    yield from contradictions(entry)
    places = (f"{entry.path}.",) if missing else (f"{entry.path}.securityGroups[", f"{entry.path}.qosPolicy")
    yield from (wait for wait in resolved.waits if wait.path.startswith(places))
    if missing and resolved.waits and any(fixed.range for fixed in entry.port.fixed_ips or ()):
        yield _wait(resolved.waits[0].reason, f"another entry comes first: {resolved.waits[0].told}", path=entry.path)


def _busy(record: Server, what: str, *, path: str = "") -> Wait:
    doing = f", {record.task_state}" if record.task_state else ""
    message = f"{what} while server {record.id} is {record.status or 'BUILD'}{doing}"
    return _wait("InstanceNotReady", message, path=path, after=BUSY_AGAIN)


def _wait(reason: str, message: str, *, path: str = "", after: float | None = UNPLUGGED_AGAIN) -> Wait:
    return Wait(condition=CONDITION, reason=reason, message=message, path=path, after=after)
