# SPDX-License-Identifier: Apache-2.0
"""The whole life of a cluster, through real turns, from birth to nothing left."""

from typing import Any

import msgspec
import pytest

from builders import NAME, NAMESPACE
from memory_cloud import Killed, MemoryCloud, a_memory_cloud
from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.cloud.errors import LoginFailed, QuotaExceeded, Unanswered
from pycapo.controllers.cluster import ClusterLife, watches
from pycapo.kube.life import Again, Failed, Gone, Settled
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION
from stage import KEY, Stage


def made(cloud: MemoryCloud) -> dict[str, int]:
    """How many of each kind there are in the project, but for the default group."""
    counts = {kind: len(cloud.all(kind)) for kind in Kind}
    counts[Kind.SECURITY_GROUP] -= 1
    return {str(kind): count for kind, count in counts.items() if count}


WHOLE = {
    "network": 1,
    "subnet": 1,
    "router": 1,
    "security group": 2,
    "port": 2,
    "floating IP": 1,
    "load balancer": 1,
    "listener": 1,
    "pool": 1,
    "health monitor": 1,
}


def test_a_cluster_is_born_and_told() -> None:
    stage = Stage()

    assert stage.settle() == Settled()

    status = stage.cluster.status
    assert made(stage.cloud) == WHOLE
    assert status is not None
    assert status.initialization is not None
    assert status.initialization.provisioned
    assert stage.told("Ready") == ("True", "Ready", "")
    assert stage.cluster.spec.control_plane_endpoint is not None
    assert stage.cluster.spec.control_plane_endpoint.host == stage.cloud.all(Kind.FLOATING_IP)[0].floating_ip_address


def test_a_deleted_cluster_leaves_the_cloud_as_it_was() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.settle()

    stage.delete()

    assert stage.settle() == Gone()
    assert stage.cloud.snapshot() == before
    assert stage.kube.get(OpenStackCluster, *KEY) is None


def test_the_owner_is_stored_before_anything_is_made() -> None:
    stage = Stage()
    stage.cloud.die_at(1)

    with pytest.raises(Killed):
        stage.turn()

    assert OWNER_ANNOTATION in (stage.cluster.metadata.annotations or {})


def test_a_settled_cluster_writes_nothing() -> None:
    stage = Stage()
    stage.settle()
    stage.turn()  # the endpoint in the spec made another generation to be told of
    stage.cloud.calls.clear()
    written = len(stage.kube.server.writes())

    assert stage.turn() == Settled()

    assert {verb for verb, _ in stage.cloud.calls} == {"look"}
    assert len(stage.kube.server.writes()) == written


def number_of_writes() -> int:
    stage = Stage()
    stage.settle()
    return stage.cloud.writes


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, number_of_writes() + 1))
def test_a_death_at_any_write_makes_nothing_twice(write: int, after: bool) -> None:
    stage = Stage()
    stage.cloud.die_at(write, after=after)
    with pytest.raises(Killed):
        stage.settle()

    stage.restart()

    assert stage.settle() == Settled()
    assert made(stage.cloud) == WHOLE


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 9))
def test_a_death_at_any_removal_still_leaves_nothing(write: int, after: bool) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.settle()
    stage.delete()
    stage.cloud.die_at(write, after=after)
    try:
        stage.settle()
    except Killed:
        stage.restart()

    assert stage.settle() == Gone()
    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize(
    "kind", [Kind.NETWORK, Kind.ROUTER, Kind.SECURITY_GROUP_RULE, Kind.LOAD_BALANCER, Kind.FLOATING_IP]
)
def test_an_answer_that_is_lost_after_the_work_makes_nothing_twice(kind: Kind) -> None:
    stage = Stage()
    stage.cloud.fail_next(kind, "create", Unanswered("no answer"), after=True)

    outcomes = [stage.turn() for _ in range(12)]

    assert any(isinstance(outcome, Failed) for outcome in outcomes)
    assert made(stage.cloud) == WHOLE


def test_a_refusal_is_told_with_the_field_that_asked_for_it() -> None:
    stage = Stage()
    stage.cloud.fail_next(Kind.LOAD_BALANCER, "create", QuotaExceeded("Quota has been met for resources: loadbalancer"))

    outcome = stage.turn()

    message = "spec.apiServer.managedLoadBalancer: Quota has been met for resources: loadbalancer"
    assert outcome == Again(60.0, message)
    assert stage.told("APIEndpointReady") == ("False", "QuotaExceeded", message)
    assert stage.told("Ready")[2] == message
    assert ("Warning", "QuotaExceeded", message) in stage.kube.events()


def test_what_was_made_is_told_in_events() -> None:
    stage = Stage()

    stage.settle()

    reasons = [reason for kind, reason, _ in stage.kube.events() if kind == "Normal"]
    assert sorted(set(reasons)) == [
        "SuccessfulCreateFloatingIP",
        "SuccessfulCreateLoadBalancer",
        "SuccessfulCreateNetwork",
        "SuccessfulCreateRouter",
        "SuccessfulCreateRouterInterface",
        "SuccessfulCreateSecurityGroup",
        "SuccessfulCreateSecurityGroupRules",
        "SuccessfulCreateSubnet",
    ]


