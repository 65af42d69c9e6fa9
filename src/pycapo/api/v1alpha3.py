# SPDX-License-Identifier: Apache-2.0
"""The kinds of v1alpha3, which is served for old manifests, deprecated, and converted to v1beta2 (see from_v1alpha3).

Rule: nothing is added to what CAPO v0.3 had. Fields are not described: the newest version is the documented one, and the
CRDs have to stay small. Limits are those of v1beta2, because what is let in must be storable. Status is open: what only
newer versions tell is shown under its new name.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

from pycapo.api.meta import API_GROUP, Kind, NodeAddress
from pycapo.api.record import FreeMap, Int32, Record, Rule, described

Identity = Annotated[str, described("", pattern="^$|^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$")]
Port = Annotated[int, described("", minimum=0, maximum=65535)]


class SecretReference(Record, kw_only=True):
    """A Secret."""

    name: str | None = None
    namespace: str | None = None


class CloudsSecret(Record, kw_only=True):
    """The Secret with the credentials of a cluster."""

    name: Annotated[str, described("", min_length=1)]
    namespace: str | None = None


class ListOptions(Record, kw_only=True):
    """What lists of all resources could be narrowed by."""

    id: Identity | None = None
    name: str | None = None
    description: str | None = None
    tenant_id: str | None = msgspec.field(name="tenantId", default=None)
    project_id: str | None = msgspec.field(name="projectId", default=None)
    tags: str | None = None
    tags_any: str | None = None
    not_tags: str | None = None
    not_tags_any: str | None = None
    limit: int | None = None
    marker: str | None = None
    sort_key: str | None = None
    sort_dir: str | None = None


class Filter(ListOptions, kw_only=True):
    """A query for networks."""

    status: str | None = None
    admin_state_up: bool | None = None
    shared: bool | None = None


class SubnetFilter(ListOptions, kw_only=True):
    """A query for subnets."""

    enable_dhcp: bool | None = msgspec.field(name="enableDhcp", default=None)
    network_id: str | None = msgspec.field(name="networkId", default=None)
    ip_version: int | None = None
    gateway_ip: str | None = msgspec.field(name="gateway_ip", default=None)
    cidr: str | None = None
    ipv6_address_mode: str | None = None
    ipv6_ra_mode: str | None = msgspec.field(name="ipv6RaMode", default=None)
    subnetpool_id: str | None = msgspec.field(name="subnetpoolId", default=None)


class SecurityGroupFilter(ListOptions, kw_only=True):
    """A query for security groups."""


class SecurityGroupParam(Record, kw_only=True):
    """A security group, or all that a query finds."""

    uuid: Identity | None = None
    name: str | None = None
    filter: SecurityGroupFilter | None = None


class SubnetParam(Record, kw_only=True):
    """A subnet."""

    uuid: Identity | None = None
    filter: SubnetFilter | None = None


class NetworkParam(Record, kw_only=True):
    """A NIC: its network, and a port for each of the subnets."""

    uuid: Identity | None = None
    fixed_ip: str | None = msgspec.field(name="fixedIp", default=None)
    filter: Filter | None = None
    subnets: list[SubnetParam] | None = None


class RootVolume(Record, kw_only=True):
    """The volume that a server boots from."""

    source_type: Literal["", "image"] | None = None
    source_uuid: Identity | None = msgspec.field(name="sourceUUID", default=None)
    device_type: str | None = None
    disk_size: Annotated[Int32 | None, described("", minimum=0)] = None


class OpenStackMachineSpec(Record, kw_only=True):
    """A server that is to be a node."""

    provider_id: str | None = None
    instance_id: str | None = None
    clouds_secret: SecretReference | None = None
    cloud_name: str | None = None
    flavor: str
    image: str
    ssh_key_name: str | None = None
    networks: list[NetworkParam] | None = None
    floating_ip: str | None = None
    security_groups: list[SecurityGroupParam] | None = None
    user_data_secret: SecretReference | None = None
    trunk: bool | None = None
    tags: list[str] | None = None
    server_metadata: (
        dict[Annotated[str, described("", min_length=1)], Annotated[str, described("", min_length=1, max_length=255)]]
        | None
    ) = None
    config_drive: bool | None = None
    root_volume: RootVolume | None = None
    server_group_id: Identity | None = None


class OpenStackMachineStatus(Record, kw_only=True):
    """What is known of a machine's server."""

    open: ClassVar[bool] = True

    ready: bool | None = None
    addresses: list[NodeAddress] | None = None
    instance_state: str | None = None
    error_reason: str | None = None
    error_message: str | None = None


