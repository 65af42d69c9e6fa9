# SPDX-License-Identifier: Apache-2.0
"""Named networks of a cluster: made by pycapo or found, waited for by machines, changed in place, and gone at the end."""

from typing import Any

import pytest

from e2e.manifests import cluster, machine
from e2e.test_ports import Operator, operator, server_of
from e2e.world import World, wait_until_ready

pytestmark = pytest.mark.e2e
__all__ = ["operator"]
Json = dict[str, Any]
NAME, WORKER = "named", "worker-0"
V4 = {"name": "v4", "cidr": "10.11.0.0/24", "hostRoutes": [{"destination": "10.99.0.0/16", "nextHop": "10.11.0.9"}]}
V6 = {"name": "v6", "cidr": "fd00:11::/64", "enableDHCP": False}
TRAFFIC = {"name": "traffic", "managed": {"subnets": [V4, V6], "router": "Cluster", "mtu": 1300, "tags": ["fast"]}}
APART = {"subnets": [{"name": "a", "cidr": "10.12.0.0/24", "gateway": "None"}], "enablePortSecurity": False}
STORAGE = {"name": "storage", "network": {"filter": {"name": "operators-storage"}}}


def networks(world: World, namespace: str, *wanted: Json) -> None:
    world.patch("OpenStackCluster", namespace, NAME, {"spec": {"networks": list(wanted)}})


def shown(world: World, namespace: str) -> dict[str, str]:
    """The ids of the named networks that are ready."""
    found = world.get("OpenStackCluster", namespace, NAME) or {}
    status = found.get("status", {}).get("networks") or ()
    return {it["name"]: it["id"] for it in status if it["condition"]["status"] == "True"}


def test_machines_wait_for_networks_that_the_cluster_makes_later(
    world: World, namespace: str, operator: Operator
) -> None:
    world.apply(*cluster(namespace, NAME))
    ports = [{}, *({"clusterNetwork": name} for name in ("traffic", "apart", "storage"))]
    world.apply(*machine(namespace, WORKER, cluster=NAME, ports=ports))
    wait_until_ready(world, "OpenStackCluster", namespace, NAME)
    told = lambda: str(world.condition("OpenStackMachine", namespace, WORKER, "InstanceReady").get("message"))  # noqa: E731
    world.wait_for(lambda: 'no network "traffic" in spec.networks' in told(), "the wait is told", namespace=namespace)

    networks(world, namespace, TRAFFIC, {"name": "apart", "managed": APART}, STORAGE)
    wait_until_ready(world, "OpenStackMachine", namespace, WORKER, 180)

    ids = shown(world, namespace)
    nics = list(operator.ports_of(server_of(world, namespace, WORKER)).values())
    assert {nic.network_id for nic in nics} > set(ids.values())
    made = operator.network.get_network(ids["traffic"])
    assert (made.mtu, "fast" in made.tags, len(made.subnet_ids)) == (1300, True, 2)
    assert operator.network.get_network(ids["apart"]).is_port_security_enabled is False
    assert_routed_subnets(operator, ids["traffic"])
    assert_changes_in_place(world, namespace, operator, ids)


def assert_routed_subnets(operator: Operator, network: str) -> None:
    joined = {
        address["subnet_id"]
        for port in operator.network.ports(network_id=network, device_owner="network:router_interface")
        for address in port.fixed_ips
    }
    subnets = {subnet.id: subnet for subnet in operator.network.subnets(network_id=network)}
    assert joined == set(subnets)
    (v4,) = [subnet for subnet in subnets.values() if subnet.ip_version == 4]
    assert v4.host_routes == [{"destination": "10.99.0.0/16", "nexthop": "10.11.0.9"}]


def assert_changes_in_place(world: World, namespace: str, operator: Operator, ids: dict[str, str]) -> None:
    """MTU and subnets follow the spec; a network that the spec names no more goes once its last port went."""
    less = {"name": "traffic", "managed": {"subnets": [V4], "mtu": 1350}}
    networks(world, namespace, less, STORAGE)
    waiting = lambda: str(world.condition("OpenStackCluster", namespace, NAME, "NamedNetworksReady").get("message"))  # noqa: E731
    world.wait_for(lambda: "is to go, and 1 ports are still on it" in waiting(), "it is told", namespace=namespace)
    assert operator.network.get_network(ids["traffic"]).mtu == 1350

    world.delete("Machine", namespace, WORKER)
    world.gone("OpenStackMachine", namespace, WORKER, 180)
    gone = lambda: operator.network.find_network(ids["apart"]) is None  # noqa: E731
    world.wait_for(gone, "the network is gone", 120, namespace=namespace)
    left = list(operator.network.subnets(network_id=ids["traffic"]))
    assert [subnet.cidr for subnet in left] == ["10.11.0.0/24"]
