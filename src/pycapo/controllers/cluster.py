# SPDX-License-Identifier: Apache-2.0
"""The life of an OpenStackCluster: from a spec to a network that machines can join, and back to nothing.

    spec    -> network -> router -> security groups -> API endpoint -> provisioned -> bastion
    nothing <- security groups <- network <- router <- API endpoint <- bastion <- machines gone

Rule: one turn looks once, decides once, acts, and tells what was seen before it acted.
"""

from collections.abc import Sequence
from typing import ClassVar

from pycapo.api.capi import CLUSTER_NAME_LABEL, MANAGED_BY_ANNOTATION, Cluster, Machine
from pycapo.api.cluster import ClusterInitialization, OpenStackCluster, OpenStackClusterStatus
from pycapo.api.machine import OpenStackMachine
from pycapo.api.recorded import recorded_ids
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.cluster import SWEEP, observe_cluster
from pycapo.cloud.errors import CloudError
from pycapo.controllers import capabilities
from pycapo.controllers.capabilities import tell_capabilities
from pycapo.controllers.family import owner_name, rests_now
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import (
    give_up_for_now,
    look_on,
    tell_conditions,
    tell_error,
    tell_login,
    tell_steps,
    tell_trouble,
)
from pycapo.kube import conditions
from pycapo.kube.controller import Watch, wish_changed
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Gone, Life, Verdict
from pycapo.kube.meta import ObjectKey, copy_of, deleting, owners_of
from pycapo.model import names
from pycapo.model.marks import OWNER_ANNOTATION, new_owner
from pycapo.model.seen import Seen
from pycapo.model.steps import Step
from pycapo.plan import bastion
from pycapo.plan.asked import Asked, asked_of
from pycapo.plan.bastion import Act, bastion_server, bastion_status, plan_bastion
from pycapo.plan.cluster import OPTIONAL, complete, plan_cluster, plan_retirement
from pycapo.plan.lookups import lookups
from pycapo.plan.per_machine import followed
from pycapo.plan.report import READY, Parts, ready, report, stopped, whole
from pycapo.plan.status import endpoint_host, status_of


