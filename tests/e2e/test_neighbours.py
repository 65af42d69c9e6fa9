# SPDX-License-Identifier: Apache-2.0
"""What is left alone: clusters of another namespace, paused and externally managed ones; and credentials that change."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import FLAVOR, clouds_secret, cluster, machine
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import IMAGE, TENANT, TENANT_ROLES, connect
from pycapo.lab.cloud_inventory import difference, snapshot
from pycapo.lab.cloud_log import PRODUCT

pytestmark = pytest.mark.e2e
QUIET = 6.0  # seconds for which nothing may happen
NAME, WORKER = "same", "worker"


@pytest.fixture
def pair(world: World) -> Iterator[tuple[str, str]]:
    """Two namespaces."""
    for one in stage(world, "one"):
        for other in stage(world, "other"):
            yield one, other


class User:
    """A user of the tenant's project whose password can change; nobody logged in as them before."""

    def __init__(self, world: World, name: str) -> None:
        self._identity: Any = connect(world.lab).identity
        self.auth = {"username": name, "password": "first"}
        project = self._identity.find_project(TENANT, ignore_missing=False)
        self._user = self._identity.create_user(name=name, password="first", domain_id="default")
        for role in TENANT_ROLES:
            found = self._identity.find_role(role, ignore_missing=False)
            self._identity.assign_project_role_to_user(project, self._user, found)

    def rotate(self) -> None:
        self.auth["password"] = "second"
        self._identity.update_user(self._user, password="second")

    def end(self) -> None:
        self._identity.delete_user(self._user)


@pytest.fixture
def user(world: World, request: pytest.FixtureRequest) -> Iterator[User]:
    made = User(world, f"user-{request.node.name[-12:]}".replace("_", "-"))
    yield made
    made.end()


TRAFFIC = {"name": "traffic", "managed": {"router": "Cluster", "subnets": [{"name": "v4", "cidr": "10.40.0.0/24"}]}}
APART = {"name": "apart", "managed": {"subnets": [{"name": "v4", "cidr": "10.41.0.0/24"}]}}
OWN = {"name": "own", "perMachine": {"subnets": [{"name": "v4", "from": ["10.64.0.0/20"], "prefixLength": 28}]}}
CHILD = {"segmentationID": 101, "port": {"clusterNetwork": "apart"}}
PORTS = [{}, {"clusterNetwork": "own"}, {"clusterNetwork": "traffic", "floatingIP": {}, "subports": [CHILD]}]
BASTION = {"enabled": True, "spec": {"flavor": {"filter": {"name": FLAVOR}}, "image": {"filter": {"name": IMAGE}}}}


def whole(world: World, namespace: str) -> None:
    """Apply the same manifests of a cluster with all that can be made for it, and wait until everything is ready."""
    spec = {"networks": [TRAFFIC, APART, OWN], "managedSecurityGroups": {}, "bastion": BASTION}
    world.apply(*cluster(namespace, NAME, **spec), *machine(namespace, WORKER, cluster=NAME, ports=PORTS))
    wait_until_ready(world, "OpenStackMachine", namespace, WORKER, 240)
    world.apply(
        {
            "apiVersion": "infrastructure.cluster.x-k8s.io/v1alpha1",
            "kind": "OpenStackNetworkAttachment",
            "metadata": {"name": "extra", "namespace": namespace},
            "spec": {"clusterName": NAME, "ports": [{"clusterNetwork": "apart", "trunk": True}]},
        }
    )
    wait_until_ready(world, "OpenStackNetworkAttachment", namespace, "extra", 180)
    wait_until_ready(world, "OpenStackCluster", namespace, NAME, 240)  # the bastion too


def test_whole_clusters_of_one_name_in_two_namespaces_stay_apart(world: World, pair: tuple[str, str]) -> None:
    goes, stays = pair  # the fixture ends the other one first
    whole(world, stays)
    before = snapshot(world.lab)
    whole(world, goes)
    theirs, mine = (world.get("OpenStackMachine", namespace, WORKER) for namespace in pair)
    assert mine is not None
    assert theirs is not None
    assert mine["spec"]["providerID"] != theirs["spec"]["providerID"]
    added = difference(before, snapshot(world.lab)).added
    assert {"servers", "trunks", "networks", "routers", "floatingips", "subnetpools", "security-groups"} <= set(added)

    world.delete("OpenStackNetworkAttachment", goes, "extra")
    world.delete("Cluster", goes, NAME)
    world.gone("OpenStackCluster", goes, NAME, 240)

    same = lambda: not difference(before, snapshot(world.lab))  # noqa: E731
    world.wait_for(same, "nothing of the other cluster is left, and everything of this one", 120, namespace=stays)
    assert world.condition("OpenStackMachine", stays, WORKER, "Ready")["status"] == "True"
    world.delete("OpenStackNetworkAttachment", stays, "extra")


