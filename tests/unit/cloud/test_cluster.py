# SPDX-License-Identifier: Apache-2.0
"""Looking at a cluster: what is asked of the cloud, and what is not asked again."""

from typing import Any

from builders import NAME, OWNER, a_cluster
from memory_cloud import MemoryCloud, a_memory_cloud
from pycapo.cloud.apply import apply
from pycapo.cloud.cluster import observe_cluster
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.seen import Seen
from pycapo.plan.asked import asked_of
from pycapo.plan.cluster import plan_cluster
from pycapo.plan.lookups import lookups
from pycapo.plan.report import whole


def look(cloud: MemoryCloud, status: dict[str, Any] | None = None, **spec: Any) -> Seen:
    cluster = a_cluster(status, **spec)
    wanted = lookups(asked_of(cluster, name=NAME, owner=OWNER))
    return observe_cluster(cloud, cluster, OWNER, lookups=wanted)


def a_built_cloud(**spec: Any) -> MemoryCloud:
    cloud = a_memory_cloud()
    asked = asked_of(a_cluster(**spec), name=NAME, owner=OWNER)
    for _ in range(5):
        apply(whole(plan_cluster(asked, look(cloud, **spec))), cloud)
    return cloud


def test_what_carries_the_owners_mark_is_owned() -> None:
    cloud = a_built_cloud()
    cloud.create(Kind.NETWORK, [{"name": "theirs"}], marks=[Mark("ffffffffffff", "network")])

    seen = look(cloud)

    assert [item.name for item in seen.owned[Kind.NETWORK]] == ["k8s-clusterapi-cluster-team-blue"]


def test_interfaces_of_our_router_stand_beside() -> None:
    seen = look(a_built_cloud())

    assert len(seen.beside[Kind.ROUTER_INTERFACE]) == 1


def test_the_subnets_of_a_named_network_are_asked_for_only_if_the_project_does_not_have_them() -> None:
    cloud = a_memory_cloud()
    (network,) = cloud.create(Kind.NETWORK, [{"name": "dc"}], marks=[None])
    (subnet,) = cloud.create(Kind.SUBNET, [{"network_id": network.id, "cidr": "10.9.0.0/24"}], marks=[None])
    named = [{"name": "storage", "network": {"filter": {"name": "dc"}}}]

    seen = look(cloud, networks=named)
    other = cloud.restarted(project_id="another")
    again = look(other, networks=named)

    assert {it.id for it in seen.found["spec.networks[0].network.subnets"]} == {subnet.id}
    assert {it.id for it in again.found["spec.networks[0].network.subnets"]} == {subnet.id}
    assert (cloud.calls["find", Kind.SUBNET], other.calls["find", Kind.SUBNET]) == (0, 1)


def test_a_network_that_exists_brings_its_subnets() -> None:
    cloud = a_memory_cloud()
    (network,) = cloud.create(Kind.NETWORK, [{"name": "dc"}], marks=[None])
    cloud.create(Kind.SUBNET, [{"network_id": network.id, "cidr": "10.0.0.0/24"}], marks=[None])

    seen = look(cloud, managedSubnets=None, network={"filter": {"name": "dc"}})

    assert [item.id for item in seen.found["spec.network"]] == [network.id]
    assert len(seen.found["spec.subnets"]) == 1


def test_a_subnet_that_exists_brings_its_network() -> None:
    cloud = a_memory_cloud()
    (network,) = cloud.create(Kind.NETWORK, [{"name": "dc"}], marks=[None])
    (subnet,) = cloud.create(Kind.SUBNET, [{"network_id": network.id, "cidr": "10.0.0.0/24"}], marks=[None])

    seen = look(cloud, managedSubnets=None, subnets=[{"id": subnet.id}])

    assert [item.id for item in seen.found["spec.network"]] == [network.id]


def test_the_external_network_of_our_router_is_not_looked_up_again() -> None:
    cloud = a_built_cloud()
    cloud.calls.clear()

    seen = look(cloud, {"externalNetwork": {"name": "public", "id": "public-id"}})

    assert [item.id for item in seen.found["spec.externalNetwork"]] == ["public-id"]
    assert not [verb for verb, _ in cloud.calls if verb == "find"]


def test_a_floating_ip_in_the_picture_is_not_looked_up() -> None:
    cloud = a_built_cloud()
    address = cloud.all(Kind.FLOATING_IP)[0].floating_ip_address
    cloud.calls.clear()

    seen = look(cloud, controlPlaneEndpoint={"host": address, "port": 6443})

    assert len(seen.found["spec.apiServer.floatingIP"]) == 1
    assert cloud.calls["find", Kind.FLOATING_IP] == 0


def test_a_cloud_without_octavia_is_not_asked_for_load_balancers() -> None:
    cloud = a_memory_cloud()
    cloud.world.services -= {"load-balancer"}

    look(cloud)

    assert cloud.calls["look", Kind.LOAD_BALANCER] == 0


def test_looking_changes_nothing() -> None:
    cloud = a_built_cloud()
    before, writes = cloud.snapshot(), cloud.writes

    look(cloud)

    assert (cloud.snapshot(), cloud.writes) == (before, writes)
