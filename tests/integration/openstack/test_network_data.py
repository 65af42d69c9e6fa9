# SPDX-License-Identifier: Apache-2.0
"""What the guests of the routing tests are told of their network is what Nova would tell them."""

import json

from nova_metadata import STORED, network_data
from pycapo.lab.cloud_install import installed
from pycapo.lab.progress import Progress


def test_what_nova_tells_a_guest_is_what_routing_is_tested_with() -> None:
    nova = installed(Progress()) / "bin" / "python"

    assert network_data(nova) == json.loads(STORED.read_text())
