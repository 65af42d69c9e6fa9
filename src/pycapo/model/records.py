# SPDX-License-Identifier: Apache-2.0
"""What pycapo sees of OpenStack: one frozen record for each kind of resource.

Field names are those of the OpenStack APIs (Neutron v2.0, Octavia v2, Nova 2.x, Cinder v3, Glance v2), so that a response
decodes straight into a record; fields that nobody reads are left out. A record is a fact at one moment, never changed.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pycapo.model.marks import Mark, find_mark, find_marks


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every resource has. `id` is OpenStack's UUID; `name` is for people and may be anything."""

    id: str
    name: str | None = ""
    description: str | None = ""
    tags: tuple[str, ...] = ()
    project_id: str = ""

    @property
    def mark(self) -> Mark | None:
        """Our mark, if the resource carries one."""
        return find_mark(tags=self.tags, description=self.description)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All our marks: what is shared out may carry those of several owners for a moment."""
        described = find_mark(description=self.description)
        return (*find_marks(self.tags), *((described,) if described else ()))


class Network(Record, frozen=True, kw_only=True):
    """A Neutron network. `subnets` are ids."""

    status: str = ""
    admin_state_up: bool = True
    mtu: int | None = None
    shared: bool = False
    external: bool = msgspec.field(name="router:external", default=False)
    port_security_enabled: bool | None = None
    qos_policy_id: str | None = None
    subnets: tuple[str, ...] = ()


class AddressRange(msgspec.Struct, frozen=True):
    """An allocation pool: first and last address."""

    start: str
    end: str


class Route(msgspec.Struct, frozen=True):
    """A host route."""

    destination: str
    nexthop: str


class Subnet(Record, frozen=True, kw_only=True):
    """A Neutron subnet."""

    network_id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: tuple[str, ...] = ()
    allocation_pools: tuple[AddressRange, ...] = ()
    host_routes: tuple[Route, ...] = ()
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = None
    subnetpool_id: str | None = None


class SubnetPool(Record, frozen=True, kw_only=True):
    """A Neutron subnet pool: prefixes that subnets are carved out of."""

    prefixes: tuple[str, ...] = ()
    ip_version: int = 4


class FixedIP(msgspec.Struct, frozen=True):
    """An address of a port."""

    ip_address: str = ""
    subnet_id: str = ""


class Gateway(msgspec.Struct, frozen=True):
    """A router's way out."""

    network_id: str
    external_fixed_ips: tuple[FixedIP, ...] = ()
    enable_snat: bool | None = None


class Router(Record, frozen=True, kw_only=True):
    """A Neutron router. Which subnets it joins is told by the ports whose `device_id` it is."""

    status: str = ""
    admin_state_up: bool = True
    external_gateway_info: Gateway | None = None


class SecurityGroupRule(Record, frozen=True, kw_only=True):
    """A rule of a security group; None means any."""

    security_group_id: str = ""
    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None


class SecurityGroup(Record, frozen=True, kw_only=True):
    """A Neutron security group with its rules."""

    security_group_rules: tuple[SecurityGroupRule, ...] = ()


class AddressPair(msgspec.Struct, frozen=True):
    """An address that a port may use besides its own."""

    ip_address: str
    mac_address: str | None = None


class Assignment(msgspec.Struct, frozen=True):
    """What an address of a port is called."""

    fqdn: str


class Port(Record, frozen=True, kw_only=True):
    """A Neutron port. `leaving` is ours: Nova was asked to unplug it a moment ago, and no list has shown yet that it did."""

    network_id: str
    status: str = ""
    admin_state_up: bool = True
    mac_address: str = ""
    fixed_ips: tuple[FixedIP, ...] = ()
    device_id: str = ""
    device_owner: str = ""
    security_groups: tuple[str, ...] = ()
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    port_security_enabled: bool | None = None
    vnic_type: str = msgspec.field(name="binding:vnic_type", default="")
    vif_type: str = msgspec.field(name="binding:vif_type", default="")
    profile: Mapping[str, Any] | None = msgspec.field(name="binding:profile", default=None)
    trunk_details: Mapping[str, Any] | None = None
    qos_policy_id: str | None = None
    dns_name: str | None = None
    dns_assignment: tuple[Assignment, ...] = ()
    leaving: bool = False


class Subport(msgspec.Struct, frozen=True):
    """A port that rides on a trunk."""

    port_id: str
    segmentation_type: str = "vlan"
    segmentation_id: int = 0


class Trunk(Record, frozen=True, kw_only=True):
    """A Neutron trunk on its parent port."""

    port_id: str
    status: str = ""
    sub_ports: tuple[Subport, ...] = ()


