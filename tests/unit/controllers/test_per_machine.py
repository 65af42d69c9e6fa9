# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines of which each has a network of its own: carved out of a subnet pool, or claimed from a set."""

from contextlib import suppress
from typing import Any

import pytest

from attachments import an_attachment
from builders import NAME, NAMESPACE
from machine_stage import Stage
from memory_cloud import Killed
from pycapo.api.capi import Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer, OpenStackServerStatus
from pycapo.cloud.errors import RetryNow
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, find_marks
from pycapo.model.records import Network, Port, Subnet

V4: dict[str, Any] = {"name": "v4", "from": ["10.64.0.0/16"], "prefixLength": 28}
V6 = {"name": "v6", "from": ["fd00:64::/48"], "prefixLength": 64, "enableDHCP": False}
OWN: dict[str, Any] = {"name": "own", "perMachine": {"subnets": [V4, V6]}}
VLANS: dict[str, Any] = {"name": "vlan", "perMachine": {"claim": {"filter": {"tags": ["node-vlan"]}}}}


def narrow(*prefixes: str) -> dict[str, Any]:
    """A network for each machine out of a pool that has little."""
    return {"name": "own", "perMachine": {"subnets": [{**V4, "from": list(prefixes)}]}}


def a_stage(*networks: dict[str, Any], vlans: int = 0) -> Stage:
    """A cluster with these networks in a project in which an operator made some for nodes."""
    stage = Stage(settled=False, networks=list(networks))
    for number in range(vlans):
        made = stage.cloud.create(Kind.NETWORK, [{"name": f"vlan-{number}", "tags": ["node-vlan"]}], marks=[None])
        stage.cloud.update(Kind.NETWORK, made[0].id, {"tags": ["node-vlan"]})
        subnet = {"network_id": made[0].id, "cidr": f"10.2{number}.0.0/24", "ip_version": 4}
        stage.cloud.create(Kind.SUBNET, [subnet], marks=[None])
    stage.settle()
    return stage


def add(stage: Stage, *names: str, network: str = "own") -> None:
    for name in names:
        stage.add(name, PortOpts(), PortOpts(cluster_network=network))


def machines_on(stage: Stage) -> dict[str, str]:
    """The name of the network besides the cluster's that each server has a port on."""
    cluster = stage.cluster.status
    assert cluster is not None
    assert cluster.network is not None
    ports = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and it.device_owner.startswith("compute:")]
    networks = {it.id: it.name or "" for it in stage.cloud.all(Kind.NETWORK)}
    servers = {it.id: it.name or "" for it in stage.cloud.all(Kind.SERVER)}
    return {servers[it.device_id]: networks[it.network_id] for it in ports if it.network_id != cluster.network.id}


def told(stage: Stage, name: str) -> tuple[str, str, str]:
    return stage.told(stage.machine(name), "InstanceReady")


def own_networks(stage: Stage) -> list[str]:
    return sorted(it.name or "" for it in stage.cloud.all(Kind.NETWORK) if (it.name or "").endswith("-own"))


def carved(stage: Stage) -> list[str]:
    return sorted(it.cidr for it in stage.cloud.all(Kind.SUBNET) if isinstance(it, Subnet) and it.subnetpool_id)


def claims(stage: Stage) -> dict[str, int]:
    """How many claims each network of the operator carries."""
    networks = [it for it in stage.cloud.all(Kind.NETWORK) if "node-vlan" in it.tags]
    return {it.name or "": len(find_marks(it.tags)) for it in networks}


def end(stage: Stage) -> None:
    """The cluster goes, with all its machines."""
    for machine in stage.kube.list(Machine):
        stage.kube.delete(Machine, NAMESPACE, machine.metadata.name)
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.settle()


