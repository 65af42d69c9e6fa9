# SPDX-License-Identifier: Apache-2.0
"""The bench's objects are what our own API takes, and refer to each other by the right names."""

from pathlib import Path
from types import MappingProxyType

import msgspec
import yaml

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.lab.places import PORT_NAMES, Lab
from pycapo.lab.workloads import BOOTSTRAP, CREDENTIALS, cluster, collection, machine, surroundings, trunk_machine


def test_the_cluster_has_everything_managed() -> None:
    ours, core = cluster()
    read = msgspec.convert(ours, OpenStackCluster)

    assert read.spec.api_server is not None
    assert read.spec.api_server.managed_load_balancer is not None
    assert read.spec.identity_ref.name == CREDENTIALS
    assert core["spec"]["infrastructureRef"]["name"] == read.metadata.name


def test_a_machine_refers_to_its_bootstrap_data_and_its_twin() -> None:
    ours, owner = machine("node-0", control_plane=True)

    assert owner["spec"]["bootstrap"] == {"dataSecretName": BOOTSTRAP}
    assert owner["spec"]["infrastructureRef"]["name"] == ours["metadata"]["name"]
    assert "cluster.x-k8s.io/control-plane" in ours["metadata"]["labels"]


def test_a_trunk_machine_has_three_ports_and_one_trunk() -> None:
    ports = msgspec.convert(trunk_machine("trunk-0")[0], OpenStackMachine).spec.ports or []

    assert [bool(port.trunk) for port in ports] == [True, False, False]


def test_the_credentials_are_the_tenants_clouds_yaml(tmp_path: Path) -> None:
    lab = Lab("a", tmp_path, MappingProxyType(dict.fromkeys(PORT_NAMES, 1)), 1)
    secret = next(thing for thing in surroundings(lab) if thing["metadata"]["name"] == CREDENTIALS)

    assert list(yaml.safe_load(secret["stringData"]["clouds.yaml"])["clouds"]) == ["pycapo"]


def test_servers_are_found_in_their_own_version() -> None:
    path = "apis/infrastructure.cluster.x-k8s.io/v1alpha1/namespaces/bench/openstackservers"
    assert collection("infrastructure.cluster.x-k8s.io", "openstackservers") == path
