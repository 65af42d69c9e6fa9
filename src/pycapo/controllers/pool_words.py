# SPDX-License-Identifier: Apache-2.0
"""Why a claim has no address yet, in the words of its pool, whoever serves it.

Rule: what is told of the claim itself comes first; a pool of an unknown kind is not asked.
"""

from pycapo.api.capi import IPAM_GROUP, GlobalInClusterIPPool, InClusterIPPool, IPAddressClaim, PoolReference
from pycapo.api.meta import API_GROUP
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool
from pycapo.kube import conditions
from pycapo.kube.kube import Kube
from pycapo.plan.pool import POOL_READY

_IN_CLUSTER = {kind.kind: kind for kind in (InClusterIPPool, GlobalInClusterIPPool)}


def why(kube: Kube, claim: IPAddressClaim) -> str:
    """What hinders a claim, behind a colon; empty when nobody tells."""
    pool, namespace = claim.spec.pool_ref, claim.metadata.namespace or ""
    told = conditions.find(claim, "Ready")
    if told and told.status == "False" and told.message:
        return f": {told.message}"
    if (pool.api_group, pool.kind) == (API_GROUP, OpenStackFloatingIPPool.kind):
        return _of_ours(kube, namespace, pool)
    if pool.api_group == IPAM_GROUP and pool.kind in _IN_CLUSTER:
        return _of_in_cluster(kube, namespace, pool)
    return ""


def _of_ours(kube: Kube, namespace: str, pool: PoolReference) -> str:
    found = kube.get(OpenStackFloatingIPPool, namespace, pool.name)
    if found is None:
        return f": there is no {pool.kind} {pool.name} in this namespace"
    told = conditions.find(found, POOL_READY)
    return f": {told.message}" if told and told.status != "True" and told.message else ""


def _of_in_cluster(kube: Kube, namespace: str, pool: PoolReference) -> str:
    """What the counts of a pool say; its provider tells nothing of a claim that it cannot serve."""
    kind = _IN_CLUSTER[pool.kind]
    found = kube.read(kind, namespace if kind.namespaced else "", pool.name)
    if found is None:
        return f": no {pool.kind} ({kind.api_version}) of that name was found"
    counts = found.status.ip_addresses if found.status else None
    return f": all {counts.total} addresses of the pool are in use" if counts and not counts.free else ""
