# SPDX-License-Identifier: Apache-2.0
"""Whole lives of named networks, and of machines that stand on them."""

import copy
from typing import Any

import msgspec

from builders import NAME, NAMESPACE
from machine_stage import Stage
from pycapo.api.capi import Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.ports import PortOpts
from pycapo.api.references import NetworkParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Port, Subnet
from pycapo.plan.bastion import bastion_server

V4 = {"name": "v4", "cidr": "10.11.0.0/24"}
V6 = {"name": "v6", "cidr": "fd00:11::/64", "ipv6AddressMode": "slaac", "ipv6RAMode": "slaac"}
TRAFFIC: dict[str, Any] = {
    "name": "traffic",
    "managed": {"subnets": [V4, V6], "router": "Cluster", "mtu": 1400, "tags": ["fast"]},
}
SHOWN = {"name": "s", "id": "s", "cidr": "10.11.0.0/24"}
FALSE = {
    "type": "Ready",
    "status": "False",
    "reason": "Updating",
    "message": "",
    "lastTransitionTime": "2026-11-24T10:00:00Z",
}
TITLE = f"k8s-clusterapi-cluster-{NAMESPACE}-{NAME}-traffic"


def told(stage: Stage) -> tuple[str, str, str]:
    return stage.told(stage.cluster, "NamedNetworksReady")


def the_network(stage: Stage, name: str = TITLE) -> Network:
    (found,) = [it for it in stage.cloud.all(Kind.NETWORK) if it.name == name]
    assert isinstance(found, Network)
    return found


def subnets(stage: Stage) -> dict[str, Subnet]:
    network = the_network(stage).id
    found = [it for it in stage.cloud.all(Kind.SUBNET) if isinstance(it, Subnet) and it.network_id == network]
    return {(it.name or "").removeprefix(f"{TITLE}-"): it for it in found}


def joined(stage: Stage) -> set[str]:
    ports = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and "router_interface" in it.device_owner]
    return {address.subnet_id for port in ports for address in port.fixed_ips}


def ports_on(stage: Stage, network: str) -> list[Port]:
    ports = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port)]
    return [it for it in ports if it.network_id == network and not it.device_owner.startswith("network:")]


def test_a_managed_network_is_made_with_all_its_subnets_and_joins_the_router() -> None:
    stage = Stage(networks=[TRAFFIC])

    network, made = the_network(stage), subnets(stage)
    assert (network.mtu, set(made), told(stage)[0]) == (1400, {"v4", "v6"}, "True")
    assert (made["v4"].cidr, made["v6"].ip_version) == ("10.11.0.0/24", 6)
    assert {it.id for it in made.values()} < joined(stage)
    status = stage.cluster.status
    assert status is not None
    (shown,) = status.networks or ()
    assert (shown.name, shown.id, len(shown.subnets or ())) == ("traffic", network.id, 2)
    assert shown.condition is not None
    assert (shown.condition.status, shown.condition.last_transition_time != "") == ("True", True)


def test_a_machine_waits_for_a_network_that_the_cluster_does_not_name_yet_and_goes_on_by_itself() -> None:
    stage = Stage()
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="traffic"))
    stage.settle()
    before = stage.told(stage.machine("worker-0"), "InstanceReady")
    assert stage.told(stage.machine("worker-0"), "NetworkReady") == before

    stage.change(networks=[TRAFFIC])
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "NetworkReady")[0] == "True"

    assert before[:2] == ("False", "WaitingForNetwork")
    assert 'spec.ports[1].clusterNetwork: no network "traffic" in spec.networks' in before[2]
    assert stage.told(stage.machine("worker-0"), "InstanceReady")[0] == "True"
    assert len(ports_on(stage, the_network(stage).id)) == 1


def test_a_cluster_with_named_networks_and_machines_leaves_nothing() -> None:
    stage = Stage(settled=False)
    before = stage.cloud.snapshot()
    stage.change(networks=[TRAFFIC, {"name": "apart", "managed": {"subnets": [{"name": "a", "cidr": "10.12.0.0/24"}]}}])
    stage.settle()
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="traffic"), PortOpts(cluster_network="apart"))
    stage.settle()

    stage.delete("worker-0")
    stage.settle()
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    forget_machines(stage)
    stage.settle()

    assert stage.cloud.snapshot() == before


def forget_machines(stage: Stage) -> None:
    for machine in stage.kube.list(Machine):
        stage.kube.delete(Machine, NAMESPACE, machine.metadata.name)


def test_what_is_lost_or_changed_out_of_band_is_put_back_once() -> None:
    stage = Stage(networks=[TRAFFIC])
    lost = subnets(stage)["v4"].id
    (port,) = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and lost in str(it.fixed_ips)]
    stage.cloud.delete(Kind.ROUTER_INTERFACE, port.id, parent=port.device_id)
    stage.cloud.delete(Kind.SUBNET, lost)
    stage.cloud.update(Kind.NETWORK, the_network(stage).id, {"mtu": 1300})
    stage.settle()

    assert set(subnets(stage)) == {"v4", "v6"}
    assert {it.id for it in subnets(stage).values()} < joined(stage)
    assert the_network(stage).mtu == 1400


