# SPDX-License-Identifier: Apache-2.0
"""Addresses of pools: of Cluster API's in-cluster IPAM provider for ports, of a pool of floating IPs for a port.

Rule: what a pool cannot give is told on the machine that waits for it, and the machine goes on by itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.conftest import stage
from e2e.manifests import BOOTSTRAP, CREDENTIALS, FLAVOR, OURS, VERSION, cluster, machine, secret
from e2e.world import Json, World, wait_until_ready
from pycapo.lab.build import build
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, IMAGE, TENANT, connect
from pycapo.lab.ipam import start_ipam
from pycapo.lab.progress import quiet

pytestmark = pytest.mark.e2e
EXAMPLE = Path(__file__).parents[2] / "examples" / "ipam.yaml"
NAME, WORKERS = "blue", "pooled-workers"
IPAM = "ipam.cluster.x-k8s.io"
LONG = 240  # seconds; the slowest machine of a busy place


class Project:
    """The project's user, with a floating IP that was there before."""

    def __init__(self, world: World) -> None:
        self.neutron: Any = connect(world.lab, TENANT).network
        external = self.neutron.find_network(EXTERNAL_NETWORK, ignore_missing=False)
        self.floating = self.neutron.create_ip(floating_network_id=external.id)

    @property
    def address(self) -> str:
        return str(self.floating.floating_ip_address)

    def points_at(self) -> str | None:
        """The port that the floating IP points at."""
        found: str | None = self.neutron.get_ip(self.floating.id).port_id
        return found

    def fixed(self, world: World, namespace: str, name: str) -> list[str]:
        """The fixed addresses that Neutron tells of a machine's ports."""
        found = world.get("OpenStackMachine", namespace, name) or {}
        server = str(found["spec"]["providerID"]).rpartition("/")[2]
        return [fixed["ip_address"] for port in self.neutron.ports(device_id=server) for fixed in port.fixed_ips]


@pytest.fixture(scope="module")
def project(world: World) -> Iterator[Project]:
    made = Project(world)
    try:
        yield made
    finally:
        made.neutron.delete_ip(made.floating)


@pytest.fixture(scope="module")
def place(world: World, project: Project) -> Iterator[str]:
    """A namespace with a cluster that is ready, in a lab with an IPAM provider; pools go before the namespace does."""
    start_ipam(world.lab, build(quiet()), quiet())
    for namespace in stage(world, "ipam"):
        pools = [{"start": "10.6.0.10", "end": "10.6.0.99"}]
        world.apply(*cluster(namespace, NAME, managedSubnets=[{"cidr": "10.6.0.0/24", "allocationPools": pools}]))
        wait_until_ready(world, "OpenStackCluster", namespace, NAME, LONG)
        yield namespace
    assert project.points_at() is None


def examples(namespace: str, address: str) -> tuple[Json, Json, Json]:
    """The pools and the template of the example, with the lab's image and the project's floating IP."""
    nodes, public, template = yaml.safe_load_all(EXAMPLE.read_text())
    for document in (nodes, public, template):
        document["metadata"]["namespace"] = namespace
    public["spec"] |= {"identityRef": {"name": CREDENTIALS, "cloudName": "openstack"}, "maxIPs": 1}
    public["spec"]["preAllocatedFloatingIPs"] = [address]
    machine = template["spec"]["template"]["spec"]
    machine |= {"flavor": {"filter": {"name": FLAVOR}}, "image": {"filter": {"name": IMAGE}}}
    return nodes, public, template


def in_cluster_pool(namespace: str, name: str, *addresses: str) -> Json:
    spec = {"addresses": list(addresses), "prefix": 24}
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{IPAM}/v1alpha2", "kind": "InClusterIPPool", "metadata": meta, "spec": spec}


def deployment(namespace: str, replicas: int) -> list[Json]:
    """Return a MachineDeployment of the example's template, whose machines wait for no control plane."""
    meta = {"name": WORKERS, "namespace": namespace}
    machine = {
        "clusterName": NAME,
        "version": VERSION,
        "bootstrap": {"dataSecretName": BOOTSTRAP},
        "infrastructureRef": {"apiGroup": OURS, "kind": "OpenStackMachineTemplate", "name": WORKERS},
    }
    labels = {"addresses": "pooled"}
    template = {"metadata": {"labels": labels}, "spec": machine}
    spec = {"clusterName": NAME, "replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return [
        secret(namespace, BOOTSTRAP, "value", "#cloud-config\n"),
        {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "MachineDeployment", "metadata": meta, "spec": spec},
    ]


def ready(world: World, namespace: str) -> set[str]:
    """The names of the machines that are ready."""
    names = (it["metadata"]["name"] for it in world.all("OpenStackMachine", namespace))
    return {it for it in names if world.condition("OpenStackMachine", namespace, it, "Ready").get("status") == "True"}


def told(world: World, namespace: str, name: str) -> str:
    found = world.condition("OpenStackMachine", namespace, name, "InstanceReady")
    return f"{found.get('reason')}: {found.get('message')}"


def claims(world: World, namespace: str) -> set[tuple[str, str]]:
    """Name and address of what is claimed."""
    return {(it["metadata"]["name"], it["spec"]["address"]) for it in world.all("IPAddress", namespace)}


