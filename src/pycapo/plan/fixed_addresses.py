# SPDX-License-Identifier: Apache-2.0
"""The fixed addresses that ports ask for: which subnet each lies in, whether it is free, and which one of a range is taken.

Rule: an address that cannot be had is told before anything is made, with who holds it. Of a range the lowest free address is
chosen from what the picture shows; that two never get the same one is Neutron's word.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from pycapo.api.ports import AddressRange, FixedIP
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.addresses import plain
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Plan, Update, Wait
from pycapo.plan.entries import Entry, entries
from pycapo.plan.port_body import network_id
from pycapo.plan.ports import missing_ports
from pycapo.plan.references import INSTANCE_READY, Place, Resolved, Wanted, resolve

LOOK_AGAIN = 30.0
"""Seconds until an address that is taken is looked at again."""

PASSING = frozenset({"AddressTaken", "AddressesExhausted", "PortInUse", "FloatingIPInUse"})
"""Reasons that end when somebody gives something back; the picture by which that is seen must be young."""

USES = ".existingPort", ".floatingIP"
"""How the paths of steps end that claim what others made."""

Taken = Mapping[Place, Port | str]
"""Who holds an address of a subnet: a port, or the field of another one that is to be made."""


class _Asked(msgspec.Struct, frozen=True):
    """One entry of fixedIPs: the port that it is for, its field path, itself, and the subnets that it may lie in."""

    entry: Entry
    path: str
    fixed: FixedIP
    subnets: tuple[Subnet, ...]


def subnets_wanted(server: OpenStackServer, seen: Seen) -> Wanted:
    """What to look up when the networks are known: the subnets of those in which ports ask for addresses."""
    resolved = resolve(server.spec, seen)
    found = ((entry, network_id(entry, seen, resolved)) for entry in missing_ports(server, seen) if _asks(entry))
    return {_subnets(entry): (Kind.SUBNET, {"network_id": network}) for entry, network in found if network}


def resolve_server(server: OpenStackServer, seen: Seen) -> Resolved:
    """The ids that a server's spec means, and the addresses of its ports that are to be made."""
    resolved = resolve(server.spec, seen)
    if resolved.waits:
        return resolved
    taken = _taken(server, seen)
    waits: list[Wait] = []
    chosen: dict[str, Place] = {}
    for asked in _asked(server, seen):
        place = _choose(asked, taken, seen)
        if isinstance(place, Wait):
            waits.append(place)
        else:
            chosen[asked.path] = place
            taken = {**taken, place: f"{asked.path} of the same server"}
    return Resolved(resolved.ids, tuple(waits), chosen)


def takes(plan: Plan) -> frozenset[Place]:
    """The addresses that a plan is about to take, and the ports and floating IPs of others, as places without an address."""
    used = {(it.id, "") for it in plan.steps if isinstance(it, Update) and it.path.endswith(USES)}
    used |= {(str(it.parent), "") for it in plan.steps if isinstance(it, Create) and it.key.kind is Kind.NETWORK_CLAIM}
    ports = (step.body.get("fixed_ips", ()) for step in plan.steps if isinstance(step, Create))
    given = (fixed for fixed_ips in ports for fixed in fixed_ips)
    return frozenset(used | {(it["subnet_id"], it["ip_address"]) for it in given if len(it) > 1})


