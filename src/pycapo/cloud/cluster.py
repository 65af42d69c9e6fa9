# SPDX-License-Identifier: Apache-2.0
"""Looking at a cluster's infrastructure: what is its own, what its references mean, what stands beside it.

Rule: reads only. What the shared picture shows is not asked for again, so that a settled cluster costs no request.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.networks import NAMED_NETWORKS
from pycapo.api.recorded import recorded_addresses, recorded_ids
from pycapo.cloud.cloud import Cloud, Picture
from pycapo.cloud.matching import matches
from pycapo.model.kinds import Kind
from pycapo.model.records import (
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Network,
    Pool,
    Port,
    Record,
    Router,
    Subnet,
)
from pycapo.model.seen import Seen

Lookups = Mapping[str, tuple[Kind, Mapping[str, str]]]

NETWORKING = (Kind.NETWORK, Kind.SUBNET, Kind.ROUTER, Kind.PORT, Kind.SECURITY_GROUP, Kind.FLOATING_IP)
BALANCING = (Kind.LOAD_BALANCER, Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR)
SERVICE = "load-balancer"
SWEEP = 1.0
"""How old the picture of ports may be, in seconds, while ports of others keep a network from being deleted."""
_NAMED_NETWORK = re.compile(r"spec\.networks\[\d+\]\.network")
_POOLS = (Kind.SUBNET_POOL,)
_NAMED = (Kind.NETWORK, Kind.SUBNET, Kind.ROUTER, Kind.SECURITY_GROUP, Kind.LOAD_BALANCER)


def _needed(cluster: OpenStackCluster) -> tuple[str, ...]:
    server = cluster.spec.api_server
    wanted = server.managed_load_balancer if server else None
    return (SERVICE,) if wanted is not None and wanted.enabled else ()


def observe_cluster(
    cloud: Cloud, cluster: OpenStackCluster, owner: str, *, lookups: Lookups, max_age: float = 300.0
) -> Seen:
    """Everything that deciding about a cluster needs; `lookups` are the references of its spec by field path."""
    services = cloud.services(_needed(cluster))
    kinds = (*NETWORKING, *(_POOLS if _may_have_pools(cluster) else ()), *(BALANCING if SERVICE in services else ()))
    picture = cloud.look(kinds, max_age=max_age)
    owned = {kind: records for kind in kinds if (records := picture.owned(kind, owner))}
    retiring = cluster.metadata.deletion_timestamp is not None
    found: Found = {} if retiring else _found(cloud, cluster, picture, owned, lookups)
    named = _named(picture, cluster, owned)
    around = {kind: (*owned.get(kind, ()), *named.get(kind, ())) for kind in kinds}
    around[Kind.ROUTER] += found.get("spec.router", ())
    beside = _beside(picture, owner, around)
    if retiring and (beside[Kind.SUBNET] or beside[Kind.PORT]) and not around.get(Kind.LOAD_BALANCER):
        again = (Kind.PORT, *((Kind.SUBNET,) if beside[Kind.SUBNET] else ()))
        beside = _beside(cloud.look(again, max_age=SWEEP), owner, around)
    return Seen(
        owner=owner,
        owned=owned,
        found=found,
        named=named,
        beside=beside,
        extensions=cloud.extensions(),
        services=services,
        zones=() if retiring else cloud.zones(),
    )


def _may_have_pools(cluster: OpenStackCluster) -> bool:
    """Whether subnet pools may be the cluster's: it has named networks, or something is left of them, or it goes."""
    status = cluster.status
    told = any(it.type == NAMED_NETWORKS for it in (status.conditions if status else None) or ())
    return told or bool(cluster.spec.networks or cluster.metadata.deletion_timestamp)


Owned = Mapping[Kind, tuple[Record, ...]]
Found = Mapping[str, tuple[Record, ...]]


def _found(cloud: Cloud, cluster: OpenStackCluster, picture: Picture, owned: Owned, lookups: Lookups) -> Found:
    """What the references match, and what hangs on the answers: the subnets of a network, the network of a subnet."""
    found: dict[str, tuple[Record, ...]] = {}
    for path, (kind, query) in lookups.items():
        if kind is Kind.NETWORK_CLAIM:
            found[path] = tuple(it for it in picture.all(Kind.NETWORK) if matches(it, query))
            continue  # machines can claim only what is the project's own, which is in the picture
        if kind is Kind.LOAD_BALANCER_FLAVOR and (SERVICE not in cloud.services() or owned.get(Kind.LOAD_BALANCER)):
            continue  # only a load balancer that is still to be made needs its flavor
        if kind is Kind.QOS_POLICY and "qos" not in cloud.extensions():
            continue  # Neutron knows no such list, and answers 404
        known = _known(cluster, picture, owned, path, query)
        found[path] = cloud.find(kind, query) if known is None else (known,)
    found |= _subnets_of_named(cloud, picture, found)
    spec = cluster.spec
    if spec.managed_subnets:
        return found
    first = found.get("spec.subnets[0]", ())
    if not spec.network and len(first) == 1 and isinstance(first[0], Subnet):
        found["spec.network"] = cloud.find(Kind.NETWORK, {"id": first[0].network_id})
    network = found.get("spec.network", ())
    if not spec.subnets and len(network) == 1:
        found["spec.subnets"] = cloud.find(Kind.SUBNET, {"network_id": network[0].id})
    return found


