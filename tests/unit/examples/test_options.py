# SPDX-License-Identifier: Apache-2.0
"""The examples that say everything: they fit the kinds, break no rule, and leave out nothing that there is."""

from pathlib import Path
from typing import Any

import yaml

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.networks import ManagedNamedNetwork, NamedSubnet
from pycapo.api.ports import PortOpts
from pycapo.api.rules import cluster as cluster_rules
from pycapo.api.rules import machine as machine_rules

EXAMPLES = Path(__file__).parents[3] / "examples"
ELSEWHERE = {  # fields of a port with an example of their own, and those that only one machine can have
    *("fixedIPs", "existingPort", "floatingIP", "subports", "trunk", "clusterNetwork", "defaultRoute"),
    *("macAddress", "hostID", "profile", "defaultSecurityGroups"),
}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLES / name).read_text())
    return found


def test_the_example_of_port_options_has_them_all() -> None:
    document = read("port-options.yaml")
    ports = document["spec"]["template"]["spec"]["ports"]

    assert machine_rules.check_template(document) == []
    assert machine_rules.advise_template(document) == []
    assert OpenStackMachineTemplate.from_dict(document).to_dict()["spec"] == document["spec"]
    assert {field for port in ports for field in port} == set(PortOpts.__struct_encode_fields__) - ELSEWHERE


def test_the_example_of_managed_networks_has_all_their_options() -> None:
    document = read("managed-network-options.yaml")
    (network,) = document["spec"]["networks"]

    assert cluster_rules.check(document) == []
    assert OpenStackCluster.from_dict(document).to_dict()["spec"] == document["spec"]
    assert set(network["managed"]) | {"router"} == set(ManagedNamedNetwork.__struct_encode_fields__)
    said = {field for subnet in network["managed"]["subnets"] for field in subnet}
    assert said == set(NamedSubnet.__struct_encode_fields__)
