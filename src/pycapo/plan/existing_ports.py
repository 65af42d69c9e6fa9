# SPDX-License-Identifier: Apache-2.0
"""Ports that somebody made before: claimed for one server, plugged into it as they are, and given back.

    free -> claimed (a tag of ours) -> plugged in with the server -> free again, the tag gone

Rule: such a port is never changed but for the tag, and never deleted; one that somebody uses is told, with whom.
"""

from collections.abc import Iterator

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import parse_mark
from pycapo.model.records import Port, Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Step, Update, Wait
from pycapo.plan.entries import Entry, entries
from pycapo.plan.port_repair import TAG_EXTENSION
from pycapo.plan.references import INSTANCE_READY

LOOK_AGAIN = 30.0
"""Seconds until a port that somebody uses is looked at again."""


def existing_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each port that is there and cannot be used."""
    named: dict[str, str] = {}
    for entry, port in _unclaimed(server, seen):
        path = f"{entry.path}.existingPort"
        first = named.setdefault(port.id, path)
        told = f"{first} of the same server means it too" if first != path else _use_of(port, seen)
        if told:
            yield _wait("PortInUse", path=path, message=f"port {port.name or 'without a name'} ({port.id}) {told}")
        elif TAG_EXTENSION not in seen.extensions:
            message = f'Neutron has no extension "{TAG_EXTENSION}", without which no port can be claimed'
            yield _wait("NotSupported", path=path, message=message)


def claim_ports(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """Puts the tag of its server on each port that is to be used, so that no other one takes it."""
    for entry, port in _unclaimed(server, seen):
        yield Update(
            kind=Kind.PORT,
            id=port.id,
            body={"tags": [*port.tags, entry.mark(seen.owner).tag]},
            why=f"use port {port.name or port.id} for server {server.metadata.name}",
            path=f"{entry.path}.existingPort",
        )


def give_back(port: Record) -> Step:
    """Takes the tag of its server off a port."""
    tags = [tag for tag in port.tags if parse_mark(tag) != port.mark]
    why = f"port {port.name or port.id} is not used any more: take the tag off"
    return Update(kind=Kind.PORT, id=port.id, body={"tags": tags}, why=why)


def existing(entry: Entry, seen: Seen) -> Port | None:
    """The port that an entry means, if there is exactly one."""
    found = seen.found.get(f"{entry.path}.existingPort", ())
    port = found[0] if len(found) == 1 else None
    return port if isinstance(port, Port) else None


def _unclaimed(server: OpenStackServer, seen: Seen) -> Iterator[tuple[Entry, Port]]:
    for entry in entries(server):
        if entry.port.existing_port and entry.seen(seen) is None and (port := existing(entry, seen)):
            yield entry, port


def _use_of(port: Port, seen: Seen) -> str:
    """Who uses a port, as people say it; empty if nobody does."""
    if port.device_id:
        return f"is used by {port.device_owner or 'device'} {port.device_id}"
    if port.mark and port.mark.owner != seen.owner:
        return "is claimed by another server" if port.mark.borrowed else "was made for another server"
    if port.mark:
        return "is another port of the same server"
    return "is about to be used by another server" if (port.id, "") in seen.spoken_for else ""


def _wait(reason: str, *, path: str, message: str) -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, path=path, message=message, after=LOOK_AGAIN)
