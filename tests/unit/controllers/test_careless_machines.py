# SPDX-License-Identifier: Apache-2.0
"""What careless people do to machines that live or come up: by hand in OpenStack, or to the objects."""

import msgspec
import pytest

from builders import NAME, NAMESPACE
from machine_stage import Stage
from memory_cloud import Killed
from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.errors import BadRequest, Busy, CloudError, Forbidden, InUse, LoginFailed, QuotaExceeded, RetryNow
from pycapo.controllers.endpoint import Endpoint
from pycapo.kube.life import Again, Failed, Gone
from pycapo.model.kinds import Kind
from pycapo.model.records import Member, Server


def with_node(*, control_plane: bool = False, **spec: object) -> Stage:
    stage = Stage(**spec)
    stage.add("node", control_plane=control_plane)
    stage.settle()
    return stage


def vm(stage: Stage) -> Server:
    (found,) = stage.cloud.all(Kind.SERVER)
    assert isinstance(found, Server)
    return found


def change_vm(stage: Stage, **fields: object) -> None:
    before = vm(stage)
    stage.cloud.world.records[Kind.SERVER][before.id] = msgspec.structs.replace(before, **fields)


@pytest.mark.parametrize("status", ["SHUTOFF", "PAUSED", "SUSPENDED", "RESCUE", "SHELVED_OFFLOADED"])
def test_a_server_that_was_stopped_by_hand_is_told_and_runs_again_when_it_does(status: str) -> None:
    stage = with_node()
    change_vm(stage, status=status)
    writes = stage.cloud.writes

    stage.settle()

    machine = stage.machine("node")
    assert machine.status is not None
    assert machine.status.instance_state == status
    assert status in stage.told(machine, "Ready")[2]
    assert stage.cloud.writes == writes
    change_vm(stage, status="ACTIVE")
    stage.settle()
    assert stage.told(stage.machine("node"), "Ready")[0] == "True"


def test_a_port_that_was_deleted_under_a_living_server_is_made_and_plugged_in_again_once() -> None:
    stage = with_node()
    (port,) = [it for it in stage.cloud.all(Kind.PORT) if it.device_owner.startswith("compute:")]
    stage.cloud.world.drop(Kind.PORT, port.id)
    writes = stage.cloud.writes

    stage.settle()
    stage.settle()

    (again,) = [it for it in stage.cloud.all(Kind.PORT) if it.device_owner.startswith("compute:")]
    assert (again.mark, again.device_id) == (port.mark, port.device_id)
    assert stage.told(stage.machine("node"), "Ready")[0] == "True"
    assert stage.cloud.writes == writes + 2


def test_a_member_that_was_taken_out_by_hand_is_put_in_again() -> None:
    stage = with_node(control_plane=True)
    (member,) = stage.cloud.all(Kind.MEMBER)
    assert isinstance(member, Member)
    stage.cloud.delete(Kind.MEMBER, member.id, parent=member.pool_id)

    stage.settle()

    (again,) = stage.cloud.all(Kind.MEMBER)
    assert again.address == member.address


def test_a_member_that_somebody_else_put_in_stays() -> None:
    stage = with_node(control_plane=True)
    (pool,) = stage.cloud.all(Kind.POOL)
    body = {"address": "10.6.0.200", "protocol_port": 6443}
    stage.cloud.create(Kind.MEMBER, [body], marks=[None], parent=pool.id)

    stage.delete("node")
    stage.settle()

    assert [it.address for it in stage.cloud.all(Kind.MEMBER)] == ["10.6.0.200"]


@pytest.mark.parametrize("turns", range(1, 8))
def test_a_machine_may_be_deleted_after_any_turn_of_its_birth(turns: int) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("node", PortOpts(), PortOpts(trunk=True), control_plane=True)
    for turn in range(turns):
        stage.turn(OpenStackMachine if turn % 2 == 0 else OpenStackServer, "node")

    stage.delete("node")
    stage.settle()

    assert stage.kube.get(OpenStackMachine, NAMESPACE, "node") is None
    assert stage.kube.get(OpenStackServer, NAMESPACE, "node") is None
    assert stage.cloud.snapshot() == before


