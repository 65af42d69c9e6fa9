# SPDX-License-Identifier: Apache-2.0
"""Floating IPs of ports: made for a port and deleted with it, or one that exists, pointed at the port and given back.

    no address  -> made with its port in the creating request -> deleted with the server
    an address  -> pointed at the port                        -> pointed nowhere
    a pool      -> claimed, then as an address                -> pointed nowhere, the claim let go

Rule: a floating IP that points at somebody else's port is never taken from it.
"""

from collections.abc import Iterator

import msgspec

from pycapo.api.ports import PortFloatingIP
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark, parse_mark
from pycapo.model.records import FloatingIP, Port
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Update, Wait
from pycapo.plan.choose import choose_one, query_of, spelled
from pycapo.plan.entries import Entry, entries, port_tags
from pycapo.plan.port_body import given
from pycapo.plan.references import INSTANCE_READY, Wanted

LOOK_AGAIN = 30.0
"""Seconds until a floating IP that somebody uses is looked at again."""


class _Asked(msgspec.Struct, frozen=True):
    """A floating IP that an entry asks for."""

    entry: Entry
    wanted: PortFloatingIP

    @property
    def path(self) -> str:
        return f"{self.entry.path}.floatingIP"

    @property
    def role(self) -> str:
        return floating_role(self.entry)

    @property
    def field(self) -> str:
        """The field that names an address or a pool."""
        return f"{self.path}.{'poolRef' if self.wanted.pool_ref else 'address'}"

    def address(self, seen: Seen) -> str | Wait | None:
        """The address of one that exists: the given one, or what the pool gave, or why it gave none yet."""
        if self.wanted.pool_ref is None:
            return self.wanted.address
        waiting = _wait("WaitingForIPAMProvider", path=self.field, message="no claim yet", after=5.0)
        return seen.claimed.get(self.field, waiting)

    def there(self, seen: Seen) -> FloatingIP | None:
        """The floating IP, if it exists: ours by its mark, one of somebody else by its address."""
        mine, address = seen.one(Kind.FLOATING_IP, self.role, FloatingIP), self.address(seen)
        if mine or not isinstance(address, str):
            return mine
        beside = (it for it in seen.beside.get(Kind.FLOATING_IP, ()) if isinstance(it, FloatingIP))
        return next((it for it in beside if it.floating_ip_address == address), None)


def floating_role(entry: Entry) -> str:
    """The role of the floating IP of a port of a spec."""
    return entry.role.replace("port", "floating-ip", 1)


def networks_wanted(server: OpenStackServer, seen: Seen) -> Wanted:
    """The networks to look up for floating IPs that have to be made."""
    return {
        f"{asked.path}.network": (Kind.NETWORK, query)
        for asked in _asked(server)
        if asked.there(seen) is None and "id" not in (query := _query(asked.wanted)) and _makes(asked.wanted)
    }


def floating_ips(server: OpenStackServer, seen: Seen) -> Plan:
    """What gives the ports their floating IPs, or why they cannot have them."""
    plan = Plan()
    for asked in _asked(server):
        there = asked.there(seen)
        step = _make(server, asked, seen) if there is None else _point(asked, there, seen)
        plan += Plan(waits=(step,)) if isinstance(step, Wait) else Plan(steps=(step,) if step else ())
    return plan