def assert_contract(world: World, namespace: str, name: str, pool: str) -> None:
    """Claim and address say whose they are, as Cluster API's IPAM contract has it; by that clusterctl moves them."""
    claim, address = world.get("IPAddressClaim", namespace, name), world.get("IPAddress", namespace, name)
    assert claim is not None
    assert address is not None
    assert claim["spec"]["clusterName"] == NAME
    assert owners(claim) == {("OpenStackServer", True)}
    assert owners(address) == {("IPAddressClaim", True), (pool, False)}
    assert address["metadata"]["finalizers"]  # so that nobody deletes it by mistake; each provider has its own


def owners(thing: Json) -> set[tuple[str, bool]]:
    """The kinds of the owners, none of which can go before the thing, and which of them leads."""
    found = thing["metadata"]["ownerReferences"]
    assert all(it["blockOwnerDeletion"] for it in found)
    return {(it["kind"], it.get("controller", False)) for it in found}


def nothing_is_claimed(world: World, namespace: str) -> None:
    empty = lambda: not world.all("IPAddressClaim", namespace) and not world.all("IPAddress", namespace)  # noqa: E731
    world.wait_for(empty, "claims and addresses are gone", 120, namespace=namespace)


def test_machines_of_a_deployment_have_the_addresses_of_a_pool_wait_when_it_is_empty_and_give_them_back(
    world: World, place: str, project: Project
) -> None:
    nodes, _, template = examples(place, project.address)
    del template["spec"]["template"]["spec"]["ports"][0]["floatingIP"]
    world.apply(nodes, template, *deployment(place, 3))
    world.wait_for(lambda: len(ready(world, place)) == 2, "two of three are ready", LONG, namespace=place)
    first = ready(world, place)
    pool = {"10.6.0.150", "10.6.0.151"}
    assert {it for name in first for it in project.fixed(world, place, name)} == pool
    (late,) = {it["metadata"]["name"] for it in world.all("OpenStackMachine", place)} - first
    words = (
        f"WaitingForIPAMProvider: spec.ports[0].fixedIPs[0].addressFrom: IPAddressClaim {late}-port-0-0 on "
        "InClusterIPPool nodes has no address yet: all 2 addresses of the pool are in use"
    )
    world.wait_for(lambda: told(world, place, late) == words, "the empty pool is told", 120, namespace=place)

    gone = min(first)
    world.patch("Machine", place, gone, {"metadata": {"annotations": {"cluster.x-k8s.io/delete-machine": ""}}})
    world.patch("MachineDeployment", place, WORKERS, {"spec": {"replicas": 2}})
    wait_until_ready(world, "OpenStackMachine", place, late, LONG)
    left = {late, *(first - {gone})}
    given = {(f"{name}-port-0-0", address) for name in left for address in project.fixed(world, place, name)}
    assert claims(world, place) == given
    assert {address for _, address in given} == pool
    assert_contract(world, place, f"{late}-port-0-0", "InClusterIPPool")

    world.delete("MachineDeployment", place, WORKERS)
    nothing_is_claimed(world, place)
    world.wait_for(lambda: not world.all("OpenStackMachine", place), "no machine is left", LONG, namespace=place)


def test_an_address_that_lies_in_no_subnet_is_told_before_there_is_a_server(world: World, place: str) -> None:
    reference = {"apiGroup": IPAM, "kind": "InClusterIPPool", "name": "elsewhere"}
    ports = [{"fixedIPs": [{"addressFrom": reference}]}]
    world.apply(in_cluster_pool(place, "elsewhere", "10.99.0.5"), *machine(place, "lost", cluster=NAME, ports=ports))
    words = (
        "AddressOutsideSubnet: spec.ports[0].fixedIPs[0].addressFrom: 10.99.0.5 lies in no subnet that the port may "
        "have (10.6.0.0/24 of subnet "
    )
    world.wait_for(lambda: told(world, place, "lost").startswith(words), "it is told", 120, namespace=place)
    assert "lost" not in {it.name for it in connect(world.lab, TENANT).compute.servers()}

    world.delete("Machine", place, "lost")
    world.gone("OpenStackMachine", place, "lost")
    nothing_is_claimed(world, place)


def test_a_port_has_a_floating_ip_of_a_pool_that_tells_its_limit_to_the_next_and_gives_it_back(
    world: World, place: str, project: Project
) -> None:
    _, public, template = examples(place, project.address)
    floating = template["spec"]["template"]["spec"]["ports"][0]["floatingIP"]
    world.apply(public, *machine(place, "front", cluster=NAME, ports=[{"floatingIP": floating}]))
    wait_until_ready(world, "OpenStackMachine", place, "front", LONG)
    found = world.get("OpenStackMachine", place, "front") or {}
    assert {"type": "ExternalIP", "address": project.address} in found["status"]["addresses"]
    assert project.points_at()
    assert claims(world, place) == {("front-port-0-floating-ip", project.address)}
    assert_contract(world, place, "front-port-0-floating-ip", "OpenStackFloatingIPPool")

    world.apply(*machine(place, "late", cluster=NAME, ports=[{"floatingIP": floating}]))
    limit = "spec.maxIPs: 1 claims wait (late-port-0-floating-ip)"
    world.wait_for(lambda: limit in told(world, place, "late"), "the limit is told", 120, namespace=place)
    world.delete("Machine", place, "front")
    wait_until_ready(world, "OpenStackMachine", place, "late", LONG)
    assert claims(world, place) == {("late-port-0-floating-ip", project.address)}

    world.delete("Machine", place, "late")
    world.gone("OpenStackMachine", place, "late", LONG)
    nothing_is_claimed(world, place)
    assert project.points_at() is None
