# SPDX-License-Identifier: Apache-2.0
"""The same node with nothing but what the bootstrap provider wrote: not every address answers, else we would prove nothing."""

import pytest

from routed_server import EVERY
from vm.conftest import Boot
from vm.guest import BOOT
from vm.kubeadm import BOOTSTRAP, CALL

pytestmark = pytest.mark.timeout(3 * BOOT)


def test_without_our_part_not_every_address_answers(boot: Boot) -> None:
    with boot(BOOTSTRAP.encode()) as node:
        assert "done" in node.settled()

        found = node.logins(EVERY)

        assert len(found) < len(EVERY) / 2, found
        assert node.shell("cat /var/log/kubeadm.calls") == CALL
