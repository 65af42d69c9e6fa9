# SPDX-License-Identifier: Apache-2.0
"""What each field of v1alpha3 means in v1beta2; that nothing is lost is shown in test_conversion."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pycapo.api.conversion import ConversionError, convert

Object = dict[str, Any]
OLD, HUB = "infrastructure.cluster.x-k8s.io/v1alpha3", "infrastructure.cluster.x-k8s.io/v1beta2"
EXAMPLES = Path(__file__).parents[3] / "examples" / "v1alpha3"
NETWORK, SUBNET, OTHER = (f"{digit * 8}-0000-4000-8000-000000000000" for digit in "123")


def hub(kind: str, spec: Object) -> Object:
    """Return the spec of v1beta2 for one of v1alpha3."""
    return dict(convert({"apiVersion": OLD, "kind": kind, "metadata": {"name": "a"}, "spec": spec}, HUB)["spec"])


def old(kind: str, spec: Object) -> Object:
    """Return the spec of v1alpha3 that shows one of v1beta2."""
    return dict(convert({"apiVersion": HUB, "kind": kind, "metadata": {"name": "a"}, "spec": spec}, OLD)["spec"])


def example(name: str) -> Object:
    return dict(yaml.safe_load((EXAMPLES / name).read_text()))


def test_the_studys_template_becomes_a_port_on_each_network_and_nothing_else() -> None:
    found = convert(example("several-networks.yaml"), HUB)

    entries = example("several-networks.yaml")["spec"]["template"]["spec"]["networks"]
    assert found["spec"]["template"]["spec"].pop("ports") == [
        {"network": {"id": entry["uuid"]}, "fixedIPs": [{"subnet": {"id": entry["subnets"][0]["filter"]["id"]}}]}
        for entry in entries
    ]
    assert found["spec"]["template"]["spec"] == {
        "flavor": {"filter": {"name": "m1.small"}},
        "image": {"filter": {"name": "ubuntu"}},
        "sshKeyName": "xenwar-key",
        "trunk": False,
    }
    assert "annotations" not in found["metadata"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_come_back_as_they_were(path: Path) -> None:
    written = example(path.name)
    shown = convert(convert(written, HUB), OLD)

    assert {**shown, "metadata": written["metadata"]} == written


@pytest.mark.parametrize(
    ("entry", "ports"),
    [
        ({"uuid": NETWORK}, [{"network": {"id": NETWORK}}]),
        ({"filter": {"id": NETWORK}}, [{"network": {"id": NETWORK}}]),
        ({"filter": {"name": "a", "tags": "x,y"}}, [{"network": {"filter": {"name": "a", "tags": ["x", "y"]}}}]),
        ({"filter": {"name": "a", "tenantId": "p"}}, [{"network": {"filter": {"name": "a", "projectID": "p"}}}]),
        (
            {"uuid": NETWORK, "fixedIp": "10.0.0.9"},
            [{"network": {"id": NETWORK}, "fixedIPs": [{"ipAddress": "10.0.0.9"}]}],
        ),
        ({"fixedIp": "2001:db8::9"}, [{"fixedIPs": [{"ipAddress": "2001:db8::9"}]}]),
        ({"uuid": NETWORK, "fixedIp": "my-port"}, [{"existingPort": {"filter": {"name": "my-port"}}}]),
        ({"subnets": [{"uuid": SUBNET}]}, [{"fixedIPs": [{"subnet": {"id": SUBNET}}]}]),
        (
            {"uuid": NETWORK, "subnets": [{"uuid": SUBNET}], "fixedIp": "10.0.0.9"},
            [{"network": {"id": NETWORK}, "fixedIPs": [{"subnet": {"id": SUBNET}, "ipAddress": "10.0.0.9"}]}],
        ),
        (
            {"uuid": NETWORK, "subnets": [{"uuid": SUBNET}, {"filter": {"gateway_ip": "10.0.0.1", "ipVersion": 4}}]},
            [
                {"network": {"id": NETWORK}, "fixedIPs": [{"subnet": {"id": SUBNET}}]},
                {
                    "network": {"id": NETWORK},
                    "fixedIPs": [{"subnet": {"filter": {"gatewayIP": "10.0.0.1", "ipVersion": 4}}}],
                },
            ],
        ),
        ({}, [{}]),
        ({"filter": {}, "subnets": [{"filter": {}}]}, [{}]),
        ({"filter": {"shared": True}}, [{"network": {"filter": {}}}]),
    ],
)
def test_an_entry_of_networks_is_a_port_for_each_of_its_subnets(entry: Object, ports: list[Object]) -> None:
    assert hub("OpenStackMachine", {"networks": [entry]}) == {"ports": ports}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"image": "a"}, {"image": {"filter": {"name": "a"}}}),
        ({"flavor": "a"}, {"flavor": {"filter": {"name": "a"}}}),
        (
            {"image": "a", "rootVolume": {"diskSize": 9}},
            {"image": {"filter": {"name": "a"}}, "rootVolume": {"sizeGiB": 9}},
        ),
        (
            {"image": "a", "rootVolume": {"diskSize": 9, "sourceUUID": OTHER}},
            {"image": {"id": OTHER}, "rootVolume": {"sizeGiB": 9}},
        ),
        ({"image": "a", "rootVolume": {"diskSize": 0, "sourceUUID": OTHER}}, {"image": {"filter": {"name": "a"}}}),
        ({"serverGroupID": OTHER}, {"serverGroup": {"id": OTHER}}),
        (
            {"serverMetadata": {"b": "2", "a": "1"}},
            {"serverMetadata": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]},
        ),
        ({"tags": ["a", "b", "a"]}, {"tags": ["a", "b"]}),
        ({"floatingIP": "192.0.2.1"}, {"ports": [{"floatingIP": {"address": "192.0.2.1"}}]}),
        ({"securityGroups": [{"uuid": OTHER}]}, {"securityGroups": [{"id": OTHER}]}),
        (
            {"securityGroups": [{"name": "a", "filter": {"tags": "x"}}]},
            {"securityGroups": [{"filter": {"name": "a", "tags": ["x"]}}]},
        ),
        (
            {"cloudName": "c", "cloudsSecret": {"name": "s"}},
            {"identityRef": {"type": "Secret", "name": "s", "cloudName": "c"}},
        ),
        ({"userDataSecret": {"name": "a"}, "instanceID": "b"}, {}),
    ],
)
def test_machine_fields_have_their_counterparts(spec: Object, expected: Object) -> None:
    assert hub("OpenStackMachine", spec) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"nodeCidr": "10.6.0.0/24"}, {"managedSubnets": [{"cidr": "10.6.0.0/24"}]}),
        (
            {"nodeCidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.2"]},
            {"managedSubnets": [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.2"]}]},
        ),
        (
            {"network": {"name": "a"}, "subnet": {"id": SUBNET}},
            {"network": {"filter": {"name": "a"}}, "subnets": [{"id": SUBNET}]},
        ),
        ({"network": {}, "subnet": {}}, {}),
        ({"externalNetworkId": NETWORK}, {"externalNetwork": {"id": NETWORK}}),
        ({"managedAPIServerLoadBalancer": True}, {"apiServer": {"managedLoadBalancer": {"enabled": True}}}),
        ({"managedAPIServerLoadBalancer": False, "apiServerPort": 0}, {}),
        (
            {"managedAPIServerLoadBalancer": True, "apiServerLoadBalancerAdditionalPorts": [80, 80]},
            {"apiServer": {"managedLoadBalancer": {"enabled": True, "additionalPorts": [80]}}},
        ),
        (
            {"apiServerFloatingIP": "192.0.2.1", "apiServerPort": 443},
            {"apiServer": {"floatingIP": "192.0.2.1", "port": 443}},
        ),
        ({"disablePortSecurity": True}, {"managedNetwork": {"enablePortSecurity": False}}),
        ({"disablePortSecurity": False, "managedSecurityGroups": False}, {}),
        (
            {"externalRouterIPs": [{"fixedIP": "192.0.2.1", "subnet": {"uuid": SUBNET}}]},
            {"managedRouter": {"externalIPs": [{"fixedIP": "192.0.2.1", "subnet": {"id": SUBNET}}]}},
        ),
        ({"controlPlaneEndpoint": {"host": "", "port": 0}}, {}),
        ({"bastion": {}}, {"bastion": {"enabled": False}}),
        (
            {"bastion": {"enabled": True, "flavor": "f", "image": "i", "networks": [{"uuid": NETWORK}]}},
            {
                "bastion": {
                    "enabled": True,
                    "spec": {
                        "flavor": {"filter": {"name": "f"}},
                        "image": {"filter": {"name": "i"}},
                        "ports": [{"network": {"id": NETWORK}}],
                    },
                }
            },
        ),
    ],
)
def test_cluster_fields_have_their_counterparts(spec: Object, expected: Object) -> None:
    assert hub("OpenStackCluster", spec) == expected


def test_managed_security_groups_let_calico_through_as_they_did() -> None:
    rules = hub("OpenStackCluster", {"managedSecurityGroups": True})["managedSecurityGroups"]

    assert [(rule["protocol"], rule.get("portRangeMin")) for rule in rules["clusterNodesSecurityGroupRules"]] == [
        ("tcp", 179),
        ("4", None),
    ]


def test_what_only_v1beta2_can_say_is_not_made_up_in_v1alpha3() -> None:
    spec = {
        "image": {"imageRef": {"name": "a"}},
        "flavor": {"id": "1"},
        "ports": [{"clusterNetwork": "storage"}, {}],
        "additionalPorts": [{}],
    }

    assert old("OpenStackMachine", spec) == {"image": "", "flavor": "", "networks": [{}, {}]}


def test_status_shows_one_subnet_the_router_and_whether_it_is_ready() -> None:
    network = {"id": "n", "name": "n"}
    status = {
        "network": {**network, "subnets": [{"id": "s"}]},
        "router": {"id": "r"},
        "apiServerManagedLoadBalancer": {"id": "b"},
        "failureDomains": [{"name": "az1", "controlPlane": True}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}],
    }
    shown = convert({"apiVersion": HUB, "kind": "OpenStackCluster", "metadata": {}, "status": status}, OLD)["status"]

    belongings = {"subnet": {"id": "s"}, "router": {"id": "r"}, "apiServerLoadBalancer": {"id": "b"}}
    assert shown["network"] == {**network, **belongings}
    assert (shown["failureDomains"], shown["ready"]) == ({"az1": {"controlPlane": True}}, True)
    assert shown["conditions"] == status["conditions"]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"networks": [{"fixedIp": "10.0.0.9", "subnets": [{}, {}]}]}, "spec.networks[0].fixedIp"),
        ({"rootVolume": {"diskSize": 9, "sourceType": "snapshot"}}, "spec.rootVolume.sourceType"),
        ({"networks": {"uuid": "a"}}, "spec.networks"),
        ({"networks": [{}, "a"]}, "spec.networks[1]"),
        ({"networks": [{"subnets": [{"filter": 7}]}]}, "spec.networks[0].subnets[0].filter"),
        ({"cloudsSecret": "a"}, "spec.cloudsSecret"),
        ({"securityGroups": ["a"]}, "spec.securityGroups[0]"),
    ],
)
def test_what_is_not_clear_is_refused_with_its_path(spec: Object, path: str) -> None:
    with pytest.raises(ConversionError) as refusal:
        hub("OpenStackMachine", spec)
    assert refusal.value.path == path


def test_a_name_is_not_looked_for_with_the_tags_of_the_image_before_it() -> None:
    written = {"flavor": {"id": "1"}, "image": {"filter": {"name": "a", "tags": ["gpu"]}}}
    body = {"apiVersion": HUB, "kind": "OpenStackMachine", "metadata": {"name": "a"}, "spec": written}
    shown = convert(body, OLD)
    shown["spec"]["image"] = "b"

    assert convert(shown, HUB)["spec"]["image"] == {"filter": {"name": "b"}}


def test_other_credentials_are_a_secret_whatever_they_were_before() -> None:
    identity = {"type": "ClusterIdentity", "name": "shared", "cloudName": "c"}
    body = {"apiVersion": HUB, "kind": "OpenStackMachine", "metadata": {"name": "a"}, "spec": {"identityRef": identity}}
    shown = convert(body, OLD)
    assert convert(shown, HUB)["spec"]["identityRef"] == identity
    shown["spec"]["cloudsSecret"] = {"name": "mine"}

    assert convert(shown, HUB)["spec"]["identityRef"] == {"type": "Secret", "name": "mine", "cloudName": "c"}
