# SPDX-License-Identifier: Apache-2.0
"""Who belongs to whom: from an OpenStackMachine to its Machine, its cluster, its server and its sisters.

Rule: reads the caches and nothing else.
"""

from collections.abc import Iterator

from pycapo.api.capi import CLUSTER_NAME_LABEL, CONTROL_PLANE_LABEL, Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.networks import NamedNetworkStatus
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.kube.kube import Kube
from pycapo.kube.meta import Kind, deleting, owners_of
from pycapo.model.marks import OWNER_ANNOTATION


def owner_name(obj: Kind, kind: type[Kind]) -> str | None:
    """The name of an object's owner of a kind: of the Machine that owns an OpenStackMachine."""
    return next((key.name for key in owners_of(obj, kind)), None)


def capi_machine(kube: Kube, obj: OpenStackMachine) -> Machine | None:
    """The Machine that owns an OpenStackMachine."""
    name = owner_name(obj, Machine)
    return kube.get(Machine, obj.metadata.namespace or "", name) if name else None


def capi_cluster(kube: Kube, obj: OpenStackMachine) -> Cluster | None:
    """The Cluster of a machine: the one that its Machine names, else the one of its label."""
    machine = capi_machine(kube, obj)
    label = (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL)
    name = machine.spec.cluster_name if machine and machine.spec and machine.spec.cluster_name else label
    return kube.get(Cluster, obj.metadata.namespace or "", name) if name else None


def rests_now(kube: Kube, namespace: str, cluster: str | None) -> bool:
    """Whether a Cluster is paused or gone, as the API server says: asked before an object is made for it.

    A cache may not know yet that the Cluster is being moved. What was made then would be collected with its owner, unmarked as
    moved, and take along what lives on elsewhere.
    """
    if not cluster:
        return False
    found = kube.read(Cluster, namespace, cluster)
    return found is None or bool(found.spec and found.spec.paused)


def infrastructure(kube: Kube, obj: OpenStackMachine) -> OpenStackCluster | None:
    """The OpenStackCluster of a machine."""
    cluster = capi_cluster(kube, obj)
    reference = cluster.spec.infrastructure_ref if cluster and cluster.spec else None
    return kube.get(OpenStackCluster, obj.metadata.namespace or "", reference.name) if reference else None


def server_of_machine(kube: Kube, obj: OpenStackMachine) -> OpenStackServer | None:
    """The OpenStackServer of a machine's name."""
    return kube.get(OpenStackServer, obj.metadata.namespace or "", obj.metadata.name)


def owning_machine(kube: Kube, server: OpenStackServer) -> OpenStackMachine | None:
    """The OpenStackMachine that a server was made for, if it was made for one."""
    name = owner_name(server, OpenStackMachine)
    return kube.get(OpenStackMachine, server.metadata.namespace or "", name) if name else None


def machines_of(kube: Kube, namespace: str, cluster: str) -> Iterator[OpenStackMachine]:
    """The OpenStackMachines of a Cluster."""
    yield from kube.list(OpenStackMachine, index="cluster", value=f"{namespace}/{cluster}")


def servers_of(kube: Kube, namespace: str, cluster: str) -> Iterator[OpenStackServer]:
    """The OpenStackServers of a Cluster."""
    yield from kube.list(OpenStackServer, index="cluster", value=f"{namespace}/{cluster}")


def grounds_of(network: NamedNetworkStatus) -> tuple[object, ...]:
    """What of a named network machines may wait for: its id, its subnets, what networks for each machine are made of."""
    subnets, pools = len(network.subnets or ()), len(network.subnet_pools or ())
    return network.name, network.id, subnets, pools, network.qos_policy_id


def sisters(kube: Kube, obj: OpenStackMachine) -> tuple[str, ...]:
    """The owner marks of the cluster's other control plane machines that run and are not to go."""
    name = (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL, "")
    others = machines_of(kube, obj.metadata.namespace or "", name)
    living = (it for it in others if it.metadata.name != obj.metadata.name and not deleting(it) and _serves(it))
    marks = ((it.metadata.annotations or {}).get(OWNER_ANNOTATION) for it in living)
    return tuple(mark for mark in marks if mark)


def _serves(obj: OpenStackMachine) -> bool:
    labelled = CONTROL_PLANE_LABEL in (obj.metadata.labels or {})
    return labelled and obj.status is not None and obj.status.instance_state == "ACTIVE"
