# SPDX-License-Identifier: Apache-2.0
"""The NICs that network attachments ask for on a server, and how each is known again.

    port                       attach-<attachment>-<fingerprint>-[t]<n>       t: the parent of a trunk, which has the same role
    port of the trunk          attach-<attachment>-<fingerprint>-[t]<n>-<m>
    floating IP that was made  <the port's role>-<fingerprint>                one that was there before: the port's role, borrowed

Rule: a NIC is known again by what cannot change of it. The role of its port (its mark) holds the attachment and a fingerprint of
the entry without the fields that change in place; so an entry may move in the list, and what was made for it stays.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.ports import PortFloatingIP, PortOpts
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port, Record
from pycapo.model.seen import Seen
from pycapo.plan.entries import Entry, children, port_path
from pycapo.plan.plugging import NIC

CONDITION = "Ready"
_IN_PLACE = (
    *("tags", "description", "nameSuffix", "adminStateUp", "allowedAddressPairs", "defaultSecurityGroups"),
    *("floatingIP", "defaultRoute"),
)
"""Fields of an entry that change in place, whatever was there before."""

_SAID = ("securityGroups", "enablePortSecurity", "qosPolicy")
"""Fields that Neutron changes in place as long as the entry has a word on them; without one they are Neutron's default."""

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


class Nic(msgspec.Struct, frozen=True, kw_only=True):
    """A port that a wish asks for: its entry, and the role of the floating IP that is made for it."""

    entry: Entry
    floating_ip: str


def hold_back(wish: Wish) -> Wish:
    """The wish of an attachment while a server can get no NIC: what it asks for waits, what it does not may go."""
    return msgspec.structs.replace(wish, held=True) if wish.written else wish


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


def fingerprint(port: PortOpts) -> str:
    """What cannot change of a NIC, as ten letters: the same for ever, for it is written in the marks of ports."""
    said: dict[str, Any] = msgspec.to_builtins(port)
    return _letters({name: True if name in _SAID else value for name, value in said.items() if name not in _IN_PLACE})


def nic_entries(wish: Wish, server: OpenStackServer) -> Iterator[Entry]:
    """The entries of a wish: each with the path in the attachment, and with the role and name of its port on this server."""
    counted: Counter[str] = Counter()
    for index, (written, completed) in enumerate(zip(wish.written, wish.completed, strict=True)):
        print_ = fingerprint(written)
        trunk = "t" if written.trunk or written.subports else ""
        yield Entry(
            path=port_path(index),
            role=f"{NIC}{wish.id}-{print_}-{trunk}{counted[print_]}",
            name=names.port(server.metadata.name, suffix(wish, index)),
            port=completed,
        )
        counted[print_] += 1


def suffix(wish: Wish, index: int) -> str:
    """The ending of a NIC's name: the attachment's and the entry's, its place by default."""
    return f"{wish.name}-{wish.written[index].name_suffix or index}"


def nics_wished(wish: Wish, server: OpenStackServer) -> Iterator[Nic]:
    """Every port of a wish: each entry, and after it the other ports of its trunk."""
    for entry, written in zip(nic_entries(wish, server), wish.written, strict=True):
        yield Nic(entry=entry, floating_ip=_floating_role(entry, written.floating_ip))
        for child, subport in zip(children(entry), written.subports or (), strict=True):
            yield Nic(entry=child, floating_ip=_floating_role(child, subport.port.floating_ip))


def _floating_role(entry: Entry, wanted: PortFloatingIP | None) -> str:
    """The role of a floating IP; of what the attachment says, not of what the cluster makes of it just now."""
    return f"{entry.role}-{_letters(msgspec.to_builtins(wanted))}"


def _letters(said: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:10]


def _all(seen: Seen) -> tuple[Port | FloatingIP, ...]:
    return (*seen.all(Kind.PORT, Port), *seen.all(Kind.FLOATING_IP, FloatingIP))
