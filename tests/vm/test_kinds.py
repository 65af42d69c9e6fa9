# SPDX-License-Identifier: Apache-2.0
"""Guests with other network managers than netplan: cloud-init writes for each what the config drive says, and all answer.

And a guest that knows no cloud-init: Ignition writes its files at first boot.
"""

from pathlib import Path

import pytest

from routed_server import EVERY, sent
from vm.conftest import Boot
from vm.guest import BOOT
from vm.kubeadm import BOOTSTRAP, CALL, ignition

pytestmark = pytest.mark.timeout(3 * BOOT)


@pytest.mark.parametrize(
    ("kind", "dhcp"),
    [("networkd", True), ("network-manager", True), ("eni", True), ("eni", False)],
    ids=["networkd", "NetworkManager", "ifupdown", "ifupdown without DHCP"],
)
def test_every_address_answers_whoever_manages_the_network(boot: Boot, kind: str, dhcp: bool) -> None:
    with boot(sent(BOOTSTRAP.encode()), kind=kind, dhcp=dhcp) as node:
        assert "done" in node.settled()

        assert node.logins_soon(EVERY) == EVERY
        assert node.shell("cat /var/log/kubeadm.calls") == CALL


def test_every_address_answers_on_a_guest_of_ignition(boot: Boot, key: Path) -> None:
    document = ignition("3.3.0", key=key.with_suffix(".pub").read_text().strip())

    with boot(sent(document), kind="ignition") as node:
        assert node.logins_soon(EVERY) == EVERY
        assert node.shell("cat /var/log/kubeadm.calls") == "/usr/bin/kubeadm join --config /etc/kubeadm.yml\n"
        node.reboot()
        assert node.logins_soon(EVERY) == EVERY