def test_a_cluster_that_is_deleted_while_machines_come_up_waits_for_them_and_then_goes() -> None:
    stage = Stage(settled=False)
    before = stage.cloud.snapshot()
    stage.settle()
    for name in ("a", "b"):
        stage.add(name, control_plane=True)
        stage.turn(OpenStackMachine, name)
        stage.turn(OpenStackServer, name)
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)

    outcome = stage.turn(OpenStackCluster, NAME)

    assert outcome == Again(5.0, "2 machines still exist: a, b")
    for name in ("a", "b"):
        stage.delete(name)
        stage.kube.delete(Machine, NAMESPACE, name)
    stage.settle()
    assert stage.turn(OpenStackCluster, NAME) == Gone()
    assert stage.cloud.snapshot() == before


def test_a_machine_goes_although_its_cluster_objects_were_deleted_before_it() -> None:
    stage = with_node(control_plane=True)
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"metadata": {"finalizers": None}})
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.kube.delete(Cluster, NAMESPACE, NAME)

    stage.delete("node")
    stage.settle()

    assert stage.cloud.all(Kind.SERVER) == ()
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "node") is None


def test_a_control_plane_node_goes_although_its_load_balancer_is_gone() -> None:
    stage = with_node(control_plane=True)
    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    stage.cloud.delete(Kind.LOAD_BALANCER, balancer.id, body={"cascade": True})
    for _ in range(3):
        stage.cloud.look({Kind.LOAD_BALANCER})

    stage.delete("node")
    stage.settle()

    assert stage.cloud.all(Kind.SERVER) == ()


def test_a_node_waits_while_its_load_balancer_is_busy_with_another() -> None:
    stage = Stage()
    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    stage.cloud.world.records[Kind.LOAD_BALANCER][balancer.id] = msgspec.structs.replace(
        balancer, provisioning_status="PENDING_UPDATE"
    )
    stage.add("node", control_plane=True)
    for _ in range(8):
        stage.turn(OpenStackMachine, "node")
        stage.turn(OpenStackServer, "node")

    outcome = stage.turn(OpenStackMachine, "node")

    assert isinstance(outcome, Again)
    assert stage.cloud.all(Kind.MEMBER) == ()
    assert stage.told(stage.machine("node"), "APIServerIngressReady")[0] == "False"


REFUSALS = [
    (QuotaExceeded("Quota exceeded for cores", status=403), "QuotaExceeded"),
    (BadRequest("Invalid key_name provided.", status=400), "BadRequest"),
    (Forbidden("Policy doesn't allow it", status=403), "Forbidden"),
    (Busy("Too many requests", status=429, retry_after=7.0), "CloudBusy"),
]


@pytest.mark.parametrize("kind", [Kind.PORT, Kind.SERVER])
@pytest.mark.parametrize(("error", "reason"), REFUSALS)
def test_a_refusal_reaches_the_machine_in_openstacks_words_and_the_node_comes_when_it_is_mended(
    kind: Kind, error: CloudError, reason: str
) -> None:
    stage = Stage()
    stage.add("node")
    stage.cloud.fail_next(kind, "create", error)
    stage.turn(OpenStackMachine, "node")

    outcome = stage.turn(OpenStackServer, "node")
    stage.turn(OpenStackMachine, "node")

    assert outcome == Again(error.retry_after or 0, str(error))
    status, told, message = stage.told(stage.machine("node"), "InstanceReady")
    assert (status, told) == ("False", reason)
    assert error.message in message
    stage.settle()
    assert vm(stage).status == "ACTIVE"


