# SPDX-License-Identifier: Apache-2.0
"""The part of Cluster API's own objects that the controllers read (cluster.x-k8s.io and ipam, v1beta2).

These types are views: a field that is not here is still in the object, so write merge patches only.
"""

from typing import ClassVar

from pycapo.api.cluster import APIEndpoint
from pycapo.api.meta import Condition, Kind
from pycapo.api.record import Record

CLUSTER_GROUP = "cluster.x-k8s.io"
IPAM_GROUP = "ipam.cluster.x-k8s.io"
CLUSTER_NAME_LABEL = "cluster.x-k8s.io/cluster-name"
CONTROL_PLANE_LABEL = "cluster.x-k8s.io/control-plane"
WATCH_FILTER_LABEL = "cluster.x-k8s.io/watch-filter"
PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
MANAGED_BY_ANNOTATION = "cluster.x-k8s.io/managed-by"


class ContractReference(Record, kw_only=True):
    """An object of any provider in the same namespace; the version follows from the CRD's contract label."""

    api_group: str = ""
    kind: str = ""
    name: str = ""


class NetworkRanges(Record, kw_only=True):
    """CIDRs of pods or services."""

    cidr_blocks: list[str] | None = None


class ClusterNetwork(Record, kw_only=True):
    """The networks inside a workload cluster."""

    api_server_port: int | None = None
    pods: NetworkRanges | None = None
    services: NetworkRanges | None = None
    service_domain: str | None = None


class ClusterSpec(Record, kw_only=True):
    """What a cluster is made of."""

    paused: bool | None = None
    cluster_network: ClusterNetwork | None = None
    control_plane_endpoint: APIEndpoint | None = None
    control_plane_ref: ContractReference | None = None
    infrastructure_ref: ContractReference | None = None


class ClusterInitializationState(Record, kw_only=True):
    """How far the first provisioning of a cluster got."""

    infrastructure_provisioned: bool | None = None
    control_plane_initialized: bool | None = None


class ClusterStatus(Record, kw_only=True):
    """How a cluster is."""

    conditions: list[Condition] | None = None
    initialization: ClusterInitializationState | None = None
    phase: str | None = None


class Cluster(Kind, kw_only=True):
    """A workload cluster."""

    api_group: ClassVar[str] = CLUSTER_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{CLUSTER_GROUP}/v1beta2"
    kind: ClassVar[str] = "Cluster"
    plural: ClassVar[str] = "clusters"

    spec: ClusterSpec | None = None
    status: ClusterStatus | None = None


class Bootstrap(Record, kw_only=True):
    """Where a machine's user data come from."""

    config_ref: ContractReference | None = None
    data_secret_name: str | None = None


class MachineSpec(Record, kw_only=True):
    """What a machine is made of."""

    cluster_name: str = ""
    bootstrap: Bootstrap | None = None
    infrastructure_ref: ContractReference | None = None
    version: str | None = None
    provider_id: str | None = None
    failure_domain: str | None = None


class NodeReference(Record, kw_only=True):
    """The node of a machine, in the workload cluster."""

    name: str = ""


class MachineStatus(Record, kw_only=True):
    """How a machine is."""

    conditions: list[Condition] | None = None
    node_ref: NodeReference | None = None
    phase: str | None = None


class Machine(Kind, kw_only=True):
    """A node of a workload cluster, from its wish to its end."""

    api_group: ClassVar[str] = CLUSTER_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{CLUSTER_GROUP}/v1beta2"
    kind: ClassVar[str] = "Machine"
    plural: ClassVar[str] = "machines"

    spec: MachineSpec | None = None
    status: MachineStatus | None = None


class PoolReference(Record, kw_only=True):
    """An IPAM pool in the same namespace."""

    api_group: str = ""
    kind: str
    name: str


class NameReference(Record, kw_only=True):
    """An object of a known kind in the same namespace."""

    name: str = ""


class IPAddressClaimSpec(Record, kw_only=True):
    """The pool that an address is wanted of."""

    cluster_name: str | None = None
    pool_ref: PoolReference


class IPAddressClaimStatus(Record, kw_only=True):
    """The address that a claim got."""

    address_ref: NameReference | None = None
    conditions: list[Condition] | None = None


class IPAddressClaim(Kind, kw_only=True):
    """The wish for one address of a pool."""

    api_group: ClassVar[str] = IPAM_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{IPAM_GROUP}/v1beta2"
    kind: ClassVar[str] = "IPAddressClaim"
    plural: ClassVar[str] = "ipaddressclaims"

    spec: IPAddressClaimSpec
    status: IPAddressClaimStatus | None = None


class IPAddressSpec(Record, kw_only=True):
    """An address, whose it is and where it comes from."""

    claim_ref: NameReference
    pool_ref: PoolReference
    address: str
    prefix: int | None = None
    gateway: str | None = None


class IPAddress(Kind, kw_only=True):
    """One address of a pool, given to a claim."""

    api_group: ClassVar[str] = IPAM_GROUP
    version: ClassVar[str] = "v1beta2"
    api_version: ClassVar[str] = f"{IPAM_GROUP}/v1beta2"
    kind: ClassVar[str] = "IPAddress"
    plural: ClassVar[str] = "ipaddresses"

    spec: IPAddressSpec


class PoolAddresses(Record, kw_only=True):
    """How many addresses a pool has, how many of them are given, and how many are left."""

    total: int = 0
    used: int = 0
    free: int = 0


class InClusterIPPoolStatus(Record, kw_only=True):
    """What the in-cluster IPAM provider tells of a pool; of its claims it tells nothing."""

    ip_addresses: PoolAddresses | None = None


class InClusterIPPool(Kind, kw_only=True):
    """A pool of the in-cluster IPAM provider, for claims of its namespace."""

    api_group: ClassVar[str] = IPAM_GROUP
    version: ClassVar[str] = "v1alpha2"
    api_version: ClassVar[str] = f"{IPAM_GROUP}/v1alpha2"
    kind: ClassVar[str] = "InClusterIPPool"
    plural: ClassVar[str] = "inclusterippools"

    status: InClusterIPPoolStatus | None = None


class GlobalInClusterIPPool(InClusterIPPool, kw_only=True):
    """The same for claims of all namespaces."""

    kind: ClassVar[str] = "GlobalInClusterIPPool"
    plural: ClassVar[str] = "globalinclusterippools"
    namespaced: ClassVar[bool] = False
