# SPDX-License-Identifier: Apache-2.0
"""The life of an OpenStackMachine: an OpenStackServer of its name, and what Cluster API wants to know of it.

    Machine + cluster + bootstrap data -> OpenStackServer -> providerID, addresses -> (control plane) in the endpoint
    nothing <- OpenStackServer gone <- (control plane) out of the endpoint <- deleted

Rule: everything about the server itself is the server's life; what this one tells of it, it read there.
"""

from typing import ClassVar

from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine, OpenStackMachineStatus
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.errors import CloudError
from pycapo.controllers.capabilities import machine_lacks
from pycapo.controllers.endpoint import Endpoint
from pycapo.controllers.family import (
    capi_cluster,
    capi_machine,
    grounds_of,
    infrastructure,
    machines_of,
    owner_name,
    rests_now,
    server_of_machine,
)
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import tell_plan, tell_ready
from pycapo.kube import conditions
from pycapo.kube.controller import Watch, wish_changed
from pycapo.kube.errors import AlreadyExists
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Gone, Life, Settled, Verdict
from pycapo.kube.meta import ObjectKey, copy_of, deleting, is_owned, key_of, owners_of
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, new_owner
from pycapo.model.records import Server
from pycapo.model.steps import Plan
from pycapo.plan.machine import (
    MACHINE_FINALIZER,
    NETWORK_READY,
    follow,
    is_control_plane,
    machine_waits,
    names_networks,
    network_waits,
    provisioned,
    server_of,
)
from pycapo.plan.machine_status import NO_SERVER_YET, active, machine_status
from pycapo.plan.membership import INGRESS_READY, NOT_RUNNING_YET
from pycapo.plan.pool_address import ADDRESS_READY
from pycapo.plan.references import INSTANCE_READY
from pycapo.plan.report import AUTHENTICATED, READY
from pycapo.plan.routes import POLICY_ROUTING


class MachineLife(Life[OpenStackMachine]):
    """Backs every Machine with a server."""

    kind = OpenStackMachine
    finalizer: ClassVar[str] = MACHINE_FINALIZER

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds
        self._endpoint = Endpoint(kube, clouds)

    def skip(self, obj: OpenStackMachine) -> str | None:
        """Leaves a machine alone that no Machine owns yet, unless it is to go."""
        return None if owner_name(obj, Machine) or deleting(obj) else "no Machine owns it yet"

    def paused(self, obj: OpenStackMachine) -> bool:
        """Whether the cluster is paused."""
        cluster = capi_cluster(self._kube, obj)
        return bool(cluster and cluster.spec and cluster.spec.paused)

    def prepare(self, obj: OpenStackMachine) -> None:
        """Gives the machine the id by which its resources are known again: its server's, if there is one already."""
        annotations = obj.metadata.annotations or {}
        server = server_of_machine(self._kube, obj)
        theirs = (server.metadata.annotations or {}).get(OWNER_ANNOTATION) if server else None
        mine = theirs or annotations.get(OWNER_ANNOTATION) or new_owner()
        obj.metadata.annotations = {**annotations, OWNER_ANNOTATION: mine}

    def live(self, obj: OpenStackMachine) -> Verdict:
        """One pass for a machine that shall exist."""
        obj.status = obj.status or OpenStackMachineStatus()
        machine, cluster = capi_machine(self._kube, obj), infrastructure(self._kube, obj)
        if machine is None or cluster is None:
            return Again(5.0, "the Machine or the OpenStackCluster was not found")
        server = server_of_machine(self._kube, obj)
        _tell_networks(obj, cluster, server)
        waits = tuple(machine_waits(obj, cluster, machine))
        if waits and server is None:
            waits = machine_lacks(self._kube, self._clouds, obj, cluster) or waits
            tell_plan(obj, INSTANCE_READY, Plan(waits=waits))
            tell_ready(obj, [INSTANCE_READY])
            return Settled()  # the Machine and the cluster are watched
        if server is None and rests_now(self._kube, obj.metadata.namespace or "", _cluster_name(machine)):
            return Settled()  # the Cluster is watched
        server = server or self._make(obj, cluster, machine)
        if not is_owned(server, obj):
            return self._taken(obj)
        self._follow(obj, cluster, server)
        self._tell(obj, server)
        verdict: Verdict = Settled()  # the server is watched
        if is_control_plane(machine) and active(server):
            verdict = self._endpoint.join(obj, cluster)
        elif is_control_plane(machine):
            tell_plan(obj, INGRESS_READY, Plan(waits=(NOT_RUNNING_YET,)))
        further = [type_ for type_ in (ADDRESS_READY,) if conditions.find(obj, type_)]
        tell_ready(obj, [INSTANCE_READY, *further, *([INGRESS_READY] if is_control_plane(machine) else [])])
        return verdict

    def retire(self, obj: OpenStackMachine) -> Verdict:
        """One pass of the end: out of the endpoint, then the server, then nothing."""
        obj.status = obj.status or OpenStackMachineStatus()
        machine, cluster = capi_machine(self._kube, obj), infrastructure(self._kube, obj)
        server = server_of_machine(self._kube, obj)
        if cluster and provisioned(cluster) and is_control_plane(machine or obj):
            self.prepare(obj)
            waiting = self._endpoint.leave(obj, cluster)
            if waiting is not None:
                return waiting
        if server is None or not is_owned(server, obj):
            return Gone()
        if not deleting(server):
            self._kube.delete(OpenStackServer, obj.metadata.namespace or "", server.metadata.name)
        of_server = conditions.find(server, INSTANCE_READY)
        told = of_server.message if of_server and deleting(server) else ""
        message = told or f"OpenStackServer {server.metadata.name} is being deleted"
        for type_ in (INSTANCE_READY, READY):
            conditions.mark(obj, type_, status=False, reason="Deleting", message=message)
        return Settled()  # the server is watched

    def _make(self, obj: OpenStackMachine, cluster: OpenStackCluster, machine: Machine) -> OpenStackServer:
        """Makes the OpenStackServer; one that is there already is looked at, never written over."""
        server = server_of(obj, cluster, machine)
        try:
            made = self._kube.create(server)
        except AlreadyExists:
            return self._kube.read(OpenStackServer, obj.metadata.namespace or "", server.metadata.name) or server
        self._kube.event(obj, "Normal", "SuccessfulCreateServer", f"made OpenStackServer {server.metadata.name}")
        return made

    def _follow(self, obj: OpenStackMachine, cluster: OpenStackCluster, server: OpenStackServer) -> None:
        """Hands on to the server what changed of the machine or its cluster and may change on a server."""
        spec = follow(server.spec, obj, cluster)
        if server.spec != spec:
            after = copy_of(server)
            after.spec = spec
            self._kube.patch(server, after)

    def _taken(self, obj: OpenStackMachine) -> Verdict:
        message = f"an OpenStackServer {obj.metadata.name} exists that was not made for this machine; it is left alone"
        for type_ in (INSTANCE_READY, READY):
            conditions.mark(obj, type_, status=False, reason="NameTaken", message=message)
        return Again(60.0, message)

    def _tell(self, obj: OpenStackMachine, server: OpenStackServer) -> None:
        """Tells of the machine what its server tells of itself."""
        obj.status, obj.spec.provider_id = machine_status(obj, server, zone=self._zone(obj, server))
        for type_ in (INSTANCE_READY, AUTHENTICATED, POLICY_ROUTING, ADDRESS_READY):
            said = conditions.find(server, type_)
            if said:
                status = {"True": True, "False": False}.get(said.status)
                conditions.mark(obj, type_, status=status, reason=said.reason, message=said.message)
        if conditions.find(server, INSTANCE_READY) is None:
            tell_plan(obj, INSTANCE_READY, Plan(waits=(NO_SERVER_YET,)))

    def _zone(self, obj: OpenStackMachine, server: OpenStackServer) -> str | None:
        """The zone that the server runs in: the one it was asked into, else where Nova put it."""
        id = server.status.instance_id if server.status else None
        if server.spec.availability_zone or not id:
            return server.spec.availability_zone
        try:
            cloud = open_cloud(self._kube, self._clouds, obj.metadata.namespace or "", server.spec.identity_ref)
            record = cloud.look({Kind.SERVER}).get(Kind.SERVER, id)
        except CloudError:
            return None  # the server's life tells what is wrong with the cloud
        return record.zone if isinstance(record, Server) else None


