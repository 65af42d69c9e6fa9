# SPDX-License-Identifier: Apache-2.0
"""The life of an OpenStackNetworkAttachment: NICs on the machines that it selects, and none left when it goes.

    spec    -> id, owner -> (the servers plug the NICs in) -> ready
    nothing <- no NIC of it on any server <- (the servers unplug them) <- deleted

Rule: the servers do it, each in its own turn, so that only one hand changes a server. This life gives the attachment the id that
the ports carry, sums up what the servers tell, and lets it go only when a look shows no port of it.
"""

from collections.abc import Iterator
from typing import ClassVar

from pycapo.api.capi import CLUSTER_NAME_LABEL, Cluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import OwnerReference
from pycapo.api.v1alpha1 import (
    OpenStackNetworkAttachment,
    OpenStackNetworkAttachmentStatus,
    OpenStackServer,
    ServerAttachment,
)
from pycapo.cloud.errors import CloudError
from pycapo.controllers.claimed_addresses import ClaimedAddresses
from pycapo.controllers.family import server_of_machine, servers_of
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import give_up_for_now, tell_error
from pycapo.controllers.wishes import id_of, selected_machines
from pycapo.kube import conditions
from pycapo.kube.controller import Watch
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Gone, Life, Settled, Verdict
from pycapo.kube.meta import ObjectKey
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, new_owner
from pycapo.plan.attachment import ATTACHMENT_FINALIZER, attachment_status, default_route, why_not_ready
from pycapo.plan.nics import attachment_of
from pycapo.plan.port_claims import claims_prefix
from pycapo.plan.report import READY
from pycapo.plan.routes import DEFAULT_ROUTE

STILL_THERE_AGAIN = 5.0
"""Seconds until it is looked again whether the NICs of an attachment that is to go are gone; what servers tell comes sooner."""

CLAIMS_AGAIN = 60.0
"""Seconds until it is looked again whether claims are gone that an IPAM provider holds; claims are watched by their servers."""


