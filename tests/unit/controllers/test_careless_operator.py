# SPDX-License-Identifier: Apache-2.0
"""What careless people do to a cluster that lives: by hand in OpenStack, or to the object, at the worst moment."""

from typing import Any

import msgspec
import pytest

from builders import NAME, NAMESPACE
from memory_cloud import MemoryCloud, a_memory_cloud
from pycapo.api.cluster import OpenStackCluster
from pycapo.cloud.errors import CloudError, Forbidden, InUse, NotFound, QuotaExceeded, RetryNow, Unanswered
from pycapo.kube.life import Again, Failed, Gone, Settled
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, LoadBalancer, Network, Router
from stage import KEY, Stage

WITHOUT_BALANCER: dict[str, Any] = {"apiServer": None}
MADE = (
    Kind.NETWORK,
    Kind.SUBNET,
    Kind.ROUTER,
    Kind.ROUTER_INTERFACE,
    Kind.SECURITY_GROUP,
    Kind.SECURITY_GROUP_RULE,
    Kind.LOAD_BALANCER,
    Kind.FLOATING_IP,
)


def settled(**spec: Any) -> Stage:
    stage = Stage(**spec)
    assert stage.settle() == Settled()
    return stage


def counts(cloud: MemoryCloud) -> dict[Kind, int]:
    return {kind: len(cloud.all(kind)) for kind in Kind}


def set_field(stage: Stage, kind: Kind, id: str, **fields: Any) -> None:
    """Somebody changes a resource behind our back, and Octavia or Neutron say nothing."""
    record = stage.cloud.world.get(kind, id)
    stage.cloud.world.records[kind][id] = msgspec.structs.replace(record, **fields)


def ports(stage: Stage) -> int:
    return len(stage.cloud.all(Kind.PORT))


def test_dns_servers_that_were_changed_by_hand_are_set_back() -> None:
    stage = settled()
    (subnet,) = stage.cloud.all(Kind.SUBNET)
    set_field(stage, Kind.SUBNET, subnet.id, dns_nameservers=("6.6.6.6",))

    stage.settle()

    assert stage.cloud.all(Kind.SUBNET)[0].dns_nameservers == ("1.1.1.1",)


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.SUBNET, Kind.ROUTER, Kind.SECURITY_GROUP, Kind.LOAD_BALANCER])
def test_tags_of_the_user_that_were_removed_by_hand_come_back(kind: Kind) -> None:
    stage = settled(tags=["prod"])
    (ours, *_) = [record for record in stage.cloud.all(kind) if record.mark]
    set_field(stage, kind, ours.id, tags=tuple(tag for tag in ours.tags if tag != "prod"))

    stage.settle()

    assert "prod" in stage.cloud.world.get(kind, ours.id).tags
    assert stage.cloud.world.get(kind, ours.id).mark == ours.mark


def test_rules_that_were_removed_by_hand_come_back_and_rules_of_others_go() -> None:
    stage = settled()
    group = next(record for record in stage.cloud.all(Kind.SECURITY_GROUP) if record.mark)
    before = len(group.security_group_rules)
    for rule in group.security_group_rules:
        stage.cloud.delete(Kind.SECURITY_GROUP_RULE, rule.id)
    foreign = {"security_group_id": group.id, "protocol": "tcp", "port_range_min": 23, "port_range_max": 23}
    stage.cloud.create(Kind.SECURITY_GROUP_RULE, [{**foreign, "direction": "ingress"}], marks=[None])

    stage.settle()

    rules = stage.cloud.world.get(Kind.SECURITY_GROUP, group.id).security_group_rules
    assert len(rules) == before
    assert 23 not in {rule.port_range_min for rule in rules}


def test_a_floating_ip_that_was_taken_away_is_pointed_at_the_vip_again() -> None:
    stage = settled()
    (address,) = stage.cloud.all(Kind.FLOATING_IP)
    stage.cloud.update(Kind.FLOATING_IP, address.id, {"port_id": None})

    stage.settle()

    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    assert stage.cloud.world.get(Kind.FLOATING_IP, address.id).port_id == balancer.vip_port_id


