# SPDX-License-Identifier: Apache-2.0
"""The bench's objects are what our own API takes, and refer to each other by the right names."""

from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
import yaml

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment
from pycapo.lab.places import PORT_NAMES, Lab
from pycapo.lab.workloads import (
    BOOTSTRAP,
    CREDENTIALS,
    attachment,
    cluster,
    collection,
    machine,
    named_network,
    reachable_machine,
    routed_machine,
    surroundings,
    trunk_machine,
)


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


@pytest.mark.parametrize("routed", [True, False])
def test_a_machine_with_two_nics_says_whether_its_guest_is_told(routed: bool) -> None:
    spec = msgspec.convert(routed_machine("a", routed=routed)[0], OpenStackMachine).spec

    assert len(spec.ports or []) == 2
    assert spec.network_config is not None
    assert spec.network_config.policy_routing is routed


def test_a_reachable_machine_asks_for_a_floating_ip_on_its_nic() -> None:
    ports = msgspec.convert(reachable_machine("a")[0], OpenStackMachine).spec.ports or []

    assert [port.floating_ip is not None for port in ports] == [True]


def test_the_attachment_means_the_network_that_the_cluster_is_given() -> None:
    ours = cluster()[0]
    changed = msgspec.convert({**ours, "spec": ours["spec"] | named_network()}, OpenStackCluster)
    nics = msgspec.convert(attachment(), OpenStackNetworkAttachment).spec

    assert [port.cluster_network for port in nics.ports] == [it.name for it in changed.spec.networks or ()]
    assert nics.cluster_name == ours["metadata"]["name"]


def test_the_credentials_are_the_tenants_clouds_yaml(tmp_path: Path) -> None:
    lab = Lab("a", tmp_path, MappingProxyType(dict.fromkeys(PORT_NAMES, 1)), 1)
    secret = next(thing for thing in surroundings(lab) if thing["metadata"]["name"] == CREDENTIALS)

    assert list(yaml.safe_load(secret["stringData"]["clouds.yaml"])["clouds"]) == ["pycapo"]


@pytest.mark.parametrize("plural", ["openstackservers", "openstacknetworkattachments"])
def test_kinds_are_found_in_their_own_version(plural: str) -> None:
    path = f"apis/infrastructure.cluster.x-k8s.io/v1alpha1/namespaces/bench/{plural}"
    assert collection("infrastructure.cluster.x-k8s.io", plural) == path
