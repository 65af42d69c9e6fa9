# SPDX-License-Identifier: Apache-2.0
"""Which network attachments mean which machines, and what they ask of them.

Rule: reads the caches; the API server itself is asked only before anything is taken for forgotten. What is not known for sure
(a cluster whose status is not there yet, a paused attachment) is left as it is.
"""

from collections.abc import Iterable, Iterator

import msgspec

from pycapo.api.capi import CLUSTER_NAME_LABEL
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import LabelSelector
from pycapo.api.networks import MachineNetwork
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer
from pycapo.controllers.family import capi_machine, infrastructure, machines_of, owning_machine
from pycapo.controllers.identity import selects
from pycapo.kube.kube import Kube
from pycapo.kube.life import PAUSED_ANNOTATION
from pycapo.kube.meta import deleting
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.model.seen import Seen
from pycapo.plan.machine import complete_ports, provisioned, role_group
from pycapo.plan.machine_networks import placed_ports
from pycapo.plan.nics import Wish, attachments_of, known_again
from pycapo.plan.per_machine import machine_networks
from pycapo.plan.port_claims import claimant

Asked = tuple[OpenStackNetworkAttachment | None, Wish]
"""An attachment, None if it does not exist any more, and what it asks of a server."""


def id_of(attachment: OpenStackNetworkAttachment) -> str:
    """The id by which the NICs of an attachment are known again; empty before it was given one."""
    return (attachment.metadata.annotations or {}).get(OWNER_ANNOTATION, "")


def selected(attachment: OpenStackNetworkAttachment, machine: OpenStackMachine) -> bool:
    """Whether an attachment means a machine."""
    labels = machine.metadata.labels or {}
    mine = labels.get(CLUSTER_NAME_LABEL) == attachment.spec.cluster_name
    return mine and selects(attachment.spec.machine_selector or LabelSelector(), labels)


def selected_machines(kube: Kube, attachment: OpenStackNetworkAttachment) -> Iterator[OpenStackMachine]:
    """The machines that an attachment means and that are not to go."""
    for machine in machines_of(kube, attachment.metadata.namespace or "", attachment.spec.cluster_name):
        if selected(attachment, machine) and not deleting(machine):
            yield machine


def wishes_for(kube: Kube, server: OpenStackServer, seen: Seen, claims: Iterable[str]) -> Iterator[Asked]:
    """What every attachment asks of a server, by name, nothing from those that do not mean it; then what is forgotten.

    `claims` are the names of the IPAddressClaims that were made for the server."""
    machine = owning_machine(kube, server)
    if machine is None:
        return
    known = [it for it in kube.list(OpenStackNetworkAttachment, namespace=server.metadata.namespace or "") if id_of(it)]
    for attachment in sorted(known, key=lambda it: it.metadata.name):
        yield attachment, known_again(_placed(_wish(kube, attachment, machine), server, seen), server, seen)
    of_claims = {id for name in claims if (id := claimant(server.metadata.name, name))}
    for id in _forgotten(kube, known, server, there=attachments_of(seen) | of_claims):
        yield None, Wish(id=id)


def wished_networks(kube: Kube, server: OpenStackServer) -> list[MachineNetwork] | None:
    """The networks of a server's own, with those that only attachments ask for; it keeps them as long as it lives."""
    machine, there = owning_machine(kube, server), server.spec.networks or []
    cluster = infrastructure(kube, machine) if machine else None
    if machine is None or cluster is None or deleting(server):
        return server.spec.networks
    listed = kube.list(OpenStackNetworkAttachment, namespace=server.metadata.namespace or "")
    ports = [port for it in listed if selected(it, machine) and not deleting(it) for port in it.spec.ports]
    known = {it.name for it in there}
    return [*there, *(it for it in machine_networks(ports, cluster) or () if it.name not in known)] or None


def _placed(wish: Wish, server: OpenStackServer, seen: Seen) -> Wish:
    """The wish with the ids of the server's own networks, as far as they are there."""
    if not server.spec.networks or not wish.completed:
        return wish
    return msgspec.structs.replace(wish, completed=tuple(placed_ports(wish.completed, server.spec, seen)))


def _wish(kube: Kube, attachment: OpenStackNetworkAttachment, machine: OpenStackMachine) -> Wish:
    wish = Wish(id=id_of(attachment), name=attachment.metadata.name)
    if PAUSED_ANNOTATION in (attachment.metadata.annotations or {}):
        return msgspec.structs.replace(wish, held=True)
    if deleting(attachment) or not selected(attachment, machine):
        return wish
    owner, cluster = capi_machine(kube, machine), infrastructure(kube, machine)
    if owner is None or cluster is None or not _known(cluster):
        return msgspec.structs.replace(wish, held=True)
    ports = attachment.spec.ports
    completed = complete_ports(ports, machine, cluster, group=role_group(cluster, owner))
    return msgspec.structs.replace(wish, written=tuple(ports), completed=tuple(completed))


def _known(cluster: OpenStackCluster) -> bool:
    """Whether the cluster tells what an entry means that says nothing: its network, and the groups that it manages."""
    status = cluster.status
    if not provisioned(cluster) or status is None or status.network is None:
        return False
    return cluster.spec.managed_security_groups is None or status.worker_security_group is not None


def _forgotten(
    kube: Kube, known: Iterable[OpenStackNetworkAttachment], server: OpenStackServer, *, there: frozenset[str]
) -> Iterator[str]:
    """The ids of attachments that have NICs here and do not exist any more; the API server itself has to say so."""
    strange = there - {id_of(it) for it in known}
    if strange:
        stored, _ = kube.client.list(OpenStackNetworkAttachment, server.metadata.namespace or "")
        yield from sorted(strange - {id_of(it) for it in stored})
