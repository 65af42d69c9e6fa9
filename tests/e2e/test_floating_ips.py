# SPDX-License-Identifier: Apache-2.0
"""Floating IPs of a pool on real Neutron: claimed by machines, limited, given back, and what existed before stays."""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import CREDENTIALS, OURS, cluster, machine
from e2e.world import Json, World, wait_until_ready
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, TENANT, connect

pytestmark = pytest.mark.e2e
NAME, POOL = "reached", "public"
REFERENCE = {"apiGroup": OURS, "kind": "OpenStackFloatingIPPool", "name": POOL}
READY = "OpenstackFloatingIPPoolReadyCondition"


class Owner:
    """The project's user, with a floating IP that was there before."""

    def __init__(self, world: World) -> None:
        self.neutron: Any = connect(world.lab, TENANT).network
        external = self.neutron.find_network(EXTERNAL_NETWORK, ignore_missing=False)
        self.made = self.neutron.create_ip(floating_network_id=external.id)

    @property
    def address(self) -> str:
        return str(self.made.floating_ip_address)

    def ports(self) -> dict[str, str | None]:
        """Where the project's floating IPs point, by address."""
        return {item.floating_ip_address: item.port_id for item in self.neutron.ips()}

    def end(self) -> None:
        assert self.ports()[self.address] is None
        self.neutron.delete_ip(self.made)


@pytest.fixture
def owner(world: World) -> Iterator[Owner]:
    made = Owner(world)
    yield made
    made.end()


@pytest.fixture
def place(world: World, owner: Owner) -> Iterator[str]:
    """A namespace; at its end the floating IP of before is all that is left."""
    yield from stage(world, "floating-ips")


def a_pool(namespace: str, **spec: Any) -> Json:
    wanted = {"identityRef": {"name": CREDENTIALS, "cloudName": "openstack"}, "reclaimPolicy": "Delete", **spec}
    meta = {"name": POOL, "namespace": namespace}
    return {"apiVersion": f"{OURS}/v1alpha1", "kind": "OpenStackFloatingIPPool", "metadata": meta, "spec": wanted}


def external_address(world: World, namespace: str, name: str) -> str:
    found = world.get("OpenStackMachine", namespace, name) or {}
    told = (found.get("status") or {}).get("addresses") or ()
    return next((str(it["address"]) for it in told if it["type"] == "ExternalIP"), "")


def add(world: World, namespace: str, *names: str) -> None:
    for name in names:
        world.apply(*machine(namespace, name, cluster=NAME, floatingIPPoolRef=REFERENCE))


def test_machines_get_floating_ips_of_a_pool_within_its_limit_and_give_them_back(
    world: World, place: str, owner: Owner
) -> None:
    pool = a_pool(place, preAllocatedFloatingIPs=[owner.address], maxIPs=2)
    world.apply(*cluster(place, NAME), pool)
    add(world, place, "first", "second")
    for name in ("first", "second"):
        wait_until_ready(world, "OpenStackMachine", place, name, 180)
    given = {external_address(world, place, name) for name in ("first", "second")}
    assert owner.address in given
    assert all(owner.ports()[address] for address in given)
    assert {item["spec"]["address"] for item in world.all("IPAddress", place)} == given

    add(world, place, "third")
    full = lambda: world.condition("OpenStackFloatingIPPool", place, POOL, READY).get("reason") == "MaxIPsReached"  # noqa: E731
    world.wait_for(full, "the limit is told", 60, namespace=place)
    told = lambda: world.condition("OpenStackServer", place, "third", "FloatingAddressFromPoolReady").get("message", "")  # noqa: E731
    limit = "spec.maxIPs: 1 claims wait (third-floating-ip-address)"
    world.wait_for(lambda: limit in told(), "the server tells what its pool tells", namespace=place)
    world.kill_pycapo()
    world.delete("Machine", place, "first")
    world.start_pycapo()
    wait_until_ready(world, "OpenStackMachine", place, "third", 180)
    pointing = {address for address, port in owner.ports().items() if port}
    assert pointing == {external_address(world, place, name) for name in ("second", "third")}
    assert len(owner.ports()) == len(pointing) + 1  # and the address of the cluster's endpoint

    world.delete("OpenStackFloatingIPPool", place, POOL)
    world.delete("Cluster", place, NAME)
    world.gone("OpenStackCluster", place, NAME, 180)
    world.gone("OpenStackFloatingIPPool", place, POOL, 60)
    assert world.all("IPAddressClaim", place) == world.all("IPAddress", place) == []
    assert owner.ports() == {owner.address: None}
