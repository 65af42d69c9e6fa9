# SPDX-License-Identifier: Apache-2.0
"""The claim of a server for a floating IP of a pool: made, waited for, and let go with the server.

Rule: the claim goes after the server's ports, so that no address is given to the next while it still leads to this one.
"""

from pycapo.api.capi import IPAddress, IPAddressClaim, PoolReference
from pycapo.api.meta import API_GROUP
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.pool import observe_address
from pycapo.controllers.pool_words import why
from pycapo.kube import conditions
from pycapo.kube.controller import Watch
from pycapo.kube.errors import AlreadyExists, NotFound
from pycapo.kube.kube import Kube
from pycapo.kube.meta import ObjectKey, copy_of, deleting
from pycapo.model.kinds import Kind
from pycapo.model.records import Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Step, Wait
from pycapo.plan.claims import CLAIM_FINALIZER, claim_of, floating_claim_name, pool_reference
from pycapo.plan.pool import POOL_READY
from pycapo.plan.pool_address import ADDRESS_READY, PATH, plan_address
from pycapo.plan.port_claims import claims_of
from pycapo.plan.references import INSTANCE_READY
from pycapo.plan.server import SERVER, the_ports


class PoolAddress:
    """The floating IPs that servers claim."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def claimed(self, obj: OpenStackServer) -> str | Wait | None:
        """The address that the server's claim got, or why there is none yet; None if the server asks for none."""
        if obj.spec.floating_ip_pool_ref is None:
            return None
        pool = pool_reference(obj.spec.floating_ip_pool_ref)
        claim = self._claim(obj, pool)
        if isinstance(claim, Wait):
            return claim
        told = f"IPAddressClaim {claim.metadata.name} on {pool.kind} {pool.name}"
        if claim.spec.pool_ref != pool:
            theirs = claim.spec.pool_ref
            return _wait("NameTaken", f"{told}: it exists and is on {theirs.kind} {theirs.name}")
        if deleting(claim):
            return _wait("WaitingForIPAMProvider", f"{told} is being deleted; another one follows")
        reference = claim.status.address_ref if claim.status else None
        address = self._address(obj, reference.name) if reference and reference.name else None
        if address is None:
            return _wait("WaitingForIPAMProvider", f"{told} has no address yet{why(self._kube, claim)}")
        return address.spec.address

    def point(self, obj: OpenStackServer, cloud: Cloud, seen: Seen, claimed: str | Wait | None) -> Plan:
        """Point the address at the server, if there is one; what is done is in the plan, an error is a wait in it."""
        if isinstance(claimed, Wait):
            return Plan(waits=(claimed,))
        if claimed is None or seen.one(Kind.SERVER, SERVER, Server) is None:
            return Plan()
        done: list[Step] = []
        try:
            plan = plan_address(claimed, the_ports(obj, seen), observe_address(cloud, seen, PATH, claimed))
            apply(plan, cloud, done=done)
        except CloudError as error:
            after = error.retry_after or 15.0
            failed = Wait(condition=ADDRESS_READY, reason=error.reason, message=str(error), after=after)
            return Plan(steps=tuple(done), waits=(failed,))
        return plan

    def release(self, obj: OpenStackServer) -> Wait | None:
        """Let the claim go and delete it; returns what is waited for, None when it is gone."""
        if obj.spec.floating_ip_pool_ref is None:
            return None
        namespace, name = obj.metadata.namespace or "", floating_claim_name(obj.metadata.name)
        claim = self._kube.get(IPAddressClaim, namespace, name)
        if claim is None or not _is_for(claim, obj):
            return None
        if not deleting(claim):
            self._kube.delete(IPAddressClaim, namespace, name, uid=claim.metadata.uid or "")
            claim = self._kube.get(IPAddressClaim, namespace, name)
        if claim and CLAIM_FINALIZER in (claim.metadata.finalizers or ()):
            after = copy_of(claim)
            after.metadata.finalizers = [it for it in claim.metadata.finalizers or () if it != CLAIM_FINALIZER]
            self._kube.patch(claim, after)
        if self._kube.get(IPAddressClaim, namespace, name) is None:
            return None
        return _wait("Deleting", f"IPAddressClaim {name} is being released", after=10.0)

    def _claim(self, obj: OpenStackServer, pool: PoolReference) -> IPAddressClaim | Wait:
        namespace, name = obj.metadata.namespace or "", floating_claim_name(obj.metadata.name)
        there = self._kube.get(IPAddressClaim, namespace, name)
        if there is not None:
            return there
        try:
            made = self._kube.create(claim_of(obj, name, pool))
        except AlreadyExists:
            found = self._kube.read(IPAddressClaim, namespace, name)
            return found or _wait("WaitingForIPAMProvider", f"IPAddressClaim {name} comes and goes", after=5.0)
        except NotFound as error:
            message = (
                f"IPAddressClaim ({IPAddressClaim.api_version}) is not served: install Cluster API ({error.message})"
            )
            return _wait("IPAMNotServed", message, after=60.0)
        self._kube.event(
            obj, "Normal", "CreatedIPAddressClaim", f"made IPAddressClaim {name} on {pool.kind} {pool.name}"
        )
        return made

    def _address(self, obj: OpenStackServer, name: str) -> IPAddress | None:
        namespace = obj.metadata.namespace or ""
        return self._kube.get(IPAddress, namespace, name) or self._kube.read(IPAddress, namespace, name)


def _is_for(claim: IPAddressClaim, obj: OpenStackServer) -> bool:
    owners = claim.metadata.owner_references or ()
    return any(owner.kind == obj.kind and owner.name == obj.metadata.name for owner in owners)


def _wait(reason: str, message: str, *, after: float | None = None) -> Wait:
    """Claims and pools are watched; so most waits need no look of their own."""
    return Wait(condition=ADDRESS_READY, reason=reason, path=PATH, message=message, after=after)


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What makes a server look again: its claim, and what the pool that it waits for tells."""

    def of_claim(obj: IPAddressClaim) -> list[ObjectKey]:
        owners = (owner.name for owner in obj.metadata.owner_references or () if owner.kind == OpenStackServer.kind)
        return [ObjectKey(obj.metadata.namespace or "", name) for name in owners]

    def of_pool(obj: OpenStackFloatingIPPool) -> list[ObjectKey]:
        servers = kube.list(OpenStackServer, namespace=obj.metadata.namespace or "")
        waiting = (it for it in servers if _waits_for(it, obj.metadata.name))
        return [ObjectKey(it.metadata.namespace or "", it.metadata.name) for it in waiting]

    def tells_else(old: OpenStackFloatingIPPool, new: OpenStackFloatingIPPool) -> bool:
        before, now = conditions.find(old, POOL_READY), conditions.find(new, POOL_READY)
        return (before.message if before else None) != (now.message if now else None)

    return (
        Watch(IPAddressClaim, of_claim, optional=True),
        Watch(OpenStackFloatingIPPool, of_pool, changed=tells_else),
    )


def _waits_for(server: OpenStackServer, pool: str) -> bool:
    own = server.spec.floating_ip_pool_ref
    if own and _is_ours(pool_reference(own), pool) and not conditions.is_true(server, ADDRESS_READY):
        return True
    asked = any(_is_ours(claim.pool, pool) for claim in claims_of(server))
    return asked and not conditions.is_true(server, INSTANCE_READY)


def _is_ours(reference: PoolReference, pool: str) -> bool:
    named = (reference.api_group, reference.kind, reference.name)
    return named == (API_GROUP, OpenStackFloatingIPPool.kind, pool)
