# SPDX-License-Identifier: Apache-2.0
"""`clusterctl move` with a pycapo on both sides that takes turns after each of its requests: OpenStack is left as it is."""

from collections.abc import Callable
from typing import Any

import pytest

from builders import NAME, NAMESPACE
from clusterctl import lasting, move
from machine_stage import Stage
from memory_cloud import MemoryCloud
from pycapo.api.capi import CLUSTER_NAME_LABEL, Cluster, IPAddress, IPAddressClaim, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import API_GROUP, TypedLocalObjectReference
from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackNetworkAttachment, OpenStackServer
from pycapo.model.kinds import Kind

POOL = TypedLocalObjectReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")
KINDS = (
    *(OpenStackCluster, OpenStackMachine, OpenStackServer, OpenStackNetworkAttachment),
    *(OpenStackFloatingIPPool, IPAddressClaim, IPAddress),
)
OWN = {"name": "own", "perMachine": {"subnets": [{"name": "v4", "from": ["10.64.0.0/20"], "prefixLength": 28}]}}
SIDE = {"name": "side", "managed": {"subnets": [{"name": "v4", "cidr": "10.31.0.0/24"}]}}


def a_stage() -> Stage:
    """A cluster of two machines with all that could be lost: own networks, a floating IP of a pool, a NIC of an attachment."""
    stage = Stage(networks=[OWN, SIDE])
    identity = {"name": "cloud-config", "cloudName": "dev"}
    pool: dict[str, Any] = {"metadata": {"namespace": NAMESPACE, "name": "public"}}
    stage.kube.create(
        OpenStackFloatingIPPool.from_dict({**pool, "spec": {"identityRef": identity, "reclaimPolicy": "Delete"}})
    )
    stage.add("control-0", control_plane=True)
    stage.add("worker-0", PortOpts(), PortOpts(cluster_network="own"), floating_ip_pool_ref=POOL)
    attachment = {"clusterName": NAME, "ports": [{"clusterNetwork": "side"}]}
    meta = {"namespace": NAMESPACE, "name": "side"}
    stage.kube.create(OpenStackNetworkAttachment.from_dict({"metadata": meta, "spec": attachment}))
    own_by_cluster(stage)
    stage.settle()
    return stage


def own_by_cluster(stage: Stage) -> None:
    """The owner references that Cluster API sets."""
    (cluster,) = (it for (plural, _), it in stage.kube.server.objects.items() if plural == "clusters")
    owner = {"apiVersion": cluster["apiVersion"], "kind": "Cluster", "name": NAME, "uid": cluster["metadata"]["uid"]}
    for kind in (OpenStackCluster, Machine):
        for obj in stage.kube.list(kind):
            document = {"metadata": {"ownerReferences": [owner], "labels": {CLUSTER_NAME_LABEL: NAME}}}
            stage.kube.server.edit(kind.plural, NAMESPACE, obj.metadata.name, document)