@pytest.mark.parametrize(("error", "reason"), [*REFUSALS, (InUse("immutable", status=409), "InUse")])
def test_a_refused_member_is_told_at_the_ingress_and_tried_again(error: CloudError, reason: str) -> None:
    stage = Stage()
    stage.add("node", control_plane=True)
    stage.cloud.fail_next(Kind.MEMBER, "create", error)
    for _ in range(8):
        stage.turn(OpenStackServer, "node")
        outcome = stage.turn(OpenStackMachine, "node")
        if isinstance(outcome, Again) and outcome.why == str(error):
            break

    assert stage.told(stage.machine("node"), "APIServerIngressReady")[:2] == ("False", reason)
    assert stage.told(stage.machine("node"), "Ready")[0] == "False"
    stage.settle()
    assert len(stage.cloud.all(Kind.MEMBER)) == 1


def test_a_failure_without_a_time_of_its_own_is_backed_off_from() -> None:
    stage = Stage()
    stage.add("node")
    stage.cloud.fail_next(Kind.PORT, "create", RetryNow("500: Unexpected API Error", status=500))
    stage.turn(OpenStackMachine, "node")

    assert stage.turn(OpenStackServer, "node") == Failed("500: Unexpected API Error")
    assert stage.told(stage.server("node"), "InstanceReady")[1] == "CloudUnavailable"


def test_a_password_that_was_changed_is_told_at_the_ingress_and_keeps_the_node_from_leaving() -> None:
    stage = with_node(control_plane=True)
    stage.clouds.refused = LoginFailed("401: no", status=401)
    stage.delete("node")

    outcome = stage.turn(OpenStackMachine, "node")

    assert isinstance(outcome, Again)
    assert stage.told(stage.machine("node"), "OpenStackAuthenticationSucceeded")[0] == "False"
    assert vm(stage).status == "ACTIVE"
    stage.clouds.refused = None
    stage.settle()
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "node") is None


def test_a_cluster_without_balancer_and_floating_ip_has_no_endpoint_to_leave() -> None:
    stage = Stage(apiServer={"enableFloatingIP": False, "fixedIP": "10.6.0.99"})
    stage.add("node", control_plane=True)
    cluster = stage.kube.get(OpenStackCluster, NAMESPACE, NAME)
    assert cluster is not None
    before = stage.cloud.calls.copy()

    assert Endpoint(stage.kube, stage.clouds).leave(stage.machine("node"), cluster) is None
    assert stage.cloud.calls == before


@pytest.mark.parametrize("write", range(1, 7))
@pytest.mark.parametrize("after", [False, True])
def test_a_whole_cluster_with_a_node_may_die_at_any_removal_and_still_leaves_nothing(write: int, after: bool) -> None:
    stage = Stage(settled=False)
    before = stage.cloud.snapshot()
    stage.settle()
    stage.add("node", PortOpts(), PortOpts(trunk=True), control_plane=True)
    stage.settle()
    stage.delete("node")
    stage.kube.delete(Machine, NAMESPACE, "node")
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.cloud.die_at(write, after=after)

    with pytest.raises(Killed):
        stage.settle()
    stage.restart()
    stage.settle()

    assert stage.cloud.snapshot() == before
    assert stage.kube.get(OpenStackCluster, NAMESPACE, NAME) is None


@pytest.mark.parametrize("count", [2, 5])
def test_nodes_that_go_at_once_leave_one_by_one_and_nothing_stays(count: int) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    names = [f"node-{n}" for n in range(count)]
    for name in names:
        stage.add(name, control_plane=True)
    stage.settle(most=200)
    assert len(stage.cloud.all(Kind.MEMBER)) == count

    for name in names:
        stage.delete(name)
    stage.settle(most=200)

    after = stage.cloud.snapshot()
    assert {kind: len(found) for kind, found in after.items()} == {kind: len(found) for kind, found in before.items()}


def test_names_that_begin_alike_do_not_mix_their_ports() -> None:
    stage = Stage()
    stage.add("node")
    stage.add("node-0")
    stage.settle()

    stage.delete("node")
    stage.settle()

    assert [server.name for server in stage.cloud.all(Kind.SERVER)] == ["node-0"]
    assert stage.told(stage.machine("node-0"), "Ready")[0] == "True"
    assert vm(stage).name == "node-0"