class OpenStackMachine(Kind, kw_only=True):
    """A server in OpenStack that backs a Cluster API Machine; the fields are described in v1beta2."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha3"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha3"
    kind: ClassVar[str] = "OpenStackMachine"
    plural: ClassVar[str] = "openstackmachines"

    spec: OpenStackMachineSpec
    status: OpenStackMachineStatus | None = None


class OpenStackMachineTemplateResource(Record, kw_only=True):
    """The machine that a template makes."""

    spec: OpenStackMachineSpec


class OpenStackMachineTemplateSpec(Record, kw_only=True):
    """What a machine template holds."""

    template: OpenStackMachineTemplateResource


class OpenStackMachineTemplate(Kind, kw_only=True):
    """The pattern from which machines are made; the fields are described in v1beta2."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha3"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha3"
    kind: ClassVar[str] = "OpenStackMachineTemplate"
    plural: ClassVar[str] = "openstackmachinetemplates"

    spec: OpenStackMachineTemplateSpec
    status: FreeMap | None = None


class ExternalRouterIPParam(Record, kw_only=True):
    """An address of the router on the external network."""

    fixed_ip: str | None = None
    subnet: SubnetParam


class Bastion(Record, kw_only=True):
    """A server to log in to the nodes from."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.enabled) || !self.enabled || (has(self.flavor) && has(self.image))",
            "flavor and image are required if the bastion is enabled",
        ),
    )

    enabled: bool | None = None
    flavor: str | None = None
    image: str | None = None
    ssh_key_name: str | None = None
    networks: list[NetworkParam] | None = None
    floating_ip: Annotated[str | None, described("", pattern=r"^([0-9]{1,3}(\.[0-9]{1,3}){3})?$")] = None
    security_groups: list[SecurityGroupParam] | None = None


class APIEndpoint(Record, kw_only=True):
    """Where the API server of the workload cluster is reached."""

    host: Annotated[str | None, described("", max_length=512)] = None
    port: Port | None = None


class OpenStackClusterSpec(Record, kw_only=True):
    """The infrastructure that a cluster needs; credentials have to be named, those of the controller are not used."""

    clouds_secret: CloudsSecret
    cloud_name: Annotated[str, described("", min_length=1)]
    node_cidr: str | None = msgspec.field(name="nodeCidr", default=None)
    network: Filter | None = None
    subnet: SubnetFilter | None = None
    dns_nameservers: list[str] | None = None
    external_router_ips: list[ExternalRouterIPParam] | None = None
    external_network_id: Identity | None = msgspec.field(name="externalNetworkId", default=None)
    use_octavia: bool | None = None
    managed_api_server_load_balancer: bool | None = msgspec.field(name="managedAPIServerLoadBalancer", default=None)
    api_server_floating_ip: str | None = None
    api_server_port: Port | None = None
    api_server_load_balancer_additional_ports: list[Int32] | None = None
    managed_security_groups: bool | None = None
    disable_port_security: bool | None = None
    tags: list[str] | None = None
    control_plane_endpoint: APIEndpoint | None = None
    control_plane_availability_zones: list[str] | None = None
    bastion: Bastion | None = None


class Part(Record, kw_only=True):
    """Something that was found or made."""

    open: ClassVar[bool] = True

    name: str | None = None
    id: str | None = None


class SubnetStatus(Part, kw_only=True):
    """A subnet that was found or made."""

    cidr: str | None = None
    tags: list[str] | None = None


class RouterStatus(Part, kw_only=True):
    """A router that was found or made."""

    tags: list[str] | None = None


class LoadBalancer(Part, kw_only=True):
    """The load balancer of the API server."""

    ip: str | None = None
    internal_ip: str | None = None


class NetworkStatus(Part, kw_only=True):
    """A network that was found or made, and what belongs to it."""

    tags: list[str] | None = None
    subnet: SubnetStatus | None = None
    router: RouterStatus | None = None
    api_server_load_balancer: LoadBalancer | None = None


class SecurityGroup(Part, kw_only=True):
    """A security group that was made."""

    rules: list[FreeMap] | None = None


class Instance(Part, kw_only=True):
    """What is known of the bastion."""

    ssh_key_name: str | None = None
    state: str | None = None
    ip: str | None = None
    floating_ip: str | None = None


class FailureDomain(Record, kw_only=True):
    """An availability zone that machines can be spread over."""

    control_plane: bool | None = None
    attributes: dict[str, str] | None = None


class OpenStackClusterStatus(Record, kw_only=True):
    """What is known of a cluster's infrastructure."""

    open: ClassVar[bool] = True

    ready: bool | None = None
    network: NetworkStatus | None = None
    external_network: NetworkStatus | None = None
    failure_domains: dict[str, FailureDomain] | None = None
    control_plane_security_group: SecurityGroup | None = None
    worker_security_group: SecurityGroup | None = None
    bastion_security_group: SecurityGroup | None = None
    bastion: Instance | None = None


class OpenStackCluster(Kind, kw_only=True):
    """The infrastructure in OpenStack that backs a Cluster API Cluster; the fields are described in v1beta2."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha3"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha3"
    kind: ClassVar[str] = "OpenStackCluster"
    plural: ClassVar[str] = "openstackclusters"

    spec: OpenStackClusterSpec
    status: OpenStackClusterStatus | None = None
