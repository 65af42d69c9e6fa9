# SPDX-License-Identifier: Apache-2.0
"""Where each kind lives in OpenStack's APIs: service, path, envelope. The only place that spells paths.

Versions are pinned, never negotiated: Nova 2.79 (Train) has tags on creation (2.52), faults and everything else that we send.
"""

from collections.abc import Mapping

import msgspec

from pycapo.model import records
from pycapo.model.kinds import Kind
from pycapo.model.records import Record


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenStack service: its type in the catalog, older spellings of it, and what follows the bare endpoint."""

    type: str
    aliases: tuple[str, ...] = ()
    version: str
    headers: Mapping[str, str] = {}


NETWORK = Service(type="network", version="/v2.0")
BALANCER = Service(type="load-balancer", version="/v2.0")
IMAGE = Service(type="image", version="/v2")
COMPUTE = Service(
    type="compute",
    version="/v2.1",
    headers={"OpenStack-API-Version": "compute 2.79", "X-OpenStack-Nova-API-Version": "2.79"},
)
VOLUME = Service(
    type="block-storage",
    aliases=("volumev3", "block-store", "volume"),
    version="/v3",
    headers={"OpenStack-API-Version": "volume 3.59"},
)


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind is spoken of: `path` of its collection, `one` and `many` the envelopes, `list_path` where it differs."""

    service: Service
    path: str
    one: str
    many: str
    record: type[Record]
    list_path: str = ""
    by_project: bool = False


def _rest(service: Service, path: str, one: str, record: type[Record], **more: str | bool) -> Rest:
    many = str(more.pop("many", f"{one}s"))
    return Rest(service=service, path=path, one=one, many=many, record=record, **more)  # type: ignore[arg-type]


TABLE: Mapping[Kind, Rest] = {
    Kind.NETWORK: _rest(NETWORK, "/networks", "network", records.Network, by_project=True),
    Kind.SUBNET: _rest(NETWORK, "/subnets", "subnet", records.Subnet, by_project=True),
    Kind.SUBNET_POOL: _rest(NETWORK, "/subnetpools", "subnetpool", records.SubnetPool, by_project=True),
    Kind.NETWORK_CLAIM: _rest(NETWORK, "/networks", "network", records.Network, by_project=True),
    Kind.ROUTER: _rest(NETWORK, "/routers", "router", records.Router, by_project=True),
    Kind.ROUTER_INTERFACE: _rest(NETWORK, "/routers", "port", records.Port),
    Kind.SECURITY_GROUP: _rest(NETWORK, "/security-groups", "security_group", records.SecurityGroup, by_project=True),
    Kind.SECURITY_GROUP_RULE: _rest(
        NETWORK, "/security-group-rules", "security_group_rule", records.SecurityGroupRule, by_project=True
    ),
    Kind.PORT: _rest(NETWORK, "/ports", "port", records.Port, by_project=True),
    Kind.TRUNK: _rest(NETWORK, "/trunks", "trunk", records.Trunk, by_project=True),
    Kind.QOS_POLICY: _rest(NETWORK, "/qos/policies", "policy", records.QosPolicy, many="policies", by_project=True),
    Kind.FLOATING_IP: _rest(NETWORK, "/floatingips", "floatingip", records.FloatingIP, by_project=True),
    Kind.LOAD_BALANCER: _rest(BALANCER, "/lbaas/loadbalancers", "loadbalancer", records.LoadBalancer, by_project=True),
    Kind.LOAD_BALANCER_FLAVOR: _rest(BALANCER, "/lbaas/flavors", "flavor", records.LoadBalancerFlavor),
    Kind.LISTENER: _rest(BALANCER, "/lbaas/listeners", "listener", records.Listener, by_project=True),
    Kind.POOL: _rest(BALANCER, "/lbaas/pools", "pool", records.Pool, by_project=True),
    Kind.HEALTH_MONITOR: _rest(
        BALANCER, "/lbaas/healthmonitors", "healthmonitor", records.HealthMonitor, by_project=True
    ),
    Kind.MEMBER: _rest(BALANCER, "/lbaas/pools/{parent}/members", "member", records.Member),
    Kind.SERVER: _rest(COMPUTE, "/servers", "server", records.Server, list_path="/servers/detail"),
    Kind.SERVER_INTERFACE: _rest(COMPUTE, "/servers/{parent}/os-interface", "interfaceAttachment", records.Port),
    Kind.SERVER_GROUP: _rest(COMPUTE, "/os-server-groups", "server_group", records.ServerGroup),
    Kind.FLAVOR: _rest(COMPUTE, "/flavors", "flavor", records.Flavor, list_path="/flavors/detail"),
    Kind.VOLUME: _rest(VOLUME, "/volumes", "volume", records.Volume, list_path="/volumes/detail"),
    Kind.IMAGE: _rest(IMAGE, "/images", "image", records.Image),
}