def _subnets_of_named(cloud: Cloud, picture: Picture, found: Found) -> Found:
    """The subnets of the existing networks that the cluster names, asked for only where the project does not have them."""
    subnets: dict[str, tuple[Record, ...]] = {}
    for path, networks in found.items():
        if _NAMED_NETWORK.fullmatch(path) and len(networks) == 1 and isinstance(networks[0], Network):
            network = networks[0]
            known = tuple(item for id in network.subnets if (item := picture.get(Kind.SUBNET, id)))
            whole = len(known) == len(network.subnets)
            subnets[f"{path}.subnets"] = known if whole else cloud.find(Kind.SUBNET, {"network_id": network.id})
    return subnets


def _known(
    cluster: OpenStackCluster, picture: Picture, owned: Owned, path: str, query: Mapping[str, str]
) -> Record | None:
    """What need not be asked for: the external network that our router leads to already, an address in the picture."""
    if path == "spec.externalNetwork":
        return _joined_network(cluster, owned, query)
    address = query.get("floating_ip_address")
    if address is None:
        return None
    return next((item for item in _addresses(picture) if item.floating_ip_address == address), None)


def _joined_network(cluster: OpenStackCluster, owned: Owned, query: Mapping[str, str]) -> Network | None:
    recorded = cluster.status.external_network if cluster.status else None
    gateways = {
        item.external_gateway_info.network_id
        for item in owned.get(Kind.ROUTER, ())
        if isinstance(item, Router) and item.external_gateway_info
    }
    if recorded is None or recorded.id not in gateways or query.get("id", recorded.id) != recorded.id:
        return None
    return Network(id=recorded.id, name=recorded.name, tags=tuple(recorded.tags or ()), external=True)


def _addresses(picture: Picture) -> Iterator[FloatingIP]:
    return (item for item in picture.all(Kind.FLOATING_IP) if isinstance(item, FloatingIP))


def _beside(picture: Picture, owner: str, around: Owned) -> dict[Kind, tuple[Record, ...]]:
    """Router interfaces of these routers and in these subnets, other ports on these networks or in these groups, and
    floating IPs that somebody pointed at this load balancer."""
    routers, subnets = _ids(around, Kind.ROUTER), _ids(around, Kind.SUBNET)
    places, groups = _ids(around, Kind.NETWORK), _ids(around, Kind.SECURITY_GROUP)
    ports = [item for item in picture.all(Kind.PORT) if isinstance(item, Port)]
    interfaces = [item for item in picture.all(Kind.ROUTER_INTERFACE) if isinstance(item, Port)]
    vips = {item.vip_port_id for item in around.get(Kind.LOAD_BALANCER, ()) if isinstance(item, LoadBalancer)} - {None}
    return {
        Kind.ROUTER_INTERFACE: tuple(
            item
            for item in interfaces
            if item.device_id in routers or any(address.subnet_id in subnets for address in item.fixed_ips)
        ),
        Kind.PORT: tuple(
            item
            for item in ports
            if (item.network_id in places or not groups.isdisjoint(item.security_groups)) and not _is_of(item, owner)
        ),
        Kind.SUBNET: _carved(picture, owner, _ids(around, Kind.SUBNET_POOL)),
        Kind.FLOATING_IP: tuple(item for item in _addresses(picture) if item.port_id in vips) if vips else (),
    }


def _carved(picture: Picture, owner: str, pools: set[str]) -> tuple[Record, ...]:
    """The subnets that others have of these subnet pools."""
    if not pools:
        return ()
    subnets = (it for it in picture.all(Kind.SUBNET) if isinstance(it, Subnet) and it.subnetpool_id in pools)
    return tuple(it for it in subnets if not _is_of(it, owner))


def _ids(records: Owned, kind: Kind) -> set[str]:
    return {item.id for item in records.get(kind, ())}


def _is_of(item: Record, owner: str) -> bool:
    return item.mark is not None and item.mark.owner == owner


def _named(picture: Picture, cluster: OpenStackCluster, owned: Owned) -> dict[Kind, tuple[Record, ...]]:
    """What the status records and nobody marked: left behind by the Go provider. The plan looks at the names."""
    recorded = recorded_ids(cluster)
    named: dict[Kind, tuple[Record, ...]] = {
        kind: tuple(item for id in recorded if (item := picture.get(kind, id)) and item.mark is None) for kind in _NAMED
    }
    balancers = {item.id for item in (*named[Kind.LOAD_BALANCER], *owned.get(Kind.LOAD_BALANCER, ()))} & recorded
    if balancers:
        named |= _parts(picture, balancers)
    addresses = recorded_addresses(cluster)
    named[Kind.FLOATING_IP] = tuple(
        item for item in _addresses(picture) if item.mark is None and item.floating_ip_address in addresses
    )
    return {kind: found for kind, found in named.items() if found}


def _parts(picture: Picture, balancers: set[str]) -> dict[Kind, tuple[Record, ...]]:
    """The unmarked parts of these load balancers."""
    listeners = [
        item
        for item in picture.all(Kind.LISTENER)
        if isinstance(item, Listener) and balancers & {owner.id for owner in item.loadbalancers}
    ]
    pools = [
        item
        for item in picture.all(Kind.POOL)
        if isinstance(item, Pool) and item.id in {listener.default_pool_id for listener in listeners}
    ]
    monitors = [
        item
        for item in picture.all(Kind.HEALTH_MONITOR)
        if isinstance(item, HealthMonitor) and {owner.id for owner in item.pools} & {pool.id for pool in pools}
    ]
    parts: dict[Kind, Sequence[Record]] = {
        Kind.LISTENER: listeners,
        Kind.POOL: pools,
        Kind.HEALTH_MONITOR: monitors,
    }
    return {kind: tuple(item for item in found if item.mark is None) for kind, found in parts.items()}
