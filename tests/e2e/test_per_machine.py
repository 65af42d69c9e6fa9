# SPDX-License-Identifier: Apache-2.0
"""A network for each machine: made for it or taken from a set, through scaling, a rollout, a killed pycapo and a move.

Rule: the operator's networks are there before and have no tag of ours afterwards.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from e2e.manifests import cluster, machine, rendered
from e2e.test_life import running
from e2e.world import MERGE, PATHS, Json, World, wait_until_ready
from pycapo.lab.cloud_bootstrap import TENANT, connect

pytestmark = pytest.mark.e2e
NAME, TAG = "own", "node-vlan"
V4: Json = {"name": "v4", "from": ["10.64.0.0/20"], "prefixLength": 28, "dnsNameservers": ["10.64.0.2"]}
ROUTES = [{"destination": "10.98.0.0/16", "nextHop": "10.64.0.9"}]
GOLD = "own-gold"
CARVED: Json = {
    "name": "own",
    "perMachine": {"mtu": 1400, "enablePortSecurity": False, "qosPolicy": {"filter": {"name": GOLD}}, "subnets": [V4]},
}
TUNED: Json = {
    "name": "own",
    "perMachine": {
        "mtu": 1350,
        "tags": ["tuned"],
        "subnets": [{**V4, "dnsNameservers": ["10.64.0.3"], "hostRoutes": ROUTES}],
    },
}
SIX = {"name": "v6", "from": ["fd00:64::/48"], "prefixLength": 64, "enableDHCP": False}
VLANS = {"name": "vlan", "perMachine": {"claim": {"filter": {"tags": [TAG]}}}}
BOTH = [{}, {"clusterNetwork": "vlan"}, {"clusterNetwork": "own"}]
VLAN_COUNT = 4
SECONDS = 240  # that anything may take for which machines are made, on a machine that is busy


@pytest.fixture(scope="module")
def network(world: World) -> Iterator[Any]:
    """Neutron as an operator of the project sees it, with networks for nodes: vlan-0, vlan-1 and so on."""
    network: Any = connect(world.lab, TENANT).network
    admin: Any = connect(world.lab).network
    policy = admin.create_qos_policy(name=GOLD, shared=True)
    made = []
    try:
        for number in range(VLAN_COUNT):
            made.append(network.create_network(name=f"vlan-{number}"))
            network.create_subnet(network_id=made[-1].id, ip_version=4, cidr=f"10.7{number}.0.0/24", enable_dhcp=False)
            network.set_tags(made[-1], [TAG])
        yield network
        assert claims(network) == {}
    finally:
        for item in made:
            network.delete_network(item)
        admin.delete_qos_policy(policy)


def claims(network: Any) -> dict[str, str]:
    """The tag of whoever has it, by the name of the operator's network."""
    found = {it.name: [tag for tag in it.tags if tag.startswith("pycapo")] for it in network.networks(tags=TAG)}
    assert all(len(tags) <= 1 for tags in found.values()), found
    return {name: tags[0] for name, tags in found.items() if tags}


def extra(world: World, namespace: str, network: Any) -> dict[str, set[str]]:
    """The names of the networks besides the cluster's that each machine has ports on."""
    (known,) = world.all("OpenStackCluster", namespace)
    shared = known["status"]["network"]["id"]
    ports = list(network.ports())  # before the networks, so that none of them is unknown
    names = {it.id: it.name for it in network.networks()}
    servers = {
        str(it["spec"].get("providerID")).rpartition("/")[2]: it["metadata"]["name"]
        for it in world.all("OpenStackMachine", namespace)
    }
    found: dict[str, set[str]] = {}
    for port in ports:
        if port.device_id in servers and port.network_id in names and port.network_id != shared:
            found.setdefault(servers[port.device_id], set()).add(names[port.network_id])
    return found


def wait_for_machines(world: World, namespace: str, count: int, ready: Callable[[], Any] = lambda: True) -> None:
    def settled() -> bool:
        there = len(world.all("OpenStackMachine", namespace)) == count == len(world.all("OpenStackServer", namespace))
        return there and len(running(world, namespace)) == count and bool(ready())

    world.wait_for(settled, f"{count} machines run and there are no others", SECONDS, namespace=namespace)


