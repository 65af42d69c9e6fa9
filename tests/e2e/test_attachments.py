# SPDX-License-Identifier: Apache-2.0
"""NICs on machines that run: plugged in, changed, repaired and taken back, on control planes and workers, without a new server.

Rule: the networks are an operator's; they and everything else in OpenStack are as before when the attachment is gone.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import cluster, machine
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, TENANT, connect

pytestmark = pytest.mark.e2e
Json = dict[str, Any]
NAME, ATTACHMENT = "attached", "extra"
RUNNING = ("control-0", "worker-0")
STORAGE, TRAFFIC = "attach-storage", "attach-traffic"
CONTROL_PLANE = "cluster.x-k8s.io/control-plane"


@pytest.fixture(scope="module")
def cloud(world: World) -> Iterator[Any]:
    """The operator's connection, with two networks of his."""
    connection: Any = connect(world.lab, TENANT)
    made = []
    for number, name in enumerate((STORAGE, TRAFFIC)):
        network = connection.network.create_network(name=name)
        connection.network.create_subnet(network_id=network.id, ip_version=4, cidr=f"10.{20 + number}.0.0/24")
        made.append(network)
    try:
        yield connection
    finally:
        for network in made:
            connection.network.delete_network(network)


@pytest.fixture(scope="module")
def machines(world: World, cloud: Any) -> Iterator[str]:
    """A namespace with a control plane machine and a worker that run."""
    for namespace in stage(world, NAME):
        world.apply(*cluster(namespace, NAME))
        for name in RUNNING:
            world.apply(*a_machine(namespace, name))
        for name in RUNNING:
            wait_until_ready(world, "OpenStackMachine", namespace, name, 180)
        yield namespace


def a_machine(namespace: str, name: str) -> list[Json]:
    documents = machine(namespace, name, cluster=NAME)
    if name.startswith("control"):
        documents[1]["metadata"]["labels"][CONTROL_PLANE] = ""  # the OpenStackMachine has the same metadata
    return documents


def an_attachment(namespace: str, *ports: Json, **spec: Any) -> Json:
    return {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1alpha1",
        "kind": "OpenStackNetworkAttachment",
        "metadata": {"name": ATTACHMENT, "namespace": namespace},
        "spec": {"clusterName": NAME, "ports": list(ports), **spec},
    }


def attach(world: World, namespace: str, *ports: Json, **spec: Any) -> None:
    """Apply the attachment and wait until every machine has its NICs."""
    world.apply(an_attachment(namespace, *ports, **spec))
    world.wait_for(lambda: complete(world, namespace), "every machine has its NICs", 180, namespace=namespace)


def detach(world: World, namespace: str) -> None:
    world.delete("OpenStackNetworkAttachment", namespace, ATTACHMENT)
    world.gone("OpenStackNetworkAttachment", namespace, ATTACHMENT, 180)


def told(world: World, namespace: str, type_: str = "Ready") -> Json:
    return world.condition("OpenStackNetworkAttachment", namespace, ATTACHMENT, type_)


def complete(world: World, namespace: str) -> bool:
    found = world.get("OpenStackNetworkAttachment", namespace, ATTACHMENT) or {}
    status = found.get("status") or {}
    current = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
    ready = told(world, namespace).get("status") == "True"
    return current and ready and status["ready"] == status["selected"]


def nic(network: str, **fields: Any) -> Json:
    return {"network": {"filter": {"name": network}}, **fields}


def server_of(world: World, namespace: str, name: str) -> str:
    found = world.get("OpenStackMachine", namespace, name)
    assert found is not None
    return str(found["spec"]["providerID"]).rpartition("/")[2]


def nics(cloud: Any, server: str, network: str) -> list[Any]:
    id = cloud.network.find_network(network, ignore_missing=False).id
    return list(cloud.network.ports(device_id=server, network_id=id))


def ports_on(cloud: Any, network: str) -> list[Any]:
    id = cloud.network.find_network(network, ignore_missing=False).id
    return [port for port in cloud.network.ports(network_id=id) if not port.device_owner.startswith("network:")]


