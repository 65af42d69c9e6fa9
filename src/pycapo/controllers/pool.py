# SPDX-License-Identifier: Apache-2.0
"""The life of an OpenStackFloatingIPPool: an IPAddress for every IPAddressClaim on it.

    IPAddressClaim -> free floating IP, else a new one -> IPAddress -> the claim's status
    claim gone -> IPAddress deleted -> floating IP deleted, or free again -> finalizers off
    pool deleted -> nobody holds an address -> its floating IPs deleted

Rule: the floating IP comes before the IPAddress, and goes before it; each step is found done by the next look.
"""

from collections.abc import Iterator
from typing import ClassVar

from pycapo.api.capi import (
    CLUSTER_NAME_LABEL,
    Cluster,
    IPAddress,
    IPAddressClaim,
    IPAddressClaimStatus,
    NameReference,
)
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackFloatingIPPoolStatus, OpenStackServer
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.pool import FRESH, observe_pool, observe_users
from pycapo.controllers.family import rests_now
from pycapo.controllers.identity import Clouds, open_cloud
from pycapo.controllers.telling import (
    give_up_for_now,
    look_on,
    tell_error,
    tell_login,
    tell_plan,
    tell_ready,
    tell_steps,
    tell_trouble,
)
from pycapo.kube import conditions
from pycapo.kube.controller import Watch
from pycapo.kube.errors import AlreadyExists
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Gone, Life, Verdict, moved
from pycapo.kube.meta import ObjectKey, copy_of, deleting
from pycapo.model.kinds import Kind
from pycapo.model.marks import OWNER_ANNOTATION, new_owner
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Step
from pycapo.plan.claims import ADDRESS_FINALIZERS, POOL_FINALIZER, address_of, cluster_of, is_of
from pycapo.plan.pool import (
    NETWORK,
    POOL_READY,
    Book,
    Grant,
    Held,
    PoolPlan,
    free_addresses,
    network_query,
    plan_pool,
    pre_allocated_path,
    retire_pool,
    used_addresses,
)


class PoolLife(Life[OpenStackFloatingIPPool]):
    """Hands floating IPs out to claims, and takes them back."""

    kind = OpenStackFloatingIPPool
    finalizer: ClassVar[str] = POOL_FINALIZER

    def __init__(self, kube: Kube, clouds: Clouds) -> None:
        self._kube = kube
        self._clouds = clouds
        self._books = Books(kube)

    def paused(self, obj: OpenStackFloatingIPPool) -> bool:
        """Whether the cluster that the pool is labelled with is paused; a pool may belong to none."""
        return self._books.rests(obj)

    def prepare(self, obj: OpenStackFloatingIPPool) -> None:
        """Gives the pool the id by which it knows its floating IPs again."""
        obj.metadata.annotations = {OWNER_ANNOTATION: new_owner(), **(obj.metadata.annotations or {})}

    def live(self, obj: OpenStackFloatingIPPool) -> Verdict:
        """One pass for a pool that shall exist."""
        book = self._books.of(obj)
        return self._pass(obj, book, retiring=False)

    def retire(self, obj: OpenStackFloatingIPPool) -> Verdict:
        """One pass of the end; Gone when nobody holds an address and nothing that the pool made is left."""
        if OWNER_ANNOTATION not in (obj.metadata.annotations or {}):
            self.prepare(obj)
            return Again(0.0, "what another controller made is taken over")
        return self._pass(obj, self._books.of(obj), retiring=True)

    def _pass(self, obj: OpenStackFloatingIPPool, book: Book, *, retiring: bool) -> Verdict:
        """Look, decide, hand out and take back, make, tell."""
        obj.status = obj.status or OpenStackFloatingIPPoolStatus()
        done: list[Step] = []
        try:
            cloud = open_cloud(self._kube, self._clouds, obj.metadata.namespace or "", obj.spec.identity_ref)
            seen = self._look(cloud, obj, book, retiring=retiring)
            plan = retire_pool(obj, seen, book) if retiring else plan_pool(obj, seen, book)
            obj.status = plan.status
            self._act(obj, cloud, plan, done)
        except CloudError as error:
            tell_error(obj, POOL_READY, error)
            tell_ready(obj, [POOL_READY])
            return give_up_for_now(self._kube, obj, error)
        finally:
            tell_steps(self._kube, obj, done)
        whole = plan.releases + plan.rest
        if retiring and whole.settled:
            return Gone()
        tell_login(obj)
        tell_plan(obj, POOL_READY, Plan(waits=plan.rest.waits) if not retiring else whole)
        tell_ready(obj, [POOL_READY])
        tell_trouble(self._kube, obj, plan.rest)
        return look_on(whole)

    def _act(self, obj: OpenStackFloatingIPPool, cloud: Cloud, plan: PoolPlan, done: list[Step]) -> None:
        for grant in plan.grants:
            self._books.give(obj, grant)
        apply(plan.releases, cloud, done=done)
        for name in plan.released:
            self._books.let_go(obj, name)
        apply(plan.rest, cloud, done=done)

    def _look(self, cloud: Cloud, obj: OpenStackFloatingIPPool, book: Book, *, retiring: bool) -> Seen:
        """Everything that deciding about a pool needs; where an address points is looked at anew before it changes hands."""
        owner = (obj.metadata.annotations or {})[OWNER_ANNOTATION]
        noted = obj.status or OpenStackFloatingIPPoolStatus()
        addresses = {*(item.address for item in book.held), *noted.claimed_ips, *noted.available_ips}
        lookups = {} if retiring else dict(_lookups(obj, book))
        seen = observe_pool(cloud, owner, addresses=addresses, lookups=lookups)
        changing = retiring or any(item.released for item in book.held)
        if changing or (book.wishes and (free_addresses(obj, seen, book) or obj.spec.pre_allocated_floating_ips)):
            seen = observe_pool(cloud, owner, addresses=addresses, lookups=lookups, max_age=FRESH)
        used = used_addresses(obj, seen, book) if book.wishes else ()
        return observe_users(cloud, seen, used) if used else seen


