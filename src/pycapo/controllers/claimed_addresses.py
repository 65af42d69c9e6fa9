# SPDX-License-Identifier: Apache-2.0
"""The claims of a server for addresses of Cluster API IPAM pools: one for each address that a port takes from a pool, and
one for the floating IP that the server itself asks for.

    port missing -> claim made -> IPAM provider gives an IPAddress -> port made with it      server gone -> claim let go

Rule: a claim lives as long as the server, or as the NIC of an attachment that it was made for, so that its address is given to
nobody else; the claims go after the ports.
"""

from collections.abc import Iterable

from pycapo.api.capi import CLUSTER_NAME_LABEL, IPAddress, IPAddressClaim
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.controllers.family import rests_now
from pycapo.controllers.pool_words import why
from pycapo.kube.errors import AlreadyExists, NotFound
from pycapo.kube.kube import Kube
from pycapo.kube.meta import copy_of, deleting, is_owned
from pycapo.model.seen import Claimed
from pycapo.model.steps import Wait
from pycapo.plan.claims import CLAIM_FINALIZER, claim_of
from pycapo.plan.port_claims import PortClaim
from pycapo.plan.references import INSTANCE_READY

LOOK_AGAIN = 30.0
"""Seconds until a pool is asked again that did not tell why it gives no address."""


class ClaimedAddresses:
    """The addresses that servers and their ports claim."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def get(self, obj: OpenStackServer, wanted: Iterable[PortClaim]) -> Claimed:
        """By field path the address that each claim got, or why there is none yet; claims that are missing are made."""
        return {claim.path: self._address(obj, claim) for claim in wanted}

    def names(self, obj: OpenStackServer) -> tuple[str, ...]:
        """The names of all claims that were made for a server."""
        return tuple(sorted(it.metadata.name for it in self._kube.owned(IPAddressClaim, obj)))

    def release(self, obj: OpenStackServer, names: Iterable[str]) -> Wait | None:
        """Let the claims go and delete them; returns what is waited for, None when all are gone."""
        left = [name for name in names if self._released(obj, name) is not None]
        if not left:
            return None
        message = f"IPAddressClaim {', '.join(left)}: the IPAM provider has not let it go yet"
        return Wait(condition=INSTANCE_READY, reason="Deleting", message=message, after=60.0)

    def _address(self, obj: OpenStackServer, wanted: PortClaim) -> str | Wait:
        claim = self._claim(obj, wanted)
        if isinstance(claim, Wait):
            return claim
        told = f"IPAddressClaim {wanted.name} on {wanted.pool.kind} {wanted.pool.name}"
        if claim.spec.pool_ref != wanted.pool or not is_owned(claim, obj):
            message = f"{told}: a claim of that name exists that was not made for this server"
            return _wait("NameTaken", wanted, message=message, after=60.0)
        reference = claim.status.address_ref if claim.status else None
        found = self._read(obj, reference.name) if reference and reference.name else None
        if found is None or deleting(claim):
            words = why(self._kube, claim)
            after = None if words else LOOK_AGAIN
            return _wait("WaitingForIPAMProvider", wanted, message=f"{told} has no address yet{words}", after=after)
        return found.spec.address

    def _claim(self, obj: OpenStackServer, wanted: PortClaim) -> IPAddressClaim | Wait:
        namespace = obj.metadata.namespace or ""
        there = self._kube.get(IPAddressClaim, namespace, wanted.name)
        if there is not None:
            return there
        if rests_now(self._kube, namespace, (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL)):
            return _wait("WaitingForIPAMProvider", wanted, message="its Cluster is paused")
        try:
            made = self._kube.create(claim_of(obj, wanted.name, wanted.pool))
        except AlreadyExists:
            found = self._kube.read(IPAddressClaim, namespace, wanted.name)
            message = f"IPAddressClaim {wanted.name} comes and goes"
            return found or _wait("WaitingForIPAMProvider", wanted, message=message, after=5.0)
        except NotFound as error:
            message = (
                f"IPAddressClaim ({IPAddressClaim.api_version}) is not served: install Cluster API ({error.message})"
            )
            return _wait("IPAMNotServed", wanted, message=message, after=60.0)
        told = f"made IPAddressClaim {wanted.name} on {wanted.pool.kind} {wanted.pool.name}"
        self._kube.event(obj, "Normal", "CreatedIPAddressClaim", told)
        return made

    def _read(self, obj: OpenStackServer, name: str) -> IPAddress | None:
        namespace = obj.metadata.namespace or ""
        return self._kube.get(IPAddress, namespace, name) or self._kube.read(IPAddress, namespace, name)

    def _released(self, obj: OpenStackServer, name: str) -> IPAddressClaim | None:
        """What is left of a claim; one that was not made for this server is none of ours."""
        namespace = obj.metadata.namespace or ""
        claim = self._kube.get(IPAddressClaim, namespace, name)
        if claim is None or not is_owned(claim, obj):
            return None
        if not deleting(claim):
            self._kube.delete(IPAddressClaim, namespace, name, uid=claim.metadata.uid or "")
            claim = self._kube.get(IPAddressClaim, namespace, name)
        if claim and CLAIM_FINALIZER in (claim.metadata.finalizers or ()):
            after = copy_of(claim)
            after.metadata.finalizers = [it for it in claim.metadata.finalizers or () if it != CLAIM_FINALIZER]
            self._kube.patch(claim, after)
        return self._kube.get(IPAddressClaim, namespace, name)


def _wait(reason: str, wanted: PortClaim, *, message: str, after: float | None = None) -> Wait:
    """Claims are watched, so that most waits need no look of their own."""
    return Wait(condition=wanted.condition, reason=reason, path=wanted.path, message=message, after=after)
