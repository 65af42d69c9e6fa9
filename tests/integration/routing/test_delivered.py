# SPDX-License-Identifier: Apache-2.0
"""From the plan to the wire and back: the user data that a server is made with make its guest answer on every NIC."""

import base64
import email
from collections.abc import Callable
from pathlib import Path

from machines import SECRET, a_port, a_server, seen_of, the_port
from neutron_like import NeutronLike, address4, address6, floating_ip, mac
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, Subnet
from pycapo.model.steps import Sealed
from pycapo.plan.routes import user_data

NUMBERS = (1, 2, 3)
PROGRAMS = (
    *(
        "sh",
        "ip",
        "nft",
        "awk",
        "grep",
        "sed",
        "sort",
        "uniq",
        "comm",
        "cat",
        "cmp",
        "head",
        "tail",
        "mv",
        "rm",
        "mkdir",
    ),
    *("touch", "flock", "sleep", "chmod"),
)
SUBNETS = tuple(
    subnet
    for number in NUMBERS
    for subnet in (
        Subnet(id=f"four-{number}", network_id="n", cidr=f"10.0.{number}.0/24", gateway_ip=f"10.0.{number}.1"),
        Subnet(id=f"six-{number}", network_id="n", cidr=f"2001:db8:{number}::/64", gateway_ip=f"2001:db8:{number}::1"),
    )
)
SYSTEMCTL = '#!/bin/sh\necho "$@" >>"$CALLS"\n'
FIRST_BOOT = """
mount -t tmpfs none /opt && mount -t tmpfs none /etc && mount -t tmpfs none /run || exit 1
mkdir -p /etc/pycapo /etc/systemd/system
echo 'ALSO="ens*"' >/etc/pycapo/nic-routes.conf
sh "$0" && sh "$0" || exit 1
cat /etc/pycapo/nic-routes.facts
ls /etc/systemd/system /etc/systemd/network
"""


def boothook() -> str:
    """The first part of what Nova is sent for a server with three NICs; its second NIC carries the default route."""
    ports = [
        the_port(
            number - 1,
            mac_address=mac(number),
            fixed_ips=(FixedIP(address4(number), f"four-{number}"), FixedIP(address6(number), f"six-{number}")),
        )
        for number in NUMBERS
    ]
    server = a_server(a_port(), a_port(default_route=True), a_port(), user_data_ref=SECRET)
    bootstrap = Sealed(base64.b64encode(b"## template: jinja\n#cloud-config\n").decode())
    sent = user_data(server, seen_of(*ports, user_data=bootstrap, beside={Kind.SUBNET: SUBNETS}))
    assert sent is not None
    parts = email.message_from_bytes(base64.b64decode(sent.value)).walk()
    found = next(part for part in parts if part.get_content_type() == "text/cloud-boothook")
    payload = found.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


def test_the_delivered_boothook_makes_every_floating_ip_answer(
    networks: Callable[..., NeutronLike], tmp_path: Path
) -> None:
    world = networks()
    for number in NUMBERS:
        world.address(number, metric=100 + number)
    every = sorted([floating_ip(number) for number in NUMBERS] + [address6(number) for number in NUMBERS])
    (tmp_path / "boothook").write_text(boothook())
    calls = tmp_path / "calls"

    before = world.reached(every)
    told = world.boot(FIRST_BOOT, tmp_path / "boothook", programs=PROGRAMS, fake={"systemctl": SYSTEMCTL}, calls=calls)

    assert before != every
    assert world.reached_soon(every) == every
    assert told.splitlines()[0] == f"{mac(2)} {address4(2)}/24 10.0.2.1"
    assert {"pycapo-nic-routes.service", "zzz-pycapo-hotplug.network"} <= set(told.split())
    assert calls.read_text().splitlines()[-1] == "start --no-block pycapo-nic-routes.service"
    assert "dev ens4 " in world.run("vm", "ip", "route", "get", "192.0.2.1")
