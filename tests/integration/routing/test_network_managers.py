# SPDX-License-Identifier: Apache-2.0
"""Guests of every network manager, as cloud-init configures it from what Nova tells: each floating IP answers, whatever happens."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from guest_system import BOOTSTRAP, IFUPDOWN, NETPLAN, NETWORK_MANAGER, NETWORKD, PACKAGES, GuestSystem, Manager
from neutron_like import NeutronLike, address6, floating_ip
from pycapo.lab.debian import need, unpacked
from pycapo.plan.user_data import USER_DATA_LIMIT, encoded_size

PATIENCE = 120
"""Seconds that a busy machine may take until everything answers."""

Networks = Callable[..., NeutronLike]


@pytest.fixture(scope="module")
def packages() -> Path:
    """Network managers and cloud-init, unpacked: they run in guests only."""
    need({"dnsmasq": "dnsmasq-base", "nsenter": "util-linux"})
    return unpacked(PACKAGES)


def every(*numbers: int) -> list[str]:
    return sorted([floating_ip(number) for number in numbers] + [address6(number) for number in numbers])


def switched_on(networks: Networks, packages: Path, manager: Manager, *, bootstrap: bytes = BOOTSTRAP) -> GuestSystem:
    """A guest on a network with DHCP and DHCPv6, one that has neither, and one with DHCP and stateless IPv6."""
    world = networks()
    world.lease(1)
    world.lease(3, slaac=True)
    guest = GuestSystem(world, packages, manager, bootstrap=bootstrap)
    guest.boot()
    return guest


def answer(guest: GuestSystem, addresses: Sequence[str]) -> bool:
    """Whether all answer once whatever happened has had its consequences."""
    time.sleep(2)
    return guest.world.reached_soon(addresses, within=PATIENCE) == sorted(addresses)


def renew(guest: GuestSystem) -> None:
    """Wait until DHCP has given an address once more."""
    before = guest.world.leased(3)
    guest.wait(lambda: guest.world.leased(3) > before, "the lease of port 3 is renewed")


def plug(guest: GuestSystem, number: int, *, slaac: bool) -> None:
    """Attach a port to the running guest."""
    guest.world.network(number)
    guest.world.lease(number, slaac=slaac)
    guest.world.plug(number)


@pytest.mark.parametrize("manager", [NETPLAN, IFUPDOWN, NETWORK_MANAGER], ids=lambda manager: manager.renderer)
@pytest.mark.timeout(900)
def test_every_floating_ip_answers_whatever_the_network_manager_does(
    networks: Networks, packages: Path, manager: Manager
) -> None:
    guest = switched_on(networks, packages, manager)
    naive = guest.world.reached(every(1, 2, 3))
    steps: list[tuple[str, Callable[[], object], tuple[int, ...]]] = [
        ("provisioned", guest.provision, (1, 2, 3)),
        ("restarted", lambda: guest.shell(f"{manager.restart}; true"), (1, 2, 3)),
        ("reloaded", lambda: guest.shell(manager.reload), (1, 2, 3)),
        ("renewed", lambda: renew(guest), (1, 2, 3)),
        ("plugged in", lambda: plug(guest, 4, slaac=True), (1, 2, 3, 4)),
        ("plugged in, DHCPv6", lambda: plug(guest, 5, slaac=False), (1, 2, 3, 4, 5)),
        ("plugged out", lambda: guest.world.unplug(2), (1, 3, 4, 5)),
    ]

    for what, happen, numbers in steps:
        happen()
        assert answer(guest, every(*numbers)), what

    assert naive != every(1, 2, 3)
    assert guest.shell("cat /run/bootstrapped") == "this is worker-0"


def test_what_cloud_init_writes_for_networkd_itself_answers_too_and_user_data_may_be_compressed(
    networks: Networks, packages: Path
) -> None:
    large = BOOTSTRAP + b"# the same again\n" * 3000
    guest = switched_on(networks, packages, NETWORKD, bootstrap=large)
    naive = guest.world.reached(every(1, 2, 3))

    guest.provision()
    provisioned = answer(guest, every(1, 2, 3))
    guest.shell(NETWORKD.reload)

    assert encoded_size(large) > USER_DATA_LIMIT
    assert naive != every(1, 2, 3)
    assert provisioned
    assert answer(guest, every(1, 2, 3))
    assert guest.shell("cat /run/bootstrapped") == "this is worker-0"
