# SPDX-License-Identifier: Apache-2.0
"""OpenStackCluster and its template (v1beta2, the hub)."""

from typing import Annotated, ClassVar, Literal

from pycapo.api.machine import CONDITIONS, MachineResources, OpenStackMachineSpec, ResolvedMachineSpec
from pycapo.api.meta import API_GROUP, Condition, Kind, TemplateMeta
from pycapo.api.networks import AllocationPool, NamedNetwork, NamedNetworkStatus, Subnet
from pycapo.api.record import Int32, Record, Rule, described
from pycapo.api.references import NetworkParam, OpenStackIdentityReference, RouterParam, SubnetParam

ManagedGroupName = Literal["bastion", "controlplane", "worker"]


class APIEndpoint(Record, kw_only=True):
    """Where the API server of the workload cluster is reached."""

    min_properties: ClassVar[int | None] = 1

    host: Annotated[str | None, described("Address or DNS name.", min_length=1, max_length=512)] = None
    port: Annotated[Int32 | None, described("TCP port.", minimum=1, maximum=65535)] = None


class SubnetSpec(Record, kw_only=True):
    """The subnet of the cluster network that the controller makes."""

    cidr: Annotated[str, described("Addresses of the subnet, such as 10.6.0.0/24.", min_length=1)]
    dns_nameservers: Annotated[list[str] | None, described("DNS servers that guests are told.", list_type="atomic")] = (
        None
    )
    allocation_pools: Annotated[
        list[AllocationPool] | None,
        described("Addresses that Neutron hands out; all of the subnet by default.", list_type="atomic"),
    ] = None


class ManagedNetwork(Record, kw_only=True):
    """Attributes of the cluster network that the controller makes."""

    mtu: Annotated[Int32 | None, described("MTU; the cloud's default if absent.")] = None
    enable_port_security: Annotated[bool | None, described("Port security; on by default.")] = None


class ExternalRouterIPParam(Record, kw_only=True):
    """An address of the router on the external network."""

    fixed_ip: Annotated[str | None, described("The address; any of the subnet if absent.")] = None
    subnet: Annotated[SubnetParam, described("Subnet of the external network.")]


class ManagedRouter(Record, kw_only=True):
    """Attributes of the router that the controller makes."""

    external_ips: Annotated[
        list[ExternalRouterIPParam] | None,
        described("Addresses of the router on the external network.", list_type="atomic", min_items=1),
    ] = None


class APIServerLoadBalancerMonitor(Record, kw_only=True):
    """How Octavia watches the members; absent values are the controller's defaults."""

    delay: Annotated[Int32 | None, described("Seconds between probes.", minimum=0)] = None
    timeout: Annotated[Int32 | None, described("Seconds until a probe counts as failed.", minimum=0)] = None
    max_retries: Annotated[Int32 | None, described("Good probes until a member is online.", minimum=0, maximum=10)] = (
        None
    )
    max_retries_down: Annotated[
        Int32 | None, described("Failed probes until a member is in error.", minimum=1, maximum=10)
    ] = None


class APIServerLoadBalancer(Record, kw_only=True):
    """The Octavia load balancer of the API server."""

    enabled: Annotated[bool, described("Make the load balancer.")] = True
    additional_ports: Annotated[
        list[Int32] | None, described("TCP ports to serve besides that of the API server.", list_type="set")
    ] = None
    allowed_cidrs: Annotated[
        list[str] | None, described("Addresses that may connect; all if absent.", list_type="set")
    ] = None
    provider: Annotated[str | None, described("Octavia provider; the cloud's default if absent.")] = None
    network: Annotated[NetworkParam | None, described("Network of the VIP; the cluster network by default.")] = None
    subnets: Annotated[
        list[SubnetParam] | None, described("Subnets of the VIP; only the first counts.", list_type="atomic")
    ] = None
    availability_zone: Annotated[str | None, described("Availability zone of the load balancer.")] = None
    flavor: Annotated[str | None, described("Octavia flavor, by name.")] = None
    monitor: Annotated[APIServerLoadBalancerMonitor | None, described("How Octavia watches the members.")] = None


