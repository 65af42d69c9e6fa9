# SPDX-License-Identifier: Apache-2.0
"""The whole life of machines and their servers, through real turns over a memory cloud, from birth to nothing left."""

import contextlib

import pytest

from builders import NAME, NAMESPACE
from machine_stage import Stage
from machines import a_port
from memory_cloud import Killed, MemoryCloud, a_memory_cloud
from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import ObjectMeta
from pycapo.api.ports import AddressPair, FixedIP, PortOpts
from pycapo.api.references import OpenStackIdentityReference, SubnetFilter, SubnetParam
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.errors import LoginFailed, QuotaExceeded, Unanswered
from pycapo.controllers.machine import watches
from pycapo.kube.life import Again, Failed, Settled
from pycapo.kube.meta import ObjectKey, copy_of
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.model.records import Member, Port, Server

RUNNING = {Kind.SERVER: 1, Kind.PORT: 1}
WITHOUT_BALANCER = {"apiServer": {"managedLoadBalancer": {"enabled": False}}}


def vms(stage: Stage) -> dict[str, Server]:
    return {server.name or "": server for server in stage.cloud.all(Kind.SERVER)}


def test_a_worker_is_born_and_told_to_cluster_api() -> None:
    stage = Stage()

    stage.add("worker-0", zone="az2")
    stage.settle()

    machine, vm = stage.machine("worker-0"), vms(stage)["worker-0"]
    assert machine.spec.provider_id == f"openstack:///{vm.id}"
    assert machine.status is not None
    assert machine.status.initialization is not None
    assert (machine.status.initialization.provisioned, machine.status.instance_id) == (True, vm.id)
    assert (machine.status.instance_state, machine.status.failure_domain) == ("ACTIVE", "az2")
    assert [it.type for it in machine.status.addresses or ()] == ["InternalIP", "InternalDNS"]
    assert stage.told(machine, "Ready") == ("True", "Ready", "")
    assert stage.told(machine, "OpenStackAuthenticationSucceeded")[0] == "True"


def test_a_worker_that_goes_leaves_the_cloud_as_it_was() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", PortOpts(), PortOpts(trunk=True), tags=["blue"])
    stage.settle()

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "worker-0") is None
    assert stage.kube.get(OpenStackServer, NAMESPACE, "worker-0") is None


def test_settled_machines_cost_no_writes_anywhere() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.add("cp-0", control_plane=True)
    stage.settle()
    cloud, kube = stage.cloud.writes, len(stage.kube.server.requests)

    outcomes = [stage.turn(kind, name) for kind in (OpenStackMachine, OpenStackServer) for name in ("worker-0", "cp-0")]

    assert outcomes == [Settled()] * 4
    assert (stage.cloud.writes, len(stage.kube.server.requests)) == (cloud, kube)


def test_where_a_machine_was_put_is_told_when_nobody_asked_for_a_zone() -> None:
    stage = Stage()

    stage.add("worker-0")
    stage.settle()

    status = stage.machine("worker-0").status
    assert status is not None
    assert status.failure_domain == vms(stage)["worker-0"].zone


def test_a_machine_waits_for_the_infrastructure_of_its_cluster() -> None:
    stage = Stage(settled=False)
    stage.add("worker-0")

    outcome = stage.turn(OpenStackMachine, "worker-0")

    assert outcome == Settled()
    machine = stage.machine("worker-0")
    assert stage.told(machine, "InstanceReady")[:2] == ("False", "WaitingForClusterInfrastructure")
    assert stage.told(machine, "Ready")[0] == "False"
    assert stage.kube.get(OpenStackServer, NAMESPACE, "worker-0") is None


def test_a_machine_that_no_machine_owns_is_left_alone() -> None:
    stage = Stage()
    stage.kube.create(OpenStackMachine(metadata=ObjectMeta(name="lonely", namespace=NAMESPACE), spec=a_spec(stage)))

    assert stage.turn(OpenStackMachine, "lonely") == Settled()

    assert stage.machine("lonely").metadata.finalizers is None