def _cluster_name(machine: Machine) -> str | None:
    return machine.spec.cluster_name if machine.spec else None


def _tell_networks(obj: OpenStackMachine, cluster: OpenStackCluster, server: OpenStackServer | None) -> None:
    """Tells of a machine that names networks of its cluster whether they were there for its server to be made."""
    if not names_networks(obj):
        conditions.unmark(obj, NETWORK_READY)
        return
    tell_plan(obj, NETWORK_READY, Plan(waits=() if server else tuple(network_waits(obj, cluster))))


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What else makes a machine look again: its Machine, its server, and its cluster: ready, paused, other subnets."""

    def of_machine(obj: Machine) -> list[ObjectKey]:
        reference = obj.spec.infrastructure_ref if obj.spec else None
        ours = reference is not None and reference.kind == OpenStackMachine.kind
        return [ObjectKey(obj.metadata.namespace or "", reference.name)] if ours and reference else []

    def of_server(obj: OpenStackServer) -> list[ObjectKey]:
        return owners_of(obj, OpenStackMachine)

    def of_cluster_named(namespace: str, name: str) -> list[ObjectKey]:
        return [key_of(it) for it in machines_of(kube, namespace, name)]

    def of_cluster(obj: Cluster) -> list[ObjectKey]:
        return of_cluster_named(*key_of(obj))

    def of_infrastructure(obj: OpenStackCluster) -> list[ObjectKey]:
        return [key for owner in owners_of(obj, Cluster) for key in of_cluster_named(*owner)]

    return (
        Watch(Machine, of_machine, changed=wish_changed),
        Watch(OpenStackServer, of_server),
        Watch(Cluster, of_cluster, changed=wish_changed),
        Watch(OpenStackCluster, of_infrastructure, changed=_matters),
    )


def _matters(old: OpenStackCluster, new: OpenStackCluster) -> bool:
    return provisioned(old) != provisioned(new) or wish_changed(old, new) or _grounds(old) != _grounds(new)


def _grounds(cluster: OpenStackCluster) -> tuple[object, ...]:
    """What a machine's ports may stand on: the cluster network, and the named networks that are there."""
    status = cluster.status
    return (status.network, [grounds_of(it) for it in status.networks or ()]) if status else ()