class QosPolicy(Record, frozen=True, kw_only=True):
    """A Neutron QoS policy."""


class FloatingIP(Record, frozen=True, kw_only=True):
    """A Neutron floating IP; `port_id` is None while it points nowhere."""

    floating_ip_address: str = ""
    floating_network_id: str = ""
    fixed_ip_address: str | None = None
    port_id: str | None = None
    router_id: str | None = None
    status: str = ""


class Owned(msgspec.Struct, frozen=True):
    """A reference inside an Octavia answer."""

    id: str


class LoadBalancer(Record, frozen=True, kw_only=True):
    """An Octavia load balancer. It takes changes only while `provisioning_status` is ACTIVE (or ERROR, for deletion)."""

    provisioning_status: str = ""
    operating_status: str = ""
    provider: str | None = None
    vip_address: str = ""
    vip_port_id: str | None = None
    vip_subnet_id: str | None = None
    vip_network_id: str | None = None
    flavor_id: str | None = None
    availability_zone: str | None = None


class LoadBalancerFlavor(Record, frozen=True, kw_only=True):
    """An Octavia flavor: a size of load balancers that the operator of the cloud offers."""


class Listener(Record, frozen=True, kw_only=True):
    """An Octavia listener."""

    provisioning_status: str = ""
    protocol: str = "TCP"
    protocol_port: int = 0
    default_pool_id: str | None = None
    allowed_cidrs: tuple[str, ...] | None = None
    loadbalancers: tuple[Owned, ...] = ()


class Pool(Record, frozen=True, kw_only=True):
    """An Octavia pool."""

    provisioning_status: str = ""
    protocol: str = "TCP"
    lb_algorithm: str = ""
    healthmonitor_id: str | None = None
    members: tuple[Owned, ...] = ()
    listeners: tuple[Owned, ...] = ()
    loadbalancers: tuple[Owned, ...] = ()


class HealthMonitor(Record, frozen=True, kw_only=True):
    """An Octavia health monitor; delay and timeout in seconds."""

    provisioning_status: str = ""
    type: str = "TCP"
    delay: int = 0
    timeout: int = 0
    max_retries: int = 0
    max_retries_down: int = 0
    pools: tuple[Owned, ...] = ()


class Member(Record, frozen=True, kw_only=True):
    """A member of a pool. `pool_id` is put in by the cloud layer; Octavia names it only in the path."""

    pool_id: str = ""
    provisioning_status: str = ""
    operating_status: str = ""
    address: str = ""
    protocol_port: int = 0
    subnet_id: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """Why Nova put a server into ERROR."""

    code: int = 0
    message: str = ""
    details: str = ""


class Server(Record, frozen=True, kw_only=True):
    """A Nova server. `status` is Nova's (BUILD, ACTIVE, ERROR, DELETED, ...); `metadata` carries our mark."""

    status: str = ""
    metadata: Mapping[str, str] = {}
    task_state: str | None = msgspec.field(name="OS-EXT-STS:task_state", default=None)
    zone: str | None = msgspec.field(name="OS-EXT-AZ:availability_zone", default=None)
    fault: Fault | None = None
    attached_volumes: tuple[Owned, ...] = msgspec.field(name="os-extended-volumes:volumes_attached", default=())

    @property
    def mark(self) -> Mark | None:
        """Our mark, from the metadata."""
        return find_mark(metadata=self.metadata, tags=self.tags)


class Volume(Record, frozen=True, kw_only=True):
    """A Cinder volume; `size` in GiB."""

    status: str = ""
    size: int = 0
    metadata: Mapping[str, str] = {}

    @property
    def mark(self) -> Mark | None:
        """Our mark, from the metadata."""
        return find_mark(metadata=self.metadata)


class Image(Record, frozen=True, kw_only=True):
    """A Glance image."""

    status: str = ""


class Flavor(Record, frozen=True, kw_only=True):
    """A Nova flavor; `ram` in MiB, `disk` in GiB."""

    ram: int = 0
    vcpus: int = 0
    disk: int = 0


class ServerGroup(Record, frozen=True, kw_only=True):
    """A Nova server group."""


class Quota(msgspec.Struct, frozen=True):
    """How much of something a project may have, and how much it has."""

    limit: int
    used: int


class Room(msgspec.Struct, frozen=True):
    """Nova's quotas of a project, as they were at `at` (monotonic seconds): `instances`, `cores` and `ram` (MiB), where limited."""

    at: float = float("-inf")
    quotas: Mapping[str, Quota] = {}


class Zone(msgspec.Struct, frozen=True):
    """A Nova availability zone."""

    name: str
    available: bool = True