def a_spec(stage: Stage) -> object:
    stage.add("template")
    return copy_of(stage.machine("template")).spec


def test_the_mark_is_the_same_on_machine_server_and_everything_that_is_made() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()

    owner = (stage.machine("worker-0").metadata.annotations or {})[OWNER_ANNOTATION]

    assert (stage.server("worker-0").metadata.annotations or {})[OWNER_ANNOTATION] == owner
    assert {vms(stage)["worker-0"].mark.owner} == {owner}  # type: ignore[union-attr]


def test_two_machines_of_one_name_in_two_namespaces_stay_apart() -> None:
    one, other = Stage(), None
    one.add("worker-0")
    one.settle()
    other = Stage(cloud=one.cloud)
    other.add("worker-0")
    other.settle()
    theirs = other.machine("worker-0").status
    assert theirs is not None

    one.delete("worker-0")
    one.settle()

    assert [server.id for server in one.cloud.all(Kind.SERVER)] == [theirs.instance_id]


def test_a_control_plane_node_joins_the_load_balancer_and_leaves_it_before_its_server_goes() -> None:
    stage = Stage()
    stage.add("cp-0", control_plane=True)
    stage.settle()
    (member,) = stage.cloud.all(Kind.MEMBER)
    assert (member.name, member.protocol_port) == ("cp-0", 6443)
    assert stage.told(stage.machine("cp-0"), "APIServerIngressReady")[0] == "True"

    stage.delete("cp-0")
    stage.turn(OpenStackMachine, "cp-0")

    assert stage.count(Kind.MEMBER, Kind.SERVER) == {Kind.MEMBER: 0, Kind.SERVER: 1}


