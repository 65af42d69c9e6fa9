# SPDX-License-Identifier: Apache-2.0
"""The kinds of v1alpha1: servers, floating IP pools, cluster-wide identities, and NICs for running machines."""

from typing import Annotated, ClassVar, Literal

from pycapo.api.cluster import NetworkStatus
from pycapo.api.machine import (
    AdditionalBlockDevice,
    NetworkConfig,
    RootVolume,
    SchedulerHintAdditionalProperty,
    ServerMetadata,
)
from pycapo.api.meta import (
    API_GROUP,
    Condition,
    Kind,
    LabelSelector,
    LocalObjectReference,
    NodeAddress,
    TypedLocalObjectReference,
)
from pycapo.api.networks import MachineNetwork
from pycapo.api.ports import PortOpts, PortStatus, ResolvedPortSpec
from pycapo.api.record import Int32, Int64, Record, Rule, described
from pycapo.api.references import (
    ImageParam,
    NetworkParam,
    OpenStackIdentityReference,
    SecurityGroupParam,
    ServerGroupParam,
)


class OpenStackServerSpec(Record, kw_only=True):
    """A server with all that belongs to it."""

    schema_rules: ClassVar[tuple[Rule, ...]] = (
        Rule("(has(self.flavor) || has(self.flavorID))", "at least one of flavor or flavorID must be set"),
    )

    additional_block_devices: Annotated[
        list[AdditionalBlockDevice] | None, described("Disks besides the root disk.", list_map_keys=("name",))
    ] = None
    availability_zone: Annotated[str | None, described("Availability zone of the server.")] = None
    config_drive: Annotated[bool | None, described("Give the server a config drive.")] = None
    flavor: Annotated[str | None, described("Flavor, by name.", min_length=1)] = None
    flavor_id: Annotated[str | None, described("Flavor, by id; goes before flavor.", min_length=1)] = None
    floating_ip_pool_ref: Annotated[
        TypedLocalObjectReference | None,
        described("Pool that a floating IP for the server is claimed from.", map_type="atomic"),
    ] = None
    identity_ref: Annotated[OpenStackIdentityReference, described("Credentials.")]
    image: Annotated[ImageParam, described("Image of the server, or of its root volume.")]
    network_config: Annotated[NetworkConfig | None, described("What the guest is told of its networks.")] = None
    ports: Annotated[list[PortOpts], described("Ports of the server, complete.")]
    root_volume: Annotated[RootVolume | None, described("Boot from a volume of this kind.")] = None
    ssh_key_name: Annotated[str, described("Name of the Nova key pair; empty for none.")]
    security_groups: Annotated[list[SecurityGroupParam] | None, described("Security groups of every port.")] = None
    server_group: Annotated[ServerGroupParam | None, described("Server group that the server joins.")] = None
    networks: Annotated[
        list[MachineNetwork] | None,
        described("Networks that this server has for itself, for ports' clusterNetwork.", list_map_keys=("name",)),
    ] = None
    server_metadata: Annotated[
        list[ServerMetadata] | None, described("Nova metadata of the server.", list_map_keys=("key",))
    ] = None
    tags: Annotated[list[str] | None, described("Tags of the server and all that belongs to it.", list_type="set")] = (
        None
    )
    trunk: Annotated[bool | None, described("Make every port the parent of a trunk.")] = None
    user_data_ref: Annotated[
        LocalObjectReference | None, described("Secret whose key value holds the user data.", map_type="atomic")
    ] = None
    scheduler_hint_additional_properties: Annotated[
        list[SchedulerHintAdditionalProperty] | None,
        described("Hints for the Nova scheduler.", list_map_keys=("name",)),
    ] = None


