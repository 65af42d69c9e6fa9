# SPDX-License-Identifier: Apache-2.0
"""A cluster of a class: Cluster API makes it from our templates, changes it through its topology, and takes it away.

Rule: the objects are the release's own: the class that clusterctl brings along, and the template of a cluster of it.
"""

import json
from typing import Any

import pytest

from e2e.manifests import FLAVOR, TEMPLATES, rendered
from e2e.world import World
from pycapo.lab.cloud_bootstrap import connect

pytestmark = pytest.mark.e2e
Json = dict[str, Any]
NAME = "classy"
OTHER_FLAVOR, OTHER_SERVER = "m1.tiny", "10.6.0.3"
TEMPLATE = "OpenStackMachineTemplate"
CLUSTER_NAME, CONTROL_PLANE = "cluster.x-k8s.io/cluster-name", "cluster.x-k8s.io/control-plane"


def flavor_of(thing: Json) -> str:
    spec = thing["spec"]
    return str(spec.get("template", {}).get("spec", spec)["flavor"]["filter"]["name"])


def workers(world: World, namespace: str) -> list[Json]:
    found = world.all("OpenStackMachine", namespace)
    return [item for item in found if CONTROL_PLANE not in item["metadata"]["labels"]]


def templates(world: World, namespace: str) -> list[str]:
    """The flavors of the machine templates that Cluster API made for the cluster."""
    mine = (it for it in world.all(TEMPLATE, namespace) if it["metadata"].get("labels", {}).get(CLUSTER_NAME) == NAME)
    return sorted(flavor_of(item) for item in mine)


def wait_for_machines(world: World, namespace: str, flavor: str, count: int) -> None:
    """Return when one control plane and so many workers of a flavor run, and nothing else is left or to be changed."""

    def settled() -> bool:
        machines = world.all("Machine", namespace)
        running = [item for item in machines if (item.get("status") or {}).get("phase") == "Running"]
        flavors = [flavor_of(item) for item in workers(world, namespace)]
        return len(machines) == len(running) == count + 1 and flavors == count * [flavor]

    world.wait_for(settled, f"{count} workers of {flavor} run", 300, namespace=namespace)
    reconciled = lambda: world.condition("Cluster", namespace, NAME, "TopologyReconciled").get("status") == "True"  # noqa: E731
    world.wait_for(reconciled, "the topology is as it shall be", 120, namespace=namespace)


def change(world: World, namespace: str, *, replicas: int, **variables: Any) -> None:
    """Change the size of the workers and variables of the topology."""
    found = world.get("Cluster", namespace, NAME)
    assert found is not None
    topology = found["spec"]["topology"]
    topology["workers"]["machineDeployments"][0]["replicas"] = replicas
    values = {item["name"]: item["value"] for item in topology["variables"]} | variables
    topology["variables"] = [{"name": name, "value": value} for name, value in values.items()]
    world.patch("Cluster", namespace, NAME, {"spec": {"topology": topology}})


def test_a_class_makes_a_cluster_rolls_it_out_and_leaves_nothing(world: World, namespace: str) -> None:
    world.kubectl("apply", "-n", namespace, "-f", str(TEMPLATES / "clusterclass-openstack-default.yaml"))
    cluster = rendered(world.lab, namespace, NAME, control_planes=1, workers=1, flavor="topology")
    world.kubectl("apply", "-f", "-", given=cluster)
    wait_for_machines(world, namespace, FLAVOR, 1)
    assert templates(world, namespace) == ["m1.medium", FLAVOR]

    assert_only_a_dry_run_of_the_topology_may_change_a_template(world, namespace)
    change(world, namespace, replicas=2, workerFlavor=OTHER_FLAVOR, dnsNameservers=[OTHER_SERVER])
    wait_for_machines(world, namespace, OTHER_FLAVOR, 2)
    assert_subnet_has_nameserver(world, namespace)
    world.wait_for(lambda: templates(world, namespace) == ["m1.medium", OTHER_FLAVOR], "one template for each class")

    world.kubectl("delete", "cluster", NAME, "-n", namespace, "--wait=false")
    world.gone("Cluster", namespace, NAME, 300)
    assert world.all("OpenStackServer", namespace) == []


def assert_only_a_dry_run_of_the_topology_may_change_a_template(world: World, namespace: str) -> None:
    """Cluster API asks with a dry run whether a template has to be replaced: that is answered, a change is refused."""
    mine = next(it for it in world.all(TEMPLATE, namespace) if flavor_of(it) == FLAVOR)
    name = mine["metadata"]["name"]
    spec: Json = {"spec": {"template": {"spec": {"flavor": {"filter": {"name": OTHER_FLAVOR}}}}}}
    dry = {"metadata": {"annotations": {"topology.cluster.x-k8s.io/dry-run": ""}}, **spec}
    kind = "openstackmachinetemplate"
    patch = ("patch", kind, name, "-n", namespace, "--type=merge")

    world.kubectl(*patch, "--dry-run=server", "-p", json.dumps(dry))
    with pytest.raises(AssertionError, match=r"spec\.template\.spec\.flavor"):
        world.kubectl(*patch, "-p", json.dumps(spec))


def assert_subnet_has_nameserver(world: World, namespace: str) -> None:
    (cluster,) = world.all("OpenStackCluster", namespace)
    (subnet,) = cluster["status"]["network"]["subnets"]
    network: Any = connect(world.lab).network
    has_it = lambda: network.get_subnet(subnet["id"]).dns_nameservers == [OTHER_SERVER]  # noqa: E731
    world.wait_for(has_it, f"the subnet has the DNS server {OTHER_SERVER}", 60, namespace=namespace)