def test_a_floating_ip_that_was_deleted_is_not_replaced_by_another_address() -> None:
    """Certificates and kubeconfigs hold the address: another one would be no help."""
    stage = settled()
    (address,) = stage.cloud.all(Kind.FLOATING_IP)
    stage.cloud.world.drop(Kind.FLOATING_IP, address.id)

    stage.turn()
    stage.turn()

    assert stage.cluster.spec.control_plane_endpoint is not None
    assert stage.cluster.spec.control_plane_endpoint.host == address.floating_ip_address
    made = {found.floating_ip_address for found in stage.cloud.all(Kind.FLOATING_IP)}
    assert made <= {address.floating_ip_address}


def test_a_router_that_lost_its_gateway_or_its_subnet_is_joined_again() -> None:
    stage = settled()
    (interface,) = [port for port in stage.cloud.all(Kind.PORT) if port.device_owner.startswith("network:router_inter")]
    stage.cloud.world.drop(Kind.PORT, interface.id)
    before = ports(stage)

    stage.settle()

    assert ports(stage) == before + 1


def test_a_load_balancer_in_error_is_told_and_neither_touched_nor_made_again() -> None:
    stage = settled()
    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    set_field(stage, Kind.LOAD_BALANCER, balancer.id, provisioning_status="ERROR")
    writes = stage.cloud.writes

    outcome = stage.turn()

    assert isinstance(outcome, Again)
    assert stage.told("APIEndpointReady")[:2] == ("False", "LoadBalancerError")
    assert balancer.id in stage.told("Ready")[2]
    assert stage.cloud.writes == writes


def test_a_load_balancer_in_error_does_not_keep_the_cluster_from_going() -> None:
    stage = settled()
    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    set_field(stage, Kind.LOAD_BALANCER, balancer.id, provisioning_status="ERROR")
    stage.delete()

    assert stage.settle() == Gone()
    assert stage.cloud.all(Kind.LOAD_BALANCER) == ()


def test_a_lasting_endpoint_outlives_a_load_balancer_that_somebody_deleted() -> None:
    stage = settled()
    before = stage.cluster.spec.control_plane_endpoint
    (balancer,) = stage.cloud.all(Kind.LOAD_BALANCER)
    stage.cloud.delete(Kind.LOAD_BALANCER, balancer.id, body={"cascade": True})
    for _ in range(3):
        stage.cloud.look({Kind.LOAD_BALANCER})

    stage.settle()

    assert stage.cluster.spec.control_plane_endpoint == before
    assert len(stage.cloud.all(Kind.LOAD_BALANCER)) == 1
    assert stage.told("Ready")[0] == "True"


@pytest.mark.parametrize("kind", [Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR])
def test_a_part_of_a_load_balancer_that_was_deleted_by_hand_is_made_again(kind: Kind) -> None:
    stage = settled()
    (part,) = stage.cloud.all(kind)
    stage.cloud.delete(kind, part.id)

    stage.settle()

    assert len(stage.cloud.all(kind)) == 1
    assert stage.told("APIEndpointReady")[0] == "True"


def test_a_spec_that_changes_while_the_load_balancer_is_pending_is_done_afterwards() -> None:
    stage = Stage()
    stage.cloud.world.balancer_looks = 4
    while not stage.cloud.all(Kind.LOAD_BALANCER):
        stage.turn()
    assert stage.cloud.all(Kind.LOAD_BALANCER)[0].provisioning_status == "PENDING_CREATE"

    stage.change(apiServer={"managedLoadBalancer": {"enabled": True, "additionalPorts": [9345]}})

    assert stage.settle() == Settled()
    assert {listener.protocol_port for listener in stage.cloud.all(Kind.LISTENER)} == {6443, 9345}


