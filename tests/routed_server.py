# SPDX-License-Identifier: Apache-2.0
"""A server with a NIC on each of three networks, as pycapo plans it: the user data that Nova is sent for its guest."""

import base64
import email

from machines import SECRET, a_port, a_server, seen_of, the_port
from neutron_like import address4, address6, floating_ip, mac
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, Subnet
from pycapo.model.steps import Sealed
from pycapo.plan.routes import user_data

NUMBERS = (1, 2, 3)
FIRST = 2
"""The number of the port that carries the default route."""

EVERY = {floating_ip(number): address4(number) for number in NUMBERS} | {address6(n): address6(n) for n in NUMBERS}
"""The addresses that answer outside, and the guest's own address that is meant by each."""

SUBNETS = tuple(
    subnet
    for number in NUMBERS
    for subnet in (
        Subnet(id=f"four-{number}", network_id="n", cidr=f"10.0.{number}.0/24", gateway_ip=f"10.0.{number}.1"),
        Subnet(id=f"six-{number}", network_id="n", cidr=f"2001:db8:{number}::/64", gateway_ip=f"2001:db8:{number}::1"),
    )
)


def sent(bootstrap: bytes) -> bytes:
    """What Nova is sent for the server, of which the bootstrap provider wrote this."""
    ports = [
        the_port(
            number - 1,
            mac_address=mac(number),
            fixed_ips=(FixedIP(address4(number), f"four-{number}"), FixedIP(address6(number), f"six-{number}")),
        )
        for number in NUMBERS
    ]
    entries = [a_port(default_route=True) if number == FIRST else a_port() for number in NUMBERS]
    sealed = Sealed(base64.b64encode(bootstrap).decode())
    seen = seen_of(*ports, user_data=sealed, beside={Kind.SUBNET: SUBNETS})
    whole = user_data(a_server(*entries, user_data_ref=SECRET), seen)
    assert whole is not None
    return base64.b64decode(whole.value)


def part(whole: bytes, subtype: str) -> bytes:
    """The content of a part of the user data."""
    parts = email.message_from_bytes(whole).walk()
    found = next(part for part in parts if part.get_content_type() == f"text/{subtype}")
    payload = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload
