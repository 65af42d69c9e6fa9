# SPDX-License-Identifier: Apache-2.0
"""What is said of the networks that each machine has for itself: when they are made, changed in place, and put back."""

from typing import Any

import pytest

from builders import NAME
from machine_stage import Stage
from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import parse_mark
from pycapo.model.records import Network, Port, QosPolicy, Route, Subnet

GOLD, SILVER = {"id": "gold-id"}, {"id": "silver-id"}
V4 = {
    "name": "v4",
    "from": ["10.64.0.0/16"],
    "prefixLength": 28,
    "dnsNameservers": ["10.6.0.2"],
    "hostRoutes": [{"destination": "10.98.0.0/16", "nextHop": "10.64.0.1"}],
}
TOLD: dict[str, Any] = {"mtu": 1400, "enablePortSecurity": False, "qosPolicy": GOLD, "tags": ["fast"], "subnets": [V4]}


def own(**changes: Any) -> dict[str, Any]:
    return {"name": "own", "perMachine": {**TOLD, **changes}}


def a_stage(*, without: str = "", **changes: Any) -> Stage:
    """A machine with a network of its own of which everything is said."""
    stage = Stage(settled=False, networks=[own(**changes)], tags=["ours"])
    stage.cloud.world.extensions -= {without}
    stage.settle()
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="own"))
    stage.settle()
    return stage


def the_network(stage: Stage, name: str = "-own") -> Network:
    (found,) = [it for it in stage.cloud.all(Kind.NETWORK) if (it.name or "").endswith(name)]
    assert isinstance(found, Network)
    return found


def the_subnet(stage: Stage) -> Subnet:
    (found,) = [it for it in stage.cloud.all(Kind.SUBNET) if isinstance(it, Subnet) and it.subnetpool_id]
    return found


def options(stage: Stage) -> tuple[Any, ...]:
    network, subnet = the_network(stage), the_subnet(stage)
    tags = [{it for it in record.tags if parse_mark(it) is None} for record in (network, subnet)]
    assert tags[0] == tags[1]
    routes = tuple(it.destination for it in subnet.host_routes)
    learned = (subnet.dns_nameservers, routes, subnet.enable_dhcp)
    return (network.mtu, network.port_security_enabled, network.qos_policy_id, tags[0], *learned)


MADE = (1400, False, "gold-id", {"ours", "fast"}, ("10.6.0.2",), ("10.98.0.0/16",), True)


def test_a_machines_network_is_made_with_all_that_is_said_of_it() -> None:
    stage = a_stage()

    assert options(stage) == MADE
    assert the_subnet(stage).host_routes == (Route(destination="10.98.0.0/16", nexthop="10.64.0.1"),)
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_ports_on_a_network_without_port_security_have_no_groups() -> None:
    stage = a_stage()
    network = the_network(stage).id

    (port,) = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and it.network_id == network]

    assert port.security_groups == ()


def test_what_is_said_of_it_changes_in_place_on_machines_that_run() -> None:
    stage = a_stage()
    before = the_network(stage).id, the_subnet(stage).id, {it.id for it in stage.cloud.all(Kind.PORT)}

    other = {**V4, "dnsNameservers": ["10.6.0.3"], "hostRoutes": [], "enableDHCP": False}
    stage.change(networks=[own(mtu=1350, enablePortSecurity=True, qosPolicy=SILVER, tags=["slow"], subnets=[other])])
    stage.settle()

    assert options(stage) == (1350, True, "silver-id", {"ours", "slow"}, ("10.6.0.3",), (), False)
    after = the_network(stage).id, the_subnet(stage).id, {it.id for it in stage.cloud.all(Kind.PORT)}
    assert after == before


def test_what_somebody_changed_is_put_back_and_what_is_not_said_is_left_alone() -> None:
    stage = a_stage()
    stage.change(networks=[own(mtu=None, qosPolicy=None)])
    stage.settle()
    stage.cloud.world.change(Kind.NETWORK, the_network(stage).id, {"mtu": 9000, "port_security_enabled": True})
    stage.cloud.world.change(Kind.SUBNET, the_subnet(stage).id, {"dns_nameservers": ("9.9.9.9",)})
    stage.restart()
    stage.settle()

    assert options(stage) == (9000, *MADE[1:])