def test_a_missing_secret_is_told_and_nothing_is_made() -> None:
    stage = Stage(identityRef={"name": "absent", "cloudName": "dev"})

    outcome = stage.turn()

    assert isinstance(outcome, Again)
    assert stage.told("OpenStackAuthenticationSucceeded") == (
        "False",
        "OpenStackAuthenticationFailed",
        'spec.identityRef.name: Secret "absent" was not found in namespace "team"',
    )
    assert stage.cloud.writes == 0


def test_a_mended_secret_is_picked_up() -> None:
    stage = Stage()
    stage.clouds.refused = LoginFailed("wrong password")
    stage.turn()
    stage.clouds.refused = None

    stage.settle()

    assert stage.told("OpenStackAuthenticationSucceeded")[0] == "True"


def test_a_cluster_that_nobody_owns_is_left_alone() -> None:
    stage = Stage()
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"metadata": {"ownerReferences": None}})

    assert stage.turn() == Settled()

    assert stage.cluster.metadata.finalizers is None


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_an_externally_managed_cluster_is_left_alone(place: str) -> None:
    stage = Stage()
    stage.kube.server.edit(
        "openstackclusters", NAMESPACE, NAME, {"metadata": {place: {"cluster.x-k8s.io/managed-by": "somebody"}}}
    )

    assert stage.turn() == Settled()

    assert stage.cluster.metadata.finalizers is None
    assert stage.cluster.status is None


def test_a_cluster_pauses_with_its_owner() -> None:
    stage = Stage()
    stage.kube.server.edit("clusters", NAMESPACE, NAME, {"spec": {"paused": True}})

    assert stage.turn() == Settled()

    assert stage.told("Paused")[0] == "True"
    assert stage.cloud.writes == 0


def test_deletion_waits_for_machines_and_names_them() -> None:
    stage = Stage()
    stage.settle()
    machine = {"metadata": {"namespace": NAMESPACE, "name": "blue-1"}, "spec": {"clusterName": NAME}}
    stage.kube.create(Machine.from_dict(machine))
    stage.delete()

    outcome = stage.turn()

    assert outcome == Again(5.0, "1 machines still exist: blue-1")
    assert stage.told("Ready") == ("False", "Deleting", "1 machines still exist: blue-1")
    assert made(stage.cloud) == WHOLE


def test_a_cluster_that_was_never_begun_is_simply_gone() -> None:
    stage = Stage()
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"metadata": {"finalizers": [ClusterLife.finalizer]}})
    stage.delete()

    assert stage.turn() == Gone()


def test_a_port_of_others_is_named_and_never_deleted() -> None:
    stage = Stage()
    stage.settle()
    network = stage.cloud.all(Kind.NETWORK)[0]
    (port,) = stage.cloud.create(Kind.PORT, [{"network_id": network.id, "name": "theirs"}], marks=[None])
    stage.delete()

    outcome = stage.settle_until_waiting()

    assert "theirs (" in outcome.why
    assert stage.cloud.world.get(Kind.PORT, port.id)
    stage.cloud.delete(Kind.PORT, port.id)
    assert stage.settle() == Gone()


def test_a_settled_status_is_rebuilt_after_a_move() -> None:
    stage = Stage()
    stage.settle()
    before = copy_of(stage.cluster).status
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"status": None})

    stage.settle()

    after = stage.cluster.status
    assert before is not None
    assert after is not None
    before.conditions = after.conditions = None
    assert after == before
    assert made(stage.cloud) == WHOLE


def test_dns_servers_are_changed_in_place() -> None:
    stage = Stage()
    stage.settle()

    stage.change(managedSubnets=[{"cidr": "10.6.0.0/24", "dnsNameservers": ["9.9.9.9", "1.1.1.1"]}])
    stage.settle()

    assert stage.cloud.all(Kind.SUBNET)[0].dns_nameservers == ("9.9.9.9", "1.1.1.1")


def test_a_machine_that_goes_wakes_its_cluster_only_while_that_is_deleted() -> None:
    stage = Stage()
    machine = Machine.from_dict({"metadata": {"namespace": NAMESPACE, "name": "m"}, "spec": {"clusterName": NAME}})
    _, of_machine, *_ = watches(stage.kube)

    assert list(of_machine.keys(machine)) == []
    stage.kube.server.edit("clusters", NAMESPACE, NAME, {"metadata": {"finalizers": ["hold"]}})
    stage.kube.delete(Cluster, NAMESPACE, NAME)
    assert list(of_machine.keys(machine)) == [KEY]


