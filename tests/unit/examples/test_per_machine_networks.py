# SPDX-License-Identifier: Apache-2.0
"""The example of networks for each machine: valid, and two machines of one template get different networks."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from machine_stage import Stage
from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.rules.kinds import KINDS
from pycapo.model.kinds import Kind
from pycapo.model.records import Port

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "per-machine-networks.yaml"


def documents() -> list[Any]:
    return list(yaml.safe_load_all(EXAMPLE.read_text()))


def test_the_example_is_valid_and_warns_of_nothing() -> None:
    rules = {it.kind: it.rules for it in KINDS if it.version == "v1beta2"}

    assert [list(rules[it["kind"]].check(it)) for it in documents()] == [[], [], []]


def test_machines_of_the_example_share_the_cluster_network_and_no_other() -> None:
    cluster, workers, control_plane = documents()
    stage = Stage(networks=cluster["spec"]["networks"])
    for name in ("vlan-1", "vlan-2"):
        stage.cloud.create(Kind.NETWORK, [{"id": name, "name": name}], marks=[None])
        stage.cloud.world.change(Kind.NETWORK, name, {"tags": ["node-vlan"]})
    ports = msgspec.convert(workers, OpenStackMachineTemplate).spec.template.spec.ports or []
    extra = msgspec.convert(control_plane, OpenStackMachineTemplate).spec.template.spec.additional_ports
    for number in range(2):
        stage.add(f"worker-{number}", *ports)
        stage.add(f"control-{number}", additional_ports=extra)
    stage.settle()

    plugged = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and "compute" in it.device_owner]
    assert len({it.network_id for it in plugged}) == 1 + 4