class APIServer(Record, kw_only=True):
    """How the API server is reached."""

    port: Annotated[Int32 | None, described("TCP port; 6443 by default.", minimum=0, maximum=65535)] = None
    fixed_ip: Annotated[
        str | None,
        described("Address on the cluster network: the VIP, or without load balancer and floating IP the endpoint."),
    ] = None
    floating_ip: Annotated[
        str | None, described("Floating IP to use; a new one if absent. It stays when the cluster goes.")
    ] = None
    enable_floating_ip: Annotated[bool | None, described("Give the API server a floating IP; true by default.")] = None
    managed_load_balancer: Annotated[
        APIServerLoadBalancer | None, described("Make a load balancer for the API server.")
    ] = None


class SecurityGroupRuleSpec(Record, kw_only=True):
    """A rule of a managed security group."""

    name: Annotated[str, described("Name of the rule in this list; not sent.", min_length=1)]
    description: Annotated[str | None, described("Description of the rule.")] = None
    direction: Annotated[Literal["ingress", "egress"], described("Direction seen from the server.")]
    ether_type: Annotated[Literal["IPv4", "IPv6"] | None, described("IP version; IPv4 by default.")] = None
    port_range_min: Annotated[Int32 | None, described("Lowest port; the ICMP type for ICMP.")] = None
    port_range_max: Annotated[Int32 | None, described("Highest port; the ICMP code for ICMP.")] = None
    protocol: Annotated[str | None, described("Protocol, by name or number; all if absent.")] = None
    remote_group_id: Annotated[
        str | None, described("UUID of the security group at the other end. At most one remote field may be set.")
    ] = None
    remote_ip_prefix: Annotated[str | None, described("CIDR of the other end.")] = None
    remote_managed_groups: Annotated[
        list[ManagedGroupName] | None,
        described("Managed groups at the other end, one rule for each.", list_type="set"),
    ] = None


class RoleSecurityGroups(Record, kw_only=True):
    """The part of the managed security groups that all versions spell alike."""

    control_plane_nodes_security_group_rules: Annotated[
        list[SecurityGroupRuleSpec] | None, described("Rules for control plane nodes.", list_map_keys=("name",))
    ] = None
    worker_nodes_security_group_rules: Annotated[
        list[SecurityGroupRuleSpec] | None, described("Rules for worker nodes.", list_map_keys=("name",))
    ] = None
    allow_all_in_cluster_traffic: Annotated[bool, described("Allow all traffic between nodes.")] = False


class ManagedSecurityGroups(RoleSecurityGroups, kw_only=True):
    """Security groups that the controller makes, with rules besides those that Kubernetes needs."""

    cluster_nodes_security_group_rules: Annotated[
        list[SecurityGroupRuleSpec] | None,
        described("Rules for all nodes, not for the bastion.", list_map_keys=("name",)),
    ] = None


class BastionFields(Record, kw_only=True):
    """The part of a bastion that all versions spell alike."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!self.enabled || has(self.spec)", "spec is required if bastion is enabled"),
    )

    enabled: Annotated[
        bool, described("Make the bastion. Set it to false and wait before taking the bastion out of the spec.")
    ] = True
    availability_zone: Annotated[str | None, described("Availability zone of the bastion.")] = None
    floating_ip: Annotated[
        str | None, described("Floating IP to use, by address; a new one if absent.", format="ipv4")
    ] = None


class Bastion(BastionFields, kw_only=True):
    """A server to log in to the nodes from."""

    spec: Annotated[OpenStackMachineSpec | None, described("The server of the bastion.")] = None


class ClusterFields(Record, kw_only=True):
    """The part of a cluster's spec that all versions spell alike."""

    managed_subnets: Annotated[
        list[SubnetSpec] | None,
        described(
            "Make the cluster network with this subnet and a router; absent for a network that exists.",
            list_type="atomic",
            max_items=1,
        ),
    ] = None
    subnets: Annotated[
        list[SubnetParam] | None,
        described("Subnets of network to use; all if absent.", list_type="atomic"),
    ] = None
    primary_subnet: Annotated[
        SubnetParam | None,
        described("The subnet for the VIP and the load balancer members; the first of subnets by default."),
    ] = None
    router: Annotated[
        RouterParam | None, described("A router that exists, instead of one that is made; never deleted.")
    ] = None
    network: Annotated[
        NetworkParam | None, described("A network that exists, as cluster network; not with managedSubnets.")
    ] = None
    networks: Annotated[
        list[NamedNetwork] | None,
        described("Named networks besides the cluster network, for ports' clusterNetwork.", list_map_keys=("name",)),
    ] = None
    external_network: Annotated[
        NetworkParam | None,
        described("Network to the outside; by default the only external one, none if there is none."),
    ] = None
    tags: Annotated[
        list[str] | None, described("Tags for everything in the cluster that takes tags.", list_type="set")
    ] = None
    control_plane_availability_zones: Annotated[
        list[str] | None, described("Availability zones for control plane nodes; all if absent.", list_type="set")
    ] = None
    control_plane_omit_availability_zone: Annotated[
        bool | None, described("Leave the zone of control plane nodes to Nova.")
    ] = None
    identity_ref: Annotated[
        OpenStackIdentityReference, described("Credentials for the cluster, and for machines that have none.")
    ]


