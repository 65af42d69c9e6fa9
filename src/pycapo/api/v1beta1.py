# SPDX-License-Identifier: Apache-2.0
"""The kinds of v1beta1, which is served and converted to v1beta2 (see conversion).

Only what v1beta1 spells differently is described here; the rest is shared. The shared parts carry the limits of
v1beta2 (lengths, 32-bit integers, lists without doubles), because what v1beta1 lets in must be storable as v1beta2.
"""

from typing import Annotated, ClassVar

from pycapo.api.cluster import (
    APIServerLoadBalancer,
    BastionFields,
    BastionState,
    ClusterFields,
    ClusterState,
    ExternalRouterIPParam,
    LoadBalancer,
    RoleSecurityGroups,
    SecurityGroupRuleSpec,
)
from pycapo.api.machine import MachineFields, MachineState, NodeCapacity, ResolvedMachine
from pycapo.api.meta import API_GROUP, Kind, TemplateMeta
from pycapo.api.ports import PortRequest, ResolvedPort, Segment
from pycapo.api.record import Int32, Int64, Record, Rule, described


class Condition(Record, kw_only=True):
    """One aspect of an object's state, as Cluster API v1beta1 has it."""

    type: Annotated[
        str, described("Type of the condition in CamelCase; unique in the list.", min_length=1, max_length=256)
    ]
    status: Annotated[str, described("True, False or Unknown.")]
    severity: Annotated[str | None, described("Error, Warning or Info; only if status is False.", max_length=32)] = None
    reason: Annotated[
        str | None, described("Why the condition last changed, one word for programs.", min_length=1, max_length=256)
    ] = None
    message: Annotated[str | None, described("What a person should know.", min_length=1, max_length=10240)] = None
    last_transition_time: Annotated[str, described("When status last changed.", format="date-time")]
    observed_generation: Annotated[
        Int64 | None, described("The metadata.generation that the condition speaks of.", minimum=0)
    ] = None


CONDITIONS = described("State of the object, one entry for each aspect; Ready sums them up.")


class PortBody(PortRequest, kw_only=True):
    """A port that a manifest asks for, without what only the parent of a trunk has."""

    disable_port_security: Annotated[bool | None, described("Port security off; the network's setting by default.")] = (
        None
    )


class Subport(Segment, kw_only=True):
    """A port of a trunk."""

    port: Annotated[PortBody, described("The port.")]


class PortOpts(PortBody, kw_only=True):
    """A port that a manifest asks for."""

    trunk: Annotated[
        bool | None, described("Make the port the parent of a trunk; the machine's setting by default.")
    ] = None
    subports: Annotated[list[Subport] | None, described("Ports of the trunk.", list_type="atomic")] = None


class ResolvedPortSpec(ResolvedPort, kw_only=True):
    """A port with every reference resolved to an id."""

    disable_port_security: Annotated[bool | None, described("Port security off; the network's setting by default.")] = (
        None
    )


class ResolvedMachineSpec(ResolvedMachine, kw_only=True):
    """Parts of a machine's spec with every reference resolved to an id."""

    ports: Annotated[list[ResolvedPortSpec] | None, described("Ports to make.", list_type="atomic")] = None


class OpenStackMachineSpec(MachineFields, kw_only=True):
    """A server that is to be a node."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule("(has(self.flavor) || has(self.flavorID))", "at least one of flavor or flavorID must be set"),
    )

    flavor: Annotated[str | None, described("Flavor, by name.", min_length=1)] = None
    flavor_id: Annotated[str | None, described("Flavor, by id; goes before flavor.", min_length=1)] = None
    ports: Annotated[
        list[PortOpts] | None,
        described("Ports of the server; one on the cluster network if absent.", list_type="atomic"),
    ] = None
    additional_ports: Annotated[
        list[PortOpts] | None,
        described("Ports besides those of ports, or besides the one on the cluster network.", list_type="atomic"),
    ] = None


class OpenStackMachineStatus(MachineState, kw_only=True):
    """What is known of a machine's server."""

    ready: Annotated[bool | None, described("The machine is ready. Deprecated: read the condition Ready.")] = None
    failure_reason: Annotated[str | None, described("Deprecated: no longer set.")] = None
    failure_message: Annotated[str | None, described("Deprecated: no longer set.")] = None
    conditions: Annotated[list[Condition] | None, CONDITIONS] = None
    resolved: Annotated[ResolvedMachineSpec | None, described("References of the spec, resolved.")] = None


class OpenStackMachine(Kind, kw_only=True):
    """A server in OpenStack that backs a Cluster API Machine."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta1"
    kind: ClassVar[str] = "OpenStackMachine"
    plural: ClassVar[str] = "openstackmachines"

    spec: Annotated[OpenStackMachineSpec, described("The server that is wanted.")]
    status: Annotated[OpenStackMachineStatus | None, described("What is known of the server.")] = None


class OpenStackMachineTemplateResource(Record, kw_only=True):
    """The machine that a template makes."""

    metadata: Annotated[TemplateMeta | None, described("Labels and annotations of the machine.")] = None
    spec: Annotated[OpenStackMachineSpec, described("Spec of the machine.")]


class OpenStackMachineTemplateSpec(Record, kw_only=True):
    """What a machine template holds."""

    template: Annotated[OpenStackMachineTemplateResource, described("The machine to make.")]


class OpenStackMachineTemplateStatus(NodeCapacity, kw_only=True):
    """What is known of the nodes of a template."""

    conditions: Annotated[list[Condition] | None, CONDITIONS] = None


class OpenStackMachineTemplate(Kind, kw_only=True):
    """The pattern from which machines of a deployment or control plane are made; its spec does not change."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta1"
    kind: ClassVar[str] = "OpenStackMachineTemplate"
    plural: ClassVar[str] = "openstackmachinetemplates"

    spec: Annotated[OpenStackMachineTemplateSpec, described("The machines that are made.")]
    status: Annotated[OpenStackMachineTemplateStatus | None, described("What a node of this template has.")] = None