def test_each_machine_gets_a_network_of_its_own_and_the_cluster_leaves_nothing() -> None:
    stage = Stage(settled=False)
    before = stage.cloud.snapshot()
    stage.change(networks=[OWN])
    stage.settle()
    add(stage, "worker-0", "worker-1", "worker-2")
    stage.settle()

    assert machines_on(stage) == {f"worker-{i}": f"worker-{i}-own" for i in range(3)}
    six = ["fd00:64:0:1::/64", "fd00:64:0:2::/64", "fd00:64::/64"]
    assert carved(stage) == [*(f"10.64.0.{16 * i}/28" for i in range(3)), *six]
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"
    for name in ("worker-0", "worker-1", "worker-2"):
        stage.delete(name)
    stage.settle()
    assert (own_networks(stage), carved(stage), len(stage.cloud.all(Kind.SUBNET_POOL))) == ([], [], 2)
    end(stage)
    assert stage.cloud.snapshot() == before


def test_each_machine_claims_another_network_and_gives_it_back_unchanged() -> None:
    stage = a_stage(VLANS, vlans=3)
    before = stage.cloud.snapshot()
    add(stage, "worker-0", "worker-1", "worker-2", network="vlan")
    stage.settle()

    assert machines_on(stage) == {f"worker-{i}": f"vlan-{i}" for i in range(3)}
    assert claims(stage) == {f"vlan-{i}": 1 for i in range(3)}
    for name in ("worker-0", "worker-1", "worker-2"):
        stage.delete(name)
    stage.settle()
    assert stage.cloud.snapshot() == before


def test_when_all_networks_are_taken_the_machine_says_who_has_them_and_goes_on_when_one_is_free() -> None:
    stage = a_stage(VLANS, vlans=2)
    add(stage, "worker-0", "worker-1", "worker-2", network="vlan")
    stage.settle()
    assert told(stage, "worker-2") == (
        "False",
        "NoFreeNetwork",
        'spec.ports[1].clusterNetwork: all 2 networks that match tags "node-vlan" are taken, "vlan" needs one: '
        "vlan-0 by server worker-0, vlan-1 by server worker-1",
    )
    assert "worker-2" not in machines_on(stage)

    stage.delete("worker-0")
    stage.settle()
    stage.settle()

    assert machines_on(stage) == {"worker-1": "vlan-1", "worker-2": "vlan-0"}


def test_a_set_that_nothing_matches_is_told_on_the_cluster_and_the_machine() -> None:
    stage = a_stage(VLANS)
    add(stage, "worker-0", network="vlan")
    stage.settle()

    status, reason, message = stage.told(stage.cluster, "NamedNetworksReady")
    assert (status, reason) == ("False", "NotFound")
    assert message == 'spec.networks[0].perMachine.claim: no network matches tags "node-vlan"'
    assert told(stage, "worker-0")[1:] == (
        "NotFound",
        'spec.ports[1].clusterNetwork: no network of the project matches tags "node-vlan", of which "vlan" is to be one',
    )


def test_a_pool_with_nothing_left_is_told_before_anything_is_made_and_a_wider_one_helps() -> None:
    stage = a_stage(narrow("10.64.0.0/27"))
    add(stage, "worker-0", "worker-1", "worker-2")
    stage.settle()
    reason, message = told(stage, "worker-2")[1:]
    assert reason == "SubnetPoolExhausted"
    assert message.startswith(
        "spec.ports[1].clusterNetwork: no subnet of /28 is left in 10.64.0.0/27: all 2 are in use, "
        "worker-0-own-v4 (10.64.0.0/28), worker-1-own-v4 (10.64.0.16/28); add a CIDR to perMachine.subnets[0].from"
    )
    assert own_networks(stage) == ["worker-0-own", "worker-1-own"]

    stage.change(networks=[narrow("10.64.0.0/27", "10.65.0.0/28")])
    stage.settle()

    assert set(carved(stage)) == {"10.64.0.0/28", "10.64.0.16/28", "10.65.0.0/28"}
    assert machines_on(stage)["worker-2"] == "worker-2-own"


def test_a_machine_waits_for_a_network_that_the_cluster_does_not_name_yet() -> None:
    stage = a_stage()
    add(stage, "worker-0")
    stage.settle()
    before = told(stage, "worker-0")

    stage.change(networks=[OWN])
    stage.settle()

    assert before[1] == "WaitingForNetwork"
    assert machines_on(stage) == {"worker-0": "worker-0-own"}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("network", ["own", "vlan"])
