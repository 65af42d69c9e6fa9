# SPDX-License-Identifier: Apache-2.0
"""Named networks of a cluster besides its cluster network: existing, managed, or one for each machine."""

from typing import Annotated, ClassVar, Literal

from pycapo.api.meta import Condition
from pycapo.api.record import Int32, Record, Rule, described
from pycapo.api.references import Filter, NetworkParam, OneOf, QosPolicyParam

LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
NAMED_NETWORKS = "NamedNetworksReady"
"""The condition of a cluster that has named networks, or had some of which something is left."""
NO_GATEWAY = "None"
"""What `gateway` says for a subnet that has none."""
Ipv6Mode = Literal["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]


class AllocationPool(Record, kw_only=True):
    """Addresses of a subnet that Neutron hands out."""

    start: Annotated[str, described("Lowest address of the pool.", min_length=1)]
    end: Annotated[str, described("Highest address of the pool.", min_length=1)]


class HostRoute(Record, kw_only=True):
    """A route that guests of a subnet learn through DHCP."""

    destination: Annotated[str, described("CIDR of the destination.", min_length=1)]
    next_hop: Annotated[str, described("Address of the next hop.", min_length=1)]


class SubnetOptions(Record, kw_only=True):
    """What can be said of every subnet that the controller makes."""

    dns_nameservers: Annotated[list[str] | None, described("DNS servers that guests are told.", list_type="atomic")] = (
        None
    )
    host_routes: Annotated[list[HostRoute] | None, described("Routes that guests learn.", list_type="atomic")] = None
    enable_dhcp: Annotated[bool | None, described("Serve DHCP; true by default.")] = None
    ipv6_address_mode: Annotated[
        Ipv6Mode | None, described("How guests get an IPv6 address: slaac, dhcpv6-stateful or dhcpv6-stateless.")
    ] = None
    ipv6_ra_mode: Annotated[
        Ipv6Mode | None, described("How the router advertises an IPv6 subnet; the same values.")
    ] = None


class NamedSubnet(SubnetOptions, kw_only=True):
    """A subnet of a managed network."""

    name: Annotated[str, described("Name within the network.", min_length=1)]
    cidr: Annotated[str, described("IPv4 or IPv6 CIDR.", min_length=1)]
    gateway: Annotated[
        str | None, described("Address of the gateway, or None for no gateway; the first address by default.")
    ] = None
    allocation_pools: Annotated[
        list[AllocationPool] | None, described("Addresses that Neutron hands out.", list_type="atomic")
    ] = None


class ProviderSegment(Record, kw_only=True):
    """The physical side of a network; only administrators may set it."""

    network_type: Annotated[str, described("vlan, flat, vxlan, geneve, gre or local.", min_length=1)]
    physical_network: Annotated[str | None, described("Name of the physical network.")] = None
    segmentation_id: Annotated[Int32 | None, described("VLAN or tunnel id.", minimum=0)] = None


class NetworkOptions(Record, kw_only=True):
    """What can be said of every network that the controller makes for a cluster, or for each machine."""

    mtu: Annotated[Int32 | None, described("MTU; the cloud's default if absent.", minimum=68)] = None
    enable_port_security: Annotated[
        bool | None, described("Port security of the network; the cloud's default if absent.")
    ] = None
    qos_policy: Annotated[QosPolicyParam | None, described("QoS policy of the network.")] = None
    tags: Annotated[list[str] | None, described("Tags besides those of the cluster.", list_type="set")] = None


class ManagedNamedNetwork(NetworkOptions, kw_only=True):
    """A network that the controller makes, repairs and deletes."""

    subnets: Annotated[
        list[NamedSubnet] | None, described("Subnets of the network.", list_map_keys=("name",), min_items=1)
    ] = None
    router: Annotated[
        Literal["None", "Cluster"], described("Cluster: joins the cluster's router. None: stays apart.")
    ] = "None"
    provider: Annotated[ProviderSegment | None, described("Physical side of the network, on clouds that allow it.")] = (
        None
    )


class CarvedSubnet(SubnetOptions, kw_only=True):
    """A subnet of each machine's own network, carved out of larger prefixes."""

    name: Annotated[str, described("Name within the network.", min_length=1, max_length=63, pattern=LABEL)]
    from_: Annotated[
        list[str],
        described("CIDRs of one IP version to carve from; more can be added.", list_type="atomic", min_items=1),
    ]
    prefix_length: Annotated[Int32, described("Prefix length of each subnet.", minimum=1, maximum=128)]
    gateway: Annotated[
        Literal["None"] | None, described("None for no gateway; the first address of each subnet by default.")
    ] = None


class NetworkClaim(OneOf, kw_only=True):
    """The networks of which each machine takes one for itself."""

    id: Annotated[str | None, described("UUID of a network that one machine takes.", format="uuid")] = None
    filter: Annotated["ClaimFilter | None", described("Query that matches the networks to share out.")] = None


class ClaimFilter(Filter, kw_only=True):
    """What the networks to share out have in common."""

    name: Annotated[str | None, described("Name of the networks.")] = None
    project_id: Annotated[str | None, described("Project that owns the networks.")] = None
    tags: Annotated[list[str] | None, described("Tags that the networks have, all of them.", list_type="set")] = None


class PerMachineNetwork(NetworkOptions, kw_only=True):
    """One network for each machine that asks for it: made for it, or claimed."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.subnets) != has(self.claim)", "exactly one of subnets and claim must be set"),
        Rule(
            "!has(self.claim) || !(has(self.mtu) || has(self.enablePortSecurity) || has(self.qosPolicy) || has(self.tags))",
            "mtu, enablePortSecurity, qosPolicy and tags are for networks that are made; one that is claimed stays as it is",
        ),
    )

    subnets: Annotated[
        list[CarvedSubnet] | None, described("Make a network with these subnets.", list_map_keys=("name",), min_items=1)
    ] = None
    claim: Annotated[NetworkClaim | None, described("Claim one of the networks that exist.")] = None


class PooledSubnet(CarvedSubnet, kw_only=True):
    """A subnet of a machine's own network, and the subnet pool that it is carved out of."""

    pool: Annotated[str, described("UUID of the subnet pool.", min_length=1)]


class MachineNetwork(NetworkOptions, kw_only=True):
    """A network that one server has for itself: made with these subnets, or claimed."""

    name: Annotated[str, described("Name within the cluster, for clusterNetwork of ports.", min_length=1)]
    subnets: Annotated[
        list[PooledSubnet] | None, described("Make a network with these subnets.", list_map_keys=("name",), min_items=1)
    ] = None
    claim: Annotated[NetworkClaim | None, described("Claim one of the networks that exist.")] = None


class NamedNetwork(Record, kw_only=True):
    """A network that ports refer to by clusterNetwork."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.network) ? 1 : 0) + (has(self.managed) ? 1 : 0) + (has(self.perMachine) ? 1 : 0) == 1",
            "exactly one of network, managed and perMachine must be set",
        ),
    )

    name: Annotated[
        str,
        described("Name within the cluster.", min_length=1, max_length=63, pattern=LABEL),
    ]
    network: Annotated[NetworkParam | None, described("A network that exists.")] = None
    managed: Annotated[ManagedNamedNetwork | None, described("A network that the controller makes.")] = None
    per_machine: Annotated[PerMachineNetwork | None, described("A network of its own for each machine.")] = None


class Subnet(Record, kw_only=True):
    """A subnet that was found or made."""

    name: Annotated[str, described("Name of the subnet.", min_length=1)]
    id: Annotated[str, described("UUID of the subnet.", min_length=1)]
    cidr: Annotated[str, described("CIDR of the subnet.", min_length=1)]
    tags: Annotated[list[str] | None, described("Tags of the subnet.", list_type="set")] = None


class SubnetPool(Record, kw_only=True):
    """A Neutron subnet pool that subnets of machines' own networks are carved out of."""

    name: Annotated[str, described("Name of the subnet within the network.", min_length=1)]
    id: Annotated[str, described("UUID of the subnet pool.", min_length=1)]


class NamedNetworkStatus(Record, kw_only=True):
    """What is known of a named network."""

    name: Annotated[str, described("Name within the cluster.", min_length=1)]
    id: Annotated[str | None, described("UUID of the network; absent for perMachine.")] = None
    subnets: Annotated[list[Subnet] | None, described("Subnets of the network.", list_type="atomic")] = None
    subnet_pools: Annotated[
        list[SubnetPool] | None,
        described("For perMachine: what its subnets are carved out of.", list_map_keys=("name",)),
    ] = None
    qos_policy_id: Annotated[str | None, described("For perMachine: UUID of the QoS policy that was found.")] = None
    condition: Annotated[Condition | None, described("Whether the network is ready, and why not.")] = None