class ClusterLife(Life[OpenStackCluster]):
    """Gives every OpenStackCluster its infrastructure."""

    kind = OpenStackCluster
    finalizer: ClassVar[str] = "openstackcluster.infrastructure.cluster.x-k8s.io"

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds

    def skip(self, obj: OpenStackCluster) -> str | None:
        """Leaves alone what somebody else manages, and what no Cluster owns yet."""
        if MANAGED_BY_ANNOTATION in {**(obj.metadata.annotations or {}), **(obj.metadata.labels or {})}:
            return "it is externally managed"
        return None if owner_name(obj, Cluster) else "no Cluster owns it yet"

    def paused(self, obj: OpenStackCluster) -> bool:
        """Whether the Cluster is paused."""
        owner = self._owner(obj)
        return owner is not None and owner.spec is not None and bool(owner.spec.paused)

    def prepare(self, obj: OpenStackCluster) -> None:
        """Gives the cluster the id by which it knows its resources again."""
        obj.metadata.annotations = {OWNER_ANNOTATION: new_owner(), **(obj.metadata.annotations or {})}

    def live(self, obj: OpenStackCluster) -> Verdict:
        """One pass: look, decide, tell, act."""
        if self._owner(obj) is None:
            return Again(5.0, f"Cluster {owner_name(obj, Cluster)} was not found")
        asked = _asked(obj)
        try:
            cloud = self._cloud(obj)
            seen = observe_cluster(cloud, obj, asked.owner, lookups=lookups(asked))
            tell_capabilities(self._kube, obj, asked.name, cloud)
        except CloudError as error:
            return self._unable(obj, error)
        tell_login(obj)
        parts = plan_cluster(asked, seen)
        _tell(obj, asked, seen, parts)
        parts = self._with_bastion(obj, asked, seen, parts)
        return self._act(obj, cloud, parts)

    def retire(self, obj: OpenStackCluster) -> Verdict:
        """One pass of the end; Gone when nothing of the cluster's is left."""
        if OWNER_ANNOTATION not in (obj.metadata.annotations or {}):
            if not recorded_ids(obj):
                return Gone()
            self.prepare(obj)
            return Again(0.0, "what another controller made is taken over")
        asked, remaining = _asked(obj), self._remaining(obj)
        if remaining:
            plan = plan_retirement(asked, Seen(owner=asked.owner), remaining)
            tell_conditions(obj, [ready((), 0, retiring=plan)])
            return look_on(plan)
        done: list[Step] = []
        try:
            cloud = self._cloud(obj)
            seen = observe_cluster(cloud, obj, asked.owner, lookups={})
            if plan_retirement(
                asked, seen, ()
            ).settled:  # another management cluster may have made more since that look
                seen = observe_cluster(cloud, obj, asked.owner, lookups={}, max_age=SWEEP)
            plan = plan_retirement(asked, seen, ())
            tell_conditions(obj, [ready((), 0, retiring=plan)])
            apply(plan, cloud, done=done)
        except CloudError as error:
            return self._unable(obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        return Gone() if plan.settled else look_on(plan)

    def _act(self, obj: OpenStackCluster, cloud: Cloud, parts: Parts) -> Verdict:
        plan, generation = whole(parts), obj.metadata.generation or 0
        tell_trouble(self._kube, obj, plan)
        done: list[Step] = []
        try:
            apply(plan, cloud, done=done)
        except CloudError as error:
            tell_conditions(obj, report(parts, generation, failure=error, stopped_at=stopped(plan, done)))
            return self._unable(obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        return look_on(plan)

    def _with_bastion(self, obj: OpenStackCluster, asked: Asked, seen: Seen, parts: Parts) -> Parts:
        """Asks for the bastion's server, or for its end; its address is part of the plan."""
        assert obj.status is not None
        server = self._bastion(obj)
        plan, act = plan_bastion(asked, obj, seen, server)
        if act is Act.MAKE and not rests_now(self._kube, obj.metadata.namespace or "", owner_name(obj, Cluster)):
            self._kube.create(bastion_server(obj, asked.name))
            self._kube.event(obj, "Normal", "SuccessfulCreateBastion", f"make server {names.bastion(asked.name)}")
        if act is Act.DELETE and server is not None:
            self._delete(server)
        if act is None and server is not None and bastion.belongs(server, obj) and not deleting(server):
            self._follow(obj, server)
        obj.status.bastion = bastion_status(asked, seen, server)
        if not asked.has_bastion and plan.settled:
            conditions.unmark(obj, bastion.CONDITION)
            return parts
        generation = obj.metadata.generation or 0
        parts = {**parts, bastion.CONDITION: plan}
        told = report(parts, generation)
        tell_conditions(obj, [*told, ready(told, generation)])
        return parts

    def _follow(self, obj: OpenStackCluster, server: OpenStackServer) -> None:
        """Hands on to the bastion's server what changed of the networks that are made for it alone."""
        after = copy_of(server)
        after.spec.networks = followed(server.spec.networks, obj)
        if after.spec != server.spec:
            self._kube.patch(server, after)

    def _bastion(self, obj: OpenStackCluster) -> OpenStackServer | None:
        return self._kube.get(
            OpenStackServer, obj.metadata.namespace or "", names.bastion(owner_name(obj, Cluster) or "")
        )

    def _delete(self, server: OpenStackServer) -> None:
        meta = server.metadata
        self._kube.delete(OpenStackServer, meta.namespace or "", meta.name, uid=meta.uid or "")

    def _owner(self, obj: OpenStackCluster) -> Cluster | None:
        return self._kube.get(Cluster, obj.metadata.namespace or "", owner_name(obj, Cluster) or "")

    def _cloud(self, obj: OpenStackCluster) -> Cloud:
        return open_cloud(self._kube, self._clouds, obj.metadata.namespace or "", obj.spec.identity_ref)

    def _remaining(self, obj: OpenStackCluster) -> Sequence[str]:
        """The names of the machines that still belong to the cluster, and its bastion, which is asked to go."""
        namespace, name = obj.metadata.namespace or "", owner_name(obj, Cluster)
        machines = self._kube.list(Machine, namespace=namespace)
        left = {item.metadata.name for item in machines if item.spec and item.spec.cluster_name == name}
        ours = self._kube.list(OpenStackMachine, namespace=namespace)
        left |= {item.metadata.name for item in ours if (item.metadata.labels or {}).get(CLUSTER_NAME_LABEL) == name}
        server = self._bastion(obj)
        if server is not None and bastion.belongs(server, obj):
            left.add(server.metadata.name)
            if not deleting(server):
                self._delete(server)
        return sorted(left)

    def _unable(self, obj: OpenStackCluster, error: CloudError) -> Verdict:
        tell_error(obj, READY, error)
        return give_up_for_now(self._kube, obj, error)


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What else makes a cluster look again: its Cluster, its bastion, and the machines that go while it is deleted."""

    def of_cluster(obj: Cluster) -> list[ObjectKey]:
        reference = obj.spec.infrastructure_ref if obj.spec else None
        ours = reference is not None and reference.kind == OpenStackCluster.kind
        return [ObjectKey(obj.metadata.namespace or "", reference.name)] if ours and reference else []

    def of_machine(obj: Machine) -> list[ObjectKey]:
        namespace, name = obj.metadata.namespace or "", obj.spec.cluster_name if obj.spec else ""
        owner = kube.get(Cluster, namespace, name)
        return of_cluster(owner) if owner is not None and deleting(owner) else []

    def of_server(obj: OpenStackServer) -> list[ObjectKey]:
        return owners_of(obj, OpenStackCluster)

    return (
        Watch(Cluster, of_cluster, changed=wish_changed),
        Watch(Machine, of_machine),
        Watch(OpenStackServer, of_server),
        *capabilities.watches(kube),
    )


def _asked(obj: OpenStackCluster) -> Asked:
    owner = (obj.metadata.annotations or {})[OWNER_ANNOTATION]
    return asked_of(obj, name=owner_name(obj, Cluster) or "", owner=owner)


def _tell(obj: OpenStackCluster, asked: Asked, seen: Seen, parts: Parts) -> None:
    """Writes what was seen into status and spec, and what is still to be done into conditions."""
    generation = obj.metadata.generation or 0
    obj.status = status_of(asked, seen, obj.status or OpenStackClusterStatus())
    for network in obj.status.networks or ():
        if network.condition and not network.condition.last_transition_time:
            network.condition.last_transition_time = conditions.now()
    if complete(parts):
        obj.spec.control_plane_endpoint = endpoint_host(asked, seen) or obj.spec.control_plane_endpoint
        if obj.spec.control_plane_endpoint is not None:
            obj.status.initialization = ClusterInitialization(provisioned=True)
    for condition in OPTIONAL - parts.keys():
        conditions.unmark(obj, condition)
    told = report(parts, generation)
    tell_conditions(obj, [*told, ready(told, generation)])
