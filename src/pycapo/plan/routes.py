# SPDX-License-Identifier: Apache-2.0
"""Routes inside the guest: which servers get them, which facts about their NICs go with them, and what is told of it.

    ports made -> MAC, addresses, gateways known -> in the user data -> server made, noted in its metadata -> told

Rule: a server that has several NICs gets them unless that is switched off; where they were asked for and cannot be delivered,
nothing is made.
"""

import base64
import ipaddress
from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

from pycapo.api.meta import Condition
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Server, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Sealed, Wait
from pycapo.plan.entries import Entry, entry_at, port_path
from pycapo.plan.ignition import SUPPORTED
from pycapo.plan.references import INSTANCE_READY
from pycapo.plan.user_data import USER_DATA_LIMIT, extended, format_of, named_format

POLICY_ROUTING = "PolicyRoutingReady"
METADATA_KEY = "pycapo-policy-routing"
"""Metadata of a Nova server that say whether the routes were delivered; so it is known whatever becomes of status."""

FORMAT_KEY = "pycapo-user-data"
"""Metadata that say what is known of the format of user data that nothing could be added to."""

DEFAULT_ROUTE = "DefaultRouteReady"
DEFAULT_ROUTE_KEY = "pycapo-default-route"
"""Metadata that name, by its role, the NIC of an attachment that the guest was told to have its default route through."""

_FIELD = "spec.networkConfig.policyRouting"


class Choice(StrEnum):
    """Whether a server gets routes, and why not."""

    DELIVERED = "Delivered"
    SINGLE = "SingleNIC"
    OFF = "SwitchedOff"
    NO_DATA = "NoUserData"
    UNKNOWN = "UnknownFormat"
    ELSEWHERE = "NotDelivered"


_WHY = {
    Choice.SINGLE: "the server has one NIC",
    Choice.OFF: f"{_FIELD} switches it off",
    Choice.NO_DATA: "there are no user data that it could be delivered with",
    Choice.ELSEWHERE: "the server was made without it, by another controller or an older version; a new machine has it",
}


def choice(server: OpenStackServer, seen: Seen) -> Choice:
    """Whether a server that has to be made gets routes."""
    by_spec = _by_spec(server, seen.default_nic)
    if by_spec is not Choice.DELIVERED or seen.user_data is None:
        return by_spec  # what is still waited for is not judged
    content = base64.b64decode(seen.user_data.value)
    return Choice.DELIVERED if format_of(content, named=seen.user_data_format) else Choice.UNKNOWN


def needs_facts(server: OpenStackServer) -> bool:
    """Whether the subnets of the server's ports matter to whoever makes it."""
    return _by_spec(server) is Choice.DELIVERED


def needs_subnets(server: OpenStackServer, seen: Seen) -> bool:
    """Whether the subnets of the NICs of attachments matter to whoever makes the server."""
    to_be_made = not seen.all(Kind.SERVER, Server)
    return bool(seen.default_nic) and to_be_made and _by_spec(server, seen.default_nic) is Choice.DELIVERED


def lacks_ports(server: OpenStackServer, seen: Seen) -> bool:
    """Whether the server has to wait for its ports, because their MACs and addresses go into its user data."""
    missing = any(entry_at(server, index).seen(seen) is None for index in range(len(server.spec.ports)))
    return missing and choice(server, seen) is Choice.DELIVERED


def user_data(server: OpenStackServer, seen: Seen) -> Sealed | None:
    """The user data that the server is made with: the bootstrap provider's, and the routes where it gets them."""
    if seen.user_data is None or choice(server, seen) is not Choice.DELIVERED:
        return seen.user_data
    content = base64.b64decode(seen.user_data.value)
    format = format_of(content, named=seen.user_data_format)
    assert format is not None
    lines = "".join(f"{fact}\n" for fact in facts(server, seen))
    return Sealed(base64.b64encode(extended(content, format, facts=lines)).decode())


def metadata(server: OpenStackServer, seen: Seen) -> dict[str, str]:
    """What the Nova server is to remember."""
    chosen = choice(server, seen)
    if chosen is Choice.UNKNOWN and (format := _named_format(seen)):
        return {METADATA_KEY: chosen.value, FORMAT_KEY: format}
    first = {DEFAULT_ROUTE_KEY: seen.default_nic} if seen.default_nic and chosen is Choice.DELIVERED else {}
    return {METADATA_KEY: chosen.value, **first} if chosen in (Choice.DELIVERED, Choice.UNKNOWN) else {}


def facts(server: OpenStackServer, seen: Seen) -> Iterator[str]:
    """A line for each address, "MAC ADDRESS/PREFIX GATEWAY" with "-" for no gateway; the NIC of the default route first."""
    subnets = {item.id: item for item in seen.beside.get(Kind.SUBNET, ()) if isinstance(item, Subnet)}
    for port in _nics(server, seen):
        for fixed in port.fixed_ips:
            subnet = subnets.get(fixed.subnet_id)
            if subnet and port.mac_address:
                prefix = ipaddress.ip_network(subnet.cidr, strict=False).prefixlen
                yield f"{port.mac_address.lower()} {fixed.ip_address}/{prefix} {subnet.gateway_ip or '-'}"


