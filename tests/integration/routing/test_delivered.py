# SPDX-License-Identifier: Apache-2.0
"""From the plan to the wire and back: the user data that a server is made with make its guest answer on every NIC."""

from collections.abc import Callable
from pathlib import Path

from neutron_like import NeutronLike, address4, address6, floating_ip, mac, nic
from routed_server import FIRST, NUMBERS, part, sent

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
SYSTEMCTL = '#!/bin/sh\necho "$@" >>"$CALLS"\n'
FIRST_BOOT = """
mount -t tmpfs none /opt && mount -t tmpfs none /etc && mount -t tmpfs none /run || exit 1
mkdir -p /etc/pycapo /etc/systemd/system
echo 'ALSO="ens*"' >/etc/pycapo/nic-routes.conf
sh "$0" && sh "$0" || exit 1
cat /etc/pycapo/nic-routes.facts
ls /etc/systemd/system /etc/systemd/network
"""


def test_the_delivered_boothook_makes_every_floating_ip_answer(
    networks: Callable[..., NeutronLike], tmp_path: Path
) -> None:
    world = networks()
    for number in NUMBERS:
        world.address(number, metric=100 + number)
    every = sorted([floating_ip(number) for number in NUMBERS] + [address6(number) for number in NUMBERS])
    (tmp_path / "boothook").write_bytes(part(sent(b"## template: jinja\n#cloud-config\n"), "cloud-boothook"))
    calls = tmp_path / "calls"

    before = world.reached(every)
    told = world.boot(FIRST_BOOT, tmp_path / "boothook", programs=PROGRAMS, fake={"systemctl": SYSTEMCTL}, calls=calls)

    assert before != every
    assert world.reached_soon(every) == every
    assert told.splitlines()[0] == f"{mac(FIRST)} {address4(FIRST)}/24 10.0.{FIRST}.1"
    assert {"pycapo-nic-routes.service", "zzz-pycapo-hotplug.network"} <= set(told.split())
    assert calls.read_text().splitlines()[-1] == "start --no-block pycapo-nic-routes.service"
    assert f"dev {nic(FIRST)} " in world.run("vm", "ip", "route", "get", "192.0.2.1")