class ResolvedServerSpec(Record, kw_only=True):
    """Parts of a server's spec with every reference resolved to an id."""

    server_group_id: Annotated[str | None, described("UUID of the server group.")] = None
    image_id: Annotated[str | None, described("UUID of the image.")] = None
    flavor_id: Annotated[str | None, described("Id of the flavor.")] = None
    ports: Annotated[list[ResolvedPortSpec] | None, described("Ports to make.")] = None


class ServerResources(Record, kw_only=True):
    """What was made for a server."""

    ports: Annotated[list[PortStatus] | None, described("Ports that were made.")] = None


class AttachedPort(Record, kw_only=True):
    """A NIC that a machine got."""

    id: Annotated[str, described("UUID of the port.", min_length=1)]
    address: Annotated[str | None, described("Its first address.")] = None


class ServerAttachment(Record, kw_only=True):
    """The NICs that one network attachment gave to a server."""

    name: Annotated[str, described("Name of the OpenStackNetworkAttachment.", min_length=1)]
    uid: Annotated[str | None, described("Its uid, to tell it from an earlier one of that name.")] = None
    observed_generation: Annotated[
        Int64 | None, described("The metadata.generation of the attachment that was acted on.", minimum=0)
    ] = None
    ports: Annotated[list[AttachedPort] | None, described("The NICs, in order.", list_type="atomic")] = None
    conditions: Annotated[list[Condition] | None, described("State of the NICs.", list_map_keys=("type",))] = None


class OpenStackServerStatus(Record, kw_only=True):
    """What is known of a server."""

    ready: Annotated[bool, described("The server is active and complete.")] = False
    instance_id: Annotated[str | None, described("UUID of the server.")] = None
    instance_state: Annotated[str | None, described("Nova's state of the server (ACTIVE, BUILD, ERROR, ...).")] = None
    addresses: Annotated[list[NodeAddress] | None, described("Addresses of the server.")] = None
    resolved: Annotated[ResolvedServerSpec | None, described("References of the spec, resolved.")] = None
    resources: Annotated[ServerResources | None, described("What was made for the server.")] = None
    attachments: Annotated[
        list[ServerAttachment] | None,
        described(
            "NICs besides those of the spec, by the network attachment that asks for them.", list_map_keys=("name",)
        ),
    ] = None
    conditions: Annotated[list[Condition] | None, described("State of the server, one entry for each aspect.")] = None


class OpenStackServer(Kind, kw_only=True):
    """A Nova server, with its ports and volumes."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha1"
    kind: ClassVar[str] = "OpenStackServer"
    plural: ClassVar[str] = "openstackservers"

    spec: Annotated[OpenStackServerSpec, described("The server that is wanted.")]
    status: Annotated[OpenStackServerStatus | None, described("What is known of the server.")] = None


class OpenStackFloatingIPPoolSpec(Record, kw_only=True):
    """Floating IPs that are handed out to claims."""

    pre_allocated_floating_ips: Annotated[
        list[str] | None, described("Floating IPs that exist; used first and never deleted.")
    ] = None
    max_ips: Annotated[int | None, described("Most floating IPs to hand out; no limit if absent.")] = None
    identity_ref: Annotated[OpenStackIdentityReference, described("Credentials.")]
    floating_ip_network: Annotated[
        NetworkParam | None, described("External network to allocate from; the only one by default.")
    ] = None
    reclaim_policy: Annotated[
        Literal["Retain", "Delete"], described("What becomes of a floating IP that is given back.")
    ]


class OpenStackFloatingIPPoolStatus(Record, kw_only=True):
    """Which floating IPs a pool has."""

    claimed_ips: Annotated[list[str], described("Floating IPs in use.")] = []
    available_ips: Annotated[list[str], described("Floating IPs that are free.")] = []
    failed_ips: Annotated[list[str] | None, described("Floating IPs that could not be had.")] = None
    floating_ip_network: Annotated[NetworkStatus | None, described("The external network.")] = None
    conditions: Annotated[list[Condition] | None, described("State of the pool, one entry for each aspect.")] = None


class OpenStackFloatingIPPool(Kind, kw_only=True):
    """A Cluster API IPAM pool of floating IPs."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha1"
    kind: ClassVar[str] = "OpenStackFloatingIPPool"
    plural: ClassVar[str] = "openstackfloatingippools"

    spec: Annotated[OpenStackFloatingIPPoolSpec, described("Floating IPs to hand out.")]
    status: Annotated[OpenStackFloatingIPPoolStatus | None, described("Which floating IPs the pool has.")] = None


