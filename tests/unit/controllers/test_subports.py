# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines with a trunk and other ports on it."""

from typing import Any

import pytest

from machine_stage import Stage
from pycapo.api.ports import PortBody, PortOpts, Subport
from pycapo.api.references import NetworkFilter, NetworkParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Trunk


def a_trunk(*vlans: int, **fields: Any) -> PortOpts:
    """A trunk with a port on the network "storage" for each VLAN."""
    storage = NetworkParam(filter=NetworkFilter(name="storage"))
    listed = [Subport(segmentation_id=vlan, port=PortBody(network=storage, **fields)) for vlan in vlans]
    return PortOpts(subports=listed)


def a_stage() -> Stage:
    stage = Stage()
    (network,) = stage.cloud.create(Kind.NETWORK, [{"name": "storage"}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": network.id, "cidr": "10.8.0.0/24"}], marks=[None])
    return stage


def the_trunk(stage: Stage) -> Trunk:
    (trunk,) = stage.cloud.all(Kind.TRUNK)
    assert isinstance(trunk, Trunk)
    return trunk


def carried(stage: Stage) -> dict[int, str]:
    """By VLAN the name of the port that the trunk carries."""
    names = {port.id: port.name for port in stage.cloud.all(Kind.PORT)}
    return {it.segmentation_id: names[it.port_id] for it in the_trunk(stage).sub_ports}


def test_a_trunk_is_made_with_its_ports_and_all_go_with_the_machine() -> None:
    stage = a_stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", PortOpts(), a_trunk(101, 102))
    stage.settle()

    assert carried(stage) == {101: "worker-0-1-0", 102: "worker-0-1-1"}
    assert len(stage.server("worker-0").spec.ports) == 2
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"
    status = stage.machine("worker-0").status
    assert status is not None
    assert not [it for it in status.addresses or () if it.address.startswith("10.8.")]

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_subport_without_a_network_is_on_the_cluster_network_with_the_groups_of_the_role() -> None:
    stage = a_stage()
    stage.add("worker-0", PortOpts(subports=[Subport(segmentation_id=7, port=PortBody())]))
    stage.settle()

    parent, child = (
        next(it for it in stage.cloud.all(Kind.PORT) if it.name == name) for name in ("worker-0-0", "worker-0-0-0")
    )
    assert (child.network_id, child.security_groups) == (parent.network_id, parent.security_groups)


def test_a_port_that_fell_out_of_its_trunk_is_put_back_and_foreign_ones_stay() -> None:
    stage = a_stage()
    stage.add("worker-0", a_trunk(101))
    stage.settle()
    network = next(it.id for it in stage.cloud.all(Kind.NETWORK) if it.name == "storage")
    (foreign,) = stage.cloud.create(Kind.PORT, [{"name": "foreign", "network_id": network}], marks=[None])
    there = [{"port_id": foreign.id, "segmentation_type": "vlan", "segmentation_id": 9}]
    stage.cloud.update(Kind.TRUNK, the_trunk(stage).id, {"sub_ports": there})
    stage.settle()
    assert carried(stage) == {9: "foreign", 101: "worker-0-0-0"}

    stage.delete("worker-0")
    stage.settle()

    assert [it.name for it in stage.cloud.all(Kind.PORT) if it.network_id == network] == ["foreign"]


def test_a_cloud_without_trunks_is_told_before_anything_is_made() -> None:
    stage = a_stage()
    stage.cloud.world.extensions -= {"trunk"}
    before = stage.cloud.snapshot()
    stage.add("worker-0", PortOpts(), a_trunk(101))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[1:] == (
        "TrunkNotSupported",
        'spec.ports[1].trunk: a trunk is wanted, and Neutron has no extension "trunk"; enable it or set trunk to false',
    )
    assert stage.cloud.snapshot() == before


def test_a_vlan_without_an_id_is_told() -> None:
    stage = a_stage()
    stage.add("worker-0", PortOpts(subports=[Subport(port=PortBody())]))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[2].startswith(
        "spec.ports[0].subports[0].segmentationID: a vlan needs an id"
    )


def test_a_network_of_a_subport_that_is_not_there_is_told_with_its_field() -> None:
    stage = Stage()
    stage.add("worker-0", a_trunk(101))
    stage.settle()

    told = stage.told(stage.machine("worker-0"), "InstanceReady")[2]
    assert told == 'spec.ports[0].subports[0].port.network: no network matches name "storage"'


@pytest.mark.parametrize("write", range(1, 4))
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_on_the_way_makes_each_port_once(write: int, after: bool) -> None:
    stage = a_stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", a_trunk(101, 102))
    stage.turn(stage.lives[1].kind, "worker-0")
    stage.cloud.die_at(write, after=after)
    with pytest.raises(BaseException, match=r"(before|after) write"):
        stage.settle()
    stage.restart()
    stage.settle()
    assert carried(stage) == {101: "worker-0-0-0", 102: "worker-0-0-1"}

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before