def manifests(world: World, namespace: str) -> list[Json]:
    """The template's cluster: a control plane that takes a network of the operator, and workers that have one of both kinds."""
    found = list(yaml.safe_load_all(rendered(world.lab, namespace, NAME, control_planes=1, workers=2)))
    kinds = {(it["kind"], it["metadata"]["name"]): it["spec"] for it in found if "spec" in it}
    kinds["OpenStackCluster", NAME]["networks"] = [CARVED, VLANS]
    control_plane = kinds["OpenStackMachineTemplate", f"{NAME}-control-plane"]["template"]["spec"]
    control_plane["additionalPorts"] = [{"clusterNetwork": "vlan"}]
    kinds["OpenStackMachineTemplate", f"{NAME}-md-0"]["template"]["spec"]["ports"] = BOTH
    return found


def test_each_node_has_another_network_whatever_happens(world: World, namespace: str, network: Any) -> None:
    documents = manifests(world, namespace)
    world.apply(*documents)
    wait_for_machines(world, namespace, 3)
    assert_each_its_own(world, namespace, network, workers=2)
    assert_tuned(world, namespace, network)

    scale(world, namespace, 3)
    world.wait_for(lambda: len(world.all("OpenStackServer", namespace)) > 3, "one more is asked for", SECONDS)
    world.kill_pycapo()
    world.start_pycapo()
    wait_for_machines(world, namespace, 4)
    before = assert_each_its_own(world, namespace, network, workers=3)
    move(world, namespace)
    assert assert_each_its_own(world, namespace, network, workers=3) == before

    scale(world, namespace, 1)
    wait_for_machines(world, namespace, 2)
    assert_each_its_own(world, namespace, network, workers=1)
    roll_out(world, namespace, documents)
    wait_for_machines(world, namespace, 2, lambda: not set(before) & set(workers(world, namespace)))
    assert_each_its_own(world, namespace, network, workers=1)
    assert not {f"{name}-own" for name in before} & {it.name for it in network.networks()}
    world.delete("Cluster", namespace, NAME)
    world.gone("OpenStackCluster", namespace, NAME, SECONDS)
    assert claims(network) == {}


def workers(world: World, namespace: str) -> list[str]:
    return [
        it["metadata"]["name"] for it in world.all("OpenStackMachine", namespace) if "-md-" in it["metadata"]["name"]
    ]


def scale(world: World, namespace: str, count: int) -> None:
    world.patch("MachineDeployment", namespace, f"{NAME}-md-0", {"spec": {"replicas": count}})


def assert_each_its_own(world: World, namespace: str, network: Any, *, workers: int) -> dict[str, set[str]]:
    """Every machine has networks that no other one has: its own by its name, and one that is claimed once."""
    found = extra(world, namespace, network)
    places = [place for several in found.values() for place in several]
    assert (len(set(places)), len(found)) == (2 * workers + 1, workers + 1)
    assert len(places) == len(set(places))
    own = {f"{name}-own" for name in found if "-md-" in name}
    assert {place for place in places if place.endswith("-own")} == own
    assert set(claims(network)) == set(places) - own
    pools = {it.id for it in network.subnet_pools(name=f"k8s-clusterapi-cluster-{namespace}-{NAME}-own-v4")}
    subnets = [it for it in network.subnets() if it.subnet_pool_id in pools]
    assert (len(pools), len(subnets), {it.cidr.partition("/")[2] for it in subnets}) == (1, workers, {"28"})
    return found


def options(network: Any, name: str) -> tuple[Any, ...]:
    """What a machine's own network and its subnet are in Neutron."""
    (own,), (subnet,) = network.networks(name=f"{name}-own"), network.subnets(name=f"{name}-own-v4")
    tags, secured = [it for it in own.tags if not it.startswith("pycapo")], own.is_port_security_enabled
    return own.id, own.mtu, secured, own.qos_policy_id, tags, subnet.dns_nameservers, len(subnet.host_routes)