@pytest.mark.parametrize("write", [1, 2, 3, 4, 5, 6])
def test_a_process_that_dies_while_a_machine_comes_gives_it_one_network(network: str, write: int, after: bool) -> None:
    stage = a_stage(OWN, VLANS, vlans=2)
    before = stage.cloud.snapshot()
    add(stage, "worker-0", network=network)
    stage.turn(OpenStackMachine, "worker-0")
    die_and_go_on(stage, write, after=after)
    assert len(machines_on(stage)) == len(stage.cloud.all(Kind.SERVER)) == 1
    assert len(own_networks(stage)) + sum(claims(stage).values()) == 1

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("network", ["own", "vlan"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_process_that_dies_while_a_machine_goes_loses_no_network(network: str, write: int, after: bool) -> None:
    stage = a_stage(OWN, VLANS, vlans=2)
    before = stage.cloud.snapshot()
    add(stage, "worker-0", network=network)
    stage.settle()

    stage.delete("worker-0")
    die_and_go_on(stage, write, after=after)

    assert stage.cloud.snapshot() == before


def die_and_go_on(stage: Stage, write: int, *, after: bool) -> None:
    """The process dies at this write, if there are so many, and another one starts."""
    stage.cloud.die_at(write, after=after)
    with suppress(Killed):
        stage.settle()
    stage.restart()
    stage.settle()


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.SUBNET, Kind.NETWORK_CLAIM, Kind.SUBNET_POOL])
def test_what_neutron_did_although_it_told_an_error_is_not_done_twice(kind: Kind) -> None:
    stage = Stage()
    stage.cloud.create(Kind.NETWORK, [{"name": "vlan-0"}], marks=[None])
    stage.cloud.world.change(Kind.NETWORK, stage.cloud.all(Kind.NETWORK)[-1].id, {"tags": ["node-vlan"]})
    stage.cloud.fail_next(kind, "create", RetryNow("500", status=500), after=True)
    stage.change(networks=[OWN, VLANS])
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="own"), PortOpts(cluster_network="vlan"))
    stage.settle()

    assert (own_networks(stage), len(carved(stage)), claims(stage)) == (["worker-0-own"], 2, {"vlan-0": 1})
    assert len(stage.cloud.all(Kind.SUBNET_POOL)) == 2
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_a_moved_management_cluster_knows_every_network_again() -> None:
    stage = a_stage(OWN, VLANS, vlans=3)
    for number in range(2):
        stage.add(f"worker-{number}", PortOpts(), PortOpts(cluster_network="own"), PortOpts(cluster_network="vlan"))
    stage.settle()
    before = stage.cloud.snapshot()

    move(stage)
    add(stage, "worker-2", network="vlan")
    stage.settle()

    after = stage.cloud.snapshot()
    assert {kind: items[: len(before[kind])] for kind, items in after.items() if kind == "subnet"} == {
        "subnet": before["subnet"]
    }
    assert machines_on(stage)["worker-2"] == "vlan-2"
    assert set(claims(stage).values()) == {1}


def move(stage: Stage) -> None:
    """What clusterctl move does: no object has a status, and another process looks."""
    for server in stage.kube.list(OpenStackServer):
        stage.lose_status(server.metadata.name)
    before = stage.cluster
    after = copy_of(before)
    after.status = None
    stage.kube.patch_status(before, after)
    stage.restart()
    stage.settle()


def test_two_management_clusters_never_take_one_network() -> None:
    one = a_stage(VLANS, vlans=3)
    other = Stage(cloud=one.cloud.restarted(), networks=[VLANS])
    for number in range(2):
        add(one, f"one-{number}", network="vlan")
        add(other, f"other-{number}", network="vlan")
    one.settle()
    other.settle()

    assert claims(one) == {f"vlan-{i}": 1 for i in range(3)}
    assert len(set(machines_on(one).values()) | set(machines_on(other).values())) == 3
    assert "vlan-0 by server one-0" in told(other, "other-1")[2]


