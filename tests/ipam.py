# SPDX-License-Identifier: Apache-2.0
"""A stand-in for an IPAM provider, for tests of whole lives."""

from builders import NAMESPACE
from machine_stage import Stage
from pycapo.api.capi import (
    IPAddress,
    IPAddressClaim,
    IPAddressClaimStatus,
    IPAddressSpec,
    NameReference,
)
from pycapo.api.meta import ObjectMeta, TypedLocalObjectReference
from pycapo.kube.meta import copy_of, deleting

HELD = "provider.example/release"
POOL = TypedLocalObjectReference(api_group="ipam.cluster.x-k8s.io", kind="InClusterIPPool", name="nodes")


class Provider:
    """Gives addresses to claims as the contract says: holds a claim by a finalizer, makes an IPAddress, names it in status."""

    def __init__(self, stage: Stage, *free: str) -> None:
        self.stage, self.kube, self.free = stage, stage.kube, list(free)

    def work(self) -> None:
        for claim in self.kube.list(IPAddressClaim):
            if deleting(claim):
                self._let_go(claim)
            elif self.free and not (claim.status and claim.status.address_ref):
                self._give(claim, self.free.pop(0))

    def settle(self) -> None:
        for _ in range(3):
            self.stage.settle()
            self.work()
        self.stage.settle()

    def _give(self, claim: IPAddressClaim, address: str) -> None:
        held = copy_of(claim)
        held.metadata.finalizers = [*(claim.metadata.finalizers or ()), HELD]
        claim = self.kube.patch(claim, held)
        name = claim.metadata.name
        spec = IPAddressSpec(claim_ref=NameReference(name=name), pool_ref=claim.spec.pool_ref, address=address)
        self.kube.create(IPAddress(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec))
        given = copy_of(claim)
        given.status = IPAddressClaimStatus(address_ref=NameReference(name=name))
        self.kube.patch_status(claim, given)

    def _let_go(self, claim: IPAddressClaim) -> None:
        address = self.kube.get(IPAddress, NAMESPACE, claim.metadata.name)
        if address is not None:
            self.free.append(address.spec.address)
            self.kube.delete(IPAddress, NAMESPACE, claim.metadata.name)
        left = copy_of(claim)
        left.metadata.finalizers = [it for it in claim.metadata.finalizers or () if it != HELD]
        self.kube.patch(claim, left)
