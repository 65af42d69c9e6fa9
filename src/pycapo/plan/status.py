# SPDX-License-Identifier: Apache-2.0
"""What a cluster's status says of its infrastructure, from what was seen.

Rule: what could not be told this time stays as it was; what is no longer asked for goes.
"""

from collections.abc import Mapping

import msgspec

from pycapo.api.cluster import (
    APIEndpoint,
    FailureDomain,
    NetworkStatus,
    NetworkStatusWithSubnets,
    OpenStackClusterStatus,
    SecurityGroupStatus,
)
from pycapo.api.cluster import LoadBalancer as LoadBalancerStatus
from pycapo.api.cluster import Router as RouterStatus
from pycapo.api.networks import NamedNetworkStatus
from pycapo.api.networks import Subnet as SubnetStatus
from pycapo.api.networks import SubnetPool as SubnetPoolStatus
from pycapo.model.kinds import Kind
from pycapo.model.marks import parse_mark
from pycapo.model.records import Listener, LoadBalancer, Network, Record, SecurityGroup, Subnet, SubnetPool
from pycapo.model.seen import Seen
from pycapo.plan import balancer, endpoint, named_networks, network, roles, router, security
from pycapo.plan.asked import Asked
from pycapo.plan.report import condition_of


def status_of(asked: Asked, seen: Seen, before: OpenStackClusterStatus) -> OpenStackClusterStatus:
    """The status with everything but conditions, provisioning and bastion brought up to date."""
    leading, external = network.plan_external(asked, seen)
    _, ground = network.plan_network(asked, seen)
    _, way = router.plan_router(asked, seen, ground, external)
    groups = _groups(asked, seen)
    return msgspec.structs.replace(
        before,
        network=_network(ground) or before.network,
        external_network=before.external_network if leading.waits else _external(external),
        networks=_named(asked, seen, way, before) or None,
        router=_router(way) if way is None or way.record else before.router,
        api_server_managed_load_balancer=_balancer(asked, seen, ground),
        failure_domains=failure_domains(asked, seen) or before.failure_domains,
        control_plane_security_group=groups.get(security.CONTROL_PLANE),
        worker_security_group=groups.get(security.WORKER),
        bastion_security_group=groups.get(security.BASTION),
    )


def endpoint_host(asked: Asked, seen: Seen) -> APIEndpoint | None:
    """The endpoint as it was seen."""
    return endpoint.endpoint_of(asked, seen)


def failure_domains(asked: Asked, seen: Seen) -> list[FailureDomain]:
    """Nova's zones; control plane nodes go to those the spec names, else to all, else to none when it omits zones."""
    wanted = asked.spec.control_plane_availability_zones
    everywhere = not asked.spec.control_plane_omit_availability_zone
    return [
        FailureDomain(name=name, control_plane=name in wanted if wanted else everywhere)
        for name in sorted({zone.name for zone in seen.zones})
    ]


def _tags(record: Record) -> list[str] | None:
    """The user's tags; our marks are nobody's business."""
    return [tag for tag in record.tags if parse_mark(tag) is None] or None


def _external(record: Network | None) -> NetworkStatus | None:
    return NetworkStatus(name=record.name or record.id, id=record.id, tags=_tags(record)) if record else None


def _network(ground: network.Ground | None) -> NetworkStatusWithSubnets | None:
    """The cluster network, its primary subnet first: by that machines know it."""
    if ground is None or ground.record is None:
        return None
    record = ground.record
    primary = ground.primary
    sites = (primary, *(site for site in ground.sites if site.ref != primary.ref))
    subnets = [_subnet(site.record) for site in sites if site.record]
    return NetworkStatusWithSubnets(
        name=record.name or record.id, id=record.id, tags=_tags(record), subnets=subnets or None
    )


def _named(
    asked: Asked, seen: Seen, way: router.Way | None, before: OpenStackClusterStatus
) -> list[NamedNetworkStatus]:
    """The named networks as they were seen; what is missing has no id, so that no machine is told of it."""
    known = {item.name: item for item in before.networks or ()}
    told = []
    for named in named_networks.plan_named(asked, seen, way):
        condition, old = condition_of("Ready", named.plan, 0), known.get(named.name)
        if old and old.condition and old.condition.status == condition.status:
            condition = msgspec.structs.replace(condition, last_transition_time=old.condition.last_transition_time)
        record = named.record
        subnets = [_subnet(item) for item in named.subnets] or None
        told.append(
            NamedNetworkStatus(
                name=named.name,
                id=record.id if record else None,
                subnets=subnets,
                subnet_pools=[SubnetPoolStatus(name=_last(it), id=it.id) for it in named.pools] or None,
                qos_policy_id=named.policy,
                condition=condition,
            )
        )
    return told


def _last(pool: SubnetPool) -> str:
    """The name of the subnet that a pool is for, from its role."""
    return pool.mark.role.rpartition(".")[2] if pool.mark else pool.name or pool.id


def _subnet(record: Subnet) -> SubnetStatus:
    return SubnetStatus(name=record.name or record.id, id=record.id, cidr=record.cidr, tags=_tags(record))


def _router(way: router.Way | None) -> RouterStatus | None:
    if way is None or way.record is None:
        return None
    record = way.record
    return RouterStatus(
        name=record.name or record.id, id=record.id, tags=_tags(record), ips=list(way.addresses) or None
    )


def _groups(asked: Asked, seen: Seen) -> Mapping[str, SecurityGroupStatus]:
    if asked.spec.managed_security_groups is None:
        return {}
    records = {
        name: seen.one(Kind.SECURITY_GROUP, roles.security_group(name), SecurityGroup)
        for name in (security.CONTROL_PLANE, security.WORKER, *((security.BASTION,) if asked.has_bastion else ()))
    }
    return {
        name: SecurityGroupStatus(name=record.name or record.id, id=record.id)
        for name, record in records.items()
        if record
    }


def _balancer(asked: Asked, seen: Seen, ground: network.Ground | None) -> LoadBalancerStatus | None:
    record = seen.one(Kind.LOAD_BALANCER, roles.LOAD_BALANCER, LoadBalancer) if asked.balancer else None
    if record is None or not record.vip_address:
        return None
    address = endpoint.floating_ip(asked, seen)
    pointed = address.floating_ip_address if address and address.port_id == record.vip_port_id else None
    listener = seen.one(Kind.LISTENER, roles.listener(asked.api_port), Listener)
    return LoadBalancerStatus(
        name=record.name or record.id,
        id=record.id,
        ip=pointed or record.vip_address,
        internal_ip=record.vip_address,
        allowed_cidrs=list(listener.allowed_cidrs) if listener and listener.allowed_cidrs else None,
        tags=_tags(record),
        load_balancer_network=_balancer_network(asked, seen, ground),
    )


def _balancer_network(asked: Asked, seen: Seen, ground: network.Ground | None) -> NetworkStatusWithSubnets | None:
    """The network of the VIP; the cluster network unless the spec names another."""
    found = seen.found.get(f"{balancer.PATH}.network", ())
    place = found[0] if len(found) == 1 else None
    if not isinstance(place, Network):
        return _network(ground)
    subnets = [_subnet(item) for item in network.subnets_at(seen, f"{balancer.PATH}.subnets[0]")]
    return NetworkStatusWithSubnets(
        name=place.name or place.id, id=place.id, tags=_tags(place), subnets=subnets or None
    )