def test_a_network_that_two_wanted_at_the_same_moment_is_given_back_by_who_has_no_port_there() -> None:
    stage = a_stage(VLANS, vlans=2)
    add(stage, "worker-0", network="vlan")
    stage.turn(OpenStackMachine, "worker-0")
    stage.turn(OpenStackServer, "worker-0")  # it has its id
    owner = (stage.server("worker-0").metadata.annotations or {})[OWNER_ANNOTATION]
    rival = "pycapo-use:ffffffffffff:own_vlan"
    stage.cloud.world.change(
        Kind.NETWORK, the_network(stage, "vlan-0").id, {"tags": ["node-vlan", f"pycapo-use:{owner}:own_vlan", rival]}
    )
    stage.settle()

    assert set(the_network(stage, "vlan-0").tags) == {"node-vlan", rival}
    assert machines_on(stage) == {"worker-0": "vlan-1"}


def test_a_claim_stays_with_who_has_a_port_there() -> None:
    stage = a_stage(VLANS, vlans=2)
    add(stage, "worker-0", network="vlan")
    stage.settle()
    network, rival = the_network(stage, "vlan-0"), "pycapo-use:ffffffffffff:own_vlan"
    stage.cloud.world.change(Kind.NETWORK, network.id, {"tags": [*network.tags, rival]})
    stage.restart()
    stage.settle()

    assert machines_on(stage) == {"worker-0": "vlan-0"}
    assert len(find_marks(the_network(stage, "vlan-0").tags)) == 2


def test_a_tag_that_somebody_took_off_comes_back() -> None:
    stage = a_stage(VLANS, vlans=2)
    add(stage, "worker-0", network="vlan")
    stage.settle()
    network = the_network(stage, "vlan-0")
    stage.cloud.world.change(Kind.NETWORK, network.id, {"tags": ["node-vlan"]})
    stage.settle()
    assert set(the_network(stage, "vlan-0").tags) == set(network.tags)

    stage.cloud.world.change(Kind.NETWORK, network.id, {"tags": ["pycapo-use:ffffffffffff:own_vlan", "node-vlan"]})
    stage.settle()

    assert told(stage, "worker-0")[1] == "NetworkTaken"


def the_network(stage: Stage, name: str) -> Network:
    (found,) = [it for it in stage.cloud.all(Kind.NETWORK) if it.name == name]
    assert isinstance(found, Network)
    return found


def test_what_is_taken_out_of_the_spec_goes_with_the_last_machine_that_has_it() -> None:
    stage = a_stage(OWN)
    add(stage, "worker-0")
    stage.settle()
    stage.change(networks=[])
    stage.settle()
    waiting = stage.told(stage.cluster, "NamedNetworksReady")
    assert (waiting[1], "worker-0-own-v4 (10.64.0.0/28)" in waiting[2]) == ("WaitingForSubnets", True)

    stage.delete("worker-0")
    stage.settle()
    stage.settle()

    assert (stage.cloud.all(Kind.SUBNET_POOL), own_networks(stage)) == ((), [])


def test_a_port_of_somebody_else_on_a_machines_network_is_named_and_waited_for() -> None:
    stage = a_stage(OWN)
    add(stage, "worker-0")
    stage.settle()
    theirs = {"network_id": the_network(stage, "worker-0-own").id, "name": "probe"}
    (port,) = stage.cloud.create(Kind.PORT, [theirs], marks=[None])
    stage.delete("worker-0")
    stage.turn(OpenStackMachine, "worker-0")
    for _ in range(8):
        stage.turn(OpenStackServer, "worker-0")
    assert "1 ports of others are still on it: probe" in stage.told(stage.server("worker-0"), "InstanceReady")[2]

    stage.cloud.delete(Kind.PORT, port.id)
    stage.settle()

    assert own_networks(stage) == []


def test_a_lost_subnet_port_and_network_come_back_once() -> None:
    stage = a_stage(OWN)
    add(stage, "worker-0")
    stage.settle()
    network = the_network(stage, "worker-0-own")
    (port,) = [it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and it.network_id == network.id]
    stage.cloud.delete(Kind.SERVER_INTERFACE, port.id, parent=port.device_id)
    stage.cloud.world.drop(Kind.PORT, port.id)
    stage.cloud.delete(Kind.NETWORK, network.id)
    stage.settle()

    assert machines_on(stage) == {"worker-0": "worker-0-own"}
    assert len(carved(stage)) == 2