class ManagedSecurityGroups(RoleSecurityGroups, kw_only=True):
    """Security groups that the controller makes, with rules besides those that Kubernetes needs."""

    all_nodes_security_group_rules: Annotated[
        list[SecurityGroupRuleSpec] | None,
        described("Rules for all nodes, not for the bastion.", list_map_keys=("name",)),
    ] = None


class Bastion(BastionFields, kw_only=True):
    """A server to log in to the nodes from."""

    spec: Annotated[OpenStackMachineSpec | None, described("The server of the bastion.")] = None


class APIEndpoint(Record, kw_only=True):
    """Where the API server of the workload cluster is reached."""

    host: Annotated[str | None, described("Address or DNS name.", max_length=512)] = None
    port: Annotated[Int32 | None, described("TCP port.")] = None


class OpenStackClusterSpec(ClusterFields, kw_only=True):
    """The infrastructure that a cluster needs."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.disableExternalNetwork) && self.disableExternalNetwork ?"
            " !has(self.bastion) || !has(self.bastion.floatingIP) : true",
            "bastion floating IP cannot be set when disableExternalNetwork is true",
        ),
        Rule(
            "has(self.disableExternalNetwork) && self.disableExternalNetwork ?"
            " has(self.disableAPIServerFloatingIP) && self.disableAPIServerFloatingIP : true",
            "disableAPIServerFloatingIP cannot be false when disableExternalNetwork is true",
        ),
    )

    control_plane_endpoint: Annotated[
        APIEndpoint | None, described("Where the API server is reached; found out by the controller unless given.")
    ] = None
    network_mtu: Annotated[Int32 | None, described("MTU of the network that is made.")] = None
    external_router_ips: Annotated[
        list[ExternalRouterIPParam] | None,
        described("Addresses of the router on the external network.", list_type="atomic"),
    ] = None
    disable_external_network: Annotated[bool | None, described("Connect to no external network.")] = None
    api_server_load_balancer: Annotated[
        APIServerLoadBalancer | None, described("Make a load balancer for the API server.")
    ] = None
    disable_api_server_floating_ip: Annotated[bool | None, described("Give the API server no floating IP.")] = None
    api_server_floating_ip: Annotated[
        str | None, described("Floating IP to use; a new one if absent. It stays when the cluster goes.")
    ] = None
    api_server_fixed_ip: Annotated[
        str | None,
        described("Address on the cluster network: the VIP, or without load balancer and floating IP the endpoint."),
    ] = None
    api_server_port: Annotated[
        int | None, described("TCP port of the API server; 6443 by default.", minimum=0, maximum=65535)
    ] = None
    managed_security_groups: Annotated[
        ManagedSecurityGroups | None,
        described("Make security groups for the nodes; an empty object means with the default rules only."),
    ] = None
    disable_port_security: Annotated[bool | None, described("No port security on the network that is made.")] = None
    bastion: Annotated[Bastion | None, described("A server to log in to the nodes from.")] = None


class BastionStatus(BastionState, kw_only=True):
    """What is known of the bastion."""

    resolved: Annotated[ResolvedMachineSpec | None, described("References of the spec, resolved.")] = None


class FailureDomainSpec(Record, kw_only=True):
    """An availability zone that machines can be spread over."""

    control_plane: Annotated[bool | None, described("Whether control plane nodes may be there.")] = None
    attributes: Annotated[dict[str, str] | None, described("Anything else to know of the zone.")] = None


class OpenStackClusterStatus(ClusterState, kw_only=True):
    """What is known of a cluster's infrastructure."""

    ready: Annotated[bool, described("The infrastructure is ready. Deprecated: read the condition Ready.")] = False
    api_server_load_balancer: Annotated[LoadBalancer | None, described("The load balancer of the API server.")] = None
    failure_domains: Annotated[
        dict[str, FailureDomainSpec] | None, described("Availability zones that machines can be spread over.")
    ] = None
    bastion: Annotated[BastionStatus | None, described("The bastion.")] = None
    failure_reason: Annotated[str | None, described("Deprecated: no longer set.")] = None
    failure_message: Annotated[str | None, described("Deprecated: no longer set.")] = None
    conditions: Annotated[list[Condition] | None, CONDITIONS] = None


class OpenStackCluster(Kind, kw_only=True):
    """The infrastructure in OpenStack that backs a Cluster API Cluster."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta1"
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
    version: ClassVar[str] = "v1beta1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta1"
    kind: ClassVar[str] = "OpenStackClusterTemplate"
    plural: ClassVar[str] = "openstackclustertemplates"

    spec: Annotated[OpenStackClusterTemplateSpec, described("The clusters that are made.")]
