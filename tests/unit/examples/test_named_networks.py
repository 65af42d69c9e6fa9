# SPDX-License-Identifier: Apache-2.0
"""The example of named networks: valid, and every port finds its network."""

from pathlib import Path

import msgspec
import yaml

from machines import a_machine, a_ready_cluster
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.rules.kinds import KINDS
from pycapo.plan.machine import network_waits

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "named-networks.yaml"


def test_the_example_is_valid_and_its_ports_name_networks_of_its_cluster() -> None:
    documents = list(yaml.safe_load_all(EXAMPLE.read_text()))
    rules = {it.kind: it.rules for it in KINDS if it.version == "v1beta2"}
    cluster = msgspec.convert(documents[0], OpenStackCluster)
    ports = msgspec.convert(documents[1], OpenStackMachineTemplate).spec.template.spec.ports or []
    ready = a_ready_cluster()
    ready.spec.networks = cluster.spec.networks

    told = [wait.message for wait in network_waits(a_machine(*ports), ready)]

    assert [list(rules[document["kind"]].check(document)) for document in documents] == [[], []]
    assert [message.split(" of ")[0] for message in told] == ['network "traffic"', 'network "storage"']