def test_a_control_plane_without_a_port_on_the_cluster_network_is_told_what_to_change() -> None:
    stage = Stage()
    stage.cloud.create(Kind.NETWORK, [{"id": "net-x", "name": "x"}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": "net-x", "cidr": "10.99.0.0/24"}], marks=[None])
    stage.add("cp-0", a_port(network=a_port().network.__class__(id="net-x")), control_plane=True)
    stage.settle()

    status, reason, message = stage.told(stage.machine("cp-0"), "APIServerIngressReady")

    assert (status, reason) == ("False", "NoClusterNetworkPort")
    assert "spec.ports" in message


def test_the_floating_ip_goes_from_node_to_node_and_is_never_deleted() -> None:
    stage = Stage(**WITHOUT_BALANCER)
    stage.add("cp-0", control_plane=True)
    stage.settle()
    stage.add("cp-1", control_plane=True)
    stage.settle()
    (first,) = stage.cloud.all(Kind.FLOATING_IP)

    stage.delete("cp-0")
    stage.settle()

    (after,) = stage.cloud.all(Kind.FLOATING_IP)
    (port,) = [port for port in stage.cloud.all(Kind.PORT) if port.name == "cp-1-0"]
    assert first.port_id != after.port_id == port.id
    assert (after.id, after.floating_ip_address) == (first.id, first.floating_ip_address)


def test_the_last_node_leaves_the_floating_ip_to_the_cluster() -> None:
    stage = Stage(**WITHOUT_BALANCER)
    before = stage.cloud.snapshot()
    stage.add("cp-0", control_plane=True)
    stage.settle()
    assert stage.cloud.snapshot() != before

    stage.delete("cp-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_server_in_error_is_told_on_the_machine_in_novas_words() -> None:
    stage = Stage()
    stage.cloud.break_servers("No valid host was found.")

    stage.add("worker-0")
    stage.settle()

    status, reason, message = stage.told(stage.machine("worker-0"), "InstanceReady")
    assert (status, reason) == ("False", "InstanceStateError")
    assert "No valid host was found." in message
    assert stage.machine("worker-0").spec.provider_id is None


def test_a_server_that_somebody_deletes_is_told_and_never_made_again() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()
    stage.cloud.world.records[Kind.SERVER].clear()

    stage.settle()

    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}
    assert stage.told(stage.machine("worker-0"), "Ready")[:2] == ("False", "InstanceDeleted")
    assert stage.machine("worker-0").status.initialization.provisioned  # type: ignore[union-attr]


@pytest.mark.parametrize("also_gone", [False, True])
def test_a_lost_status_is_found_again_by_looking(also_gone: bool) -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()
    before = stage.server("worker-0").status
    if also_gone:
        stage.cloud.world.records[Kind.SERVER].clear()

    stage.lose_status("worker-0")
    stage.settle()

    after = stage.server("worker-0").status
    assert before is not None
    assert after is not None
    assert after.instance_id == before.instance_id
    assert after.instance_state == ("DELETED" if also_gone else "ACTIVE")
    assert len(vms(stage)) == (0 if also_gone else 1)


def test_a_server_object_that_is_deleted_by_hand_does_not_make_another_vm() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()

    stage.kube.delete(OpenStackServer, NAMESPACE, "worker-0")
    stage.settle()

    assert vms(stage) == {}
    assert stage.told(stage.machine("worker-0"), "Ready")[1] == "InstanceDeleted"


def test_a_server_object_of_somebody_else_is_left_alone() -> None:
    stage = Stage()
    stage.add("template")
    stage.settle()
    foreign = copy_of(stage.server("template"))
    foreign.metadata = ObjectMeta(name="worker-0", namespace=NAMESPACE)
    stage.kube.create(foreign)

    stage.add("worker-0")
    outcome = stage.turn(OpenStackMachine, "worker-0")
    stage.delete("worker-0")
    stage.turn(OpenStackMachine, "worker-0")

    assert isinstance(outcome, Again)
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "worker-0") is None
    assert stage.server("worker-0").metadata.deletion_timestamp is None


def test_new_credentials_reach_a_server_that_exists() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()
    before = stage.machine("worker-0")
    after = copy_of(before)
    after.spec.identity_ref = OpenStackIdentityReference(name="other", cloud_name="x")
    stage.kube.has_secret(NAMESPACE, "other", {"clouds.yaml": b"clouds: {}"})

    stage.kube.patch(before, after)
    stage.settle()

    assert stage.server("worker-0").spec.identity_ref.name == "other"


def change_pairs(stage: Stage, name: str, *addresses: str) -> None:
    before = stage.machine(name)
    after = copy_of(before)
    for port in after.spec.ports or ():
        port.allowed_address_pairs = [AddressPair(ip_address=address) for address in addresses] or None
    stage.kube.patch(before, after)


def pairs_of(stage: Stage, name: str) -> list[str]:
    (port,) = (port for port in stage.cloud.all(Kind.PORT) if port.name == name)
    assert isinstance(port, Port)
    return [pair.ip_address for pair in port.allowed_address_pairs]


@pytest.mark.parametrize("control_plane", [False, True])
def test_address_pairs_change_on_a_machine_that_runs(control_plane: bool) -> None:
    stage = Stage()
    stage.add("node", PortOpts(), control_plane=control_plane)
    stage.settle()
    running = vms(stage)

    for addresses in (["10.9.0.1"], ["10.8.0.0/24", "10.9.0.2"], []):
        change_pairs(stage, "node", *addresses)
        stage.settle()
        assert pairs_of(stage, "node-0") == addresses

    assert vms(stage) == running
    assert stage.told(stage.machine("node"), "Ready")[0] == "True"


def test_address_pairs_that_somebody_took_away_come_back_and_then_cost_no_request() -> None:
    stage = Stage()
    stage.add("worker-0", PortOpts(allowed_address_pairs=[AddressPair(ip_address="10.9.0.1")]))
    stage.settle()
    (port,) = (port for port in stage.cloud.all(Kind.PORT) if port.name == "worker-0-0")
    stage.cloud.update(Kind.PORT, port.id, {"allowed_address_pairs": []})

    stage.settle()
    writes = stage.cloud.writes
    stage.settle()

    assert (pairs_of(stage, "worker-0-0"), stage.cloud.writes) == (["10.9.0.1"], writes)


def test_another_primary_subnet_moves_the_members_of_the_load_balancer() -> None:
    stage = Stage(cloud=a_cloud_with_two_subnets(), **EXISTING, primarySubnet={"filter": {"name": "one"}})
    both = [FixedIP(subnet=SubnetParam(id=id)) for id in ("two", "one")]
    stage.add("cp-0", PortOpts(fixed_ips=both), control_plane=True)
    stage.settle()
    assert [member.subnet_id for member in members(stage)] == ["one"]

    move_to(stage, "two")
    stage.settle()

    assert [member.subnet_id for member in members(stage)] == ["two"]
    assert stage.told(stage.machine("cp-0"), "Ready")[0] == "True"


def test_who_has_to_move_asks_for_the_state_of_the_load_balancer_first() -> None:
    stage = Stage(cloud=a_cloud_with_two_subnets(), **EXISTING, primarySubnet={"filter": {"name": "one"}})
    stage.add(
        "cp-0", PortOpts(fixed_ips=[FixedIP(subnet=SubnetParam(id=id)) for id in ("two", "one")]), control_plane=True
    )
    stage.settle()
    move_to(stage, "two")
    stage.turn(OpenStackCluster, NAME)
    stage.restart()

    stage.turn(OpenStackMachine, "cp-0")

    assert members(stage) == []


def move_to(stage: Stage, subnet: str) -> None:
    before = stage.kube.list(OpenStackCluster)[0]
    after = copy_of(before)
    after.spec.primary_subnet = SubnetParam(filter=SubnetFilter(name=subnet))
    stage.kube.patch(before, after)


EXISTING = {
    "managedSubnets": None,
    "network": {"id": "net-x"},
    "enableExternalNetwork": False,
    "apiServer": {"managedLoadBalancer": {"enabled": True}, "enableFloatingIP": False},
}


def a_cloud_with_two_subnets() -> MemoryCloud:
    cloud = a_memory_cloud()
    cloud.create(Kind.NETWORK, [{"id": "net-x", "name": "x"}], marks=[None])
    for name, cidr in (("two", "10.92.0.0/24"), ("one", "10.91.0.0/24")):
        body = {"id": name, "name": name, "network_id": "net-x", "cidr": cidr}
        cloud.create(Kind.SUBNET, [body], marks=[None])
    return cloud


def members(stage: Stage) -> list[Member]:
    return [member for member in stage.cloud.all(Kind.MEMBER) if isinstance(member, Member)]


def test_a_wrong_password_is_told_as_what_it_is() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.clouds.refused = LoginFailed("401: the password was refused")

    stage.turn(OpenStackMachine, "worker-0")
    stage.turn(OpenStackServer, "worker-0")

    status, reason, message = stage.told(stage.server("worker-0"), "OpenStackAuthenticationSucceeded")
    assert (status, reason) == ("False", "OpenStackAuthenticationFailed")
    assert "spec.identityRef: 401: the password was refused" in message


def test_a_full_quota_is_told_and_nothing_is_left_halfway() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.cloud.fail_next(
        Kind.SERVER, "create", QuotaExceeded("Quota exceeded for instances: Requested 1, but already used 9 of 9")
    )
    stage.turn(OpenStackMachine, "worker-0")

    outcome = stage.turn(OpenStackServer, "worker-0")

    assert isinstance(outcome, Again)
    assert outcome.after == 60.0
    assert stage.told(stage.server("worker-0"), "InstanceReady")[1] == "QuotaExceeded"
    stage.delete("worker-0")
    stage.settle()
    assert [port for port in stage.cloud.all(Kind.PORT) if (port.name or "").startswith("worker-0")] == []


def test_an_answer_that_never_came_is_looked_up_before_anything_is_made_again() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.cloud.fail_next(Kind.SERVER, "create", Unanswered("timed out"), after=True)
    stage.turn(OpenStackMachine, "worker-0")

    outcome = stage.turn(OpenStackServer, "worker-0")
    stage.settle()

    assert isinstance(outcome, Failed)
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 1}
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 12))
def test_dying_at_any_write_makes_nothing_twice_and_leaks_nothing(write: int, after: bool) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.cloud.die_at(write, after=after)

    for step in (
        lambda: stage.add("cp-0", PortOpts(), PortOpts(trunk=True), control_plane=True),
        lambda: stage.delete("cp-0"),
    ):
        step()
        with contextlib.suppress(Killed):
            stage.settle()
        stage.restart()
        stage.settle()
        assert len(vms(stage)) <= 1

    assert stage.cloud.snapshot() == before


