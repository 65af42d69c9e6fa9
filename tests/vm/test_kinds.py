# SPDX-License-Identifier: Apache-2.0
"""Guests with other network managers than netplan: cloud-init writes for each what the config drive says, and all answer."""

import pytest

from routed_server import EVERY, sent
from vm.conftest import Boot
from vm.guest import BOOT
from vm.kubeadm import BOOTSTRAP, CALL

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
