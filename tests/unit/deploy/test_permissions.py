# SPDX-License-Identifier: Apache-2.0
"""What the controller may do, and above all what not."""

import pytest

from pycapo.api.crd import crds
from pycapo.deploy.options import LEASE, Options
from pycapo.deploy.permissions import CLUSTER_RULES, IPAM, LEADER_RULES, OWN, permissions

Rule = dict[str, list[str]]
WRITING = {"create", "delete", "deletecollection", "patch", "update"}


def verbs(group: str, resource: str, rules: tuple[Rule, ...] = CLUSTER_RULES) -> set[str]:
    fitting = [rule for rule in rules if group in rule["apiGroups"] and resource in rule["resources"]]
    return {verb for rule in fitting for verb in rule["verbs"]}


def test_nothing_is_allowed_by_wildcard() -> None:
    for rule in (*CLUSTER_RULES, *LEADER_RULES):
        assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("", "secrets"),
        ("", "namespaces"),
        ("cluster.x-k8s.io", "clusters"),
        ("cluster.x-k8s.io", "machines"),
        ("openstack.k-orc.cloud", "images"),
        (OWN, "openstackclusteridentities"),
        (OWN, "openstackmachinetemplates"),
    ],
)
def test_what_others_own_is_read_only(group: str, resource: str) -> None:
    assert verbs(group, resource) == {"get", "list", "watch"}


@pytest.mark.parametrize("resource", ["openstackclusters", "openstackmachines", "openstackfloatingippools"])
def test_what_people_make_is_not_made_or_deleted_by_the_controller(resource: str) -> None:
    assert verbs(OWN, resource) == {"get", "list", "watch", "patch"}


def test_claims_and_addresses_are_made_owned_and_told_by_the_controller() -> None:
    for resource in ("ipaddressclaims", "ipaddresses"):
        assert {"get", "list", "watch", "create", "delete", "patch"} == verbs(IPAM, resource)
    assert verbs(IPAM, "ipaddressclaims/status") == {"patch"}
    assert verbs(IPAM, "ipaddressclaims/finalizers") == {"update"}


def test_pools_of_addresses_are_only_looked_at() -> None:
    for resource in ("inclusterippools", "globalinclusterippools"):
        assert verbs(IPAM, resource) == {"get"}


def test_servers_are_made_and_deleted_by_the_controller() -> None:
    assert {"create", "delete"} <= verbs(OWN, "openstackservers")


def test_every_kind_with_a_status_has_it_written() -> None:
    with_status = [c["spec"]["names"]["plural"] for c in crds() if "subresources" in c["spec"]["versions"][-1]]

    assert with_status
    for plural in with_status:
        assert verbs(OWN, f"{plural}/status") == {"patch"}, plural


def test_only_one_lease_is_led_and_only_in_the_own_namespace() -> None:
    held = [rule for rule in LEADER_RULES if WRITING & set(rule["verbs"]) - {"create"}]

    assert [rule["resourceNames"] for rule in held] == [[LEASE]]
    assert not verbs("coordination.k8s.io", "leases")


def test_both_roles_are_bound_to_the_service_account_of_the_deployment() -> None:
    manifests = permissions(Options(namespace="elsewhere"))
    bindings = [manifest for manifest in manifests if manifest["kind"].endswith("Binding")]

    names = {manifest["metadata"]["name"] for manifest in manifests if manifest["kind"] in ("Role", "ClusterRole")}
    assert {binding["roleRef"]["name"] for binding in bindings} == names
    subject = {"kind": "ServiceAccount", "name": "capo-manager", "namespace": "elsewhere"}
    assert [binding["subjects"] for binding in bindings] == [[subject], [subject]]
