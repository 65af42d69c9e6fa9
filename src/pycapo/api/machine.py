# SPDX-License-Identifier: Apache-2.0
"""OpenStackMachine, its template, and the parts that servers and bastions share with them (v1beta2, the hub)."""

from typing import Annotated, ClassVar, Literal

from pycapo.api.meta import (
    API_GROUP,
    Condition,
    Kind,
    NodeAddress,
    TemplateMeta,
    TypedLocalObjectReference,
)
from pycapo.api.ports import PortOpts, PortStatus, ResolvedPortSpec
from pycapo.api.record import Int32, Record, Rule, described
from pycapo.api.references import (
    FlavorParam,
    ImageParam,
    OpenStackIdentityReference,
    SecurityGroupParam,
    ServerGroupParam,
)

CONDITIONS = described("State of the object, one entry for each aspect; Ready sums them up.", list_map_keys=("type",))


class VolumeAvailabilityZone(Record, kw_only=True):
    """Where a volume is made."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.from) || self.from == 'Name' ? has(self.name) : !has(self.name)",
            "name is required when from is 'Name' or default",
        ),
    )

    from_: Annotated[
        Literal["Name", "Machine"],
        described("Name: the zone in name. Machine: the failure domain of the Machine, if it has one."),
    ] = "Name"
    name: Annotated[str | None, described("Name of the zone, without spaces.", min_length=1, pattern="^[^ ]+$")] = None


class BlockDeviceVolume(Record, kw_only=True):
    """A Cinder volume."""

    type: Annotated[str | None, described("Volume type; the cloud's default if absent.")] = None
    availability_zone: Annotated[
        VolumeAvailabilityZone | None, described("Zone to make the volume in; the cloud's choice if absent.")
    ] = None


class RootVolume(BlockDeviceVolume, kw_only=True):
    """The volume that a server boots from."""

    size_gib: Annotated[Int32, described("Size in GiB.", minimum=1)]


class BlockDeviceStorage(Record, kw_only=True):
    """What a block device is made of."""

    type: Annotated[
        Literal["Local", "Volume"], described("Local: ephemeral disk of the host. Volume: a Cinder volume.")
    ]
    volume: Annotated[BlockDeviceVolume | None, described("Options of the volume.")] = None


class AdditionalBlockDevice(Record, kw_only=True):
    """A disk besides the root disk."""

    name: Annotated[
        str,
        described("Name within the machine, also the device's tag in the metadata; root is reserved.", min_length=1),
    ]
    size_gib: Annotated[Int32, described("Size in GiB.", minimum=1)]
    storage: Annotated[BlockDeviceStorage, described("What the disk is made of.")]


class ServerMetadata(Record, kw_only=True):
    """A pair of Nova server metadata."""

    key: Annotated[str, described("Key of the pair.", min_length=1, max_length=255)]
    value: Annotated[str, described("Value of the pair.", min_length=1, max_length=255)]


class SchedulerHintAdditionalValue(Record, kw_only=True):
    """A value of one of three types."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.type) && self.type == 'Bool' ? has(self.bool) : !has(self.bool)",
            "bool is required when type is Bool, and forbidden otherwise",
        ),
        Rule(
            "has(self.type) && self.type == 'Number' ? has(self.number) : !has(self.number)",
            "number is required when type is Number, and forbidden otherwise",
        ),
        Rule(
            "has(self.type) && self.type == 'String' ? has(self.string) : !has(self.string)",
            "string is required when type is String, and forbidden otherwise",
        ),
    )

    type: Annotated[Literal["Bool", "String", "Number"], described("Which of the other fields holds the value.")]
    bool_: Annotated[bool | None, described("The value if type is Bool.")] = None
    number: Annotated[Int32 | None, described("The value if type is Number.")] = None
    string: Annotated[str | None, described("The value if type is String.", min_length=1, max_length=255)] = None


class SchedulerHintAdditionalProperty(Record, kw_only=True):
    """A hint for the Nova scheduler."""

    name: Annotated[str, described("Name of the hint.", min_length=1)]
    value: Annotated[SchedulerHintAdditionalValue, described("Value of the hint.")]


class NetworkConfig(Record, kw_only=True):
    """What guests are told of their networks."""

    policy_routing: Annotated[
        bool | None,
        described("Guests answer on the NIC that was asked; by default on machines with more than one NIC."),
    ] = None


