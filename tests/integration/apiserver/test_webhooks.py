# SPDX-License-Identifier: Apache-2.0
"""Our CRDs, webhooks and roles in a real API server: what users of both versions see, and what the controller may do."""

from typing import Any

import pytest

from served import GROUP, Api, Json, causes

pytestmark = pytest.mark.apiserver

V1BETA1, V1BETA2, V1ALPHA1 = (f"{GROUP}/{version}" for version in ("v1beta1", "v1beta2", "v1alpha1"))
NETWORK = "6d1a3f6e-0000-4000-8000-000000000001"
IDENTITY = {"name": "cloud-config", "cloudName": "openstack"}


BAD_PORT = {"macAddress": "fa:16"}


def a_machine(**more: Any) -> Json:
    named = {"filter": {"name": "small"}}
    return {"flavor": named, "image": {"filter": {"name": "ubuntu"}}, "identityRef": IDENTITY, **more}


def a_cluster(**more: Any) -> Json:
    return {"identityRef": IDENTITY, "managedSubnets": [{"cidr": "10.6.0.0/24"}], **more}


def a_server(**more: Any) -> Json:
    return {
        "flavor": "small",
        "image": {"filter": {"name": "ubuntu"}},
        "identityRef": IDENTITY,
        "ports": [],
        "sshKeyName": "",
        **more,
    }


def test_an_object_is_seen_in_both_versions(api: Api) -> None:
    old = {"identityRef": IDENTITY, "flavor": "small", "image": {"filter": {"name": "ubuntu"}}, "sshKeyName": "key"}

    made = api.make(V1BETA1, "openstackmachines", "OpenStackMachine", old)

    assert made["apiVersion"] == V1BETA1
    hub = api.get(V1BETA2, "openstackmachines", made)
    assert hub["spec"]["flavor"] == {"filter": {"name": "small"}}
    again = api.get(V1BETA1, "openstackmachines", made)
    assert again["spec"] == made["spec"]


def test_a_change_in_one_version_shows_in_the_other(api: Api) -> None:
    made = api.make(V1BETA1, "openstackclusters", "OpenStackCluster", a_cluster(disableAPIServerFloatingIP=True))
    hub = api.get(V1BETA2, "openstackclusters", made)

    api.replace("openstackclusters", hub, controlPlaneAvailabilityZones=["az2"])

    seen = api.get(V1BETA1, "openstackclusters", made)["spec"]
    assert seen["controlPlaneAvailabilityZones"] == ["az2"]
    assert seen["disableAPIServerFloatingIP"] is True


def test_a_list_of_objects_is_converted_as_a_whole(api: Api) -> None:
    names = [
        api.make(V1BETA2, "openstackmachines", "OpenStackMachine", a_machine())["metadata"]["name"] for _ in range(3)
    ]

    items = api.ask("GET", api.path(V1BETA1, "openstackmachines"))["items"]

    flavors = {item["metadata"]["name"]: item["spec"].get("flavor") for item in items}
    assert [flavors.get(name) for name in names] == ["small"] * 3


def test_a_refusal_of_a_template_names_the_field_and_what_to_do(api: Api) -> None:
    template = {"template": {"spec": a_machine()}}
    made = api.make(V1BETA2, "openstackmachinetemplates", "OpenStackMachineTemplate", template)

    changed = {"template": {"spec": a_machine(flavor={"filter": {"name": "large"}})}}
    answer = api.replace("openstackmachinetemplates", made, **changed)

    assert causes(answer) == {"spec.template.spec.flavor": "FieldValueForbidden"}
    assert answer["message"].startswith(
        'admission webhook "validation.openstackmachinetemplate.v1beta2.infrastructure.cluster.x-k8s.io" denied the'
        f' request: OpenStackMachineTemplate.{GROUP} "{made["metadata"]["name"]}" is invalid:'
        " spec.template.spec.flavor: Forbidden: OpenStackMachineTemplate is immutable; make a new template"
    )


def test_a_dry_run_of_the_topology_controller_passes(api: Api) -> None:
    template = {"template": {"spec": a_machine()}}
    made = api.make(V1BETA2, "openstackmachinetemplates", "OpenStackMachineTemplate", template)
    made["spec"]["template"]["spec"]["sshKeyName"] = "other"
    path = api.path(V1BETA2, "openstackmachinetemplates", made["metadata"]["name"])

    assert "causes" in api.ask("PUT", f"{path}?dryRun=All", made)["details"]
    made["metadata"]["annotations"] = {"topology.cluster.x-k8s.io/dry-run": ""}
    assert api.ask("PUT", f"{path}?dryRun=All", made)["spec"]["template"]["spec"]["sshKeyName"] == "other"
    assert "causes" in api.ask("PUT", path, made)["details"]


def test_a_user_of_v1beta1_is_refused_too_and_told_whose_names_the_fields_have(api: Api) -> None:
    made = api.make(V1BETA1, "openstackclusters", "OpenStackCluster", a_cluster())

    answer = api.replace("openstackclusters", made, disableExternalNetwork=True, disableAPIServerFloatingIP=True)

    assert "spec.enableExternalNetwork" in causes(answer)
    assert "the object was sent as v1beta1" in answer["message"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"managedSubnets": [{"cidr": "10.6.0.9/24"}]}, "spec.managedSubnets[0].cidr"),
        ({"apiServer": {"fixedIP": "10.7.0.1", "managedLoadBalancer": {}}}, "spec.apiServer.fixedIP"),
    ],
)
def test_what_no_cloud_can_make_is_refused_at_creation(api: Api, spec: Json, field: str) -> None:
    assert list(causes(api.make(V1BETA2, "openstackclusters", "OpenStackCluster", a_cluster(**spec)))) == [field]


