# SPDX-License-Identifier: Apache-2.0
"""Two clusters that are called the same in every way, in one project of OpenStack: marks say whose is whose, never names."""

from typing import Any

from attachments import an_attachment
from builders import NAME, NAMESPACE
from machine_stage import Stage
from memory_cloud import MemoryCloud
from pycapo.api.capi import Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import RootVolume
from pycapo.api.ports import PortBody, PortFloatingIP, PortOpts, Subport
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, Mark
from pycapo.model.records import Record

TRAFFIC = {"name": "traffic", "managed": {"router": "Cluster", "subnets": [{"name": "v4", "cidr": "10.40.0.0/24"}]}}
APART = {"name": "apart", "managed": {"subnets": [{"name": "v4", "cidr": "10.41.0.0/24"}]}}
OWN = {"name": "own", "perMachine": {"subnets": [{"name": "v4", "from": ["10.64.0.0/20"], "prefixLength": 28}]}}
VLAN = {"name": "vlan", "perMachine": {"claim": {"filter": {"tags": ["node-vlan"]}}}}
BASTION: dict[str, Any] = {
    "flavor": {"filter": {"name": "m1.small"}},
    "image": {"filter": {"name": "ubuntu"}},
    "ports": [{}, {"clusterNetwork": "own"}],
}
CHILD = Subport(segmentation_id=101, port=PortBody(cluster_network="apart"))


def a_whole_cluster(cloud: MemoryCloud | None = None) -> Stage:
    """A cluster with all that clusters and machines can have made for them; not looked at yet."""
    bastion = {"enabled": True, "spec": BASTION}
    stage = Stage(cloud=cloud, settled=False, networks=[TRAFFIC, APART, OWN, VLAN], bastion=bastion)
    ports = [PortOpts(), *(PortOpts(cluster_network=name) for name in ("own", "vlan"))]
    ports.append(PortOpts(cluster_network="traffic", floating_ip=PortFloatingIP(), subports=[CHILD]))
    stage.add("control-0", control_plane=True, root_volume=RootVolume(size_gib=10))
    stage.add("worker-0", *ports)
    stage.kube.create(an_attachment(PortOpts(cluster_network="apart", subports=[CHILD])))
    return stage


def the_operators_networks(cloud: MemoryCloud) -> None:
    for number in range(2):
        (made,) = cloud.create(Kind.NETWORK, [{"name": f"vlan-{number}"}], marks=[None])
        cloud.update(Kind.NETWORK, made.id, {"tags": ["node-vlan"]})
        subnet = {"network_id": made.id, "cidr": f"10.2{number}.0.0/24", "ip_version": 4}
        cloud.create(Kind.SUBNET, [subnet], marks=[None])


def end(stage: Stage) -> None:
    for kind in (Machine, OpenStackNetworkAttachment):
        for item in stage.kube.list(kind):
            stage.kube.delete(kind, NAMESPACE, item.metadata.name)
    for name in ("control-0", "worker-0"):
        stage.delete(name)
    stage.kube.delete(OpenStackCluster, NAMESPACE, NAME)
    stage.settle()


def whole(stage: Stage) -> bool:
    """Whether everything of a cluster is ready."""
    (attachment,) = stage.kube.list(OpenStackNetworkAttachment)
    objects = [stage.cluster, attachment, *(stage.machine(name) for name in ("control-0", "worker-0"))]
    return all(stage.told(it, "Ready")[0] == "True" for it in objects)


def made_side_by_side() -> tuple[Stage, Stage, Any, Any]:
    """Two whole clusters, and the project as it was before both, and before the second."""
    first = a_whole_cluster()
    the_operators_networks(first.cloud)
    empty = first.cloud.snapshot()
    first.settle()
    before = first.cloud.snapshot()
    second = a_whole_cluster(first.cloud.restarted())
    for stage in (second, first):
        stage.settle()
    assert (whole(first), whole(second)) == (True, True)
    return first, second, empty, before


def test_the_names_are_the_same_and_everything_is_there_twice() -> None:
    first, _, _, before = made_side_by_side()

    after = first.cloud.snapshot()

    twice = {kind: [it.name for it in items if marks_of(it)] for kind, items in before.items()}
    named = {kind: sorted(it.name for it in items if marks_of(it)) for kind, items in after.items()}
    twice["network"] = [it for it in twice["network"] if not it.startswith("vlan-")]
    named["network"] = [it for it in named["network"] if not it.startswith("vlan-")]
    assert named == {kind: sorted([*names, *names]) for kind, names in twice.items()}
    assert {"trunk", "load balancer", "subnet pool", "security group", "volume"} <= {
        kind for kind in twice if twice[kind]
    }


def test_the_second_of_two_namesakes_goes_and_leaves_all_of_the_first() -> None:
    first, second, empty, before = made_side_by_side()

    end(second)
    first.restart()
    first.settle()

    assert (first.cloud.snapshot(), whole(first)) == (before, True)
    end(first)
    assert first.cloud.snapshot() == empty


def test_the_first_of_two_namesakes_goes_and_leaves_all_of_the_second() -> None:
    first, second, empty, _ = made_side_by_side()
    marks = {owner for owner, _ in made_by(second)}
    before = made_by(second)

    end(first)
    second.restart()
    second.settle()

    assert (made_by(second), whole(second), {owner for owner, _ in made_by(second)}) == (before, True, marks)
    end(second)
    assert second.cloud.snapshot() == empty


def marks_of(record: Record) -> set[Mark]:
    """All marks of a record, those in metadata too."""
    return {*record.marks, *((record.mark,) if record.mark else ())}


def made_by(stage: Stage) -> set[tuple[str, str]]:
    """The owner and id of everything that was made for objects of a management cluster."""
    kinds = (OpenStackCluster, OpenStackServer)
    known = {
        (it.metadata.annotations or {}).get(OWNER_ANNOTATION, "") for kind in kinds for it in stage.kube.list(kind)
    }
    every = (it for items in stage.cloud.snapshot().values() for it in items)
    return {(mark.owner, it.id) for it in every for mark in marks_of(it) if mark.owner in known}
