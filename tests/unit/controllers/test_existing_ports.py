# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines that use ports which somebody made before."""

from typing import Any

import pytest

from machine_stage import Stage
from pycapo.api.ports import PortOpts
from pycapo.api.references import NeutronFilter, PortParam
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind
from pycapo.model.records import Port


def by_name(name: str, **fields: Any) -> PortOpts:
    return PortOpts(existing_port=PortParam(filter=NeutronFilter(name=name)), **fields)


def a_stage(*names: str) -> tuple[Stage, list[str]]:
    """A stage with ports that an operator made on the cluster's network; their ids."""
    stage = Stage()
    network = next(it.id for it in stage.cloud.all(Kind.NETWORK))
    bodies = [{"name": name, "network_id": network, "tags": ["dc"]} for name in names or ("vip",)]
    return stage, [stage.cloud.create(Kind.PORT, [body], marks=[None])[0].id for body in bodies]


def the_port(stage: Stage, id: str) -> Port:
    port = stage.cloud.world.get(Kind.PORT, id)
    assert isinstance(port, Port)
    return port


def vms(stage: Stage) -> list[str]:
    return [server.name for server in stage.cloud.all(Kind.SERVER)]


def told(stage: Stage, name: str) -> tuple[str, str, str]:
    return stage.told(stage.machine(name), "InstanceReady")


def test_a_machine_lives_on_a_port_that_was_there_and_leaves_it_as_it_was() -> None:
    stage, (vip,) = a_stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", by_name("vip"), tags=["mine"], trunk=True)
    stage.settle()

    port, status = the_port(stage, vip), stage.server("worker-0").status
    assert (vms(stage), port.device_owner) == (["worker-0"], "compute:az1")
    assert set(port.tags) > {"dc"}
    assert "mine" not in port.tags
    assert port.trunk_details is None
    assert status is not None
    assert status.resources is not None
    assert [it.id for it in status.resources.ports or ()] == [vip]
    assert [it.address for it in status.addresses or ()] == [port.fixed_ips[0].ip_address, "worker-0"]

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_port_by_id_is_used_beside_one_that_is_made() -> None:
    stage, (vip,) = a_stage()
    stage.add("worker-0", PortOpts(), PortOpts(existing_port=PortParam(id=vip)))
    stage.settle()

    assert the_port(stage, vip).device_id == stage.cloud.all(Kind.SERVER)[0].id
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_a_port_in_use_is_told_with_its_user_and_used_when_it_is_free() -> None:
    stage, (vip,) = a_stage()
    stage.cloud.update(Kind.PORT, vip, {"device_id": "vm-7", "device_owner": "compute:az2"})
    stage.add("worker-0", by_name("vip"))
    stage.settle()
    assert told(stage, "worker-0")[1:] == (
        "PortInUse",
        f"spec.ports[0].existingPort: port vip ({vip}) is used by compute:az2 vm-7",
    )
    assert vms(stage) == []

    stage.cloud.update(Kind.PORT, vip, {"device_id": "", "device_owner": ""})
    stage.settle()

    assert vms(stage) == ["worker-0"]


def test_two_machines_never_use_one_port() -> None:
    stage, _ = a_stage()
    stage.add("worker-0", by_name("vip"))
    stage.add("worker-1", by_name("vip"))
    stage.settle()

    assert vms(stage) == ["worker-0"]
    assert told(stage, "worker-1")[1] == "PortInUse"


def test_a_port_that_is_claimed_but_not_plugged_in_yet_is_not_free() -> None:
    stage, (vip,) = a_stage()
    stage.cloud.update(Kind.PORT, vip, {"tags": ["pycapo-use:ffffffffffff:port-0"]})
    stage.add("worker-0", by_name("vip"))
    stage.settle()

    assert "is claimed by another server" in told(stage, "worker-0")[2]
    assert vms(stage) == []


def test_a_port_that_was_made_for_another_machine_is_not_taken_from_it() -> None:
    stage, _ = a_stage()
    stage.add("worker-0")
    stage.settle()
    stage.add("worker-1", by_name("worker-0-0"))
    stage.settle()

    assert told(stage, "worker-1")[1] == "PortInUse"


def test_two_entries_do_not_mean_one_port() -> None:
    stage, _ = a_stage()
    stage.add("worker-0", by_name("vip"), by_name("vip"))
    stage.settle()

    assert told(stage, "worker-0")[2].startswith("spec.ports[1].existingPort: ")
    assert vms(stage) == []


def test_a_name_that_means_two_ports_is_told_with_both() -> None:
    stage, _ = a_stage("vip", "vip")
    stage.add("worker-0", by_name("vip"))
    stage.settle()

    assert told(stage, "worker-0")[1] == "Ambiguous"


@pytest.mark.parametrize("write", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_on_the_way_neither_loses_the_port_nor_takes_another(write: int, after: bool) -> None:
    stage, (vip,) = a_stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", by_name("vip"))
    stage.turn(stage.lives[1].kind, "worker-0")
    stage.cloud.die_at(write, after=after)
    with pytest.raises(BaseException, match=r"(before|after) write"):
        stage.settle()
    stage.restart()
    stage.settle()
    assert (vms(stage), the_port(stage, vip).device_owner) == (["worker-0"], "compute:az1")

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_moved_management_cluster_knows_the_port_again_and_does_not_delete_it() -> None:
    stage, (vip,) = a_stage()
    stage.add("worker-0", by_name("vip"))
    stage.settle()
    stage.lose_status("worker-0")
    stage.restart()
    stage.settle()
    stage.delete("worker-0")
    stage.settle()

    assert the_port(stage, vip).tags == ("dc",)


def test_a_tag_that_somebody_took_away_comes_back_as_a_claim_and_nothing_more() -> None:
    stage, (vip,) = a_stage()
    stage.add("worker-0", by_name("vip"))
    stage.settle()
    stage.cloud.world.change(Kind.PORT, vip, {"tags": ["dc"]})
    stage.restart()
    stage.settle()
    assert the_port(stage, vip).tags[1].startswith("pycapo-use:")

    stage.delete("worker-0")
    stage.settle()

    assert the_port(stage, vip).tags == ("dc",)


def test_a_machine_that_is_deleted_before_its_server_exists_gives_the_port_back() -> None:
    stage, (vip,) = a_stage()
    before = stage.cloud.snapshot()
    stage.cloud.fail_next(Kind.SERVER, "create", KeyboardInterrupt())
    stage.add("worker-0", by_name("vip"))
    with pytest.raises(KeyboardInterrupt):
        stage.settle()
    assert copy_of(stage.server("worker-0")).status is None or the_port(stage, vip).tags != ("dc",)

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before