def taken_from_the_go_provider() -> Stage:
    """A cluster as the Go provider leaves it: its names, its ids in status, and no marks."""
    stage = Stage()
    stage.settle()
    for kind in Kind:
        for record in stage.cloud.all(kind):
            told = f"Created by cluster-api-provider-openstack cluster {NAMESPACE}-{NAME}"
            stage.cloud.world.add(kind, msgspec.structs.replace(record, tags=(), description=told))
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"metadata": {"annotations": None}})
    stage.restart()
    return stage


def test_what_the_go_provider_made_is_marked_and_kept() -> None:
    stage = taken_from_the_go_provider()
    ids = {kind: {record.id for record in stage.cloud.all(kind)} for kind in Kind}

    assert stage.settle() == Settled()

    assert {kind: {record.id for record in stage.cloud.all(kind)} for kind in Kind} == ids
    named = [record for kind in Kind for record in stage.cloud.all(kind) if (record.name or "").startswith("k8s-")]
    assert all(record.mark for record in named)
    assert all(address.mark for address in stage.cloud.all(Kind.FLOATING_IP))


def test_what_the_go_provider_made_is_deleted_too() -> None:
    stage = taken_from_the_go_provider()
    stage.delete()

    assert stage.settle() == Gone()

    assert made(stage.cloud) == {}


def test_a_namesake_whose_id_is_not_recorded_is_not_touched() -> None:
    cloud = a_memory_cloud()
    (theirs,) = cloud.create(Kind.NETWORK, [{"name": f"k8s-clusterapi-cluster-{NAMESPACE}-{NAME}"}], marks=[None])
    stage = Stage(cloud)

    stage.settle()
    stage.delete()
    stage.settle()

    assert stage.cloud.all(Kind.NETWORK) == (theirs,)


def test_two_clusters_of_one_name_share_nothing() -> None:
    first = Stage()
    first.settle()
    second = Stage(first.cloud)

    second.settle()
    second.delete()
    second.settle()

    assert made(first.cloud) == WHOLE
    assert first.turn() == Settled()


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no security groups": {"managedSecurityGroups": None},
    "strict security groups": {"managedSecurityGroups": {}},
    "dual ports and monitor": {
        "apiServer": {
            "port": 8443,
            "managedLoadBalancer": {"enabled": True, "additionalPorts": [9345], "monitor": {"delay": 3, "timeout": 2}},
        }
    },
    "allowed addresses": {
        "apiServer": {"managedLoadBalancer": {"enabled": True, "allowedCIDRs": ["192.0.2.0/24", "198.51.100.7"]}}
    },
    "no floating IP": {"apiServer": {"enableFloatingIP": False, "managedLoadBalancer": {"enabled": True}}},
    "floating IP alone": {"apiServer": None},
    "fixed IP alone": {"apiServer": {"enableFloatingIP": False, "fixedIP": "10.6.0.99"}},
    "inside only": {
        "enableExternalNetwork": False,
        "apiServer": {"enableFloatingIP": False, "managedLoadBalancer": {"enabled": True}},
    },
    "tags": {"tags": ["prod", "team-a"]},
    "attributes": {"managedNetwork": {"mtu": 1400, "enablePortSecurity": False}, "managedSecurityGroups": None},
    "router addresses": {
        "managedRouter": {"externalIPs": [{"fixedIP": "203.0.113.77", "subnet": {"id": "public-subnet"}}]}
    },
    "IPv6": {
        "managedSubnets": [{"cidr": "fd00:6::/64"}],
        "apiServer": {"enableFloatingIP": False, "managedLoadBalancer": {"enabled": True}},
    },
    "set endpoint": {
        "controlPlaneEndpoint": {"host": "api.example.org", "port": 443},
        "apiServer": {"managedLoadBalancer": {"enabled": True}, "floatingIP": "203.0.113.50"},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_cluster_settles_and_goes_without_a_trace(variant: str) -> None:
    stage = Stage(**VARIANTS[variant])
    before = stage.cloud.snapshot()

    assert stage.settle() == Settled()
    assert stage.told("Ready") == ("True", "Ready", "")
    assert stage.turn() == stage.turn() == Settled()
    stage.delete()

    assert stage.settle() == Gone()
    assert stage.cloud.snapshot() == before


def test_what_was_made_is_told_at_once_even_while_something_else_is_waited_for() -> None:
    stage = Stage(apiServer={"managedLoadBalancer": {"enabled": True, "allowedCIDRs": ["192.0.2.0/24"]}})

    assert stage.turn() == Again(0.0, "make network k8s-clusterapi-cluster-team-blue")
    stage.turn()

    assert stage.told("NetworkReady")[0] == "True"


def test_a_cluster_and_its_end_stay_within_their_requests() -> None:
    """Counted without polls of the load balancer: lists, look-ups and writes."""
    stage = Stage(a_memory_cloud(clock=lambda: 0.0))
    stage.cloud.world.balancer_looks = stage.cloud.world.removal_looks = 0

    stage.settle()

    assert sum(stage.cloud.calls.values()) <= 22
    stage.cloud.calls.clear()
    stage.turn()
    assert sum(stage.cloud.calls.values()) == 0