def test_a_cluster_that_is_deleted_while_its_load_balancer_is_pending_waits_for_it() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.cloud.world.balancer_looks = 4
    while not stage.cloud.all(Kind.LOAD_BALANCER):
        stage.turn()
    stage.delete()

    outcome = stage.turn()

    assert isinstance(outcome, Again)
    assert "PENDING_CREATE" in outcome.why
    assert stage.settle() == Gone()
    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize("turns", range(1, 9))
def test_a_cluster_may_be_deleted_after_any_turn_of_its_birth(turns: int) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    for _ in range(turns):
        stage.turn()

    stage.delete()

    assert stage.settle() == Gone()
    assert stage.cloud.snapshot() == before
    assert stage.kube.get(OpenStackCluster, *KEY) is None


def test_a_cluster_whose_object_vanished_in_the_middle_is_nothing_to_do() -> None:
    stage = Stage()
    stage.turn()
    stage.kube.server.edit("openstackclusters", NAMESPACE, NAME, {"metadata": {"finalizers": None}})
    stage.delete()

    assert stage.turn() == Gone()


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (QuotaExceeded("Quota exceeded for resources", status=409), "QuotaExceeded"),
        (Forbidden("Policy does not allow it", status=403), "Forbidden"),
    ],
)
def test_a_refusal_of_any_service_is_told_and_the_cluster_goes_on_when_it_is_mended(
    kind: Kind, error: CloudError, reason: str
) -> None:
    stage = Stage()
    stage.cloud.fail_next(kind, "create", error)
    for _ in range(30):
        outcome = stage.turn()
        if isinstance(outcome, Again) and outcome.after == 60:
            break

    assert isinstance(outcome, Again)
    assert stage.told("Ready")[:2] == ("False", reason)
    assert str(error) in stage.told("Ready")[2]
    assert stage.settle() == Settled()
    assert stage.told("Ready")[0] == "True"


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [RetryNow("502", status=502), Unanswered("cut off")])
def test_a_failure_of_any_service_makes_nothing_twice_whether_or_not_it_did_the_work(
    kind: Kind, after: bool, error: CloudError
) -> None:
    whole = counts(settled().cloud)
    stage = Stage()
    stage.cloud.fail_next(kind, "create", error, after=after)

    failures = 0
    for _ in range(40):
        outcome = stage.turn()
        failures += isinstance(outcome, Failed)
        if outcome == Settled():
            break

    assert failures == 1
    assert outcome == Settled()
    assert counts(stage.cloud) == whole


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.SUBNET, Kind.ROUTER, Kind.SECURITY_GROUP, Kind.FLOATING_IP])
@pytest.mark.parametrize(
    "error", [InUse("in use", status=409), NotFound("gone", status=404), RetryNow("500", status=500)]
)
def test_a_removal_that_fails_once_is_tried_again_until_nothing_is_left(kind: Kind, error: CloudError) -> None:
    stage = Stage(**WITHOUT_BALANCER)
    before = stage.cloud.snapshot()
    stage.settle()
    stage.delete()
    stage.cloud.fail_next(kind, "delete", error)

    for _ in range(30):
        outcome = stage.turn()
        if outcome == Gone():
            break

    assert outcome == Gone()
    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize("verb", ["look", "find"])
def test_a_cloud_that_cannot_be_read_changes_nothing_and_does_not_unmake_ready(verb: str) -> None:
    stage = settled()
    endpoint = stage.cluster.spec.control_plane_endpoint
    writes = stage.cloud.writes
    stage.cloud.fail_next(None, verb, RetryNow("The answer about a network could not be read"))

    stage.turn()

    assert stage.cloud.writes == writes
    assert stage.cluster.spec.control_plane_endpoint == endpoint
    assert stage.cluster.status is not None
    assert stage.cluster.status.initialization is not None
    assert stage.cluster.status.initialization.provisioned