def route_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """What keeps a server from being made: routes that are asked for and cannot be delivered, or do not fit."""
    chosen = choice(server, seen)
    why = _why(chosen, format=_named_format(seen) if chosen is Choice.UNKNOWN else "")
    if chosen in (Choice.NO_DATA, Choice.UNKNOWN) and _asked(server):
        yield _wait(_FIELD, why)
    first = _first(server)
    if first and chosen is not Choice.DELIVERED:
        yield _wait(f"{port_path(first)}.defaultRoute", f"guests learn of it with policy routing, and {why}")


def size_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """User data that are more than Nova takes."""
    whole = user_data(server, seen)
    if whole is None or seen.user_data is None or (excess := len(whole.value) - USER_DATA_LIMIT) <= 0:
        return
    message = f"the user data are {excess} characters of base64 more than the {USER_DATA_LIMIT} that Nova takes"
    if whole != seen.user_data:
        without = len(seen.user_data.value)
        message += f"; without policy routing ({_FIELD}: false) they are {without}"
    yield Wait(
        condition=INSTANCE_READY, reason="UserDataTooLarge", path="spec.userDataRef", message=message, after=None
    )


def told(server: OpenStackServer, seen: Seen) -> tuple[bool, str, str] | None:
    """Status, reason and message of the condition of a server that exists; None while there is none."""
    record = next(iter(seen.all(Kind.SERVER, Server)), None)
    if record is None:
        return None
    noted = record.metadata.get(METADATA_KEY)
    chosen = next((it for it in Choice if it.value == noted), None) or _by_spec(server)
    if chosen is Choice.DELIVERED and noted != chosen.value:
        chosen = Choice.ELSEWHERE
    if chosen is not Choice.DELIVERED:
        return chosen is Choice.SINGLE, chosen.value, _why(chosen, format=record.metadata.get(FORMAT_KEY, ""))
    nics = [_told(port) for port in _nics(server, seen)]
    return True, chosen.value, f"delivered with the user data, the NIC of the default route first: {', '.join(nics)}"


def default_route_told(server: OpenStackServer, entry: Entry, seen: Seen) -> Iterator[Condition]:
    """Whether the guest of a server that exists has its default route through this NIC of an attachment, and if not, why."""
    record = next(iter(seen.all(Kind.SERVER, Server)), None)
    if record is None:
        return
    there = record.metadata.get(DEFAULT_ROUTE_KEY) == entry.role
    told = "delivered with the user data" if there else f"{entry.path}.defaultRoute: {_why_elsewhere(server, record)}"
    reason = (Choice.DELIVERED if there else Choice.ELSEWHERE).value
    status: Literal["True", "False"] = "True" if there else "False"
    yield Condition(type=DEFAULT_ROUTE, status=status, reason=reason, message=told, last_transition_time="")


def _why_elsewhere(server: OpenStackServer, record: Server) -> str:
    own = _first(server)
    if server.spec.ports[own].default_route:
        return f"{port_path(own)} of the machine itself has the default route"
    chosen = _by_spec(server, "asked")
    if chosen is not Choice.DELIVERED:
        return f"guests learn of it with policy routing, and {_why(chosen)}"
    if DEFAULT_ROUTE_KEY in record.metadata:
        return "the guest was told to have it through another NIC; a new machine has it here"
    return "the guest runs and keeps the default route that it was made with; a new machine has it here"


def _why(chosen: Choice, *, format: str = "") -> str:
    """Why there are no routes; empty where there are."""
    if chosen is not Choice.UNKNOWN:
        return _WHY.get(chosen, "")
    known = f"neither cloud-init's nor Ignition's of version {SUPPORTED}"
    return f"the user data are {known}{f', but of format {format}' if format else ''}; so nothing was added to them"


def _named_format(seen: Seen) -> str:
    content = base64.b64decode(seen.user_data.value) if seen.user_data else b""
    return named_format(content, named=seen.user_data_format)


def _by_spec(server: OpenStackServer, default_nic: str = "") -> Choice:
    """What the spec alone says, and the NIC of an attachment that is to have the default route."""
    config = server.spec.network_config
    if config and config.policy_routing is False:
        return Choice.OFF
    if len(server.spec.ports) < 2 and not default_nic and not _asked(server):
        return Choice.SINGLE
    return Choice.DELIVERED if server.spec.user_data_ref else Choice.NO_DATA


def _asked(server: OpenStackServer) -> bool:
    return bool(server.spec.network_config and server.spec.network_config.policy_routing)


def _first(server: OpenStackServer) -> int:
    """The place of the NIC that carries the default route."""
    return next((index for index, port in enumerate(server.spec.ports) if port.default_route), 0)


def _nics(server: OpenStackServer, seen: Seen) -> tuple[Port, ...]:
    """The server's ports that are known, the one of the default route first, the others as the spec lists them."""
    record = next(iter(seen.all(Kind.SERVER, Server)), None)
    default = record.metadata.get(DEFAULT_ROUTE_KEY, "") if record else seen.default_nic
    places = sorted(range(len(server.spec.ports)), key=lambda index: index != _first(server))
    own = (port for index in places if (port := entry_at(server, index).seen(seen)))
    of_attachment = seen.one(Kind.PORT, default, Port) if default else None
    return (*((of_attachment,) if of_attachment else ()), *own)


def _told(port: Port) -> str:
    addresses = ", ".join(fixed.ip_address for fixed in port.fixed_ips)
    return f"{port.name or port.id} ({addresses or 'no address'})"


def _wait(path: str, message: str) -> Wait:
    return Wait(condition=INSTANCE_READY, reason="NotSupported", path=path, message=message, after=None)