class AttachmentLife(Life[OpenStackNetworkAttachment]):
    """Follows the NICs of every OpenStackNetworkAttachment."""

    kind = OpenStackNetworkAttachment
    finalizer: ClassVar[str] = ATTACHMENT_FINALIZER

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds
        self._claimed = ClaimedAddresses(kube)

    def paused(self, obj: OpenStackNetworkAttachment) -> bool:
        """Whether the cluster is paused."""
        cluster = self._cluster(obj)
        return bool(cluster and cluster.spec and cluster.spec.paused)

    def prepare(self, obj: OpenStackNetworkAttachment) -> None:
        """Gives the attachment the id that its ports carry, and to its cluster, with which it moves and goes."""
        meta = obj.metadata
        meta.annotations = {OWNER_ANNOTATION: new_owner(), **(meta.annotations or {})}
        meta.labels = {**(meta.labels or {}), CLUSTER_NAME_LABEL: obj.spec.cluster_name}
        cluster = self._cluster(obj)
        owners = meta.owner_references or []
        if cluster and not any(owner.uid == cluster.metadata.uid for owner in owners):
            kept = [owner for owner in owners if owner.kind != Cluster.kind]
            meta.owner_references = [*kept, _owner(cluster)]

    def live(self, obj: OpenStackNetworkAttachment) -> Verdict:
        """One pass for an attachment that shall exist: what its machines' servers tell, summed up."""
        if self._cluster(obj) is None:
            message = f'spec.clusterName: no Cluster "{obj.spec.cluster_name}" in this namespace'
            conditions.mark(obj, READY, status=False, reason="NotFound", message=message)
            return Settled()  # Clusters are watched
        servers = {it.metadata.name: server_of_machine(self._kube, it) for it in selected_machines(self._kube, obj)}
        obj.status = attachment_status(obj, servers)
        lacking = why_not_ready(obj, servers)
        reason, message = lacking or (READY, "" if servers else "no machine is selected")
        conditions.mark(obj, READY, status=lacking is None, reason=reason, message=message)
        if route := default_route(obj, servers):
            conditions.mark(obj, DEFAULT_ROUTE, status=route[0], reason=route[1], message=route[2])
        else:
            conditions.unmark(obj, DEFAULT_ROUTE)
        return Settled()  # machines and servers are watched

    def retire(self, obj: OpenStackNetworkAttachment) -> Verdict:
        """One pass of the end; Gone when no server has a NIC of it."""
        obj.status = obj.status or OpenStackNetworkAttachmentStatus()
        try:
            holding = [it.metadata.name for it in self._servers(obj) if self._has_nics(it, id_of(obj))]
        except CloudError as error:
            tell_error(obj, READY, error)
            return give_up_for_now(self._kube, obj, error)
        claiming = [it.metadata.name for it in self._servers(obj) if self._has_claims(it, id_of(obj))]
        left = sorted({*holding, *claiming})
        if not left:
            return Gone()
        obj.status.machines = [it for it in obj.status.machines or () if it.name in left]
        message = f"{len(left)} servers still have NICs of it: {', '.join(left[:3])}"
        conditions.mark(obj, READY, status=False, reason="Deleting", message=message)
        return Again(STILL_THERE_AGAIN if holding else CLAIMS_AGAIN, message)

    def _cluster(self, obj: OpenStackNetworkAttachment) -> Cluster | None:
        return self._kube.get(Cluster, obj.metadata.namespace or "", obj.spec.cluster_name)

    def _servers(self, obj: OpenStackNetworkAttachment) -> Iterator[OpenStackServer]:
        """The servers that an attachment may concern: all of its cluster."""
        return servers_of(self._kube, obj.metadata.namespace or "", obj.spec.cluster_name)

    def _has_nics(self, server: OpenStackServer, id: str) -> bool:
        """Whether a port or a floating IP of the attachment exists for a server; costs nothing but the shared picture."""
        owner = (server.metadata.annotations or {}).get(OWNER_ANNOTATION)
        if not owner or not id:
            return False
        cloud = open_cloud(self._kube, self._clouds, server.metadata.namespace or "", server.spec.identity_ref)
        kinds = Kind.PORT, Kind.FLOATING_IP
        picture = cloud.look(set(kinds))
        marks = (item.mark for kind in kinds for item in picture.owned(kind, owner))
        return any(mark and attachment_of(mark.role) == id for mark in marks)

    def _has_claims(self, server: OpenStackServer, id: str) -> bool:
        """Whether a claim for an address of a NIC exists that the IPAM provider has not let go."""
        prefix = claims_prefix(server.metadata.name, id)
        return bool(id) and any(it.startswith(prefix) for it in self._claimed.names(server))


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What else makes an attachment look again: machines that come, go or get other labels, and what their servers tell."""

    def of_cluster_named(namespace: str, name: str | None) -> list[ObjectKey]:
        listed = kube.list(OpenStackNetworkAttachment, namespace=namespace)
        return [ObjectKey(namespace, it.metadata.name) for it in listed if it.spec.cluster_name == name]

    def of_cluster(obj: Cluster) -> list[ObjectKey]:
        return of_cluster_named(obj.metadata.namespace or "", obj.metadata.name)

    def of_labelled(obj: OpenStackMachine | OpenStackServer) -> list[ObjectKey]:
        name = (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL)
        return of_cluster_named(obj.metadata.namespace or "", name) if name else []

    return (
        Watch(Cluster, of_cluster, changed=_paused_or_not),
        Watch(OpenStackMachine, of_labelled, changed=labels_changed),
        Watch(OpenStackServer, of_labelled, changed=_told_otherwise),
    )


def labels_changed(old: OpenStackMachine, new: OpenStackMachine) -> bool:
    """Whether a machine got other labels, or is to go."""
    a, b = old.metadata, new.metadata
    return (a.labels, a.deletion_timestamp) != (b.labels, b.deletion_timestamp)


def _paused_or_not(old: Cluster, new: Cluster) -> bool:
    return bool(old.spec and old.spec.paused) != bool(new.spec and new.spec.paused)


def _told_otherwise(old: OpenStackServer, new: OpenStackServer) -> bool:
    return _told(old) != _told(new)


def _told(server: OpenStackServer) -> list[ServerAttachment]:
    return (server.status.attachments if server.status else None) or []


def _owner(cluster: Cluster) -> OwnerReference:
    meta = cluster.metadata
    return OwnerReference(api_version=cluster.api_version, kind=cluster.kind, name=meta.name, uid=meta.uid or "")