def an_empty_stage(of: Stage) -> Stage:
    """Another management cluster, with nothing in it, and a process of its own over the same cloud."""
    stage = Stage(cloud=of.cloud.restarted(), settled=False)
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.kube.server.request("DELETE", f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/clusters/{NAME}")
    stage.kube.has_secret(NAMESPACE, "boot", {"value": b"#cloud-config\n"})
    return stage


def kept(stage: Stage) -> dict[tuple[str, str], Any]:
    """What our objects say and by what they know their resources, without times, uids and what is only said of new servers."""
    found = {(kind.kind, it.metadata.name): it for kind in KINDS for it in stage.kube.list(kind)}
    return {key: (it.metadata.annotations, lasting(it.to_dict().get("status"))) for key, it in found.items()}


def test_openstack_is_asked_for_no_change_whatever_moment_of_a_move_it_is() -> None:
    one = a_stage()
    other, before, told = an_empty_stage(one), one.cloud.snapshot(), kept(one)
    one.cloud.writes = other.cloud.writes = 0

    for done in move(one.kube.server, other.kube.server):
        for stage in (one, other):
            stage.settle()
            assert stage.cloud.writes == 0, done

    assert kept(one) == {}
    assert kept(other) == told
    assert one.cloud.snapshot() == before


@pytest.mark.parametrize("kind", [Cluster, *KINDS], ids=lambda kind: kind.kind)
def test_a_watch_that_fails_during_the_move_does_no_harm_on_either_side(kind: type[Any]) -> None:
    one = a_stage()
    other, before = an_empty_stage(one), one.cloud.snapshot()
    for stage in (one, other):
        stage.cloud.writes = 0
        stage.kube.hold(kind)

    for _ in move(one.kube.server, other.kube.server):
        take_turns(one, other)
    for stage in (one, other):
        stage.kube.deliver()
    take_turns(one, other)

    assert one.cloud.writes == other.cloud.writes == 0
    assert one.cloud.snapshot() == before
    assert kept(one) == {}


@pytest.mark.parametrize(
    "last",
    ["made openstackmachines worker-0", "let ipaddressclaims worker-0-floating-ip-address go", "let openstackservers"],
)
def test_a_move_that_was_broken_off_does_no_harm_although_the_source_goes_on(last: str) -> None:
    one = a_stage()
    other, before, told = an_empty_stage(one), one.cloud.snapshot(), kept(one)
    one.cloud.writes = other.cloud.writes = 0

    assert next(done for done in move(one.kube.server, other.kube.server) if done.startswith(last))
    one.kube.server.edit("clusters", NAMESPACE, NAME, {"spec": {"paused": None}})
    for stage in (one, other):
        stage.settle()
    assert kept(one) == told
    for _ in move(one.kube.server, other.kube.server):
        take_turns(one, other)
    other.settle()

    assert one.cloud.writes == other.cloud.writes == 0
    assert (kept(one), kept(other), one.cloud.snapshot()) == ({}, told, before)


def there_and_back(changed: Callable[[Stage], object]) -> tuple[Stage, Callable[[], None]]:
    """A stage that was moved to another one, changed there, and moved back, with a process that has not looked since;
    and what lets minutes pass there."""
    one, clock = a_stage(), Clock()
    other = an_empty_stage(one)
    one.cloud = one.clouds.cloud = MemoryCloud(one.cloud.world, clock=clock)
    one.settle()  # its picture is of this moment
    for _ in move(one.kube.server, other.kube.server):
        pass
    changed(other)
    own_by_cluster(other)
    other.settle()
    for _ in move(other.kube.server, one.kube.server):
        pass
    clock.seconds += 60.0

    def pass_time() -> None:
        for _ in range(12):
            take_turns(one)
            clock.seconds += 10.0

    return one, pass_time


def test_a_server_made_elsewhere_is_not_taken_for_deleted_by_an_old_picture() -> None:
    one, pass_time = there_and_back(lambda other: other.add("worker-1"))

    pass_time()

    assert one.told(one.machine("worker-1"), "Ready")[0] == "True"


def test_a_server_made_elsewhere_goes_with_its_machine_although_the_picture_is_old() -> None:
    one, pass_time = there_and_back(lambda other: other.add("worker-1"))

    one.delete("worker-1")
    pass_time()

    assert [it.name for it in one.cloud.all(Kind.SERVER)] == ["control-0", "worker-0"]
    assert "worker-1" not in str(one.cloud.all(Kind.PORT))


def test_a_network_made_elsewhere_goes_with_its_cluster_although_the_picture_is_old() -> None:
    late = {"name": "late", "managed": {"subnets": [{"name": "v4", "cidr": "10.32.0.0/24"}]}}
    one, pass_time = there_and_back(lambda other: other.change(networks=[OWN, SIDE, late]))

    for name in ("worker-0", "control-0"):
        one.delete(name)
        one.kube.server.request("DELETE", f"/apis/cluster.x-k8s.io/v1beta2/namespaces/{NAMESPACE}/machines/{name}")
    one.kube.delete(OpenStackFloatingIPPool, NAMESPACE, "public")
    one.kube.delete(OpenStackNetworkAttachment, NAMESPACE, "side")
    one.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    pass_time()

    assert kept(one) == {}
    assert one.cloud.all(Kind.NETWORK) == ()


class Clock:
    """A clock that is set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def take_turns(*stages: Stage) -> None:
    """A turn of everything on each side; with a watch that lags there may be no end to them."""
    for stage in stages:
        for _ in range(2):
            list(stage._round())


def test_addresses_of_a_pool_that_stays_are_why_pools_move() -> None:
    """What happened with a definition that has no label: the claims go, and the pool takes back what the machines use."""
    one = a_stage()
    other = an_empty_stage(one)

    for _ in move(one.kube.server, other.kube.server, roots=frozenset({"clusters"})):
        one.settle()

    assert one.cloud.writes > 0
    assert one.kube.list(OpenStackFloatingIPPool) != []