def test_a_cluster_whose_name_begins_like_anothers_touches_nothing_of_it() -> None:
    cloud = a_memory_cloud()
    for name in ("k8s-clusterapi-cluster-team-blue", "k8s-clusterapi-cluster-team-blue-2"):
        cloud.world.add(Kind.NETWORK, Network(id=name, name=name, project_id=cloud.project_id))
        cloud.world.add(Kind.ROUTER, Router(id=name, name=name, project_id=cloud.project_id))
        lb = LoadBalancer(id=name, name=f"{name}-kubeapi", project_id=cloud.project_id, provisioning_status="ACTIVE")
        cloud.world.add(Kind.LOAD_BALANCER, lb)
    before = cloud.snapshot()
    stage = Stage(cloud)
    stage.settle()
    assert len(cloud.all(Kind.NETWORK)) == 3

    stage.delete()

    assert stage.settle() == Gone()
    assert cloud.snapshot() == before


def test_a_floating_ip_of_somebody_else_is_never_taken() -> None:
    cloud = a_memory_cloud()
    theirs = FloatingIP(
        id="theirs", floating_ip_address="203.0.113.9", floating_network_id="public-id", project_id=cloud.project_id
    )
    cloud.world.add(Kind.FLOATING_IP, theirs)
    stage = Stage(cloud)

    stage.settle()
    stage.delete()
    stage.settle()

    assert cloud.all(Kind.FLOATING_IP) == (theirs,)


def test_two_external_networks_are_told_by_name_and_nothing_that_needs_one_is_made() -> None:
    cloud = a_memory_cloud()
    cloud.world.add(Kind.NETWORK, Network(id="dmz-id", name="dmz", external=True, project_id="admin"))
    stage = Stage(cloud)

    for _ in range(5):
        stage.turn()

    message = stage.told("Ready")[2]
    assert "dmz" in message
    assert "public" in message
    assert cloud.all(Kind.ROUTER) == cloud.all(Kind.LOAD_BALANCER) == ()


def test_a_named_external_network_that_does_not_exist_is_told_with_its_field() -> None:
    stage = Stage(externalNetwork={"filter": {"name": "internet"}})

    for _ in range(4):
        stage.turn()

    status, reason, message = stage.told("NetworkReady")
    assert (status, reason) == ("False", "NotFound")
    assert "spec.externalNetwork" in message
    assert "internet" in message


def test_an_octavia_that_is_taken_away_is_told_and_the_rest_stays() -> None:
    stage = settled()
    before = counts(stage.cloud)
    stage.cloud.world.services = stage.cloud.world.services - {"load-balancer"}

    stage.turn()

    assert stage.told("APIEndpointReady")[:2] == ("False", "LoadBalancerServiceAbsent")
    assert counts(stage.cloud) == before


def test_a_secret_that_is_deleted_keeps_the_cluster_and_its_deletion_waiting() -> None:
    stage = settled()
    stage.kube.server.objects.pop(next(key for key in stage.kube.server.objects if key[0] == "secrets"))
    stage.kube._secrets.clear()
    stage.delete()

    outcome = stage.turn()

    assert isinstance(outcome, Again)
    assert "cloud-config" in outcome.why
    assert stage.kube.get(OpenStackCluster, *KEY) is not None


def test_a_zone_that_does_not_exist_is_told_until_it_is_mended() -> None:
    stage = Stage(controlPlaneAvailabilityZones=["az1", "az9"])
    stage.settle_until_waiting()
    told, provisioned = stage.told("FailureDomainsReady"), stage.cluster.status.initialization

    stage.change(controlPlaneAvailabilityZones=["az1"])
    stage.settle()

    message = 'spec.controlPlaneAvailabilityZones[1]: no availability zone is named "az9"; there are "az1", "az2"'
    assert (told, provisioned) == (("False", "NotFound", message), None)
    assert stage.told("FailureDomainsReady")[0] == stage.told("Ready")[0] == "True"


def test_the_condition_of_zones_goes_with_the_wish() -> None:
    stage = settled(controlPlaneAvailabilityZones=["az1"])

    stage.change(controlPlaneAvailabilityZones=None)
    stage.settle()

    assert "FailureDomainsReady" not in {item.type for item in stage.cluster.status.conditions}
