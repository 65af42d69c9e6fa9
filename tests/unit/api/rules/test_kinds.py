# SPDX-License-Identifier: Apache-2.0
"""Which rules hold for which kind, and when."""

from typing import Any

import pytest

from pycapo.api.crd import crds
from pycapo.api.rules.kinds import KINDS, rules_of

Json = dict[str, Any]


@pytest.fixture(scope="module")
def definitions() -> list[Json]:
    return crds()


def a_pool(*addresses: str) -> Json:
    return {"metadata": {"name": "p"}, "spec": {"preAllocatedFloatingIPs": list(addresses)}}


def a_template(flavor: str) -> Json:
    return {"spec": {"template": {"spec": {"flavor": {"id": flavor}}}}}


def test_an_object_that_was_wrong_before_can_still_be_changed() -> None:
    wrong, finalized = a_pool("x"), a_pool("x") | {"metadata": {"name": "p", "finalizers": []}}

    assert rules_of("OpenStackFloatingIPPool").review(finalized, wrong) == []


def test_a_change_cannot_make_it_worse() -> None:
    problems = rules_of("OpenStackFloatingIPPool").review(a_pool("x", "y"), a_pool("x"))

    assert [problem.path for problem in problems] == ["spec.preAllocatedFloatingIPs[1]"]


def test_a_pool_names_an_address_once() -> None:
    (problem,) = rules_of("OpenStackFloatingIPPool").review(a_pool("192.0.2.1", "192.0.2.1"), None)

    assert problem.body.startswith('Duplicate value: "192.0.2.1"')


def test_a_field_is_refused_once_not_twice() -> None:
    old, new = ({"spec": {"ports": [{"macAddress": mac}]}} for mac in ("fa:16:3e:00:00:01", "x"))

    problems = rules_of("OpenStackMachine").review(new, old)
    assert [problem.path for problem in problems] == ["spec.ports[0].macAddress"]


def test_a_dry_run_of_the_topology_controller_may_change_a_template() -> None:
    rules = rules_of("OpenStackMachineTemplate")

    assert rules.review(a_template("2"), a_template("1"), dry_run=True) == []
    assert rules.review(a_template("2"), a_template("1"))


def test_the_paths_are_those_that_the_go_provider_registers() -> None:
    paths = {kind.path for kind in KINDS}

    prefix = "/validate-infrastructure-cluster-x-k8s-io"
    assert f"{prefix}-v1beta2-openstackcluster" in paths
    assert f"{prefix}-v1alpha1-openstackserver" in paths


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_reviewed_kind_is_one_of_the_crds_in_its_storage_version(kind: Any, definitions: list[Json]) -> None:
    (spec,) = [crd["spec"] for crd in definitions if crd["spec"]["names"]["kind"] == kind.kind]

    assert spec["names"]["plural"] == kind.plural
    assert [version["name"] for version in spec["versions"] if version["storage"]] == [kind.version]