def test_a_policy_by_name_is_found_once_by_the_cluster_and_machines_wait_for_it() -> None:
    stage = a_stage(qosPolicy={"filter": {"name": "gold"}})
    path = "spec.networks[0].perMachine.qosPolicy"
    told = ("False", "NotFound", f'{path}: no QoS policy matches name "gold"')
    assert stage.told(stage.cluster, "NamedNetworksReady") == told
    reason, message = stage.told(stage.machine("worker-0"), "InstanceReady")[1:]
    assert (reason, told[2] in message) == ("WaitingForNetwork", True)

    stage.cloud.world.add(Kind.QOS_POLICY, QosPolicy(id="gold-id", name="gold"))
    stage.settle()

    assert options(stage) == MADE
    networks = stage.server("worker-0").spec.networks or []
    assert [it.qos_policy.id for it in networks if it.qos_policy] == ["gold-id"]


def test_a_policy_that_is_not_there_any_more_changes_nothing_of_machines_that_run() -> None:
    stage = a_stage()

    stage.change(networks=[own(qosPolicy={"filter": {"name": "platinum"}})])
    stage.settle()

    assert stage.told(stage.cluster, "NamedNetworksReady")[1] == "NotFound"
    assert options(stage) == MADE
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


@pytest.mark.parametrize(
    ("extension", "field"), [("qos", "qosPolicy"), ("net-mtu-writable", "mtu"), ("port-security", "enablePortSecurity")]
)
def test_a_cloud_without_it_is_told_on_the_cluster_before_any_machine_and_nothing_is_made(
    extension: str, field: str
) -> None:
    stage = a_stage(without=extension)

    reason, message = stage.told(stage.cluster, "CapabilitiesReady")[1:]
    assert (reason, f"spec.networks[0].perMachine.{field}: " in message) == ("ExtensionMissing", True)
    assert stage.told(stage.machine("worker-0"), "InstanceReady")[0] == "False"
    assert [it for it in stage.cloud.all(Kind.NETWORK) if (it.name or "").endswith("-own")] == []


def test_a_settled_network_of_a_machine_costs_no_request() -> None:
    stage = a_stage()
    before, calls = stage.cloud.writes, stage.cloud.calls.copy()

    stage.turn(OpenStackServer, "worker-0")

    assert stage.cloud.writes == before
    assert {verb for verb, _ in stage.cloud.calls - calls} == {"look"}


BASTION = {
    "enabled": True,
    "spec": {
        "flavor": {"filter": {"name": "m1.small"}},
        "image": {"filter": {"name": "ubuntu"}},
        "ports": [{}, {"clusterNetwork": "own"}],
    },
}


def narrow(*prefixes: str, **options: Any) -> dict[str, Any]:
    """A network for each machine, out of a pool that has little."""
    subnet = {"name": "v4", "from": list(prefixes), "prefixLength": 28}
    return {"name": "own", "perMachine": {"subnets": [subnet], **options}}


def test_a_bastion_has_a_network_of_its_own_and_what_changes_of_it_makes_no_other_bastion() -> None:
    stage = Stage(networks=[narrow("10.64.0.0/28")], bastion=BASTION)
    before = stage.server(f"{NAME}-bastion").metadata.uid

    stage.change(networks=[narrow("10.64.0.0/28", "10.65.0.0/28", mtu=1400)])
    stage.settle()

    network = the_network(stage)
    assert (network.name, network.mtu) == (f"{NAME}-bastion-own", 1400)
    assert stage.server(f"{NAME}-bastion").metadata.uid == before


def test_a_bastion_that_waits_for_a_subnet_says_so_and_goes_on_when_the_pool_grows() -> None:
    stage = Stage(networks=[narrow("10.64.0.0/28")])
    stage.add("worker-0", PortOpts(cluster_network="own"))
    stage.settle()
    stage.change(bastion=BASTION)
    stage.settle()
    assert "no subnet of /28 is left in 10.64.0.0/28" in stage.told(stage.cluster, "BastionReady")[2]

    stage.change(networks=[narrow("10.64.0.0/28", "10.65.0.0/28")])
    stage.settle()

    assert stage.told(stage.cluster, "BastionReady")[0] == "True"
    assert the_network(stage, f"{NAME}-bastion-own").status