def test_a_paused_cluster_pauses_its_machines_and_servers() -> None:
    stage = Stage()
    stage.add("worker-0")
    cluster = stage.kube.list(Cluster)[0]
    after = copy_of(cluster)
    after.spec.paused = True  # type: ignore[union-attr]
    stage.kube.patch(cluster, after)

    assert stage.turn(OpenStackMachine, "worker-0") == Settled()

    assert stage.told(stage.machine("worker-0"), "Paused")[0] == "True"
    assert stage.kube.get(OpenStackServer, NAMESPACE, "worker-0") is None


def test_machines_look_again_when_what_they_hang_on_changes() -> None:
    stage = Stage()
    stage.add("worker-0")
    stage.settle()
    by_kind = {watch.kind: watch for watch in watches(stage.kube)}
    key = ObjectKey(NAMESPACE, "worker-0")

    found = {
        Machine: by_kind[Machine].keys(stage.kube.list(Machine)[0]),
        OpenStackServer: by_kind[OpenStackServer].keys(stage.server("worker-0")),
        Cluster: by_kind[Cluster].keys(stage.kube.list(Cluster)[0]),
        OpenStackCluster: by_kind[OpenStackCluster].keys(stage.kube.list(OpenStackCluster)[0]),
    }

    assert {kind: list(keys) for kind, keys in found.items()} == {kind: [key] for kind in found}


