# SPDX-License-Identifier: Apache-2.0
"""The NICs that network attachments ask for on a server, and how each is known again.

    port                       attach-<attachment>-<fingerprint>-[t]<n>       t: the parent of a trunk, which has the same role
    port of the trunk          attach-<attachment>-<fingerprint>-[t]<n>-<its own fingerprint>
    floating IP that was made  <the port's role>-<fingerprint>                one that was there before: the port's role, borrowed

Rule: a NIC is known again by what cannot change of it. The role of its port (its mark) holds the attachment and a fingerprint of
the entry without the fields that change in place; so an entry may move in the list, and what was made for it stays
(`plan.nic_roles`).
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from pycapo.api.ports import PortFloatingIP, PortOpts
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port, Record
from pycapo.model.seen import Seen
from pycapo.plan.entries import Entry, children, port_path
from pycapo.plan.nic_roles import Roles, letters, roles_of
from pycapo.plan.plugging import NIC

CONDITION = "Ready"
_TRUNK = re.compile(rf"{NIC}[^-]+-[^-]+-t\d+$")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one attachment asks of one server: its entries as written, and completed as those of the machine's own ports are.

    `id` is the attachment's mark. An attachment that is to go, or that does not select the machine, asks for nothing. What is held
    is left as it is."""

    id: str
    name: str = ""
    held: bool = False
    written: tuple[PortOpts, ...] = ()
    completed: tuple[PortOpts, ...] = ()
    roles: tuple[Roles, ...] = ()
    """The roles of the entries, as far as it was looked which ports are there; else those of new ports."""


class Nic(msgspec.Struct, frozen=True, kw_only=True):
    """A port that a wish asks for: its entry, and the role of the floating IP that is made for it."""

    entry: Entry
    floating_ip: str


def hold_back(wish: Wish) -> Wish:
    """The wish of an attachment while a server can get no NIC: what it asks for waits, what it does not may go."""
    return msgspec.structs.replace(wish, held=True) if wish.written else wish


def leaves_groups(wish: Wish) -> bool:
    """Whether an entry leaves the groups of its port to Neutron: those that it names no more go back to Neutron's default."""
    ports = (it for port in wish.completed for it in (port, *(subport.port for subport in port.subports or ())))
    return any(it.security_groups is None and not it.existing_port for it in ports)


def attachment_of(role: str) -> str | None:
    """The id of the attachment that something was made for, from its role; None for everything else."""
    return role.removeprefix(NIC).partition("-")[0] if role.startswith(NIC) else None


def made_for(seen: Seen, id: str) -> tuple[Record, ...]:
    """The ports and floating IPs that were made or claimed for an attachment."""
    return tuple(it for it in _all(seen) if it.mark and attachment_of(it.mark.role) == id)


def attachments_of(seen: Seen) -> frozenset[str]:
    """The ids of all attachments that ports or floating IPs were made or claimed for."""
    ids = (attachment_of(it.mark.role) for it in _all(seen) if it.mark)
    return frozenset(id for id in ids if id)


def has_trunks(seen: Seen) -> bool:
    """Whether trunks may have been made for attachments."""
    return any(it.mark and is_trunk(it.mark.role) for it in seen.all(Kind.PORT, Port))


def is_trunk(role: str) -> bool:
    """Whether a port of an attachment is the parent of a trunk."""
    return _TRUNK.match(role) is not None


def known_again(wish: Wish, server: OpenStackServer, seen: Seen) -> Wish:
    """The wish with the roles of the NICs that were made for its entries already."""
    ports = [it for it in made_for(seen, wish.id) if isinstance(it, Port)]
    return msgspec.structs.replace(wish, roles=_roles(wish, server, ports))


def nic_entries(wish: Wish, server: OpenStackServer) -> Iterator[Entry]:
    """The entries of a wish: each with the path in the attachment, and with the role and name of its port on this server."""
    roles = wish.roles or _roles(wish, server, ())
    for index, (completed, of) in enumerate(zip(wish.completed, roles, strict=True)):
        yield Entry(path=port_path(index), role=of.parent, name=_name(wish, server, index), port=completed)


def suffix(wish: Wish, index: int) -> str:
    """The ending of a NIC's name: the attachment's and the entry's, its place by default."""
    return f"{wish.name}-{wish.written[index].name_suffix or index}"


def nics_wished(wish: Wish, server: OpenStackServer) -> Iterator[Nic]:
    """Every port of a wish: each entry, and after it the other ports of its trunk."""
    roles = wish.roles or _roles(wish, server, ())
    for entry, written, of in zip(nic_entries(wish, server), wish.written, roles, strict=True):
        yield Nic(entry=entry, floating_ip=_floating_role(entry, written.floating_ip))
        for child, subport, last in zip(children(entry), written.subports or (), of.children, strict=True):
            known = msgspec.structs.replace(child, role=f"{of.parent}-{last}")
            yield Nic(entry=known, floating_ip=_floating_role(known, subport.port.floating_ip))


def _name(wish: Wish, server: OpenStackServer, index: int) -> str:
    return names.port(server.metadata.name, suffix(wish, index))


def _roles(wish: Wish, server: OpenStackServer, ports: Sequence[Port]) -> tuple[Roles, ...]:
    named = [_name(wish, server, index) for index in range(len(wish.written))]
    return roles_of(wish.id, wish.written, named, ports)


def _floating_role(entry: Entry, wanted: PortFloatingIP | None) -> str:
    """The role of a floating IP; of what the attachment says, not of what the cluster makes of it just now."""
    return f"{entry.role}-{letters(msgspec.to_builtins(wanted))}"


def _all(seen: Seen) -> tuple[Port | FloatingIP, ...]:
    return (*seen.all(Kind.PORT, Port), *seen.all(Kind.FLOATING_IP, FloatingIP))
