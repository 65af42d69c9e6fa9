# SPDX-License-Identifier: Apache-2.0
"""Claims and addresses of Cluster API's IPAM contract, as objects: who owns them, what keeps them, how they are called.

Rule: a claim is kept until its consumer lets it go, an address until its pool does.
"""

from typing import Any

from pycapo.api.capi import (
    CLUSTER_NAME_LABEL,
    IPAddress,
    IPAddressClaim,
    IPAddressClaimSpec,
    IPAddressSpec,
    NameReference,
    PoolReference,
)
from pycapo.api.meta import API_GROUP, ObjectMeta, OwnerReference, TypedLocalObjectReference
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer

POOL_FINALIZER = "openstackfloatingippool.infrastructure.cluster.x-k8s.io"
ADDRESS_FINALIZERS = (f"{POOL_FINALIZER}/delete-floating-ip", "ipam.cluster.x-k8s.io/protect-address")
"""The Go provider's, and the one that the contract names."""

CLAIM_FINALIZER = "openstackmachine.infrastructure.cluster.x-k8s.io/ip-claim"


def floating_claim_name(server: str) -> str:
    """The name of the claim for a server's floating IP: the Go provider's."""
    return f"{server}-floating-ip-address"


def pool_reference(reference: TypedLocalObjectReference) -> PoolReference:
    """The pool that a spec names; without a group it is one of ours."""
    return PoolReference(api_group=reference.api_group or API_GROUP, kind=reference.kind, name=reference.name)


def claim_of(server: OpenStackServer, name: str, pool: PoolReference) -> IPAddressClaim:
    """The claim for one address for a server."""
    cluster = (server.metadata.labels or {}).get(CLUSTER_NAME_LABEL)
    return IPAddressClaim(
        metadata=ObjectMeta(
            name=name,
            namespace=server.metadata.namespace,
            labels={CLUSTER_NAME_LABEL: cluster} if cluster else None,
            owner_references=[_owner(server, controller=True)],
            finalizers=[CLAIM_FINALIZER],
        ),
        spec=IPAddressClaimSpec(cluster_name=cluster, pool_ref=pool),
    )


def cluster_of(claim: IPAddressClaim | IPAddress) -> str | None:
    """The name of the Cluster that a claim or an address is for, if it is for one."""
    named = claim.spec.cluster_name if isinstance(claim, IPAddressClaim) else None
    return named or (claim.metadata.labels or {}).get(CLUSTER_NAME_LABEL)


def address_of(claim: IPAddressClaim, pool: OpenStackFloatingIPPool, address: str) -> IPAddress:
    """The address for a claim: of its name, owned by it and by the pool."""
    cluster = cluster_of(claim)
    return IPAddress(
        metadata=ObjectMeta(
            name=claim.metadata.name,
            namespace=claim.metadata.namespace,
            labels={CLUSTER_NAME_LABEL: cluster} if cluster else None,
            owner_references=[_owner(claim, controller=True), _owner(pool, controller=False)],
            finalizers=list(ADDRESS_FINALIZERS),
        ),
        spec=IPAddressSpec(
            claim_ref=NameReference(name=claim.metadata.name),
            pool_ref=PoolReference(api_group=API_GROUP, kind=pool.kind, name=pool.metadata.name),
            address=address,
            prefix=32,
        ),
    )


def is_of(reference: PoolReference, pool: OpenStackFloatingIPPool) -> bool:
    """Whether a claim or an address refers to this pool (of the same namespace)."""
    named = (reference.api_group, reference.kind, reference.name)
    return named == (API_GROUP, pool.kind, pool.metadata.name)


def _owner(owner: Any, *, controller: bool) -> OwnerReference:
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid or "",
        controller=controller,
        block_owner_deletion=True,
    )
