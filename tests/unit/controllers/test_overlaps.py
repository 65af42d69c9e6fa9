# SPDX-License-Identifier: Apache-2.0
"""Machines with ports on two networks whose addresses overlap: told before anything of them is made."""

from typing import Any

import pytest

from machine_stage import Stage
from pycapo.api.machine import NetworkConfig
from pycapo.api.ports import FixedIP, PortOpts
from pycapo.api.references import NetworkParam, SubnetParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Port


def managed(name: str, *cidrs: str) -> dict[str, Any]:
    subnets = [{"name": f"s{index}", "cidr": cidr} for index, cidr in enumerate(cidrs)]
    return {"name": name, "managed": {"subnets": subnets}}


def a_stage(*cidrs: str, ports: tuple[PortOpts, ...] = (), **spec: Any) -> Stage:
    """A machine on the network "one" and on the network "two", which have these subnets."""
    stage = Stage(settled=False, networks=[managed("one", "10.40.0.0/16"), managed("two", *cidrs)])
    stage.settle()
    stage.add("worker-0", *(ports or (PortOpts(cluster_network="one"), PortOpts(cluster_network="two"))), **spec)
    stage.settle()
    return stage


def told(stage: Stage) -> tuple[str, str]:
    return stage.told(stage.machine("worker-0"), "InstanceReady")[1:]


def ports(stage: Stage) -> list[str]:
    return [
        it.name for it in stage.cloud.all(Kind.PORT) if isinstance(it, Port) and (it.name or "").startswith("worker")
    ]


def test_a_machine_on_two_networks_that_overlap_is_told_with_both_and_none_of_its_ports_is_made() -> None:
    stage = a_stage("10.40.7.0/24")
    one, two = (
        next(it for it in stage.cloud.all(Kind.NETWORK) if it.name.endswith(f"-{end}")) for end in ("one", "two")
    )

    assert told(stage) == (
        "OverlappingSubnets",
        f"spec.ports[1].network: network {two.name} ({two.id}) has 10.40.7.0/24, which overlaps 10.40.0.0/16 of network "
        f"{one.name} ({one.id}) at spec.ports[0]: a node on both finds no way to one of them; take other subnets, or set "
        "networkConfig.policyRouting to false and route by other means",
    )
    assert (ports(stage), stage.cloud.all(Kind.SERVER)) == ([], ())


@pytest.mark.parametrize("cidrs", [("10.41.0.0/24",), ("fd00::/64",), ("10.40.7.0/24", "10.41.0.0/24")])
def test_networks_that_do_not_overlap_or_not_for_sure_are_fine(cidrs: tuple[str, ...]) -> None:
    stage = a_stage(*cidrs)

    assert len(ports(stage)) == 2 or told(stage)[0] == "OverlappingSubnets"  # Neutron took the one that does
    assert len(ports(stage)) == 2


def test_what_neutron_took_is_looked_at_before_the_server_is_made() -> None:
    stage = a_stage("10.40.7.0/24", "10.41.0.0/24")
    (port,) = [it for it in stage.cloud.all(Kind.PORT) if it.name == "worker-0-1"]
    overlaps = port.fixed_ips[0].ip_address.startswith("10.40.")

    assert (told(stage)[0] == "OverlappingSubnets", stage.cloud.all(Kind.SERVER) == ()) == (overlaps, overlaps)


def test_a_machine_whose_routes_are_somebody_elses_may_be_on_both() -> None:
    stage = a_stage("10.40.7.0/24", network_config=NetworkConfig(policy_routing=False))

    assert len(ports(stage)) == 2
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_machines_on_one_of_them_each_and_two_ports_on_one_network_are_fine() -> None:
    stage = a_stage("10.40.7.0/24", ports=(PortOpts(cluster_network="one"), PortOpts(cluster_network="one")))
    stage.add("worker-1", PortOpts(cluster_network="two"))
    stage.settle()

    assert all(stage.told(stage.machine(name), "Ready")[0] == "True" for name in ("worker-0", "worker-1"))


def test_a_subnet_that_the_port_names_counts_alone() -> None:
    stage = Stage(
        settled=False, networks=[managed("one", "10.40.0.0/16"), managed("two", "10.40.7.0/24", "10.41.0.0/24")]
    )
    stage.settle()
    (there,) = [it for it in stage.cloud.all(Kind.SUBNET) if it.cidr == "10.40.7.0/24"]
    fixed = [FixedIP(subnet=SubnetParam(id=there.id))]
    stage.add(
        "worker-0",
        PortOpts(cluster_network="one"),
        PortOpts(network=NetworkParam(id=there.network_id), fixed_ips=fixed),
    )
    stage.settle()

    assert (told(stage)[0], ports(stage)) == ("OverlappingSubnets", [])


def test_a_network_of_the_machines_own_that_overlaps_is_told_before_its_ports_are_made() -> None:
    carved = [{"name": "v4", "from": ["10.40.0.0/24"], "prefixLength": 28}]
    own = {"name": "own", "perMachine": {"subnets": carved}}
    stage = Stage(settled=False, networks=[managed("one", "10.40.0.0/16"), own])
    stage.settle()
    stage.add("worker-0", PortOpts(cluster_network="one"), PortOpts(cluster_network="own"))
    stage.settle()
    assert (told(stage)[0], ports(stage)) == ("OverlappingSubnets", [])

    stage.delete("worker-0")
    stage.settle()

    assert [it.name for it in stage.cloud.all(Kind.NETWORK) if it.name.endswith("-own")] == []