def leave_floating_ips(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """Deletes the floating IPs that were made for the ports of a server, and points those of others nowhere."""
    for item in seen.all(Kind.FLOATING_IP, FloatingIP):
        yield leave(item, seen, why="its server is gone")
    ports = {port.id for entry in entries(server) if (port := entry.seen(seen))}
    named = {asked.wanted.address for asked in _asked(server)}
    pooled = any(asked.wanted.pool_ref for asked in _asked(server))
    others = (it for it in seen.beside.get(Kind.FLOATING_IP, ()) if isinstance(it, FloatingIP) and _foreign(it, seen))
    for item in (it for it in others if it.port_id in ports):
        if item.floating_ip_address in named or (pooled and item.mark):
            why = f"floating IP {item.floating_ip_address} is not used any more"
            yield Update(kind=Kind.FLOATING_IP, id=item.id, body={"port_id": None}, why=why)


def leave(item: FloatingIP, seen: Seen, *, why: str) -> Step:
    """Deletes a floating IP of a server, or gives back one that was there: pointed nowhere unless somebody points it elsewhere."""
    told = f"floating IP {item.floating_ip_address}: {why}"
    if item.mark is None or not item.mark.borrowed:
        return Delete(kind=Kind.FLOATING_IP, id=item.id, why=told)
    port = seen.one(Kind.PORT, item.mark.role, Port)
    nowhere = {"port_id": None} if port and port.id == item.port_id else {}
    body = {**nowhere, "tags": [tag for tag in item.tags if parse_mark(tag) != item.mark]}
    return Update(kind=Kind.FLOATING_IP, id=item.id, body=body, why=told)


def _asked(server: OpenStackServer) -> Iterator[_Asked]:
    for entry in entries(server):
        if entry.port.floating_ip:
            yield _Asked(entry, entry.port.floating_ip)


def _makes(wanted: PortFloatingIP) -> bool:
    """Whether a floating IP is made when there is none: an address alone means one that exists."""
    return wanted.pool_ref is None and (wanted.network is not None or not wanted.address)


def _query(wanted: PortFloatingIP) -> dict[str, str]:
    query = dict(query_of(wanted.network))
    return query if "id" in query else {**query, "router:external": "true"}


def _make(server: OpenStackServer, asked: _Asked, seen: Seen) -> Step | Wait:
    wanted, network = asked.wanted, _network(asked, seen)
    if isinstance(network, Wait):
        return network
    name = asked.entry.name
    return Create(
        key=Key(Kind.FLOATING_IP, asked.role),
        mark=Mark(seen.owner, asked.role),
        body=given(
            floating_network_id=network,
            floating_ip_address=wanted.address,
            port_id=asked.entry.ref(seen),
            description=f"Floating IP of port {name}",
            tags=port_tags(server.spec, asked.entry.port),
        ),
        why=f"make a floating IP for port {name}",
        path=asked.path,
    )


def _network(asked: _Asked, seen: Seen) -> str | Wait:
    """The network to make a floating IP on."""
    if not _makes(asked.wanted):
        address = asked.address(seen)
        if isinstance(address, Wait):
            return address
        message = f"no floating IP of this project has the address {address}"
        told = message if asked.wanted.pool_ref else f"{message}; name a network to have it made"
        return _wait("NotFound", path=asked.field, message=told, after=60.0)
    query, path = _query(asked.wanted), f"{asked.path}.network"
    if "id" in query:
        return query["id"]
    found = seen.found.get(path, ())
    chosen = choose_one(found, path=path, kind=Kind.NETWORK, wanted=spelled(query), condition=INSTANCE_READY)
    return chosen if isinstance(chosen, Wait) else chosen.id


def _point(asked: _Asked, there: FloatingIP, seen: Seen) -> Step | Wait | None:
    """Points a floating IP at the port, unless it is in use elsewhere."""
    port: Ref = asked.entry.ref(seen)
    if there.port_id == port:
        return None
    told = f"floating IP {there.floating_ip_address} ({there.id})"
    if there.port_id and _foreign(there, seen):
        message = f"{told} is in use at port {there.port_id}"
        return _wait("FloatingIPInUse", path=asked.field, message=message, after=LOOK_AGAIN)
    if _foreign(there, seen) and there.mark and there.mark.borrowed and there.mark.owner != seen.owner:
        message = f"{told} is claimed by another server"
        return _wait("FloatingIPInUse", path=asked.field, message=message, after=LOOK_AGAIN)
    if (there.id, "") in seen.spoken_for:
        message = f"{told} is about to be used by another server"
        return _wait("FloatingIPInUse", path=asked.field, message=message, after=LOOK_AGAIN)
    why = f"point {told} at port {asked.entry.name}"
    return Update(kind=Kind.FLOATING_IP, id=there.id, body={"port_id": port}, why=why, path=asked.path)


def _foreign(there: FloatingIP, seen: Seen) -> bool:
    """Whether a floating IP was not made for this server."""
    return there.mark is None or there.mark.borrowed or there.mark.owner != seen.owner


def _wait(reason: str, *, path: str, message: str, after: float) -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, path=path, message=message, after=after)