def _lookups(obj: OpenStackFloatingIPPool, book: Book) -> Iterator[tuple[str, tuple[Kind, dict[str, str]]]]:
    """The references to look up: the network only if it is not noted for this spec, or if a claim may need a new address."""
    for index, address in enumerate(obj.spec.pre_allocated_floating_ips or ()):
        yield pre_allocated_path(index), (Kind.FLOATING_IP, {"floating_ip_address": address})
    told = conditions.find(obj, POOL_READY)
    noted = bool(obj.status and obj.status.floating_ip_network)
    if book.wishes or not noted or told is None or told.observed_generation != obj.metadata.generation:
        yield NETWORK, (Kind.NETWORK, network_query(obj))


class Books:
    """The claims on pools and their IPAddresses, read and written."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    def of(self, pool: OpenStackFloatingIPPool) -> Book:
        """What is held and wished for of a pool; on the way, what a crash left half done is finished."""
        namespace = pool.metadata.namespace or ""
        held = tuple(self._held(pool))
        wishes: list[IPAddressClaim] = []
        taken = []
        claims = [it for it in self._kube.list(IPAddressClaim, namespace=namespace) if is_of(it.spec.pool_ref, pool)]
        for claim in sorted(claims, key=lambda it: (it.metadata.creation_timestamp or "", it.metadata.name)):
            if deleting(claim) or self.rests(claim, missing=True):
                continue
            address = self._kube.get(IPAddress, namespace, claim.metadata.name)
            if address is None:
                wishes.append(claim)
            elif not is_of(address.spec.pool_ref, pool) or address.spec.claim_ref.name != claim.metadata.name:
                taken.append(claim.metadata.name)
            elif not deleting(address):
                self._bind(claim)
        resting = {it for it in {*map(cluster_of, wishes)} if rests_now(self._kube, namespace, it)}
        names = tuple(it.metadata.name for it in wishes if cluster_of(it) not in resting)
        servers = {it.metadata.name: owner for it in wishes if (owner := self._server(it))}
        return Book(wishes=names, servers=servers, held=held, taken=tuple(taken))

    def _server(self, claim: IPAddressClaim) -> str | None:
        """The owner in the marks of the server that a claim is for."""
        names = [it.name for it in claim.metadata.owner_references or () if it.kind == OpenStackServer.kind]
        found = self._kube.get(OpenStackServer, claim.metadata.namespace or "", names[0]) if names else None
        return (found.metadata.annotations or {}).get(OWNER_ANNOTATION) if found else None

    def rests(self, obj: OpenStackFloatingIPPool | IPAddressClaim | IPAddress, *, missing: bool = False) -> bool:
        """Whether the cluster that an object is for is paused; `missing` is the answer if there is no such cluster."""
        name = (
            (obj.metadata.labels or {}).get(CLUSTER_NAME_LABEL)
            if isinstance(obj, OpenStackFloatingIPPool)
            else cluster_of(obj)
        )
        if not name:
            return False
        cluster = self._kube.get(Cluster, obj.metadata.namespace or "", name)
        return missing if cluster is None else bool(cluster.spec and cluster.spec.paused)

    def give(self, pool: OpenStackFloatingIPPool, grant: Grant) -> None:
        """Make the IPAddress of a claim that is still there, and name it in the claim's status."""
        claim = self._kube.get(IPAddressClaim, pool.metadata.namespace or "", grant.claim)
        if claim is None or deleting(claim):
            return
        try:
            self._kube.create(address_of(claim, pool, grant.address))
        except AlreadyExists:
            self._kube.read(IPAddress, pool.metadata.namespace or "", grant.claim)
            return
        self._bind(claim)
        self._kube.event(pool, "Normal", "ClaimedFloatingIP", f"gave {grant.address} to claim {grant.claim}")

    def let_go(self, pool: OpenStackFloatingIPPool, name: str) -> None:
        """Take the finalizers off an IPAddress whose floating IP was taken back."""
        address = self._kube.get(IPAddress, pool.metadata.namespace or "", name)
        if address is None:
            return
        after = copy_of(address)
        after.metadata.finalizers = [it for it in address.metadata.finalizers or () if it not in ADDRESS_FINALIZERS]
        self._kube.patch(address, after)

    def _bind(self, claim: IPAddressClaim) -> None:
        if claim.status and claim.status.address_ref and claim.status.address_ref.name:
            return
        after = copy_of(claim)
        after.status = after.status or IPAddressClaimStatus()
        after.status.address_ref = NameReference(name=claim.metadata.name)
        self._kube.patch_status(claim, after)

    def _held(self, pool: OpenStackFloatingIPPool) -> Iterator[Held]:
        """The addresses that the pool gave; one whose claim is gone is deleted here, and released by the finalizers on it."""
        namespace = pool.metadata.namespace or ""
        for address in self._kube.list(IPAddress, namespace=namespace):
            if not is_of(address.spec.pool_ref, pool):
                continue
            name, resting = address.metadata.name, moved(address) or self.rests(address)
            orphan = not resting and self._claim(namespace, address) is None
            if orphan and not deleting(address):
                self._kube.delete(IPAddress, namespace, name, uid=address.metadata.uid or "")
            there = self._kube.get(IPAddress, namespace, name)
            if there is not None:
                yield Held(name=name, address=there.spec.address, released=orphan and deleting(there))

    def _claim(self, namespace: str, address: IPAddress) -> IPAddressClaim | None:
        """The claim of an address; its absence is believed only when the API server says so now."""
        name = address.spec.claim_ref.name
        return self._kube.get(IPAddressClaim, namespace, name) or self._kube.read(IPAddressClaim, namespace, name)


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What else makes a pool look again: claims and addresses of it, and clusters that are paused or go on."""

    def of_reference(obj: IPAddressClaim | IPAddress) -> list[ObjectKey]:
        reference = obj.spec.pool_ref
        ours = reference.kind == OpenStackFloatingIPPool.kind
        return [ObjectKey(obj.metadata.namespace or "", reference.name)] if ours else []

    def of_cluster(obj: Cluster) -> list[ObjectKey]:
        pools = kube.list(OpenStackFloatingIPPool, namespace=obj.metadata.namespace or "")
        return [ObjectKey(it.metadata.namespace or "", it.metadata.name) for it in pools]

    def paused_or_not(old: Cluster, new: Cluster) -> bool:
        return bool(old.spec and old.spec.paused) != bool(new.spec and new.spec.paused)

    return (
        Watch(IPAddressClaim, of_reference, optional=True),
        Watch(IPAddress, of_reference, optional=True),
        Watch(Cluster, of_cluster, changed=paused_or_not),
    )
