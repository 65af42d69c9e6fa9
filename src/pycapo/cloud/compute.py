# SPDX-License-Identifier: Apache-2.0
"""Nova's peculiarities: a creation answers only an id, metadata and tags have calls of their own, interfaces are attachments."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pycapo.cloud.answers import decode
from pycapo.cloud.errors import InUse
from pycapo.cloud.inventory import Inventory
from pycapo.cloud.listing import get
from pycapo.cloud.rest import COMPUTE, TABLE
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, Owned, Port, Record, Server

HINTS = "os:scheduler_hints"
_OWN_CALLS = "metadata", "tags"


def create_server(wire: Wire, inventory: Inventory, body: Mapping[str, Any]) -> Server:
    """Ask for a server. Nova tells its id only, so the record says what was asked for, in BUILD; its ports are shown plugged in."""
    sent: dict[str, Any] = {"server": {name: value for name, value in body.items() if name != HINTS}}
    if body.get(HINTS):
        sent[HINTS] = body[HINTS]
    content = wire.request(Ask(verb="POST", service=COMPUTE, path="/servers", kind=Kind.SERVER, body=sent))
    made = decode(content, "server", Owned, Kind.SERVER)
    inventory.put(Kind.PORT, claimed_ports(inventory, made.id, body))
    return Server(
        id=made.id,
        name=body.get("name", ""),
        tags=tuple(body.get("tags", ())),
        project_id=wire.project_id,
        status="BUILD",
        task_state="scheduling",
        metadata=body.get("metadata", {}),
        zone=body.get("availability_zone"),
    )


def claimed_ports(inventory: Inventory, server: str, body: Mapping[str, Any]) -> Iterator[Port]:
    """The ports that a server was asked for with, as they are once it runs: who looks then need not list them for that."""
    networks = body.get("networks", ())
    for entry in networks if not isinstance(networks, str) else ():
        port = inventory.get(Kind.PORT, entry.get("port") or "")
        if isinstance(port, Port):
            yield msgspec.structs.replace(port, device_id=server)


def update_server(wire: Wire, id: str, body: Mapping[str, Any]) -> Record:
    """Change name and description in one call, metadata and tags each as a whole in one of their own."""
    for name in _OWN_CALLS:
        if name in body:
            path = f"/servers/{id}/{name}"
            wire.request(Ask(verb="PUT", service=COMPUTE, path=path, kind=Kind.SERVER, body={name: body[name]}))
    rest = {name: value for name, value in body.items() if name not in _OWN_CALLS}
    if not rest:
        return get(wire, Kind.SERVER, id)
    ask = Ask(verb="PUT", service=COMPUTE, path=f"/servers/{id}", kind=Kind.SERVER, body={"server": rest})
    return decode(wire.request(ask), "server", Server, Kind.SERVER)


REFUSED_AGAIN = 60.0
"""Seconds until a port is plugged in again after Nova refused it: a server that was never built refuses for good."""


class _Attachment(msgspec.Struct, frozen=True):
    """What Nova answers about an interface."""

    port_id: str
    net_id: str = ""
    mac_addr: str = ""
    fixed_ips: tuple[FixedIP, ...] | None = ()


def attach(wire: Wire, inventory: Inventory, server_id: str, body: Mapping[str, Any]) -> Port:
    """Plug a port into a server; the record is the port as far as it is known."""
    rest = TABLE[Kind.SERVER_INTERFACE]
    path = rest.path.format(parent=server_id)
    ask = Ask(verb="POST", service=COMPUTE, path=path, kind=Kind.SERVER_INTERFACE, body={rest.one: body})
    try:
        made = decode(wire.request(ask), rest.one, _Attachment, Kind.SERVER_INTERFACE)
    except InUse as error:
        error.retry_after = REFUSED_AGAIN
        raise
    known = inventory.get(Kind.PORT, made.port_id)
    if not isinstance(known, Port):
        known = Port(id=made.port_id, network_id=made.net_id, project_id=wire.project_id)
    server = inventory.get(Kind.SERVER, server_id)
    zone = (server.zone or "") if isinstance(server, Server) else ""
    fixed = made.fixed_ips or known.fixed_ips
    port = msgspec.structs.replace(known, device_id=server_id, device_owner=f"compute:{zone}", fixed_ips=fixed)
    inventory.put(Kind.PORT, [port])
    return port


def detach(wire: Wire, inventory: Inventory, server_id: str, port_id: str) -> None:
    """Unplug a port. Nova does it a little later: until a list shows that, the port is on its way."""
    path = f"{TABLE[Kind.SERVER_INTERFACE].path.format(parent=server_id)}/{port_id}"
    wire.request(Ask(verb="DELETE", service=COMPUTE, path=path, kind=Kind.SERVER_INTERFACE))
    known = inventory.get(Kind.PORT, port_id)
    if isinstance(known, Port):
        inventory.put(Kind.PORT, [msgspec.structs.replace(known, leaving=True)])
    else:
        inventory.doubt([Kind.PORT])
