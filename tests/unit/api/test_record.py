# SPDX-License-Identifier: Apache-2.0
"""Structs keep apart what Kubernetes keeps apart, and their names become the right JSON names."""

from typing import Any

import msgspec
import pytest

from pycapo.api.capi import Cluster
from pycapo.api.record import wire_name
from pycapo.api.v1alpha1 import OpenStackClusterIdentity, OpenStackServer
from pycapo.api.v1beta2 import OpenStackCluster, OpenStackMachine

IDENTITY = {"name": "credentials", "cloudName": "cloud"}
MACHINE_SPEC: dict[str, Any] = {"flavor": {"id": "1"}, "image": {"filter": {"name": "ubuntu"}}}


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("provider_id", "providerID"),
        ("fixed_ips", "fixedIPs"),
        ("ip_address", "ipAddress"),
        ("disable_api_server_floating_ip", "disableAPIServerFloatingIP"),
        ("size_gib", "sizeGiB"),
        ("ipv6_ra_mode", "ipv6RAMode"),
        ("ovs_hw_offload", "ovsHWOffload"),
        ("floating_ip_pool_ref", "floatingIPPoolRef"),
        ("extra_dhcp_options", "extraDHCPOptions"),
        ("from_", "from"),
    ],
)
def test_wire_names_are_camel_case_with_acronyms(name: str, wire: str) -> None:
    assert wire_name(name) == wire


@pytest.mark.parametrize(
    "port",
    [
        {},
        {"securityGroups": []},
        {"enablePortSecurity": False},
        {"fixedIPs": [{"ipAddress": "10.0.0.5", "subnet": {"filter": {"tags": []}}}]},
        {"valueSpecs": [{"name": "a", "key": "b", "json": {"deep": [1, None, True]}}]},
        {"subports": [{"segmentationID": 5, "port": {"clusterNetwork": "storage"}}]},
        {"bindingProfile": {"any": {"thing": 1}}, "hints": {}},
    ],
)
def test_absent_and_empty_and_false_are_kept_apart(port: dict[str, Any]) -> None:
    machine = OpenStackMachine.from_dict({"spec": MACHINE_SPEC | {"ports": [port]}})
    assert machine.to_dict()["spec"]["ports"] == [port]
    assert OpenStackMachine.from_dict(machine.to_dict()) == machine


def test_an_empty_object_is_not_the_absent_object() -> None:
    cluster = OpenStackCluster.from_dict({"spec": {"identityRef": IDENTITY, "managedSecurityGroups": {}}})
    assert cluster.spec.managed_security_groups is not None
    assert cluster.to_dict()["spec"] == {"identityRef": IDENTITY, "managedSecurityGroups": {}}


def test_defaults_of_the_crd_are_filled_in_when_decoding_and_left_out_when_encoding() -> None:
    cluster = OpenStackCluster.from_dict({"spec": {"identityRef": IDENTITY | {"type": "Secret"}}})
    assert cluster.spec.identity_ref.type == "Secret"
    assert cluster.to_dict()["spec"]["identityRef"] == IDENTITY


def test_unknown_fields_are_dropped() -> None:
    cluster = OpenStackCluster.from_dict(
        {"metadata": {"managedFields": [{}]}, "spec": {"identityRef": IDENTITY, "x": 1}}
    )
    assert cluster.to_dict()["spec"] == {"identityRef": IDENTITY}


def test_encoding_adds_version_and_kind() -> None:
    data = OpenStackCluster.from_dict({"metadata": {"name": "a"}, "spec": {"identityRef": IDENTITY}}).to_dict()
    assert data["apiVersion"] == "infrastructure.cluster.x-k8s.io/v1beta2"
    assert data["kind"] == "OpenStackCluster"
    assert data["metadata"] == {"name": "a"}


def test_a_wrong_type_is_refused_with_its_path() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.spec\.image\.filter\.name"):
        OpenStackMachine.from_dict({"spec": {"flavor": {"id": "1"}, "image": {"filter": {"name": 7}}}})


def test_an_object_that_breaks_a_limit_still_loads() -> None:
    cluster = OpenStackCluster.from_dict({"spec": {"identityRef": IDENTITY, "managedSubnets": [{"cidr": ""}] * 2}})
    assert cluster.spec.managed_subnets is not None
    assert len(cluster.spec.managed_subnets) == 2


def test_a_cluster_api_object_loads_with_what_is_there() -> None:
    assert Cluster.from_dict({"metadata": {"name": "a"}}).spec is None
    paused = Cluster.from_dict({"metadata": {"name": "a"}, "spec": {"paused": True, "topology": {"class": "x"}}})
    assert paused.spec is not None
    assert paused.spec.paused is True


def test_only_the_identity_is_cluster_wide() -> None:
    assert OpenStackClusterIdentity.namespaced is False
    assert OpenStackServer.namespaced is True