class OpenStackClusterSpec(ClusterFields, kw_only=True):
    """The infrastructure that a cluster needs."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.enableExternalNetwork) && !self.enableExternalNetwork ?"
            " !has(self.bastion) || !has(self.bastion.floatingIP) : true",
            "bastion floating IP cannot be set when enableExternalNetwork is false",
        ),
        Rule(
            "has(self.enableExternalNetwork) && !self.enableExternalNetwork ?"
            " has(self.apiServer) && has(self.apiServer.enableFloatingIP) && !self.apiServer.enableFloatingIP : true",
            "apiServer.enableFloatingIP cannot be true when enableExternalNetwork is false",
        ),
    )

    control_plane_endpoint: Annotated[
        APIEndpoint | None, described("Where the API server is reached; found out by the controller unless given.")
    ] = None
    managed_router: Annotated[
        ManagedRouter | None,
        described(
            "Attributes of the router that is made.",
            rules=(Rule("has(self.externalIPs)", "managedRouter must not be empty if set"),),
        ),
    ] = None
    managed_network: Annotated[
        ManagedNetwork | None,
        described(
            "Attributes of the network that is made.",
            rules=(
                Rule(
                    "self == null || has(self.mtu) || has(self.enablePortSecurity)",
                    "managedNetwork must not be empty if set",
                ),
            ),
        ),
    ] = None
    enable_external_network: Annotated[
        bool | None, described("Connect the cluster to an external network; true by default.")
    ] = None
    api_server: Annotated[APIServer | None, described("How the API server is reached.")] = None
    managed_security_groups: Annotated[
        ManagedSecurityGroups | None,
        described("Make security groups for the nodes; an empty object means with the default rules only."),
    ] = None
    bastion: Annotated[Bastion | None, described("A server to log in to the nodes from.")] = None


class ClusterInitialization(Record, kw_only=True):
    """How far the first provisioning got."""

    provisioned: Annotated[bool | None, described("The infrastructure was provisioned once; never taken back.")] = None


class NetworkStatus(Record, kw_only=True):
    """A network that was found or made."""

    name: Annotated[str, described("Name of the network.", min_length=1)]
    id: Annotated[str, described("UUID of the network.", min_length=1)]
    tags: Annotated[list[str] | None, described("Tags of the network.", list_type="set")] = None


class NetworkStatusWithSubnets(NetworkStatus, kw_only=True):
    """A network that was found or made, with the subnets in use."""

    subnets: Annotated[list[Subnet] | None, described("Subnets in use.", list_type="atomic")] = None


class Router(Record, kw_only=True):
    """A router that was found or made."""

    name: Annotated[str, described("Name of the router.", min_length=1)]
    id: Annotated[str, described("UUID of the router.", min_length=1)]
    tags: Annotated[list[str] | None, described("Tags of the router.", list_type="set")] = None
    ips: Annotated[list[str] | None, described("External addresses of the router.", list_type="set")] = None


class LoadBalancer(Record, kw_only=True):
    """The load balancer of the API server."""

    name: Annotated[str, described("Name of the load balancer.", min_length=1)]
    id: Annotated[str, described("UUID of the load balancer.", min_length=1)]
    ip: Annotated[str, described("Address to reach it at.", min_length=1)]
    internal_ip: Annotated[str, described("Its VIP.", min_length=1)]
    allowed_cidrs: Annotated[list[str] | None, described("Addresses that may connect.", list_type="set")] = None
    tags: Annotated[list[str] | None, described("Tags of the load balancer.", list_type="set")] = None
    load_balancer_network: Annotated[
        NetworkStatusWithSubnets | None, described("Network of the VIP, if it is not the cluster network.")
    ] = None


class FailureDomain(Record, kw_only=True):
    """An availability zone that machines can be spread over."""

    name: Annotated[str, described("Name of the zone.", min_length=1, max_length=256)]
    control_plane: Annotated[bool | None, described("Whether control plane nodes may be there.")] = None
    attributes: Annotated[dict[str, str] | None, described("Anything else to know of the zone.")] = None


class SecurityGroupStatus(Record, kw_only=True):
    """A security group that was made."""

    name: Annotated[str, described("Name of the group.", min_length=1)]
    id: Annotated[str, described("UUID of the group.", min_length=1)]


class BastionState(Record, kw_only=True):
    """The part of the bastion's status that all versions spell alike."""

    id: Annotated[str | None, described("UUID of the server.")] = None
    name: Annotated[str | None, described("Name of the server.")] = None
    ssh_key_name: Annotated[str | None, described("Key pair of the server.")] = None
    state: Annotated[str | None, described("Nova's state of the server.")] = None
    ip: Annotated[str | None, described("Address on the cluster network.")] = None
    floating_ip: Annotated[str | None, described("Floating IP.")] = None
    resources: Annotated[MachineResources | None, described("What was made for the bastion.")] = None


