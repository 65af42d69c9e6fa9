# SPDX-License-Identifier: Apache-2.0
"""Virtual machines on networks like Neutron's; run by `make test-vm`, since an emulated processor takes its time.

Rule: one guest runs at a time; where tests share one they follow its life in the order of the file.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from pycapo.lab.debian import need
from vm.config_drive import config_drive, network_data
from vm.guest import Guest, Hardware
from vm.image import Image, image
from vm.virtual_networks import VirtualNetworks

PROGRAMS = {
    "ip": "iproute2",
    "nft": "nftables",
    "sysctl": "procps",
    "setpriv": "util-linux",
    "dnsmasq": "dnsmasq-base",
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "genisoimage": "genisoimage",
    "qemu-system-x86_64": "qemu-system-x86",
    "ssh": "openssh-client",
}
NUMBERS = (1, 2, 3)
Boot = Callable[..., AbstractContextManager[Guest]]
_BOOTED: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _BOOTED and ["seconds until a login", *_BOOTED]:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def debian() -> Image:
    """The guests' disk; programs that are missing are installed."""
    missing = [] if os.geteuid() == 0 else ["root, for network namespaces and taps"]
    missing += [] if Path("/dev/net/tun").exists() else ["/dev/net/tun"]
    if missing:
        pytest.fail(f"virtual machines need {' and '.join(missing)}", pytrace=False)
    need(PROGRAMS)
    return image()


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that opens the guests; what they are told of it is in a file beside it (.pub)."""
    key = tmp_path_factory.mktemp("key") / "key"
    line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key)]
    subprocess.run(line, check=True, stdin=subprocess.DEVNULL)
    return key


@pytest.fixture(scope="session")
def boot(debian: Image, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Boot:
    """Boots a guest with three NICs and these user data; guest and networks are there as long as the block runs."""

    @contextmanager
    def booted(user_data: bytes, *, kind: str = "netplan", dhcp: bool = True) -> Iterator[Guest]:
        place = tmp_path_factory.mktemp("vm")
        networks = network_data(NUMBERS, dhcp=dhcp)
        public = key.with_suffix(".pub").read_text().strip()
        drive = config_drive(place, user_data=user_data, networks=networks, key=public)
        world = VirtualNetworks(place)
        try:
            guest = Guest(world, Hardware(debian, kind, drive, key), place, numbers=NUMBERS)
            yield guest
            _BOOTED.append(f"{kind}: {', '.join(f'{what} {took:.0f}' for what, took in guest.booted.items())}")
        finally:
            world.close()

    return booted