def test_nics_come_change_and_go_while_the_servers_stay_the_same(world: World, machines: str, cloud: Any) -> None:
    servers = [server_of(world, machines, name) for name in RUNNING]

    attach(world, machines, nic(STORAGE))
    first = [nics(cloud, server, STORAGE)[0] for server in servers]

    pairs = [{"ipAddress": "10.20.0.0/24"}]
    attach(world, machines, nic(TRAFFIC, securityGroups=[]), nic(STORAGE, allowedAddressPairs=pairs, tags=["gold"]))
    changed = [nics(cloud, server, STORAGE)[0] for server in servers]
    assert [port.id for port in changed] == [port.id for port in first]
    assert all("gold" in port.tags and port.allowed_address_pairs for port in changed)
    group = {"securityGroups": [{"filter": {"name": "default"}}]}
    for fields, count in ((group, 1), ({}, 0)):
        attach(world, machines, nic(TRAFFIC, securityGroups=[]), nic(STORAGE, **fields))
        grouped = [nics(cloud, server, STORAGE)[0] for server in servers]
        assert [(port.id, len(port.security_group_ids)) for port in grouped] == [(port.id, count) for port in first]

    attach(world, machines, nic(TRAFFIC, securityGroups=[], defaultRoute=True))
    assert ports_on(cloud, STORAGE) == []
    keeps = "worker-0: spec.ports[0].defaultRoute: the guest runs and keeps the default route that it was made with"
    world.wait_for(lambda: keeps in told(world, machines, "DefaultRouteReady").get("message", ""), "it is told", 120)
    world.apply(*a_machine(machines, "late"))
    mark = world.requests.mark()
    wait_until_ready(world, "OpenStackMachine", machines, "late", 180)
    assert len(nics(cloud, server_of(world, machines, "late"), TRAFFIC)) == 1
    assert not [it for it in world.requests.read(mark) if it.method == "POST" and "os-interface" in it.path]
    born = cloud.compute.get_server(server_of(world, machines, "late"))
    assert born.metadata["pycapo-default-route"].startswith("attach-")

    detach(world, machines)
    assert ports_on(cloud, TRAFFIC) == []
    assert [server_of(world, machines, name) for name in RUNNING] == servers
    assert all(cloud.compute.get_server(server).status == "ACTIVE" for server in servers)
    world.delete("Machine", machines, "late")
    world.gone("OpenStackMachine", machines, "late", 180)


def test_what_was_lost_is_put_back_once(world: World, machines: str, cloud: Any) -> None:
    control, worker = (server_of(world, machines, name) for name in RUNNING)
    attach(world, machines, nic(STORAGE))
    world.kill_pycapo()
    (unplugged,) = nics(cloud, control, STORAGE)
    cloud.compute.delete_server_interface(unplugged.id, server=control)
    (own,) = [port for port in cloud.network.ports(device_id=worker) if port.name == "worker-0-0"]
    administrator: Any = connect(world.lab)  # Neutron lets nobody else delete a port that a server has
    for port in (own, *nics(cloud, worker, STORAGE)):
        administrator.network.delete_port(port.id)
    free = lambda: not cloud.network.get_port(unplugged.id).device_id  # noqa: E731
    world.wait_for(free, "Nova has unplugged the NIC", 120)

    world.start_pycapo()

    whole = lambda: len(nics(cloud, worker, STORAGE)) == len(nics(cloud, control, STORAGE)) == 1  # noqa: E731
    world.wait_for(whole, "the NICs are back", 180, namespace=machines)
    back = lambda: [port for port in cloud.network.ports(device_id=worker) if port.name == "worker-0-0"]  # noqa: E731
    world.wait_for(back, "the port of the server's own spec is back", 180, namespace=machines)
    world.kill_pycapo()
    world.start_pycapo()
    world.wait_for(lambda: complete(world, machines), "the attachment is ready", 180, namespace=machines)
    wait_until_ready(world, "OpenStackMachine", machines, "worker-0")
    assert len(ports_on(cloud, STORAGE)) == 2
    assert len([port for port in cloud.network.ports() if port.name == "worker-0-0"]) == 1
    detach(world, machines)


@dataclass(frozen=True)
class Operators:
    """A port and a floating IP that an operator has."""

    network: Any
    port: str
    floating_ip: str
    address: str

    def as_before(self) -> bool:
        port, floating = self.network.get_port(self.port), self.network.get_ip(self.floating_ip)
        return (port.device_id, port.tags, floating.port_id, floating.tags) == ("", [], None, [])


@pytest.fixture
def operators(cloud: Any) -> Iterator[Operators]:
    network = cloud.network
    traffic = network.find_network(TRAFFIC, ignore_missing=False)
    port = network.create_port(network_id=traffic.id, name="attach-vip")
    public = network.find_network(EXTERNAL_NETWORK, ignore_missing=False)
    floating = network.create_ip(floating_network_id=public.id)
    try:
        yield Operators(network, port.id, floating.id, floating.floating_ip_address)
    finally:
        network.delete_ip(floating.id)
        network.delete_port(port.id)


def pointing_at(cloud: Any, server: str) -> set[str]:
    """The floating addresses that point at NICs of the attachment; another one may lead to the API server."""
    ports = {port.id for port in cloud.network.ports(device_id=server) if f"-{ATTACHMENT}-" in port.name}
    return {it.floating_ip_address for it in cloud.network.ips() if it.port_id in ports}


def label(world: World, namespace: str, name: str, value: str | None) -> None:
    world.patch("OpenStackMachine", namespace, name, {"metadata": {"labels": {"edge": value}}})


