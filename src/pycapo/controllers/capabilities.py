# SPDX-License-Identifier: Apache-2.0
"""What the machines of a cluster ask of Neutron and it does not offer, told before there is any of them.

Rule: a template is told of on the cluster as soon as both are there, a machine on itself; neither costs a request of its own.
What is told keeps nothing from being made that can be: a template may be one that nobody uses any more.
"""

from collections.abc import Iterator

from pycapo.api.capi import CLUSTER_NAME_LABEL, Cluster
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine, OpenStackMachineTemplate
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.controllers.family import machines_of
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import tell_plan, tell_trouble
from pycapo.kube import conditions
from pycapo.kube.controller import Watch, wish_changed
from pycapo.kube.kube import Kube
from pycapo.kube.meta import ObjectKey, owners_of
from pycapo.model.steps import Plan, Wait
from pycapo.plan.capabilities import Need, cluster_needs, inside, lacking, machine_needs
from pycapo.plan.machine import identity_of

CONDITION = "CapabilitiesReady"
CLONED_FROM = "cluster.x-k8s.io/cloned-from-name"
"""Annotation of a machine that was made from a template, whose name it holds."""

Asking = OpenStackMachineTemplate | OpenStackMachine


def tell_capabilities(kube: Kube, obj: OpenStackCluster, name: str, cloud: Cloud) -> None:
    """Sets the condition of a cluster while it, its templates or machines ask for what its cloud does not offer."""
    asking = tuple(_asking(kube, obj, name))
    needed = {extension for _, needs in asking for _, extension in needs}
    known = cloud.extensions(needed) if needed else frozenset()
    plan = Plan(waits=tuple(wait for of, needs in asking for wait in lacking(needs, known, of=of)))
    if plan.settled:
        conditions.unmark(obj, CONDITION)
        return
    tell_plan(obj, CONDITION, plan)
    tell_trouble(kube, obj, plan)


def machine_lacks(kube: Kube, clouds: Clouds, obj: OpenStackMachine, cluster: OpenStackCluster) -> tuple[Wait, ...]:
    """What a machine asks for that its cloud does not offer; nothing when it asks for nothing special."""
    needs = tuple(machine_needs(obj.spec))
    if not needs:
        return ()
    try:
        cloud = open_cloud(kube, clouds, obj.metadata.namespace or "", identity_of(obj, cluster))
        return tuple(lacking(needs, cloud.extensions({extension for _, extension in needs})))
    except CloudError:
        return ()  # the cluster's life tells what is wrong with the cloud


def _asking(kube: Kube, obj: OpenStackCluster, name: str) -> Iterator[tuple[str, tuple[Need, ...]]]:
    """Who asks, in words, and for what: the cluster, its templates, and machines that are of none of them."""
    yield "", tuple(cluster_needs(obj.spec))
    namespace, ours = obj.metadata.namespace or "", (None, obj.spec.identity_ref)
    templates = [it for it in kube.list(OpenStackMachineTemplate, namespace=namespace) if name in _clusters(it)]
    for template in sorted(templates, key=lambda it: it.metadata.name):
        spec = template.spec.template.spec
        if spec.identity_ref in ours:
            yield _named(template), tuple(inside("spec.template.spec", machine_needs(spec)))
    known = {it.metadata.name for it in templates}
    for machine in sorted(machines_of(kube, namespace, name), key=lambda it: it.metadata.name):
        if _template_of(machine) not in known and machine.spec.identity_ref in ours:
            yield _named(machine), tuple(machine_needs(machine.spec))


def _named(obj: Asking) -> str:
    return f"{obj.kind} {obj.metadata.name}: "


def _template_of(machine: OpenStackMachine) -> str:
    return (machine.metadata.annotations or {}).get(CLONED_FROM, "")


def _clusters(obj: Asking) -> set[str]:
    """The names of the Clusters that a template or machine belongs to."""
    owners = {owner.name for owner in owners_of(obj, Cluster)}
    return owners | {(obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL, "")} - {""}


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What makes a cluster look again: a template or a machine by itself that asks for something special."""

    def of_template(obj: OpenStackMachineTemplate) -> list[ObjectKey]:
        return _keys(kube, obj) if any(machine_needs(obj.spec.template.spec)) else []

    def of_machine(obj: OpenStackMachine) -> list[ObjectKey]:
        return _keys(kube, obj) if not _template_of(obj) and any(machine_needs(obj.spec)) else []

    return (
        Watch(OpenStackMachineTemplate, of_template, changed=wish_changed),
        Watch(OpenStackMachine, of_machine, changed=_other_wish),
    )


def _keys(kube: Kube, obj: Asking) -> list[ObjectKey]:
    """The OpenStackClusters of the Clusters of a template or machine."""
    namespace = obj.metadata.namespace or ""
    owners = (kube.get(Cluster, namespace, name) for name in _clusters(obj))
    references = (owner.spec.infrastructure_ref for owner in owners if owner and owner.spec)
    return [ObjectKey(namespace, it.name) for it in references if it and it.kind == OpenStackCluster.kind]


def _other_wish(old: OpenStackMachine, new: OpenStackMachine) -> bool:
    return _clusters(old) != _clusters(new) or [*machine_needs(old.spec)] != [*machine_needs(new.spec)]