def test_what_neutron_can_change_is_changed_in_place() -> None:
    stage = Stage(networks=[TRAFFIC])
    before = the_network(stage).id, subnets(stage)["v4"].id
    routes = [{"destination": "10.99.0.0/16", "nextHop": "10.11.0.9"}]
    v4 = {**V4, "dnsNameservers": ["9.9.9.9"], "hostRoutes": routes, "gateway": "None", "enableDHCP": False}

    stage.change(networks=[{"name": "traffic", "managed": {"subnets": [v4], "mtu": 1420}}])
    stage.settle()

    after = subnets(stage)
    assert (the_network(stage).id, after["v4"].id) == before
    assert the_network(stage).mtu == 1420
    assert (list(after), after["v4"].gateway_ip, after["v4"].enable_dhcp) == (["v4"], None, False)
    assert (after["v4"].dns_nameservers, after["v4"].host_routes[0].nexthop) == (("9.9.9.9",), "10.11.0.9")
    assert after["v4"].id not in joined(stage)


def test_a_network_taken_out_of_the_spec_goes_when_its_last_port_went() -> None:
    stage = Stage(networks=[TRAFFIC])
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="traffic"))
    stage.settle()
    stage.change(networks=[])
    stage.settle()
    there, waiting = the_network(stage).id, told(stage)

    stage.delete("worker-0")
    stage.settle()
    stage.settle()

    assert (waiting[:2], "worker-0" in waiting[2]) == (("False", "WaitingForPorts"), True)
    assert there not in {it.id for it in stage.cloud.all(Kind.NETWORK)}
    assert told(stage) == ("", "", "")


def test_a_network_that_exists_is_used_and_never_changed() -> None:
    stage = Stage(settled=False)
    (theirs,) = stage.cloud.create(Kind.NETWORK, [{"name": "dc-storage", "mtu": 9000}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": theirs.id, "cidr": "10.20.0.0/24", "ip_version": 4}], marks=[None])
    stage.change(networks=[{"name": "storage", "network": {"filter": {"name": "dc-storage"}}}])
    stage.settle()
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="storage"))
    stage.settle()
    used = len(ports_on(stage, theirs.id))
    status = stage.cluster.status
    assert status is not None
    (shown,) = status.networks or ()
    assert [it.cidr for it in shown.subnets or ()] == ["10.20.0.0/24"]
    stage.change(networks=[])
    stage.settle()

    assert used == 1
    assert the_network(stage, "dc-storage") == msgspec.structs.replace(
        theirs, subnets=the_network(stage, "dc-storage").subnets
    )


def test_a_network_that_nobody_has_is_told_and_found_when_it_comes() -> None:
    stage = Stage(networks=[{"name": "storage", "network": {"filter": {"name": "dc-storage"}}}])
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="storage"))
    stage.settle()

    status, reason, message = told(stage)
    waiting = stage.told(stage.machine("worker-0"), "InstanceReady")

    assert (status, reason) == ("False", "NotFound")
    assert message == 'spec.networks[0].network: no network matches name "dc-storage"'
    assert 'no network matches name "dc-storage"' in waiting[2]


def test_a_killed_process_makes_nothing_twice() -> None:
    for steps in range(1, 9):
        stage = Stage(settled=False, networks=[TRAFFIC])
        for _ in range(steps):
            stage.turn(OpenStackCluster, NAME)
            stage.restart()
        stage.settle()

        assert len([it for it in stage.cloud.all(Kind.NETWORK) if it.name == TITLE]) == 1
        assert len(subnets(stage)) == 2


def test_provider_attributes_and_policies_go_into_the_creation() -> None:
    stage = Stage()
    provider = {"networkType": "vlan", "physicalNetwork": "physnet1", "segmentationID": 101}
    managed = {"subnets": [V4], "provider": provider, "enablePortSecurity": False, "qosPolicy": {"id": "gold"}}
    stage.change(networks=[{"name": "traffic", "managed": managed}])
    stage.settle()

    network = the_network(stage)
    assert (network.port_security_enabled, network.qos_policy_id) == (False, "gold")


def test_a_repair_of_a_network_changes_nothing_for_who_stands_on_it() -> None:
    ports = [{}, {"clusterNetwork": "traffic"}]
    bastion = {"enabled": True, "spec": {"flavor": {"id": "small"}, "image": {"id": "img"}, "ports": ports}}
    wanted = OpenStackCluster.from_dict(
        {
            "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "u"},
            "spec": {"identityRef": {"name": "n", "cloudName": "c"}, "networks": [TRAFFIC], "bastion": bastion},
            "status": {"networks": [{"name": "traffic", "id": "net", "subnets": [SHOWN, SHOWN], "condition": FALSE}]},
        }
    )
    ready = copy.deepcopy(wanted)
    assert ready.status is not None
    assert ready.status.networks is not None
    assert ready.status.networks[0].condition is not None
    ready.status.networks[0].condition.status = "True"

    made = [bastion_server(it, NAME).spec.ports for it in (wanted, ready)]

    assert made[0] == made[1]
    assert made[0][1].network == NetworkParam(id="net")


def test_a_subnet_without_gateway_cannot_join_a_router_and_a_cluster_without_one_says_so() -> None:
    without = {**TRAFFIC, "managed": {**TRAFFIC["managed"], "subnets": [{**V4, "gateway": "None"}]}}
    stage = Stage(networks=[without])
    alone = Stage(networks=[TRAFFIC], enableExternalNetwork=False, apiServer={"enableFloatingIP": False})

    assert told(stage)[1:] == (
        "NoGateway",
        "spec.networks[0].managed.subnets[0].gateway: a router joins a subnet at its gateway, and this one has none; "
        "give it one, or set router to None",
    )
    assert told(alone)[:2] == ("False", "NoRouter")


def test_a_network_without_port_security_gets_no_groups_that_neutron_would_refuse() -> None:
    apart = {"name": "apart", "managed": {"enablePortSecurity": False, "subnets": [V4]}}
    stage = Stage(networks=[apart])
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="apart", default_security_groups=True))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"
