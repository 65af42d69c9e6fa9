# SPDX-License-Identifier: Apache-2.0
"""The floating IP of a pool that a server has, whichever of its ports it is pointed at; its claim is one as a port's.

Rule: a floating IP that cannot be pointed at the server is told, and hinders nothing else.
"""

from pycapo.api.capi import IPAddressClaim, PoolReference
from pycapo.api.meta import API_GROUP
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer
from pycapo.cloud.apply import apply
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import CloudError
from pycapo.cloud.pool import observe_address
from pycapo.controllers.claimed_addresses import ClaimedAddresses
from pycapo.kube import conditions
from pycapo.kube.controller import Watch
from pycapo.kube.kube import Kube
from pycapo.kube.meta import ObjectKey, owners_of
from pycapo.model.kinds import Kind
from pycapo.model.records import Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Step, Wait
from pycapo.plan.claims import floating_claim_name, pool_reference
from pycapo.plan.pool import POOL_READY
from pycapo.plan.pool_address import ADDRESS_READY, PATH, plan_address
from pycapo.plan.port_claims import PortClaim, claims_of
from pycapo.plan.references import INSTANCE_READY
from pycapo.plan.server import SERVER, the_ports


class PoolAddress:
    """The floating IPs that servers claim."""

    def __init__(self, claims: ClaimedAddresses) -> None:
        self._claims = claims

    def claimed(self, obj: OpenStackServer) -> str | Wait | None:
        """The address that the server's claim got, or why there is none yet; None if the server asks for none."""
        if obj.spec.floating_ip_pool_ref is None:
            return None
        name, pool = floating_claim_name(obj.metadata.name), pool_reference(obj.spec.floating_ip_pool_ref)
        wanted = PortClaim(name, pool, PATH, condition=ADDRESS_READY)
        return self._claims.get(obj, (wanted,))[PATH]

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


def watches(kube: Kube) -> tuple[Watch, ...]:
    """What makes a server look again: its claim, and what the pool that it waits for tells."""

    def of_claim(obj: IPAddressClaim) -> list[ObjectKey]:
        return owners_of(obj, OpenStackServer)

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
