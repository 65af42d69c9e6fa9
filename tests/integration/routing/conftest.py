# SPDX-License-Identifier: Apache-2.0
"""Networks like Neutron's in network namespaces; without root or `ip netns` there are none, and the tests say so."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neutron_like import NeutronLike
from pycapo.lab.debian import need

PROGRAMS = {"ip": "iproute2", "nft": "nftables", "iptables": "iptables", "sysctl": "procps"}


@pytest.fixture(scope="session", autouse=True)
def namespaces() -> None:
    """What the tests stand on; programs that are missing are installed."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    need(PROGRAMS)
    name = f"pycapo{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"this machine makes no network namespaces: {tried.stderr.strip()}")


@pytest.fixture
def networks(tmp_path: Path) -> Iterator[Callable[..., NeutronLike]]:
    """Makes networks with a guest on three of them; they go with the test."""
    made: list[NeutronLike] = []

    def make(*, shared: bool = False) -> NeutronLike:
        made.append(NeutronLike(tmp_path, shared=shared))
        return made[-1]

    yield make
    for world in made:
        world.close()
