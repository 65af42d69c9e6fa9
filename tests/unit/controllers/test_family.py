# SPDX-License-Identifier: Apache-2.0
"""Who belongs to a cluster: found by an index, so that it costs what is found and not what there is."""

from machine_stage import Stage
from pycapo.api.capi import CLUSTER_NAME_LABEL
from pycapo.controllers.family import machines_of, servers_of
from pycapo.kube.cache import CLUSTER_LABEL


def test_machines_and_servers_of_a_cluster_are_those_with_its_label_in_its_namespace() -> None:
    stage = Stage()
    for name in ("worker-0", "worker-1"):
        stage.add(name)
    stage.settle()

    assert sorted(it.metadata.name for it in machines_of(stage.kube, "team", "blue")) == ["worker-0", "worker-1"]
    assert sorted(it.metadata.name for it in servers_of(stage.kube, "team", "blue")) == ["worker-0", "worker-1"]
    assert [*machines_of(stage.kube, "other", "blue"), *servers_of(stage.kube, "team", "red")] == []


def test_the_runtime_finds_them_by_the_label_of_the_contract() -> None:
    assert CLUSTER_LABEL == CLUSTER_NAME_LABEL
