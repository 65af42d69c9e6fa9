# SPDX-License-Identifier: Apache-2.0
"""Attachments, machines and clusters that come and go at the same time: nothing is left, and nobody blocks another."""

from typing import Any

import pytest

from attachments import AttachmentStage, an_attachment, nic
from builders import NAME, NAMESPACE
from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.ports import PortFloatingIP, PortOpts
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer
from pycapo.cloud.errors import BadRequest
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION

PORTS = (nic(trunk=True), PortOpts(floating_ip=PortFloatingIP()))


def gone(stage: AttachmentStage) -> bool:
    return stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is None


@pytest.mark.parametrize("rounds", range(1, 7))
def test_an_attachment_that_goes_while_a_machine_is_made_leaves_nothing_on_it(rounds: int) -> None:
    stage = AttachmentStage()
    stage.cloud.world.build_looks = 4
    stage.attach(*PORTS)
    stage.add("late")
    for _ in range(rounds):
        list(stage._round())

    stage.detach()

    assert (gone(stage), stage.nics(), stage.cloud.all(Kind.TRUNK)) == (True, [], ())
    assert stage.told(stage.machine("late"), "Ready")[0] == "True"
    assert [it.name for it in stage.cloud.all(Kind.PORT) if it.name.startswith("late")] == ["late-0"]


@pytest.mark.parametrize("rounds", range(1, 7))
def test_an_attachment_that_goes_while_a_machine_goes_leaves_nothing(rounds: int) -> None:
    stage = AttachmentStage()
    before = stage.cloud.snapshot()
    stage.attach(*PORTS)
    stage.add("worker-0")
    stage.settle()
    stage.cloud.world.removal_looks = 3
    stage.delete("worker-0")
    for _ in range(rounds):
        list(stage._round())

    stage.detach()

    assert (gone(stage), stage.kube.list(OpenStackServer), stage.cloud.snapshot()) == (True, [], before)


def test_an_attachment_that_comes_and_goes_before_anybody_acts_is_gone() -> None:
    stage = AttachmentStage("worker-0")
    writes = stage.cloud.writes
    stage.kube.create(an_attachment())

    stage.detach()

    assert (gone(stage), stage.cloud.writes) == (True, writes)


def end_machine(stage: AttachmentStage, name: str) -> None:
    stage.delete(name)
    stage.kube.delete(Machine, NAMESPACE, name)


def end_cluster(stage: AttachmentStage, *machines: str) -> None:
    """What Cluster API does: machines first, then the infrastructure, then the Cluster, and with it what it owns."""
    for name in machines:
        end_machine(stage, name)
    stage.settle()
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.settle()
    stage.kube.delete(Cluster, NAMESPACE, NAME)
    stage.settle()


def test_a_cluster_that_goes_takes_nics_and_attachments_with_it() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    stage.attach(*PORTS)

    end_cluster(stage, "control-0", "worker-0")

    assert (gone(stage), stage.kube.list(OpenStackCluster)) == (True, [])
    left = [it.name for it in (*stage.cloud.all(Kind.PORT), *stage.cloud.all(Kind.TRUNK))]
    assert (left, stage.cloud.all(Kind.FLOATING_IP), stage.cloud.all(Kind.ROUTER)) == ([], (), ())


def test_an_attachment_that_comes_while_the_cluster_goes_blocks_nothing() -> None:
    stage = AttachmentStage("worker-0")
    end_machine(stage, "worker-0")
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.kube.create(an_attachment(*PORTS))

    end_cluster(stage)

    assert (gone(stage), stage.kube.list(OpenStackCluster), stage.nics()) == (True, [], [])


def test_nics_on_a_network_of_the_cluster_do_not_keep_it_from_going() -> None:
    """The managed network waits for the last port, which goes with its machine."""
    stage = AttachmentStage("worker-0")
    stage.attach(PortOpts())
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    end_machine(stage, "worker-0")

    stage.settle()

    assert stage.kube.list(OpenStackCluster) == []
    assert (stage.status().selected, stage.nics()) == (0, [])


def test_a_nic_that_nova_does_not_unplug_blocks_its_attachment_and_nothing_else() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    stage.attach(nic())
    stage.attach(nic("traffic"), name="other")
    refusal = BadRequest("the guest does not let it go", status=400)
    for _ in range(40):
        stage.cloud.fail_next(Kind.SERVER_INTERFACE, "delete", refusal)

    stage.kube.delete(OpenStackNetworkAttachment, NAMESPACE, "extra")
    for _ in range(3):
        list(stage._round())

    assert not gone(stage)
    assert "2 servers still have NICs of it" in stage.ready()[2]
    assert stage.ready("other")[0] == "True"
    stage.cloud._faults.clear()
    stage.settle()
    assert (gone(stage), len(stage.nics())) == (True, 2)


def test_a_floating_ip_whose_port_was_deleted_goes_with_the_attachment() -> None:
    stage = AttachmentStage("worker-0")
    before = stage.cloud.snapshot()
    stage.attach(PortOpts(floating_ip=PortFloatingIP()))
    (port,) = stage.nics()
    stage.kube.delete(OpenStackNetworkAttachment, NAMESPACE, "extra")
    stage.cloud.world.drop(Kind.PORT, port.id)

    stage.settle()

    assert (gone(stage), stage.cloud.snapshot()) == (True, before)


def test_what_another_management_cluster_attached_is_left_alone() -> None:
    stage = AttachmentStage("worker-0")
    owner = (stage.server("worker-0").metadata.annotations or {})[OWNER_ANNOTATION]
    theirs: dict[str, Any] = {
        "network_id": "storage-id",
        "tags": ["pycapo:ffffffffffff:attach-eeeeeeeeeeee-0123456789-0"],
    }
    stage.cloud.create(Kind.PORT, [theirs], marks=[None])
    stage.attach(nic())

    stage.detach()

    (left,) = stage.nics()
    assert left.mark.owner != owner