def test_machines_look_again_when_their_cluster_has_other_subnets_and_not_for_its_conditions() -> None:
    stage = Stage()
    cluster = stage.kube.list(OpenStackCluster)[0]
    (watch,) = (watch for watch in watches(stage.kube) if watch.kind is OpenStackCluster)
    moved, told = copy_of(cluster), copy_of(cluster)
    moved.status.network.subnets = None  # type: ignore[union-attr]
    told.status.conditions = None  # type: ignore[union-attr]

    assert watch.changed is not None
    assert [watch.changed(cluster, other) for other in (moved, told)] == [True, False]


def test_a_whole_cluster_with_its_machines_goes_and_nothing_is_left() -> None:
    stage = Stage(settled=False)
    before = stage.cloud.snapshot()
    stage.settle()
    for name in ("cp-0", "cp-1", "cp-2"):
        stage.add(name, control_plane=True)
    stage.add("worker-0")
    stage.settle()
    assert stage.count(Kind.SERVER, Kind.MEMBER) == {Kind.SERVER: 4, Kind.MEMBER: 3}

    for machine in stage.kube.list(OpenStackMachine):
        stage.delete(machine.metadata.name)
    stage.settle()
    for machine in stage.kube.list(Machine):
        stage.kube.delete(Machine, NAMESPACE, machine.metadata.name)
    cluster = stage.kube.list(OpenStackCluster)[0]
    stage.kube.delete(OpenStackCluster, NAMESPACE, cluster.metadata.name)
    stage.settle()

    assert stage.cloud.snapshot() == before
