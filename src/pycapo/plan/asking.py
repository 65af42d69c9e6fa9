# SPDX-License-Identifier: Apache-2.0
"""The NICs of an attachment as the ports of a server of their own, so that one plan is made for both.

    wish, what was seen  -> a server that asks for them, its picture -> a plan for its ports -> the same plan for the NICs

Rule: roles are said in two ways, as those of the ports of a spec and as those of NICs; only the second ever leaves for OpenStack.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.references import ImageParam
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import parse_mark, undescribed
from pycapo.model.records import FloatingIP, Image, Port, Record, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan, Step, Update
from pycapo.plan.entries import Entry, children, entries, entry_at, trunk_role
from pycapo.plan.fixed_addresses import subnets_wanted
from pycapo.plan.nics import Nic, Wish, nics_wished, suffix
from pycapo.plan.plugging import is_child
from pycapo.plan.port_floating_ips import floating_role, networks_wanted
from pycapo.plan.references import Wanted, wanted

B = TypeVar("B", bound=PortBody)
R = TypeVar("R", bound=Record)
Roles = Mapping[str, str]


def asking_server(wish: Wish, server: OpenStackServer) -> OpenStackServer:
    """The server as it would be with the entries of a wish for its ports, so that they are understood as those are."""
    plain = {"flavor": None, "flavor_id": None, "server_group": None, "security_groups": None, "trunk": None}
    ports = [_named(port, suffix(wish, index)) for index, port in enumerate(wish.completed)]
    spec = msgspec.structs.replace(server.spec, ports=ports, image=ImageParam(id=""), **plain)
    return msgspec.structs.replace(server, spec=spec)


def as_own(wish: Wish, server: OpenStackServer, seen: Seen) -> Seen:
    """The picture in which the NICs of a wish are the ports of the asking server's spec."""
    roles = {nic: local for local, nic in _roles(wish, server).items()}
    trunks = {nic.entry.role: trunk_role(index) for index, nic in enumerate(_parents(wish, server))}
    owned: dict[Kind, tuple[Record, ...]] = {
        Kind.PORT: tuple(_known(seen.all(Kind.PORT, Port), roles)),
        Kind.TRUNK: tuple(_known(seen.all(Kind.TRUNK, Trunk), trunks)),
        Kind.FLOATING_IP: (
            *_known((it for it in seen.all(Kind.FLOATING_IP, FloatingIP) if not borrowed(it)), roles),
            *_claimed(wish, server, seen),
        ),
    }
    found = {"spec.image": (Image(id=""),), **seen.found}
    return msgspec.structs.replace(seen, owned={**seen.owned, **owned}, found=found)


def as_nics(plan: Plan, wish: Wish, server: OpenStackServer) -> Plan:
    """A plan for the asking server, with the roles of NICs in it."""
    trunks = {trunk_role(index): nic.entry.role for index, nic in enumerate(_parents(wish, server))}
    roles = {**_roles(wish, server), **trunks}
    return Plan(steps=tuple(_said(step, roles) for step in plan.steps), waits=plan.waits)


def borrowed(item: Record) -> bool:
    """Whether something was there before and is only used."""
    return item.mark is not None and item.mark.borrowed


def unresolved(wish: Wish, server: OpenStackServer, seen: Seen) -> OpenStackServer:
    """The asking server without what its NICs that are there needed only to be made; `seen` is its own picture."""
    asking = asking_server(wish, server)
    ports = [_still_asked(entry_at(asking, index), port, seen) for index, port in enumerate(asking.spec.ports)]
    return msgspec.structs.replace(asking, spec=msgspec.structs.replace(asking.spec, ports=ports))


def nics_wanted(wish: Wish, server: OpenStackServer, seen: Seen) -> Wanted:
    """What has to be looked up: everything for a NIC that is missing, only groups and QoS policy for one that is there."""
    mine = as_own(wish, server, seen)
    asking = unresolved(wish, server, mine)
    found = {path: query for path, query in wanted(asking.spec).items() if path != "spec.image"}
    return {**found, **networks_wanted(asking, mine)}