def assert_tuned(world: World, namespace: str, network: Any) -> None:
    """What is said of the networks changes on the machines that have them, with the same networks and ports."""
    names = sorted(workers(world, namespace))
    (policy,) = network.qos_policies(name=GOLD)
    before = [options(network, name) for name in names]
    assert [it[1:] for it in before] == [(1400, False, policy.id, [], ["10.64.0.2"], 0)] * len(names)
    world.patch("OpenStackCluster", namespace, NAME, {"spec": {"networks": [TUNED, VLANS]}})
    # What the spec says no more stays as it is.
    wanted = [(it[0], 1350, False, policy.id, ["tuned"], ["10.64.0.3"], 1) for it in before]
    tuned = lambda: [options(network, name) for name in names] == wanted  # noqa: E731
    world.wait_for(tuned, "the networks of the machines are changed in place", SECONDS, namespace=namespace)


def move(world: World, namespace: str) -> None:
    """What `clusterctl move` leaves: the objects without their status, and a controller that knows nothing of them."""
    world.kill_pycapo()
    for kind in ("OpenStackCluster", "OpenStackMachine", "OpenStackServer"):
        group, plural = PATHS[kind]
        for item in world.all(kind, namespace):
            path = f"{group}/namespaces/{namespace}/{plural}/{item['metadata']['name']}/status"
            world.api.request("PATCH", path, {"status": None}, headers=MERGE)
    world.start_pycapo()
    for kind in ("OpenStackCluster", "OpenStackMachine"):
        for item in world.all(kind, namespace):
            wait_until_ready(world, kind, namespace, item["metadata"]["name"], SECONDS)


def roll_out(world: World, namespace: str, documents: list[Json]) -> None:
    """A new template for the workers; returns at once."""
    name = f"{NAME}-md-0"
    (template,) = (
        it for it in documents if it["kind"] == "OpenStackMachineTemplate" and it["metadata"]["name"] == name
    )
    world.apply({**template, "metadata": {"name": f"{name}-next", "namespace": namespace}})
    reference = {"infrastructureRef": {"name": f"{name}-next"}}
    world.patch("MachineDeployment", namespace, name, {"spec": {"template": {"spec": reference}}})


def test_machines_wait_for_a_network_and_get_it_once_although_neutron_fails(
    world: World, namespace: str, network: Any
) -> None:
    names = [f"worker-{number}" for number in range(VLAN_COUNT + 1)]
    faults = world.faults
    own = {"name": "own", "perMachine": {"subnets": [*CARVED["perMachine"]["subnets"], SIX]}}
    with (
        faults.answer("neutron", "POST", "/subnetpools$", status=500, after=True, times=1) as pool,
        faults.answer("neutron", "POST", "/subnets$", status=500, after=True, times=3) as subnet,
        faults.answer("neutron", "PUT", "/tags/pycapo-use", status=500, after=True, times=1) as claim,
    ):
        for name in names:
            world.apply(*machine(namespace, name, cluster=NAME, ports=BOTH))
        world.apply(*cluster(namespace, NAME, networks=[own, VLANS]))
        waiting = lambda: [it for it in names if told(world, namespace, it)[0] == "NoFreeNetwork"]  # noqa: E731
        done = lambda: len(waiting()) == 1 and len(extra(world, namespace, network)) == VLAN_COUNT  # noqa: E731
        world.wait_for(done, "one machine has to wait for a network", SECONDS, namespace=namespace)
        assert [faults.strikes(it) for it in (pool, subnet, claim)] == [1, 3, 1]

    (last,) = waiting()
    assert f"spec.ports[1].clusterNetwork: all {VLAN_COUNT} networks" in told(world, namespace, last)[1]
    holder = lambda: "vlan-0 by server worker-" in told(world, namespace, last)[1]  # noqa: E731
    world.wait_for(holder, "it is told who has the networks", SECONDS, namespace=namespace)
    held = claims(network)
    gone = next(name for name in names if name != last)
    world.delete("Machine", namespace, gone)
    wait_until_ready(world, "OpenStackMachine", namespace, last, SECONDS)

    assert len([name for name, tag in claims(network).items() if tag == held[name]]) == VLAN_COUNT - 1
    assert next(iter(network.subnets(name=f"{last}-own-v4"))).cidr.endswith("/28")
    assert list(network.networks(name=f"{gone}-own")) == []


def told(world: World, namespace: str, name: str) -> tuple[str, str]:
    found = world.condition("OpenStackMachine", namespace, name, "InstanceReady")
    return str(found.get("reason")), str(found.get("message"))
