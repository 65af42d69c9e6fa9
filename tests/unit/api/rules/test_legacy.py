# SPDX-License-Identifier: Apache-2.0
"""What v1alpha3 objects are told: what they lack, and what of them has no effect any more."""

from typing import Any

import pytest

from pycapo.api.conversion import convert
from pycapo.api.rules import legacy

Object = dict[str, Any]
OLD, HUB = "infrastructure.cluster.x-k8s.io/v1alpha3", "infrastructure.cluster.x-k8s.io/v1beta2"
PLAIN = {"flavor": "m1.small", "image": "ubuntu"}


def stored(kind: str, spec: Object) -> Object:
    meta = {"name": "a", "namespace": "here"}
    return convert({"apiVersion": OLD, "kind": kind, "metadata": meta, "spec": spec}, HUB)


def machine(**spec: Any) -> Object:
    return stored("OpenStackMachine", {**PLAIN, **spec})


def test_a_plain_machine_is_told_nothing() -> None:
    assert legacy.check(machine()) == []
    assert legacy.advise(machine()) == []


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"networks": [{"filter": {"name": "a", "shared": True}}]}, "spec.networks[0].filter.shared: cannot be"),
        ({"networks": [{"filter": {"name": "a", "shared": False}}]}, "spec.networks[0].filter.shared: cannot be"),
        (
            {"networks": [{"uuid": "n", "subnets": [{"filter": {"name": "a", "limit": 1}}]}]},
            "filter.limit: has no effect",
        ),
        ({"userDataSecret": {"name": "a"}}, "spec.userDataSecret: has no effect; user data come from"),
        (
            {"cloudName": "c", "cloudsSecret": {"name": "a", "namespace": "there"}},
            "in the object's own namespace, here",
        ),
    ],
)
def test_what_has_no_effect_is_told_under_the_name_that_the_manifest_uses(spec: Object, told: str) -> None:
    (warning,) = legacy.advise(machine(**spec))

    assert told in warning


@pytest.mark.parametrize(
    "spec",
    [
        {"cloudName": "c", "cloudsSecret": {"name": "a", "namespace": "here"}},
        {"networks": [{"uuid": "n", "filter": {}}]},
        {"networks": [{"uuid": "n", "fixedIp": "port", "subnets": [{"uuid": "s"}]}]},
        {"instanceID": "x"},
    ],
)
def test_what_is_kept_for_its_spelling_only_is_no_warning(spec: Object) -> None:
    assert legacy.advise(machine(**spec)) == []


def test_fields_of_a_cluster_that_need_others_are_told() -> None:
    spec = {"cloudName": "c", "cloudsSecret": {"name": "a"}, "network": {"name": "n"}, "dnsNameservers": ["10.6.0.2"]}

    (warning,) = legacy.advise(stored("OpenStackCluster", spec))

    assert warning == "spec.dnsNameservers: has no effect without nodeCidr, with which a subnet is made"


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"networks": [{"filter": {"shared": True}}]}, "spec.ports[0].network.filter"),
        (
            {"networks": [{"uuid": "n", "subnets": [{"filter": {"enableDhcp": True}}]}]},
            "spec.ports[0].fixedIPs[0].subnet.filter",
        ),
        ({"securityGroups": [{}]}, "spec.securityGroups[0].filter"),
        ({"image": ""}, "spec.image"),
        ({"flavor": ""}, "spec.flavor"),
    ],
)
def test_what_would_mean_everything_or_nothing_is_refused(spec: Object, path: str) -> None:
    (problem,) = legacy.check(machine(**spec))

    assert problem.path == path


def test_a_bastion_needs_what_a_machine_needs() -> None:
    spec = {"bastion": {"enabled": False, "sshKeyName": "key"}}

    assert [p.path for p in legacy.check(stored("OpenStackCluster", spec))] == [
        "spec.bastion.spec.flavor",
        "spec.bastion.spec.image",
    ]
    assert legacy.check(stored("OpenStackCluster", {"bastion": {"enabled": False}})) == []


def test_a_broken_annotation_is_no_reason_to_fail() -> None:
    found = machine()
    found["metadata"]["annotations"] = {"infrastructure.cluster.x-k8s.io/kept-for-v1alpha3": "{"}

    assert legacy.advise(found) == []
