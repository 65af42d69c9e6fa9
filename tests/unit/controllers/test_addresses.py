# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines that ask for fixed addresses, with and without naming a network."""

import threading
from typing import Any

import pytest

from machine_stage import Stage
from pycapo.api.ports import AddressRange, FixedIP, PortOpts
from pycapo.api.references import NetworkParam
from pycapo.cloud.errors import AddressTaken
from pycapo.controllers.server import ServerLife
from pycapo.kube.life import Again, turn
from pycapo.kube.meta import key_of
from pycapo.model.kinds import Kind
from pycapo.model.records import Port
from pycapo.plan.fixed_addresses import LOOK_AGAIN


def a_range(start: str = "10.6.0.50", end: str = "10.6.0.52") -> PortOpts:
    return PortOpts(fixed_ips=[FixedIP(range=AddressRange(start=start, end=end))])


def an_address(address: str) -> PortOpts:
    return PortOpts(fixed_ips=[FixedIP(ip_address=address)])


def addresses(stage: Stage, name: str) -> list[str]:
    status = stage.machine(name).status
    return [it.address for it in (status and status.addresses) or () if it.type == "InternalIP"]


def the_network(stage: Stage) -> str:
    return next(network.id for network in stage.cloud.all(Kind.NETWORK))


def foreign(stage: Stage, address: str) -> Port:
    """A port of another project on the cluster's network: it is in no picture of ours."""
    network, subnet = the_network(stage), next(subnet for subnet in stage.cloud.all(Kind.SUBNET))
    fields = {"network_id": network, "fixed_ips": [{"subnet_id": subnet.id, "ip_address": address}]}
    made: Any = stage.cloud.world.make(Kind.PORT, fields, project="somebody")
    return made  # type: ignore[no-any-return]


def test_an_address_without_a_network_is_one_of_the_cluster_network() -> None:
    stage = Stage()
    stage.add("worker-0", an_address("10.6.0.77"))
    stage.settle()

    assert addresses(stage, "worker-0") == ["10.6.0.77"]
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


@pytest.mark.parametrize("names", [("a", "z"), ("z", "a")])
@pytest.mark.parametrize("default_route", [0, 1, 2])
def test_the_first_nic_comes_first_whatever_networks_are_called_and_wherever_the_default_route_leaves(
    names: tuple[str, str], default_route: int
) -> None:
    stage = Stage()
    ports = [an_address("10.6.0.77")]
    for number, name in enumerate(names):
        (network,) = stage.cloud.create(Kind.NETWORK, [{"name": name}], marks=[None])
        subnet = {"network_id": network.id, "cidr": f"10.{9 - number}.0.0/24"}
        stage.cloud.create(Kind.SUBNET, [subnet], marks=[None])
        ports.append(PortOpts(network=NetworkParam(id=network.id)))
    ports[default_route].default_route = True
    stage.add("worker-0", *ports)
    stage.settle()

    assert [it.rpartition(".")[0] for it in addresses(stage, "worker-0")] == ["10.6.0", "10.9.0", "10.8.0"]
    assert addresses(stage, "worker-0")[0] == "10.6.0.77"


def test_an_address_outside_is_told_on_the_machine_and_nothing_is_made() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", an_address("10.9.0.77"))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[1] == "AddressOutsideSubnet"
    assert stage.cloud.snapshot() == before


def test_a_taken_address_is_told_and_had_when_its_holder_goes() -> None:
    stage = Stage()
    body = {"name": "db", "network_id": the_network(stage), "fixed_ips": [{"ip_address": "10.6.0.77"}]}
    (holder,) = stage.cloud.create(Kind.PORT, [body], marks=[None])
    stage.add("worker-0", an_address("10.6.0.77"))
    stage.settle()
    assert "10.6.0.77 is taken by port db" in stage.told(stage.machine("worker-0"), "InstanceReady")[2]
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}

    stage.cloud.delete(Kind.PORT, holder.id)
    stage.settle()

    assert addresses(stage, "worker-0") == ["10.6.0.77"]


def test_an_address_that_only_neutron_knows_to_be_taken_is_told_before_there_is_a_server() -> None:
    stage = Stage()
    foreign(stage, "10.6.0.77")
    stage.add("worker-0", an_address("10.6.0.77"))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[1] == "AddressTaken"
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}
    outcome = stage.turn(ServerLife.kind, "worker-0")
    assert isinstance(outcome, Again)
    assert outcome.after == LOOK_AGAIN


def test_machines_with_one_range_get_one_address_each_and_the_last_is_told_that_there_is_none() -> None:
    stage = Stage()
    for index in range(4):
        stage.add(f"worker-{index}", a_range())
    stage.settle()

    assert [addresses(stage, f"worker-{i}") for i in range(4)] == [["10.6.0.50"], ["10.6.0.51"], ["10.6.0.52"], []]
    assert stage.told(stage.machine("worker-3"), "InstanceReady")[1] == "AddressesExhausted"

    stage.delete("worker-1")
    stage.settle()

    assert addresses(stage, "worker-3") == ["10.6.0.51"]


def test_an_address_of_a_range_that_neutron_refuses_is_followed_by_the_next() -> None:
    stage = Stage()
    foreign(stage, "10.6.0.50")
    foreign(stage, "10.6.0.51")
    stage.add("worker-0", a_range())
    stage.settle()

    assert addresses(stage, "worker-0") == ["10.6.0.52"]


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_while_it_takes_an_address_takes_no_second_one(after: bool) -> None:
    stage = Stage()
    stage.add("worker-0", a_range())
    stage.turn(stage.lives[1].kind, "worker-0")
    stage.cloud.die_at(1, after=after)
    with pytest.raises(BaseException, match="write 1"):
        stage.settle()
    stage.restart()
    stage.settle()

    ports = [port for port in stage.cloud.all(Kind.PORT) if port.device_owner.startswith("compute:")]
    assert [fixed.ip_address for port in ports for fixed in port.fixed_ips] == ["10.6.0.50"]


def test_servers_that_are_made_at_the_same_moment_ask_neutron_for_different_addresses() -> None:
    stage = Stage()
    names = [f"worker-{index}" for index in range(3)]
    for name in names:
        stage.add(name, a_range())
        stage.turn(stage.lives[1].kind, name)
    asked_at_once = threading.Barrier(len(names), timeout=10)
    create, refusals = stage.cloud.create, []

    def together(kind: Kind, bodies: Any, **rest: Any) -> Any:
        if kind is Kind.PORT:
            asked_at_once.wait()
        try:
            return create(kind, bodies, **rest)
        except AddressTaken as error:
            refusals.append(error)
            raise

    stage.cloud.create = together  # type: ignore[method-assign]
    keys = [key_of(stage.server(name)) for name in names]
    threads = [threading.Thread(target=turn, args=(key, stage.lives[2], stage.kube)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert refusals == []