def test_a_paused_cluster_is_not_written_until_it_goes_on(world: World, namespace: str) -> None:
    world.apply(*cluster(namespace, NAME))
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)
    world.patch("Cluster", namespace, NAME, {"spec": {"paused": True}})
    paused = lambda: world.condition("OpenStackCluster", namespace, NAME, "Paused").get("status") == "True"  # noqa: E731
    world.wait_for(paused, "the cluster tells that it is paused", 30, namespace=namespace)
    subnets = [{"cidr": "10.6.0.0/24", "dnsNameservers": ["10.6.0.9"]}]
    world.patch("OpenStackCluster", namespace, NAME, {"spec": {"managedSubnets": subnets}})
    world.wait_for(lambda: told_of_newest(world, namespace), "the pause is told of the newest spec", 30)
    mark, version = world.requests.mark(), resource_version(world, namespace)

    time.sleep(QUIET)

    assert [r for r in world.requests.read(mark, agent=PRODUCT) if r.writes and r.service != "keystone"] == []
    assert resource_version(world, namespace) == version
    world.patch("Cluster", namespace, NAME, {"spec": {"paused": False}})
    world.wait_for(lambda: subnet_updates(world, mark), "the change is made now", 60, namespace=namespace)
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)
    assert world.condition("OpenStackCluster", namespace, NAME, "Paused")["status"] == "False"


def told_of_newest(world: World, namespace: str) -> bool:
    found = world.get("OpenStackCluster", namespace, NAME)
    told = world.condition("OpenStackCluster", namespace, NAME, "Paused").get("observedGeneration")
    return found is not None and bool(told == found["metadata"]["generation"])


def resource_version(world: World, namespace: str) -> str:
    found = world.get("OpenStackCluster", namespace, NAME)
    assert found is not None
    return str(found["metadata"]["resourceVersion"])


def subnet_updates(world: World, mark: int) -> int:
    asked = world.requests.read(mark, agent=PRODUCT)
    return sum(1 for r in asked if r.method == "PUT" and "/subnets/" in r.path and r.status == 200)


def test_an_externally_managed_cluster_is_left_alone(world: World, namespace: str) -> None:
    before = snapshot(world.lab)
    owner, ours = cluster(namespace, NAME)
    ours["metadata"] = {**ours["metadata"], "annotations": {"cluster.x-k8s.io/managed-by": "somebody"}}
    world.apply(owner, ours)

    time.sleep(QUIET)

    found = world.get("OpenStackCluster", namespace, NAME)
    assert found is not None
    assert not found["metadata"].get("finalizers")
    assert "status" not in found
    assert not difference(before, snapshot(world.lab))


def test_a_changed_password_is_picked_up_from_the_secret(world: World, namespace: str, user: User) -> None:
    reference = {"name": "changing", "cloudName": "openstack"}
    world.apply(clouds_secret(world.lab, namespace, "changing", **user.auth))
    world.apply(*cluster(namespace, NAME, identityRef=reference))
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)

    user.rotate()
    world.apply(clouds_secret(world.lab, namespace, "changing", **user.auth))
    world.apply(*machine(namespace, WORKER, cluster=NAME))

    wait_until_ready(world, "OpenStackMachine", namespace, WORKER, 180)
    world.delete("Cluster", namespace, NAME)
    world.gone("OpenStackCluster", namespace, NAME, 180)


def test_a_cloud_without_octavia_is_told_and_used_once_a_login_finds_it(
    world: World, namespace: str, user: User
) -> None:
    identity: Any = connect(world.lab).identity
    (octavia,) = identity.services(type="load-balancer")
    world.apply(clouds_secret(world.lab, namespace, "bare", **user.auth))
    identity.update_service(octavia, is_enabled=False)
    try:
        balanced = {"managedLoadBalancer": {"enabled": True}}
        reference = {"name": "bare", "cloudName": "openstack"}
        world.apply(*cluster(namespace, NAME, identityRef=reference, apiServer=balanced))
        world.wait_for(lambda: absence(world, namespace), "Octavia's absence is told", 60, namespace=namespace)
    finally:
        identity.update_service(octavia, is_enabled=True)

    user.rotate()
    world.apply(clouds_secret(world.lab, namespace, "new", **user.auth))
    world.patch("OpenStackCluster", namespace, NAME, {"spec": {"identityRef": {"name": "new"}}})
    wait_until_ready(world, "OpenStackCluster", namespace, NAME, 180)
    world.delete("Cluster", namespace, NAME)
    world.gone("OpenStackCluster", namespace, NAME, 180)


def absence(world: World, namespace: str) -> bool:
    told = world.condition("OpenStackCluster", namespace, NAME, "Ready").get("message") or ""
    warned = world.warnings(namespace, NAME)
    return "spec.apiServer.managedLoadBalancer" in told and any("load-balancer" in text for text in warned)
