# SPDX-License-Identifier: Apache-2.0
"""What bad input gets: a condition and an event that name the field, what was wanted and what was found; mended, it goes on.

Rule: all wrong objects of a kind stand side by side and are mended at one moment, since each is looked at again in its own time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from e2e.conftest import stage
from e2e.manifests import clouds_secret, clouds_yaml, cluster, machine, secret
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, OTHER_TENANT, TENANT, connect

pytestmark = pytest.mark.e2e
OUTSIDE = {"filter": {"name": EXTERNAL_NETWORK}}


@dataclass(frozen=True)
class Case:
    """A wrong object: what its condition has to say, and where."""

    name: str
    kind: str
    says: tuple[str, ...]
    condition: str = "Ready"


CLUSTERS = (
    Case("unknown-cloud", "OpenStackCluster", ("spec.identityRef.cloudName", '"nowhere"', '"openstack"')),
    Case("wrong-password", "OpenStackCluster", ("spec.identityRef", "clouds.openstack.auth")),
    Case("missing-secret", "OpenStackCluster", ("spec.identityRef.name", '"forgotten"', "was not found")),
    Case("several-external", "OpenStackCluster", ("spec.externalNetwork", "2 external networks", "public", "second")),
)
MACHINES = (
    Case("unknown-image", "OpenStackMachine", ("spec.image", "no image", '"nowhere"'), "InstanceReady"),
    Case("ambiguous-image", "OpenStackMachine", ("spec.image", "2 images", '"twins"', "ids "), "InstanceReady"),
    Case("unknown-flavor", "OpenStackMachine", ("spec.flavor", "no flavor", '"m9.nowhere"'), "InstanceReady"),
    Case("unknown-network", "OpenStackMachine", ("spec.ports[0].network", "no network", '"nowhere"'), "InstanceReady"),
    Case("ambiguous-network", "OpenStackMachine", ("spec.ports[0].network", "2 networks", '"twins"'), "InstanceReady"),
    Case(
        "overlapping", "OpenStackMachine", ("spec.ports[1].network", "10.6.0.128/25, which overlaps"), "InstanceReady"
    ),
    Case("crashed", "OpenStackMachine", ("is in ERROR", "the lab was asked to fail this server"), "InstanceReady"),
)


def assert_told(world: World, namespace: str, case: Case) -> None:
    """The condition says all of it, and an event says the same."""

    def message() -> str:
        return str(world.condition(case.kind, namespace, case.name, case.condition).get("message") or "")

    def told() -> bool:
        warned = world.warnings(namespace, case.name)
        return all(word in message() for word in case.says) and any(
            all(word in text for word in case.says) for text in warned
        )

    world.wait_for(told, f"{case.name} tells {case.says}", 90, namespace=namespace)


def identity(name: str, cloud: str = "openstack") -> dict[str, str]:
    return {"name": name, "cloudName": cloud}


@pytest.fixture(scope="module")
def clusters(world: World) -> Iterator[tuple[str, Callable[[], None]]]:
    """A namespace with wrong clusters, and what mends them all."""
    admin = connect(world.lab)
    second: Any = admin.network.create_network(name="second", is_router_external=True)

    def mend() -> None:
        if admin.network.find_network(second.id) is None:
            return
        admin.network.delete_network(second.id)
        entries = yaml.safe_load(clouds_yaml(world.lab))["clouds"]
        both = yaml.safe_dump({"clouds": {**entries, "nowhere": entries["openstack"]}})
        world.apply(secret(namespace, "unknown", "clouds.yaml", both))
        world.apply(clouds_secret(world.lab, namespace, "wrong"), clouds_secret(world.lab, namespace, "forgotten"))

    try:
        for namespace in stage(world, "wrong-clusters"):
            world.apply(clouds_secret(world.lab, namespace, "unknown"))
            world.apply(clouds_secret(world.lab, namespace, "wrong", password="mistyped"))
            wrong = {
                "unknown": identity("unknown", "nowhere"),
                "wrong": identity("wrong"),
                "missing": identity("forgotten"),
            }
            for case in CLUSTERS[:3]:
                reference = wrong[case.name.partition("-")[0]]
                world.apply(*cluster(namespace, case.name, identityRef=reference, externalNetwork=OUTSIDE))
            world.apply(*cluster(namespace, CLUSTERS[3].name))
            yield namespace, mend
            mend()
    finally:
        admin.network.delete_network(second.id, ignore_missing=True)


@pytest.fixture(scope="module")
def mended_clusters(clusters: tuple[str, Callable[[], None]]) -> str:
    namespace, mend = clusters
    mend()
    return namespace


@pytest.mark.parametrize("case", CLUSTERS, ids=lambda case: case.name)
def test_a_wrong_cluster_says_what_is_wrong(world: World, clusters: tuple[str, Any], case: Case) -> None:
    assert_told(world, clusters[0], case)


@pytest.mark.parametrize("case", CLUSTERS, ids=lambda case: case.name)
def test_a_mended_cluster_becomes_ready_by_itself(world: World, mended_clusters: str, case: Case) -> None:
    wait_until_ready(world, case.kind, mended_clusters, case.name)


class Wrongs:
    """Images, flavors and networks that are missing or, from `begin` on, there twice until `mend`; `end` removes them."""

    def __init__(self, world: World) -> None:
        self._admin = connect(world.lab)
        self._tenant: Any = connect(world.lab, TENANT)
        self._images: list[Any] = []
        self._networks: list[Any] = []
        self._flavors: list[Any] = []

    def begin(self) -> None:
        self._images = [self._image("twins"), self._image("twins")]
        self._networks = [self._network("twins"), self._network("twins")]
        self._networks.insert(0, self._network("overlapping", "10.6.0.128/25"))

    def mend(self) -> None:
        if self._flavors:
            return
        self._tenant.image.delete_image(self._images.pop())
        self._tenant.network.delete_network(self._networks.pop())
        self._images.append(self._image("nowhere"))
        self._networks.append(self._network("nowhere"))
        overlapping = self._networks[0]
        for subnet in self._tenant.network.subnets(network_id=overlapping.id):
            self._tenant.network.delete_subnet(subnet.id)
        self._tenant.network.create_subnet(network_id=overlapping.id, ip_version=4, cidr="10.10.0.0/24")
        self._flavors.append(self._admin.compute.create_flavor(name="m9.nowhere", vcpus=1, ram=512, disk=1))

    def end(self) -> None:
        for image in self._images:
            self._tenant.image.delete_image(image)
        for network in self._networks:
            self._tenant.network.delete_network(network)
        for flavor in self._flavors:
            self._admin.compute.delete_flavor(flavor)

    def _image(self, name: str) -> Any:
        return self._tenant.image.create_image(
            name=name, disk_format="raw", container_format="bare", data=b"lab\n", validate_checksum=False
        )

    def _network(self, name: str, cidr: str = "10.9.0.0/24") -> Any:
        network = self._tenant.network.create_network(name=name)
        self._tenant.network.create_subnet(network_id=network.id, ip_version=4, cidr=cidr)
        return network


@pytest.fixture(scope="module")
def machines(world: World) -> Iterator[tuple[str, Wrongs]]:
    """A namespace with a cluster and wrong machines, and what mends them."""
    wrongs = Wrongs(world)
    for namespace in stage(world, "wrong-machines", wrongs.end):
        wrongs.begin()
        world.apply(*cluster(namespace, "ground"))
        changes: dict[str, dict[str, Any]] = {
            "unknown-image": {"image": {"filter": {"name": "nowhere"}}},
            "ambiguous-image": {"image": {"filter": {"name": "twins"}}},
            "unknown-flavor": {"flavor": {"filter": {"name": "m9.nowhere"}}},
            "unknown-network": {"ports": [{"network": {"filter": {"name": "nowhere"}}}]},
            "ambiguous-network": {"ports": [{"network": {"filter": {"name": "twins"}}}]},
            "overlapping": {"ports": [{}, {"network": {"filter": {"name": "overlapping"}}}]},
            "crashed": {},
        }
        for name, spec in changes.items():
            world.apply(*machine(namespace, name, cluster="ground", **spec))
        with world.faults.spawn_fail(name="^crashed$"):
            yield namespace, wrongs


@pytest.fixture(scope="module")
def mended_machines(machines: tuple[str, Wrongs]) -> str:
    namespace, wrongs = machines
    wrongs.mend()
    return namespace


@pytest.mark.parametrize("case", MACHINES, ids=lambda case: case.name)
def test_a_wrong_machine_says_what_is_wrong(world: World, machines: tuple[str, Wrongs], case: Case) -> None:
    assert_told(world, machines[0], case)


# Nova takes the NICs from a server whose build failed, and plugs none into it: only a new machine mends that one.
@pytest.mark.parametrize("case", [it for it in MACHINES if it.name != "crashed"], ids=lambda case: case.name)
def test_a_mended_machine_becomes_ready_by_itself(world: World, mended_machines: str, case: Case) -> None:
    wait_until_ready(world, case.kind, mended_machines, case.name)


@contextmanager
def cores(admin: Any, project: str, count: int) -> Iterator[None]:
    """A project with a quota of so many cores, for a while."""
    before = admin.compute.get_quota_set(project).cores
    admin.compute.update_quota_set(project, cores=count)
    try:
        yield
    finally:
        admin.compute.update_quota_set(project, cores=before)


def test_who_has_no_quota_is_told_and_goes_on_when_there_is_some(world: World, namespace: str) -> None:
    admin: Any = connect(world.lab)
    project = admin.identity.find_project(OTHER_TENANT, ignore_missing=False).id
    before = admin.network.get_quota(project).networks
    world.apply(clouds_secret(world.lab, namespace, "poor", user=OTHER_TENANT))
    admin.network.update_quota(project, network=0)
    try:
        world.apply(*cluster(namespace, "poor", identityRef=identity("poor")))
        assert_told(world, namespace, Case("poor", "OpenStackCluster", ("spec.managedNetwork", "uota")))
    finally:
        admin.network.update_quota(project, network=before)
    wait_until_ready(world, "OpenStackCluster", namespace, "poor")

    with cores(admin, project, 1):
        world.apply(*machine(namespace, "large", cluster="poor"))
        short = ("spec.flavor", "short by 1 cores", "2 needed, 1 of 1 left")
        assert_told(world, namespace, Case("large", "OpenStackMachine", short, "InstanceReady"))
        assert not [it for it in admin.network.ports(project_id=project) if it.name.startswith("large")]
    wait_until_ready(world, "OpenStackMachine", namespace, "large", 180)