def nic_subnets_wanted(wish: Wish, server: OpenStackServer, seen: Seen) -> Wanted:
    """What has to be looked up then: the subnets in which missing NICs ask for addresses."""
    mine = as_own(wish, server, seen)
    return subnets_wanted(unresolved(wish, server, mine), mine)


def _named(port: PortOpts, ending: str) -> PortOpts:
    return msgspec.structs.replace(port, name_suffix=ending)


def _still_asked(entry: Entry, port: PortOpts, seen: Seen) -> PortOpts:
    inside = zip(children(entry), port.subports or (), strict=True)
    subports = [msgspec.structs.replace(it, port=_bare(it.port, child.seen(seen))) for child, it in inside]
    return msgspec.structs.replace(_bare(port, entry.seen(seen)), subports=subports or port.subports)


def _bare(port: B, there: Port | None) -> B:
    """What an entry still refers to when its port is there."""
    if there is None:
        return port
    if port.existing_port:
        return msgspec.structs.replace(port, existing_port=None)
    return msgspec.structs.replace(port, network=None, fixed_ips=None)


def _parents(wish: Wish, server: OpenStackServer) -> Iterator[Nic]:
    return (nic for nic in nics_wished(wish, server) if not is_child(nic.entry.role))


def _roles(wish: Wish, server: OpenStackServer) -> dict[str, str]:
    """By the role in the asking server's spec the role as a NIC, of ports and of floating IPs that are made for them."""
    pairs = list(zip(entries(asking_server(wish, server)), nics_wished(wish, server), strict=True))
    ports = {local.role: nic.entry.role for local, nic in pairs}
    return {**ports, **{floating_role(local): nic.floating_ip for local, nic in pairs}}


def _known(records: Iterable[R], roles: Roles) -> Iterator[R]:
    """The records that play one of these roles, in the other role."""
    for it in records:
        if it.mark and it.mark.role in roles:
            yield _in_role(it, roles[it.mark.role])


def _claimed(wish: Wish, server: OpenStackServer, seen: Seen) -> Iterator[FloatingIP]:
    """The floating IPs that were there and are used for a wish."""
    pairs = zip(entries(asking_server(wish, server)), nics_wished(wish, server), strict=True)
    locals_ = {nic.entry.role: local for local, nic in pairs}
    for it in seen.all(Kind.FLOATING_IP, FloatingIP):
        local = locals_.get(it.mark.role) if it.mark and it.mark.borrowed else None
        if local and names_address(local, it):
            yield _in_role(it, floating_role(local))


def names_address(entry: Entry, item: FloatingIP) -> bool:
    """Whether an entry asks for this floating IP by its address."""
    return entry.port.floating_ip is not None and entry.port.floating_ip.address == item.floating_ip_address


def _in_role(record: R, role: str) -> R:
    """A record with another role in its mark."""
    assert record.mark is not None
    tags = (
        *(tag for tag in record.tags if parse_mark(tag) is None),
        msgspec.structs.replace(record.mark, role=role).tag,
    )
    return msgspec.structs.replace(record, tags=tags, description=undescribed(record.description or ""))


def _said(step: Step, roles: Roles) -> Step:
    match step:
        case Create(key=key, mark=mark, body=body, parent=parent):
            said = msgspec.structs.replace(mark, role=roles[mark.role]) if mark else None
            again = Key(key.kind, roles[key.role])
            return msgspec.structs.replace(step, key=again, mark=said, body=_again(body, roles), parent=parent)
        case Update(body=body):
            return msgspec.structs.replace(step, body=_again(body, roles))
    return step


def _again(value: Any, roles: Roles) -> Any:
    """A value with the roles in keys and marks said the other way, at any depth."""
    match value:
        case Key(kind=kind, role=role):
            return Key(kind, roles[role])
        case Mapping():
            return {name: _again(item, roles) for name, item in value.items()}
        case list() | tuple():
            return [_again(item, roles) for item in value]
        case str() if (mark := parse_mark(value)) and mark.role in roles:
            return msgspec.structs.replace(mark, role=roles[mark.role]).tag
    return value