def test_floating_ips_ports_that_were_there_and_trunks_come_and_go_on_machines_that_run(
    world: World, machines: str, cloud: Any, operators: Operators
) -> None:
    servers = {name: server_of(world, machines, name) for name in RUNNING}
    child = {"segmentationID": 101, "port": {"network": {"filter": {"name": STORAGE}}}}
    trunk = nic(STORAGE, subports=[child])
    selector = {"machineSelector": {"matchLabels": {"edge": "true"}}}
    vip = {"existingPort": {"filter": {"name": "attach-vip"}}}
    for name in RUNNING:
        label(world, machines, name, "true")
    world.apply(an_attachment(machines, {"floatingIP": {}}, vip, trunk, **selector))
    world.wait_for(lambda: ports_on(cloud, STORAGE), "the first ports are made", 120, namespace=machines)
    world.kill_pycapo()
    world.start_pycapo()

    alone = lambda: told(world, machines).get("reason") == "PortInUse" and ready(world, machines) == 1  # noqa: E731
    world.wait_for(alone, "one machine has the port, the other is told", 180, namespace=machines)
    both = lambda: all(len(pointing_at(cloud, it)) == 1 for it in servers.values())  # noqa: E731
    world.wait_for(both, "each machine has its floating IP", 180, namespace=machines)
    assert len(ports_on(cloud, STORAGE)) == 4
    for server in servers.values():
        (parent,) = nics(cloud, server, STORAGE)
        assert [it["segmentation_id"] for it in parent.trunk_details["sub_ports"]] == [101]
    holder = cloud.network.get_port(operators.port).device_id
    (first,) = (name for name, server in servers.items() if server == holder)
    (second,) = set(RUNNING) - {first}

    label(world, machines, first, None)
    world.wait_for(lambda: complete(world, machines), "the other machine has the port", 180, namespace=machines)
    assert cloud.network.get_port(operators.port).device_id == servers[second]
    assert (nics(cloud, holder, STORAGE), pointing_at(cloud, holder)) == ([], set())

    change = lambda it: attach(world, machines, {"floatingIP": {}}, vip, it, **selector)  # noqa: E731
    assert_trunk_changes_in_place(cloud, servers[second], change)
    kept = {port.id for port in cloud.network.ports(device_id=servers[second])}
    attach(world, machines, {"floatingIP": {"address": operators.address}}, vip, trunk, **selector)
    assert pointing_at(cloud, servers[second]) == {operators.address}
    assert {port.id for port in cloud.network.ports(device_id=servers[second])} == kept

    detach(world, machines)
    assert operators.as_before()
    assert ports_on(cloud, STORAGE) == list(cloud.network.trunks()) == []
    assert {name: server_of(world, machines, name) for name in RUNNING} == servers
    label(world, machines, second, None)


def assert_trunk_changes_in_place(cloud: Any, server: str, change: Callable[[Json], None]) -> None:
    """Ports come into a trunk and go out of it on a server that runs: the NIC and the port that is in both stay."""
    (before,) = nics(cloud, server, STORAGE)
    child = lambda id: {"segmentationID": id, "port": {"network": {"filter": {"name": STORAGE}}}}  # noqa: E731
    carried = lambda: {  # noqa: E731
        it["segmentation_id"]: it["port_id"] for it in cloud.network.get_port(before.id).trunk_details["sub_ports"]
    }
    change(nic(STORAGE, subports=[child(101), child(102)]))
    more = carried()
    change(nic(STORAGE, subports=[child(102)]))
    assert (sorted(more), carried()) == ([101, 102], {102: more[102]})
    assert [port.id for port in nics(cloud, server, STORAGE)] == [before.id]
    assert len(ports_on(cloud, STORAGE)) == 2
    change(nic(STORAGE, subports=[child(101)]))


def ready(world: World, namespace: str) -> int:
    found = world.get("OpenStackNetworkAttachment", namespace, ATTACHMENT) or {}
    return int((found.get("status") or {}).get("ready") or 0)


def test_what_nova_refuses_is_told_tried_again_and_makes_no_further_port(
    world: World, machines: str, cloud: Any
) -> None:
    with world.faults.answer("nova", "POST", "/os-interface$", status=400, message="no slot is free") as fault:
        world.apply(an_attachment(machines, nic(STORAGE)))
        refused = lambda: "spec.ports[0]: no slot is free" in told(world, machines).get("message", "")  # noqa: E731
        world.wait_for(refused, "the refusal is told", 120, namespace=machines)
        again = lambda: world.faults.strikes(fault) > 2  # noqa: E731
        world.wait_for(again, "it is tried again", 120, namespace=machines)
        assert len(ports_on(cloud, STORAGE)) == 2
        assert all(
            world.condition("OpenStackMachine", machines, name, "Ready").get("status") == "True" for name in RUNNING
        )

    world.wait_for(lambda: complete(world, machines), "the NICs are there", 180, namespace=machines)
    assert len(ports_on(cloud, STORAGE)) == 2
    detach(world, machines)


def test_a_cluster_that_goes_takes_the_nics_of_its_machines_with_it(
    world: World, machines: str, cloud: Any, operators: Operators
) -> None:
    """The last test: the cluster is gone afterwards."""
    vip = {"existingPort": {"filter": {"name": "attach-vip"}}}
    only = {"machineSelector": {"matchLabels": {"edge": "true"}}}
    label(world, machines, "worker-0", "true")
    attach(world, machines, {"floatingIP": {"address": operators.address}}, vip, nic(STORAGE, trunk=True), **only)

    world.delete("Cluster", machines, NAME)

    world.gone("OpenStackCluster", machines, NAME, 300)
    assert operators.as_before()
    assert ports_on(cloud, STORAGE) == []
    detach(world, machines)