def test_mutable_fields_of_a_cluster_are_taken(api: Api) -> None:
    made = api.make(V1BETA2, "openstackclusters", "OpenStackCluster", a_cluster())

    subnets = [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.2"]}]
    changed = api.replace("openstackclusters", made, managedSubnets=subnets, managedSecurityGroups={})

    assert changed["spec"]["managedSubnets"] == subnets
    endpoint = {"host": "192.0.2.1", "port": 6443}
    changed = api.replace("openstackclusters", changed, controlPlaneEndpoint=endpoint)
    assert changed["spec"]["controlPlaneEndpoint"] == endpoint
    moved = api.replace("openstackclusters", changed, controlPlaneEndpoint={**endpoint, "port": 443})
    assert list(causes(moved)) == ["spec.controlPlaneEndpoint.port"]


def test_a_server_takes_other_credentials_and_nothing_else(api: Api) -> None:
    made = api.make(V1ALPHA1, "openstackservers", "OpenStackServer", a_server())

    changed = api.replace("openstackservers", made, identityRef={**IDENTITY, "name": "other"})

    assert changed["spec"]["identityRef"]["name"] == "other"
    assert list(causes(api.replace("openstackservers", changed, tags=["x"]))) == ["spec.tags"]


@pytest.mark.parametrize(
    ("plural", "kind", "spec", "told"),
    [
        ("openstackmachines", "OpenStackMachine", {"flavor": {"id": "1"}, "image": {}}, "spec.image"),
        ("openstackmachines", "OpenStackMachine", {"image": {"filter": {"name": "x"}}}, "spec.flavor"),
        (
            "openstackclusters",
            "OpenStackCluster",
            {"identityRef": IDENTITY, "bastion": {}},
            "spec is required if bastion",
        ),
        (
            "openstackclusters",
            "OpenStackCluster",
            {"identityRef": IDENTITY, "enableExternalNetwork": False},
            "apiServer.enableFloatingIP cannot be true",
        ),
    ],
)
def test_the_schema_and_its_rules_refuse_too(api: Api, plural: str, kind: str, spec: Json, told: str) -> None:
    answer = api.make(V1BETA2, plural, kind, spec)

    assert (answer["code"], answer["reason"]) == (422, "Invalid")
    assert told in answer["message"]


def test_the_region_of_credentials_is_fixed(api: Api) -> None:
    made = api.make(
        V1BETA2, "openstackclusters", "OpenStackCluster", a_cluster(identityRef={**IDENTITY, "region": "one"})
    )

    answer = api.replace("openstackclusters", made, identityRef={**IDENTITY, "region": "two"})

    assert "region is immutable" in answer["message"]


def test_defaults_of_the_schema_are_filled_in(api: Api) -> None:
    made = api.make(V1BETA2, "openstackclusters", "OpenStackCluster", a_cluster(apiServer={"managedLoadBalancer": {}}))

    assert made["spec"]["identityRef"]["type"] == "Secret"
    assert made["spec"]["apiServer"]["managedLoadBalancer"]["enabled"] is True


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        *((verb, GROUP, "openstackservers") for verb in ("get", "list", "watch", "create", "patch", "delete")),
        *((verb, GROUP, "openstackclusters") for verb in ("get", "list", "watch", "patch")),
        *((verb, GROUP, "openstackmachines") for verb in ("get", "list", "watch", "patch")),
        *((verb, GROUP, "openstacknetworkattachments") for verb in ("get", "list", "watch", "patch")),
        ("patch", GROUP, "openstackclusters/status"),
        ("patch", GROUP, "openstackservers/status"),
        ("update", GROUP, "openstackmachines/finalizers"),
        *((verb, "cluster.x-k8s.io", "clusters") for verb in ("get", "list", "watch")),
        *((verb, "cluster.x-k8s.io", "machines") for verb in ("get", "list", "watch")),
        *((verb, "", "secrets") for verb in ("get", "list", "watch")),
        ("list", "", "namespaces"),
        ("create", "", "events"),
        ("patch", "", "events"),
        ("create", "ipam.cluster.x-k8s.io", "ipaddressclaims"),
        ("list", "openstack.k-orc.cloud", "images"),
    ],
)
def test_the_controller_may_do_its_work(api: Api, verb: str, group: str, resource: str) -> None:
    assert api.may(verb, group, resource)


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        *((verb, "", "secrets") for verb in ("create", "update", "patch", "delete")),
        *((verb, "cluster.x-k8s.io", "clusters") for verb in ("create", "update", "patch", "delete")),
        *((verb, "cluster.x-k8s.io", "machines") for verb in ("patch", "delete")),
        *((verb, GROUP, "openstackclusters") for verb in ("create", "delete", "deletecollection")),
        *((verb, GROUP, "openstackmachines") for verb in ("create", "delete")),
        ("patch", GROUP, "openstackclusteridentities"),
        ("delete", "apiextensions.k8s.io", "customresourcedefinitions"),
        ("create", "", "pods"),
        ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
        ("create", "coordination.k8s.io", "leases"),
        ("impersonate", "", "users"),
    ],
)
def test_the_controller_may_do_nothing_else(api: Api, verb: str, group: str, resource: str) -> None:
    assert not api.may(verb, group, resource)


def test_the_controller_leads_with_one_lease_in_its_own_namespace(api: Api) -> None:
    group, name = "coordination.k8s.io", "controller-leader-election-capo"

    assert all(
        api.may(verb, group, "leases", namespace="capo-system", name=name) for verb in ("get", "update", "patch")
    )
    assert api.may("create", group, "leases", namespace="capo-system")
    assert not api.may("update", group, "leases", namespace="capo-system", name="other")
    assert not api.may("delete", group, "leases", namespace="capo-system", name=name)