def test_nothing_that_pycapo_made_or_that_is_external_is_claimed() -> None:
    stage = Stage(settled=False, networks=[VLANS, OWN], tags=["node-vlan"])
    stage.cloud.world.change(Kind.NETWORK, "public-id", {"tags": ["node-vlan"], "project_id": stage.cloud.project_id})
    stage.settle()
    add(stage, "worker-0", network="own")
    add(stage, "worker-1", network="vlan")
    stage.settle()

    assert told(stage, "worker-1")[1] == "NoFreeNetwork"
    assert "by its maker" in told(stage, "worker-1")[2]


def attach(stage: Stage, network: str) -> None:
    stage.kube.create(an_attachment(PortOpts(cluster_network=network)))
    stage.settle()


@pytest.mark.parametrize("network", ["own", "vlan"])
def test_an_attachment_gives_running_machines_networks_of_their_own_which_they_keep(network: str) -> None:
    stage = a_stage(OWN, VLANS, vlans=2)
    before = stage.cloud.snapshot()
    stage.add("worker-0")
    stage.add("worker-1")
    stage.settle()
    servers = {it.id for it in stage.cloud.all(Kind.SERVER)}

    attach(stage, network)

    assert len(set(machines_on(stage).values())) == 2
    assert {it.id for it in stage.cloud.all(Kind.SERVER)} == servers
    stage.kube.delete(OpenStackNetworkAttachment, NAMESPACE, "extra")
    stage.settle()
    assert machines_on(stage) == {}
    for name in ("worker-0", "worker-1"):
        stage.delete(name)
    stage.settle()
    assert stage.cloud.snapshot() == before


def test_an_attachment_that_finds_no_free_network_says_so_and_harms_no_server() -> None:
    stage = a_stage(VLANS, vlans=1)
    stage.add("worker-0")
    stage.add("worker-1")
    stage.settle()

    attach(stage, "vlan")

    assert machines_on(stage) == {"worker-0": "vlan-0"}
    assert stage.told(stage.machine("worker-1"), "Ready")[0] == "True"
    (entry,) = (stage.server("worker-1").status or OpenStackServerStatus()).attachments or ()
    (condition,) = entry.conditions or ()
    assert (condition.status, condition.reason) == ("False", "NoFreeNetwork")
    assert "vlan-0 by server worker-0" in condition.message
    stage.delete("worker-0")
    stage.settle()
    stage.settle()
    assert machines_on(stage) == {"worker-1": "vlan-0"}


def test_an_attachment_shares_the_network_that_a_machine_has_already() -> None:
    stage = a_stage(OWN)
    add(stage, "worker-0")
    stage.settle()

    attach(stage, "own")

    network = the_network(stage, "worker-0-own").id
    assert len([it for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and it.network_id == network]) == 2


@pytest.mark.parametrize(
    ("network", "extension", "told_on"),
    [(OWN, "subnet_allocation", "spec.networks[0].perMachine.subnets"), (VLANS, "standard-attr-tag", "spec.ports[1]")],
)
def test_a_cloud_that_cannot_do_it_is_told_by_the_extension_that_it_lacks(
    network: dict[str, Any], extension: str, told_on: str
) -> None:
    stage = Stage(settled=False, networks=[network])
    stage.cloud.world.extensions -= {extension}
    stage.cloud.create(Kind.NETWORK, [{"name": "vlan-0"}], marks=[None])
    stage.cloud.world.change(Kind.NETWORK, stage.cloud.all(Kind.NETWORK)[0].id, {"tags": ["node-vlan"]})
    stage.settle()
    add(stage, "worker-0", network=network["name"])
    stage.settle()

    assert told_on in told(stage, "worker-0")[2]
    assert f'Neutron has no extension "{extension}"' in told(stage, "worker-0")[2]
    assert machines_on(stage) == {}