class MachineFields(Record, kw_only=True):
    """The part of a machine's spec that all versions spell alike."""

    provider_id: Annotated[str | None, described("openstack://REGION/UUID of the server; set by the controller.")] = (
        None
    )
    image: Annotated[ImageParam, described("Image of the server, or of its root volume.")]
    ssh_key_name: Annotated[str | None, described("Name of the Nova key pair for the server.")] = None
    network_config: Annotated[NetworkConfig | None, described("What the guest is told of its networks.")] = None
    security_groups: Annotated[
        list[SecurityGroupParam] | None, described("Security groups of every port.", list_type="atomic")
    ] = None
    trunk: Annotated[bool | None, described("Make every port the parent of a trunk.")] = None
    tags: Annotated[
        list[str] | None,
        described("Tags of the server and all that belongs to it, besides those of the cluster.", list_type="set"),
    ] = None
    server_metadata: Annotated[
        list[ServerMetadata] | None, described("Nova metadata of the server.", list_map_keys=("key",))
    ] = None
    config_drive: Annotated[bool | None, described("Give the server a config drive.")] = None
    root_volume: Annotated[RootVolume | None, described("Boot from a volume of this kind.")] = None
    additional_block_devices: Annotated[
        list[AdditionalBlockDevice] | None, described("Disks besides the root disk.", list_map_keys=("name",))
    ] = None
    server_group: Annotated[ServerGroupParam | None, described("Server group that the server joins.")] = None
    identity_ref: Annotated[
        OpenStackIdentityReference | None, described("Credentials; those of the cluster by default.")
    ] = None
    floating_ip_pool_ref: Annotated[
        TypedLocalObjectReference | None,
        described("Pool that a floating IP for the server is claimed from.", map_type="atomic"),
    ] = None
    scheduler_hint_additional_properties: Annotated[
        list[SchedulerHintAdditionalProperty] | None,
        described("Hints for the Nova scheduler.", list_map_keys=("name",)),
    ] = None


class OpenStackMachineSpec(MachineFields, kw_only=True):
    """A server that is to be a node."""

    flavor: Annotated[FlavorParam, described("Flavor of the server.")]
    ports: Annotated[
        list[PortOpts] | None,
        described("Ports of the server; one on the cluster network if absent.", list_type="atomic"),
    ] = None
    additional_ports: Annotated[
        list[PortOpts] | None,
        described("Ports besides those of ports, or besides the one on the cluster network.", list_type="atomic"),
    ] = None


class MachineInitialization(Record, kw_only=True):
    """How far the first provisioning got."""

    provisioned: Annotated[bool | None, described("The server was provisioned once; never taken back.")] = None


class ResolvedMachine(Record, kw_only=True):
    """Parts of a machine's spec with every reference resolved to an id: what all versions spell alike."""

    server_group_id: Annotated[str | None, described("UUID of the server group.")] = None
    image_id: Annotated[str | None, described("UUID of the image.")] = None
    flavor_id: Annotated[str | None, described("Id of the flavor.")] = None


class ResolvedMachineSpec(ResolvedMachine, kw_only=True):
    """Parts of a machine's spec with every reference resolved to an id."""

    ports: Annotated[list[ResolvedPortSpec] | None, described("Ports to make.", list_type="atomic")] = None


class MachineResources(Record, kw_only=True):
    """What was made for a machine."""

    ports: Annotated[list[PortStatus] | None, described("Ports that were made.", list_type="atomic")] = None


class MachineState(Record, kw_only=True):
    """The part of a machine's status that all versions spell alike."""

    initialization: Annotated[MachineInitialization | None, described("How far the first provisioning got.")] = None
    instance_id: Annotated[str | None, described("UUID of the server.")] = None
    addresses: Annotated[list[NodeAddress] | None, described("Addresses of the server.", list_type="atomic")] = None
    instance_state: Annotated[str | None, described("Nova's state of the server (ACTIVE, BUILD, ERROR, ...).")] = None
    failure_domain: Annotated[
        str | None, described("Failure domain that the server runs in.", min_length=1, max_length=256)
    ] = None
    resources: Annotated[MachineResources | None, described("What was made for the machine.")] = None


class OpenStackMachineStatus(MachineState, kw_only=True):
    """What is known of a machine's server."""

    conditions: Annotated[list[Condition] | None, CONDITIONS] = None
    resolved: Annotated[ResolvedMachineSpec | None, described("References of the spec, resolved.")] = None


class OpenStackMachine(Kind, kw_only=True):
    """A server in OpenStack that backs a Cluster API Machine."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta2"
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


class NodeInfo(Record, kw_only=True):
    """What a node of this template will be."""

    min_properties: ClassVar[int | None] = 1

    architecture: Annotated[
        Literal["amd64", "arm64", "s390x", "ppc64le"] | None, described("CPU architecture of the node.")
    ] = None
    operating_system: Annotated[str | None, described("Operating system of the node, such as linux.")] = None


class NodeCapacity(Record, kw_only=True):
    """What the cluster autoscaler reads to scale from zero."""

    capacity: Annotated[
        dict[str, int | str] | None, described("Resources that a node of this template has (cpu, memory, ...).")
    ] = None
    node_info: Annotated[NodeInfo | None, described("What a node of this template will be.")] = None


class OpenStackMachineTemplateStatus(NodeCapacity, kw_only=True):
    """What is known of the nodes of a template."""

    conditions: Annotated[list[Condition] | None, CONDITIONS] = None


class OpenStackMachineTemplate(Kind, kw_only=True):
    """The pattern from which machines of a deployment or control plane are made; its spec does not change."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{API_GROUP}/v1beta2"
    kind: ClassVar[str] = "OpenStackMachineTemplate"
    plural: ClassVar[str] = "openstackmachinetemplates"

    spec: Annotated[OpenStackMachineTemplateSpec, described("The machines that are made.")]
    status: Annotated[OpenStackMachineTemplateStatus | None, described("What a node of this template has.")] = None
