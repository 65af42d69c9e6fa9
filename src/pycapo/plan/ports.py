# SPDX-License-Identifier: Apache-2.0
"""The ports of a server and the trunks on them: which are missing, and the requests that make them.

Rule: what the spec asks for and cannot be had, or this version does not do yet, is told before anything is made.
"""

from collections.abc import Iterator

import msgspec

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Step, Wait
from pycapo.plan.capabilities import extension_waits
from pycapo.plan.entries import Entry, entries, entry_at, port_tags, trunk_role, wants_trunk
from pycapo.plan.port_body import given, port_body
from pycapo.plan.references import INSTANCE_READY, Resolved
from pycapo.plan.subports import subport_waits, subports


def port_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """What keeps the ports from being made at all: contradictions in the spec, and what the cloud does not offer."""
    own = frozenset(it.name for it in server.spec.networks or ())
    for entry in entries(server):
        yield from contradictions(entry, own=own)
    yield from subport_waits(server)
    yield from extension_waits(server, seen)


def contradictions(entry: Entry, *, own: frozenset[str] = frozenset()) -> Iterator[Wait]:
    """What an entry says that cannot be; `own` are the names of the networks that its server has for itself."""
    port, path = entry.port, entry.path
    if port.existing_port:
        return
    if port.enable_port_security is False and port.security_groups:
        yield invalid(f"{path}.securityGroups", "security groups need port security, which the entry switches off")
    if port.cluster_network in own:
        return
    if port.cluster_network:
        yield invalid(
            f"{path}.clusterNetwork", "only ports of machines can name a network of their cluster; give network"
        )
    elif port.network is None and not any(fixed.subnet for fixed in port.fixed_ips or ()):
        yield invalid(f"{path}.network", "neither a network nor a fixed IP with a subnet says where the port belongs")


def missing_ports(server: OpenStackServer, seen: Seen) -> tuple[Entry, ...]:
    """The entries whose port does not exist."""
    return tuple(entry for entry in entries(server) if entry.seen(seen) is None)


def create_ports(server: OpenStackServer, seen: Seen, resolved: Resolved) -> Iterator[Step]:
    """One creation for each port that is missing; neighbours go out in one request."""
    for entry in missing_ports(server, seen):
        if entry.port.existing_port:
            continue
        yield Create(
            key=entry.key,
            mark=entry.mark(seen.owner),
            body=port_body(server, entry, seen=seen, resolved=resolved),
            why=f"make port {entry.name} of server {server.metadata.name}",
            path=entry.path,
        )


def create_trunks(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """One creation for each trunk that is missing."""
    for index, port in enumerate(server.spec.ports):
        if not wants_trunk(server.spec, port) or seen.one(Kind.TRUNK, trunk_role(index), Trunk):
            continue
        entry = entry_at(server, index)
        yield Create(
            key=Key(Kind.TRUNK, trunk_role(index)),
            mark=Mark(seen.owner, trunk_role(index)),
            body=given(
                name=entry.name,
                port_id=entry.ref(seen),
                sub_ports=subports(server, index, seen),
                tags=port_tags(server.spec, port),
            ),
            why=f"make a trunk of port {entry.name}",
            path=f"{entry.path}.trunk",
        )


def invalid(path: str, message: str) -> Wait:
    """The wait for a spec that contradicts itself."""
    return Wait(condition=INSTANCE_READY, reason="InvalidMachineSpec", path=path, message=message, after=None)


def wire(struct: msgspec.Struct, field: str) -> str:
    """The name that a manifest gives a field."""
    return struct.__struct_encode_fields__[struct.__struct_fields__.index(field)]
