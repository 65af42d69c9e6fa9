# SPDX-License-Identifier: Apache-2.0
"""NICs on machines that run: plugged in, changed, repaired and taken back, on control planes and workers, without a new server.

Rule: the networks are an operator's; they and everything else in OpenStack are as before when the attachment is gone.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import cluster, machine
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import TENANT, connect

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
