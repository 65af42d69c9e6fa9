# SPDX-License-Identifier: Apache-2.0
"""The main job: from a template to running nodes, through changes of size, and back to nothing."""

import base64
import json
from pathlib import Path

import pytest

from e2e.manifests import rendered
from e2e.world import Json, World, wait_until_ready

pytestmark = pytest.mark.e2e
NAME = "basic"


def running(world: World, namespace: str) -> list[Json]:
    machines = world.all("Machine", namespace)
    return [item for item in machines if (item.get("status") or {}).get("phase") == "Running"]


def wait_for_machines(world: World, namespace: str, count: int, seconds: float = 240) -> None:
    def settled() -> bool:
        return len(running(world, namespace)) == count == len(world.all("OpenStackMachine", namespace))

    world.wait_for(settled, f"{count} machines run and there are no others", seconds, namespace=namespace)


def scale(world: World, namespace: str, workers: int) -> None:
    world.patch("MachineDeployment", namespace, f"{NAME}-md-0", {"spec": {"replicas": workers}})


def nodes(world: World, namespace: str, folder: Path) -> list[Json]:
    """The nodes that the workload cluster's own API server tells of, at the endpoint that its kubeconfig names."""
    found = world.get("Secret", namespace, f"{NAME}-kubeconfig")
    assert found is not None
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_bytes(base64.b64decode(found["data"]["value"]))
    assert_kubectl_shows_nodes(world.kubectl("get", "nodes", kubeconfig=kubeconfig))
    return list(json.loads(world.kubectl("get", "nodes", "-o", "json", kubeconfig=kubeconfig))["items"])


def test_a_cluster_comes_up_changes_its_size_and_leaves_nothing(world: World, namespace: str, tmp_path: Path) -> None:
    manifests = rendered(world.lab, namespace, NAME, control_planes=3, workers=2)
    world.kubectl("apply", "-f", "-", given=manifests)
    wait_for_machines(world, namespace, 5, 420)

    assert_ready_in_both_versions(world, namespace)
    assert_nodes_are_the_servers(world, namespace, nodes(world, namespace, tmp_path))
    scale(world, namespace, 3)
    wait_for_machines(world, namespace, 6)
    scale(world, namespace, 1)
    wait_for_machines(world, namespace, 4)
    world.kubectl("delete", "cluster", NAME, "-n", namespace, "--wait=false")

    world.gone("Cluster", namespace, NAME, 300)
    for kind in ("OpenStackCluster", "OpenStackMachine", "OpenStackServer", "Machine"):
        assert world.all(kind, namespace) == []


def assert_kubectl_shows_nodes(printed: str) -> None:
    heading, *rows = (line.split() for line in printed.splitlines())
    assert heading == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert {row[1] for row in rows} == {"Ready"}
    assert {row[2] for row in rows} == {"control-plane", "<none>"}
    assert all(row[4].startswith("v") for row in rows)


def assert_ready_in_both_versions(world: World, namespace: str) -> None:
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)
    plural = "openstackclusters.v1beta1.infrastructure.cluster.x-k8s.io"
    old = json.loads(world.kubectl("get", plural, NAME, "-n", namespace, "-o", "json"))
    assert old["apiVersion"].endswith("/v1beta1")
    assert old["status"]["ready"] is True
    assert old["spec"]["controlPlaneEndpoint"]["port"] == 6443


def assert_nodes_are_the_servers(world: World, namespace: str, found: list[Json]) -> None:
    machines = world.all("OpenStackMachine", namespace)
    assert len(found) == 5
    assert {node["spec"]["providerID"] for node in found} == {item["spec"]["providerID"] for item in machines}
    (endpoint,) = (item["spec"]["controlPlaneEndpoint"] for item in world.all("OpenStackCluster", namespace))
    assert endpoint["host"].startswith("127.")
