# SPDX-License-Identifier: Apache-2.0
"""The entries of a spec that ask for ports: where each stands, and what its port and trunk are called.

Rule: a port is known again by its place in the spec (its mark's role), never by its name.
"""

from collections.abc import Iterator

import msgspec

from pycapo.api.machine import OpenStackMachineSpec
from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port
from pycapo.model.seen import Seen
from pycapo.model.steps import Key, Ref


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A port that a spec asks for: its field path, the role and the name of its port."""

    path: str
    role: str
    name: str
    port: PortBody

    @property
    def key(self) -> Key:
        """The key under which a plan makes the port."""
        return Key(Kind.PORT, self.role)

    def ref(self, seen: Seen) -> Ref:
        """The port: its id, or the key under which this plan makes it."""
        port = self.seen(seen)
        if port is None and self.port.existing_port:
            return next((it.id for it in seen.found.get(f"{self.path}.existingPort", ())), self.key)
        return port.id if port else self.key

    def seen(self, seen: Seen) -> Port | None:
        """The port, if it exists."""
        return seen.one(Kind.PORT, self.role, Port)

    def mark(self, owner: str) -> Mark:
        """The mark of the port."""
        return Mark(owner, self.role, borrowed=self.port.existing_port is not None)


def port_role(index: int) -> str:
    """The role of the port with this place in the spec."""
    return f"port-{index}"


def trunk_role(index: int) -> str:
    """The role of the trunk on the port with this place in the spec."""
    return f"trunk-{index}"


def port_path(index: int) -> str:
    """The field of the port with this place in the spec."""
    return f"spec.ports[{index}]"


def port_name(server: str, port: PortBody, index: int) -> str:
    """The port's name: the server's and the entry's suffix, its place by default."""
    return names.port(server, port.name_suffix or str(index))


def entry_at(server: OpenStackServer, index: int) -> Entry:
    """The entry with this place in the spec."""
    port = server.spec.ports[index]
    name = port_name(server.metadata.name, port, index)
    return Entry(path=port_path(index), role=port_role(index), name=name, port=port)


def subentries(server: OpenStackServer, index: int) -> Iterator[Entry]:
    """The entries of the trunk's other ports, in their order."""
    return children(entry_at(server, index))


def children(parent: Entry) -> Iterator[Entry]:
    """The entries of the ports that the trunk on a port carries."""
    subports = parent.port.subports if isinstance(parent.port, PortOpts) else None
    for place, subport in enumerate(subports or ()):
        yield Entry(
            path=f"{parent.path}.subports[{place}].port",
            role=f"{parent.role}-{place}",
            name=names.port(parent.name, subport.port.name_suffix or str(place)),
            port=subport.port,
        )


def entries(server: OpenStackServer) -> Iterator[Entry]:
    """Every port of a server: each entry, and after it the other ports of its trunk."""
    for index in range(len(server.spec.ports)):
        yield entry_at(server, index)
        yield from subentries(server, index)


def wants_trunk(spec: OpenStackServerSpec | OpenStackMachineSpec, port: PortOpts) -> bool:
    """Whether a port is to be the parent of a trunk: its own word, else that for all ports, but those of others."""
    if port.trunk is not None:
        return port.trunk
    return bool(port.subports) or (bool(spec.trunk) and not port.existing_port)


def port_tags(spec: OpenStackServerSpec, port: PortBody) -> list[str]:
    """The tags of a port and its trunk: the server's and its own, each once, in their order."""
    return list(dict.fromkeys((*(spec.tags or ()), *(port.tags or ()))))