class BastionStatus(BastionState, kw_only=True):
    """What is known of the bastion."""

    resolved: Annotated[ResolvedMachineSpec | None, described("References of the spec, resolved.")] = None


class ClusterState(Record, kw_only=True):
    """The part of a cluster's status that all versions spell alike."""

    initialization: Annotated[ClusterInitialization | None, described("How far the first provisioning got.")] = None
    network: Annotated[NetworkStatusWithSubnets | None, described("The cluster network.")] = None
    networks: Annotated[list[NamedNetworkStatus] | None, described("The named networks.", list_map_keys=("name",))] = (
        None
    )
    external_network: Annotated[NetworkStatus | None, described("The network to the outside.")] = None
    router: Annotated[Router | None, described("The router of the cluster network.")] = None
    control_plane_security_group: Annotated[
        SecurityGroupStatus | None, described("Managed group of control plane nodes.")
    ] = None
    worker_security_group: Annotated[SecurityGroupStatus | None, described("Managed group of worker nodes.")] = None
    bastion_security_group: Annotated[SecurityGroupStatus | None, described("Managed group of the bastion.")] = None


class OpenStackClusterStatus(ClusterState, kw_only=True):
    """What is known of a cluster's infrastructure."""

    conditions: Annotated[list[Condition] | None, CONDITIONS] = None
    api_server_managed_load_balancer: Annotated[
        LoadBalancer | None, described("The load balancer of the API server.")
    ] = None
    failure_domains: Annotated[
        list[FailureDomain] | None,
        described("Availability zones that machines can be spread over.", list_map_keys=("name",)),
    ] = None
    bastion: Annotated[BastionStatus | None, described("The bastion.")] = None


class OpenStackCluster(Kind, kw_only=True):
    """The infrastructure in OpenStack that backs a Cluster API Cluster."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta2"
    kind: ClassVar[str] = "OpenStackCluster"
    plural: ClassVar[str] = "openstackclusters"

    spec: Annotated[OpenStackClusterSpec, described("The infrastructure that is wanted.")]
    status: Annotated[OpenStackClusterStatus | None, described("What is known of the infrastructure.")] = None


class OpenStackClusterTemplateResource(Record, kw_only=True):
    """The cluster that a template makes."""

    metadata: Annotated[TemplateMeta | None, described("Labels and annotations of the cluster.")] = None
    spec: Annotated[OpenStackClusterSpec, described("Spec of the cluster.")]


class OpenStackClusterTemplateSpec(Record, kw_only=True):
    """What a cluster template holds."""

    template: Annotated[OpenStackClusterTemplateResource, described("The cluster to make.")]


class OpenStackClusterTemplate(Kind, kw_only=True):
    """The pattern from which a ClusterClass makes clusters; its spec does not change."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta2"
    kind: ClassVar[str] = "OpenStackClusterTemplate"
    plural: ClassVar[str] = "openstackclustertemplates"

    spec: Annotated[OpenStackClusterTemplateSpec, described("The clusters that are made.")]
