# SPDX-License-Identifier: Apache-2.0
"""Ports and addresses of machines: given addresses, ranges, ports that were there, trunks with their ports, floating IPs.

Rule: the operator's network, port and floating IP are there before and have to be as they were afterwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import cluster, machine
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, TENANT, connect

pytestmark = pytest.mark.e2e
Json = dict[str, Any]
NAME, GIVEN = "ports", "10.6.0.77"
SPARE = {"filter": {"name": "spare"}}
STORAGE = {"filter": {"name": "operators-storage"}}
OUTSIDE, TAKEN = "10.99.0.1", "10.8.0.5"
STORAGE_SUBNET, NODES_SUBNET = {"filter": {"name": "storage-v4"}}, {"filter": {"cidr": "10.6.0.0/24"}}


def pools(net: str) -> list[Json]:
    """Allocation pools in which none of the addresses lies that the tests ask for: of what Neutron chooses it may be any."""
    return [{"start": f"{net}.100", "end": f"{net}.199"}]


@dataclass(frozen=True)
class Operator:
    """What somebody made by hand: a network with a port, and a floating IP."""

    network: Any  # of a service whose type is a union with a version long gone
    port: str
    floating_ip: str
    address: str

    def port_now(self) -> Any:
        return self.network.get_port(self.port)

    def ports_of(self, server: str) -> dict[str, Any]:
        """The ports of a server by name."""
        return {port.name: port for port in self.network.ports(device_id=server)}


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[Operator]:
    network: Any = connect(world.lab, TENANT).network
    storage = network.create_network(name="operators-storage")
    addresses = {"cidr": "10.8.0.0/24", "allocation_pools": pools("10.8.0"), "enable_dhcp": False}
    network.create_subnet(network_id=storage.id, name="storage-v4", ip_version=4, **addresses)
    spare = network.create_port(network_id=storage.id, name="spare", fixed_ips=[{"ip_address": TAKEN}])
    public = network.find_network(EXTERNAL_NETWORK, ignore_missing=False)
    floating = network.create_ip(floating_network_id=public.id)
    try:
        yield Operator(network, spare.id, floating.id, floating.floating_ip_address)
    finally:
        network.delete_ip(floating)
        network.delete_port(spare)
        network.delete_network(storage)


@pytest.fixture(scope="module")
def ready(world: World, operator: Operator) -> Iterator[str]:
    """A namespace with a cluster that is ready."""
    for namespace in stage(world, "ports"):
        subnets = [{"cidr": "10.6.0.0/24", "allocationPools": pools("10.6.0")}]
        world.apply(*cluster(namespace, NAME, managedSubnets=subnets))
        wait_until_ready(world, "OpenStackCluster", namespace, NAME)
        yield namespace
    assert operator.port_now().device_id == ""
    assert operator.port_now().tags == []
    assert operator.network.get_ip(operator.floating_ip).port_id is None


def fixed(**entry: Any) -> Json:
    return {"fixedIPs": [entry]}


def server_of(world: World, namespace: str, name: str) -> str:
    found = world.get("OpenStackMachine", namespace, name)
    assert found is not None
    return str(found["spec"]["providerID"]).rpartition("/")[2]


def addresses(world: World, namespace: str, name: str) -> list[tuple[str, str]]:
    found = world.get("OpenStackMachine", namespace, name)
    assert found is not None
    return [(it["type"], it["address"]) for it in found["status"]["addresses"]]


def message(world: World, namespace: str, name: str) -> str:
    return str(world.condition("OpenStackMachine", namespace, name, "InstanceReady").get("message") or "")


def test_every_kind_of_port_and_address_holds_and_goes(world: World, ready: str, operator: Operator) -> None:
    child = {"network": STORAGE, "enablePortSecurity": False, **fixed(ipAddress="10.8.0.9")}
    ports = [
        {**fixed(ipAddress=GIVEN), "floatingIP": {"address": operator.address}},
        {"existingPort": SPARE},
        {"network": STORAGE, "subports": [{"segmentationID": 101, "port": child}]},
        fixed(subnet=NODES_SUBNET),
        {"network": STORAGE, **fixed(subnet=STORAGE_SUBNET, ipAddress="10.8.0.20")},
    ]
    world.apply(*machine(ready, "all", cluster=NAME, ports=ports))
    for name, network in {"first": {}, "second": {"network": {"filter": {"name": EXTERNAL_NETWORK}}}}.items():
        of_range = {**fixed(range={"start": "10.6.0.50", "end": "10.6.0.51"}), "floatingIP": network}
        world.apply(*machine(ready, name, cluster=NAME, ports=[of_range]))
    for name in ("all", "first", "second"):
        wait_until_ready(world, "OpenStackMachine", ready, name, 180)

    wanted = [("InternalIP", GIVEN), ("ExternalIP", operator.address), ("InternalIP", TAKEN)]
    assert addresses(world, ready, "all")[:3] == wanted
    given = sorted(addresses(world, ready, name)[0][1] for name in ("first", "second"))
    assert given == ["10.6.0.50", "10.6.0.51"]
    assert [addresses(world, ready, name)[1][0] for name in ("first", "second")] == ["ExternalIP", "ExternalIP"]
    assert_trunk(operator, server_of(world, ready, "all"))
    assert_subnet(operator, server_of(world, ready, "all"))

    for name in ("all", "first", "second"):
        world.delete("Machine", ready, name)
    for name in ("all", "first", "second"):
        world.gone("OpenStackMachine", ready, name, 180)
    assert operator.port_now().device_id == ""


def assert_trunk(operator: Operator, server: str) -> None:
    """The server has the operator's port, and a trunk that carries VLAN 101."""
    ports = operator.ports_of(server)
    assert ports["spare"].id == operator.port
    (trunk,) = operator.network.trunks(port_id=ports["all-2"].id)
    (subport,) = trunk.sub_ports
    assert subport["segmentation_id"] == 101
    child = operator.network.get_port(subport["port_id"])
    assert child.fixed_ips[0]["ip_address"] == "10.8.0.9"
    assert child.is_port_security_enabled is False