def differing(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each address that a port was asked to have and does not have (any more)."""
    for entry in entries(server):
        port = entry.seen(seen)
        for place, fixed in enumerate(entry.port.fixed_ips or ()) if port else ():
            if port and not any(_serves(fixed, it.ip_address, it.subnet_id) for it in port.fixed_ips):
                has = ", ".join(it.ip_address for it in port.fixed_ips) or "no address"
                message = f"port {port.name} has {has}, not {_spelled(fixed)}; somebody changed it"
                yield _wait("AddressDiffers", path=f"{entry.path}.fixedIPs[{place}]", message=message, after=60.0)


def _asks(entry: Entry) -> bool:
    return any(fixed.ip_address or fixed.range or fixed.address_from for fixed in entry.port.fixed_ips or ())


def _subnets(entry: Entry) -> str:
    """Where the subnets of an entry's network stand in what was found."""
    return f"{entry.path}.network.subnets"


def _asked(server: OpenStackServer, seen: Seen) -> Iterator[_Asked]:
    """What is asked of the ports that are missing: given addresses first, so that no range takes one of them."""
    for by_range in (False, True):
        for entry in missing_ports(server, seen):
            around = seen.found.get(_subnets(entry))
            for place, fixed in enumerate(entry.port.fixed_ips or ()) if around is not None else ():
                path = f"{entry.path}.fixedIPs[{place}]"
                subnets = seen.found.get(f"{path}.subnet") or around or ()
                if bool(fixed.range) is by_range and (fixed.ip_address or fixed.range or fixed.address_from):
                    yield _Asked(entry, path, fixed, tuple(it for it in subnets if isinstance(it, Subnet)))


def _choose(asked: _Asked, taken: Taken, seen: Seen) -> Place | Wait:
    if asked.fixed.range:
        return _free(asked, asked.fixed.range, taken, seen)
    path, address = f"{asked.path}.ipAddress", asked.fixed.ip_address or ""
    if asked.fixed.address_from:
        path = f"{asked.path}.addressFrom"
        claimed = seen.claimed.get(path) or _wait(
            "WaitingForIPAMProvider", path=path, message="no claim yet", after=5.0
        )
        if isinstance(claimed, Wait):
            return claimed
        address = claimed
    address = plain(address)
    subnet = _around(asked.subnets, address)
    if subnet is None:
        return _outside(path, address, asked.subnets)
    if holder := taken.get((subnet.id, address)):
        return _wait("AddressTaken", path=path, message=f"{address} is taken by {_spoken(holder)}", after=LOOK_AGAIN)
    if (subnet.id, address) in seen.spoken_for:
        message = f"{address} is taken: Neutron gives it to nobody, or another server is about to have it"
        return _wait("AddressTaken", path=path, message=message, after=LOOK_AGAIN)
    return subnet.id, address


def _free(asked: _Asked, found: AddressRange, taken: Taken, seen: Seen) -> Place | Wait:
    """The lowest address of a range that nobody holds, is about to take, or was refused."""
    path, start = f"{asked.path}.range", plain(found.start)
    subnet = _around(asked.subnets, start)
    if subnet is None:
        return _outside(f"{path}.start", start, asked.subnets)
    if _around((subnet,), found.end) is None:
        return _outside(f"{path}.end", plain(found.end), (subnet,))
    held = {address for id, address in (*taken, *seen.spoken_for) if id == subnet.id} | {subnet.gateway_ip}
    address, last = ipaddress.ip_address(start), ipaddress.ip_address(found.end)
    while int(address) <= int(last):
        if str(address) not in held:
            return subnet.id, str(address)
        address += 1
    message = f"all addresses from {found.start} to {found.end} in subnet {subnet.cidr} are taken"
    return _wait("AddressesExhausted", path=path, message=message, after=LOOK_AGAIN)


def _taken(server: OpenStackServer, seen: Seen) -> Taken:
    """The addresses that ports hold, the server's own among them."""
    ports = (*seen.beside.get(Kind.PORT, ()), *seen.all(Kind.PORT, Port))
    return {
        (fixed.subnet_id, fixed.ip_address): port
        for port in ports
        if isinstance(port, Port)
        for fixed in port.fixed_ips
    }


def _spoken(port: Port | str) -> str:
    if isinstance(port, str):
        return port
    used = f", used by {port.device_owner} {port.device_id}" if port.device_id else ""
    return f"port {port.name or 'without a name'} ({port.id}{used})"


def _around(subnets: Iterable[Subnet], address: str) -> Subnet | None:
    found = ipaddress.ip_address(address)
    return next((it for it in subnets if found in ipaddress.ip_network(it.cidr, strict=False)), None)


def _outside(path: str, address: str, subnets: Iterable[Subnet]) -> Wait:
    found = ", ".join(sorted(f"{it.cidr} of subnet {it.name or it.id}" for it in subnets))
    message = f"{address} lies in no subnet that the port may have ({found or 'its network has none'})"
    return _wait("AddressOutsideSubnet", path=path, message=message, after=60.0)


def _serves(fixed: FixedIP, address: str, subnet: str) -> bool:
    """Whether an address of a port is one that an entry of fixedIPs asks for, as far as that can be said without a look-up."""
    if fixed.ip_address and plain(fixed.ip_address) != plain(address):
        return False
    if fixed.range and not int(ipaddress.ip_address(fixed.range.start)) <= _number(address) <= _number(fixed.range.end):
        return False
    return not (fixed.subnet and fixed.subnet.id and fixed.subnet.id != subnet)


def _spelled(fixed: FixedIP) -> str:
    if fixed.ip_address:
        return plain(fixed.ip_address)
    if fixed.range:
        return f"one from {fixed.range.start} to {fixed.range.end}"
    return f"one of subnet {fixed.subnet.id}" if fixed.subnet else "an address"


def _number(address: str) -> int:
    try:
        return int(ipaddress.ip_address(address))
    except ValueError:
        return -1


def _wait(reason: str, *, path: str, message: str, after: float | None) -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, path=path, message=message, after=after)