class OpenStackCredentialSecretReference(Record, kw_only=True):
    """A Secret with credentials, in any namespace."""

    name: Annotated[str, described("Name of the Secret with the keys clouds.yaml and, if wanted, cacert.")]
    namespace: Annotated[str, described("Namespace of the Secret.")]


class OpenStackClusterIdentitySpec(Record, kw_only=True):
    """Credentials, and who may use them."""

    secret_ref: Annotated[OpenStackCredentialSecretReference, described("The Secret with the credentials.")]
    namespace_selector: Annotated[
        LabelSelector | None,
        described("Namespaces that may use the identity; all if absent.", map_type="atomic"),
    ] = None


class OpenStackClusterIdentity(Kind, kw_only=True):
    """Credentials for objects of many namespaces."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha1"
    kind: ClassVar[str] = "OpenStackClusterIdentity"
    plural: ClassVar[str] = "openstackclusteridentities"
    namespaced: ClassVar[bool] = False

    spec: Annotated[OpenStackClusterIdentitySpec, described("Credentials, and who may use them.")]


class OpenStackNetworkAttachmentSpec(Record, kw_only=True):
    """NICs for machines of a cluster, those that run and those that come."""

    cluster_name: Annotated[str, described("Name of the Cluster.", min_length=1, max_length=63)]
    machine_selector: Annotated[
        LabelSelector | None,
        described("OpenStackMachines of the cluster that get the NICs; all if empty or absent.", map_type="atomic"),
    ] = None
    ports: Annotated[list[PortOpts], described("The NICs.", list_type="atomic", min_items=1)]


class AttachedMachine(Record, kw_only=True):
    """The NICs of one machine."""

    name: Annotated[str, described("Name of the OpenStackMachine.", min_length=1)]
    ports: Annotated[list[AttachedPort] | None, described("The NICs, in order.", list_type="atomic")] = None
    conditions: Annotated[
        list[Condition] | None, described("State of the machine's NICs.", list_map_keys=("type",))
    ] = None


class OpenStackNetworkAttachmentStatus(Record, kw_only=True):
    """How far the NICs got."""

    observed_generation: Annotated[
        Int64 | None, described("The metadata.generation that this status speaks of.", minimum=0)
    ] = None
    selected: Annotated[Int32 | None, described("Machines that are selected.")] = None
    ready: Annotated[Int32 | None, described("Machines that have all NICs.")] = None
    machines: Annotated[
        list[AttachedMachine] | None,
        described(
            "The NICs of each machine, of 500 at most; those that lack something first.", list_map_keys=("name",)
        ),
    ] = None
    conditions: Annotated[
        list[Condition] | None,
        described("State of the attachment, one entry for each aspect.", list_map_keys=("type",)),
    ] = None


class OpenStackNetworkAttachment(Kind, kw_only=True):
    """NICs for machines, plugged and unplugged while they run."""

    api_group: ClassVar[str] = API_GROUP
    version: ClassVar[str] = "v1alpha1"
    api_version: ClassVar[str] = f"{API_GROUP}/v1alpha1"
    kind: ClassVar[str] = "OpenStackNetworkAttachment"
    plural: ClassVar[str] = "openstacknetworkattachments"

    spec: Annotated[OpenStackNetworkAttachmentSpec, described("The NICs, and which machines get them.")]
    status: Annotated[OpenStackNetworkAttachmentStatus | None, described("How far the NICs got.")] = None