def assert_subnet(operator: Operator, server: str) -> None:
    """A subnet is one of the cluster network where no network is named; beside an address it says where that lies."""
    ports = operator.ports_of(server)
    assert ports["all-3"].network_id == ports["all-0"].network_id
    assert [it["ip_address"].rpartition(".")[0] for it in ports["all-3"].fixed_ips] == ["10.6.0"]
    assert ports["all-4"].network_id == ports["all-2"].network_id
    assert [it["ip_address"] for it in ports["all-4"].fixed_ips] == ["10.8.0.20"]


def test_what_cannot_be_had_is_told_with_its_field_before_there_is_a_server(
    world: World, ready: str, operator: Operator
) -> None:
    wrong = {
        "outside": (fixed(ipAddress=OUTSIDE), ["spec.ports[0].fixedIPs[0].ipAddress", OUTSIDE, "10.6.0.0/24"]),
        "taken": (
            {"network": STORAGE, **fixed(ipAddress=TAKEN)},
            ["spec.ports[0].fixedIPs[0].ipAddress", f"{TAKEN} is taken by port spare", operator.port],
        ),
        "elsewhere": (
            fixed(subnet=STORAGE_SUBNET),
            ["spec.ports[0].fixedIPs[0].subnet", 'no subnet matches name "storage-v4" in network'],
        ),
        "exhausted": (
            {"network": STORAGE, **fixed(range={"start": TAKEN, "end": TAKEN})},
            ["spec.ports[0].fixedIPs[0].range", "are taken"],
        ),
        "no-way-out": (
            {"network": STORAGE, "floatingIP": {}},
            ["spec.ports[0].floatingIP", "is not reachable from subnet"],
        ),
    }
    for name, (port, _) in wrong.items():
        world.apply(*machine(ready, name, cluster=NAME, ports=[port]))
    for name, (_, words) in wrong.items():
        told = lambda name=name, words=words: all(it in message(world, ready, name) for it in words)  # noqa: E731
        world.wait_for(told, f"{name} tells {words}", 60, namespace=ready)

    servers = list(connect(world.lab, TENANT).compute.servers())
    assert not [server.name for server in servers if server.name in wrong]
    for name in wrong:
        world.delete("Machine", ready, name)
    for name in wrong:
        world.gone("OpenStackMachine", ready, name)


def test_a_port_that_a_machine_uses_is_used_by_no_other(world: World, ready: str, operator: Operator) -> None:
    ports = [{}, {"existingPort": {"id": operator.port}}]
    world.apply(*machine(ready, "user", cluster=NAME, ports=ports))
    wait_until_ready(world, "OpenStackMachine", ready, "user", 180)
    world.apply(*machine(ready, "late", cluster=NAME, ports=ports))
    used = f"port spare ({operator.port}) is used by compute:"
    world.wait_for(lambda: used in message(world, ready, "late"), "the second machine waits", 60, namespace=ready)

    world.delete("Machine", ready, "user")

    world.gone("OpenStackMachine", ready, "user")
    wait_until_ready(world, "OpenStackMachine", ready, "late", 180)
    assert operator.port_now().device_id == server_of(world, ready, "late")
