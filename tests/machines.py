# SPDX-License-Identifier: Apache-2.0
"""Machines and servers for tests: ordinary ones, of which a test says only what it is about."""

from typing import Any

from memory_world import NEUTRON
from pycapo.api.capi import (
    CLUSTER_NAME_LABEL,
    CONTROL_PLANE_LABEL,
    Bootstrap,
    ContractReference,
    Machine,
    MachineSpec,
)
from pycapo.api.cluster import (
    APIServer,
    APIServerLoadBalancer,
    ClusterInitialization,
    ManagedSecurityGroups,
    NetworkStatusWithSubnets,
    OpenStackCluster,
    OpenStackClusterSpec,
    OpenStackClusterStatus,
    SecurityGroupStatus,
)
from pycapo.api.machine import OpenStackMachine, OpenStackMachineSpec
from pycapo.api.meta import API_GROUP, LocalObjectReference, ObjectMeta, OwnerReference
from pycapo.api.ports import PortOpts
from pycapo.api.references import FlavorFilter, FlavorParam, ImageFilter, ImageParam, NetworkParam
from pycapo.api.references import OpenStackIdentityReference as Identity
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec, OpenStackServerStatus
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, OWNER_ANNOTATION, Mark
from pycapo.model.records import FixedIP, Flavor, Image, Port, Record, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Sealed

OWNER = "aaaaaaaaaaaa"
CLUSTER_OWNER = "cccccccccccc"
NETWORK = "net-1"
SUBNET = "subnet-1"
IDENTITY = Identity(name="cloud-config", cloud_name="lab")


def a_server(
    *ports: PortOpts, status: OpenStackServerStatus | None = None, name: str = "worker-0", **spec: Any
) -> OpenStackServer:
    """A server with one port on the network NETWORK, flavor m1.small and image ubuntu, both by name."""
    fields: dict[str, Any] = {
        "identity_ref": IDENTITY,
        "flavor": "m1.small",
        "image": ImageParam(filter=ImageFilter(name="ubuntu")),
        "ports": list(ports) or [a_port()],
        "ssh_key_name": "",
    }
    meta = ObjectMeta(name=name, namespace="default", annotations={OWNER_ANNOTATION: OWNER})
    return OpenStackServer(metadata=meta, spec=OpenStackServerSpec(**{**fields, **spec}), status=status)


def a_port(**fields: Any) -> PortOpts:
    """An entry for a port on the network NETWORK."""
    return PortOpts(**{"network": NetworkParam(id=NETWORK), **fields})


def a_machine(
    *ports: PortOpts,
    name: str = "worker-0",
    namespace: str = "default",
    cluster: str = "demo",
    control_plane: bool = False,
    **spec: Any,
) -> OpenStackMachine:
    """A machine that belongs to the Machine of its name; flavor m1.small and image ubuntu by name."""
    fields: dict[str, Any] = {
        "flavor": FlavorParam(filter=FlavorFilter(name="m1.small")),
        "image": ImageParam(filter=ImageFilter(name="ubuntu")),
        "ports": list(ports) or None,
    }
    owner = OwnerReference(
        api_version="cluster.x-k8s.io/v1beta2", kind="Machine", name=name, uid=f"machine-{namespace}-{name}"
    )
    meta = ObjectMeta(
        name=name,
        namespace=namespace,
        uid=f"osm-{namespace}-{name}",
        labels=_labels(cluster, control_plane),
        annotations={OWNER_ANNOTATION: OWNER},
        owner_references=[owner],
    )
    return OpenStackMachine(metadata=meta, spec=OpenStackMachineSpec(**{**fields, **spec}))


def a_capi_machine(
    *,
    name: str = "worker-0",
    namespace: str = "default",
    cluster: str = "demo",
    control_plane: bool = False,
    secret: str | None = "boot",
    zone: str = "",
) -> Machine:
    """The Machine that a bootstrap provider has given its Secret."""
    spec = MachineSpec(
        cluster_name=cluster,
        bootstrap=Bootstrap(data_secret_name=secret),
        failure_domain=zone or None,
        infrastructure_ref=ContractReference(api_group=API_GROUP, kind="OpenStackMachine", name=name),
    )
    meta = ObjectMeta(name=name, namespace=namespace, labels=_labels(cluster, control_plane))
    return Machine(metadata=meta, spec=spec)


def _labels(cluster: str, control_plane: bool) -> dict[str, str]:
    return {CLUSTER_NAME_LABEL: cluster, **({CONTROL_PLANE_LABEL: ""} if control_plane else {})}


def a_ready_cluster(*, balanced: bool = True, namespace: str = "default", **spec: Any) -> OpenStackCluster:
    """A cluster whose infrastructure is there: network NETWORK, managed groups, a load balancer unless said otherwise."""
    server = APIServer(managed_load_balancer=APIServerLoadBalancer() if balanced else None)
    fields: dict[str, Any] = {
        "identity_ref": IDENTITY,
        "api_server": server,
        "managed_security_groups": ManagedSecurityGroups(),
    }
    status = OpenStackClusterStatus(
        initialization=ClusterInitialization(provisioned=True),
        network=NetworkStatusWithSubnets(name="k8s-clusterapi-cluster-default-demo", id=NETWORK),
        control_plane_security_group=SecurityGroupStatus(name="cp", id="sg-cp"),
        worker_security_group=SecurityGroupStatus(name="worker", id="sg-worker"),
    )
    meta = ObjectMeta(name="demo", namespace=namespace, annotations={OWNER_ANNOTATION: CLUSTER_OWNER})
    return OpenStackCluster(metadata=meta, spec=OpenStackClusterSpec(**{**fields, **spec}), status=status)


def seen_of(*records: tuple[Kind, Record], found: dict[str, tuple[Record, ...]] | None = None, **fields: Any) -> Seen:
    """What was seen of a server: these records of its own, and image and flavor as its spec refers to them."""
    owned: dict[Kind, tuple[Record, ...]] = {}
    for kind, record in records:
        owned[kind] = (*owned.get(kind, ()), record)
    usual: dict[str, tuple[Record, ...]] = {
        "spec.image": (Image(id="image-1", name="ubuntu"),),
        "spec.flavor": (Flavor(id="flavor-1", name="m1.small"),),
    }
    known = {"extensions": NEUTRON, "user_data": None, **fields}
    return Seen(owner=OWNER, owned=owned, found={**usual, **(found or {})}, **known)


def the_port(index: int = 0, *, owner: str = OWNER, **fields: Any) -> tuple[Kind, Port]:
    """The port that was made for an entry."""
    known = {
        "id": f"port-{index}",
        "name": f"worker-0-{index}",
        "network_id": NETWORK,
        "tags": (Mark(owner, f"port-{index}").tag,),
        "fixed_ips": (FixedIP(f"10.6.0.{index + 10}", SUBNET),),
        "device_id": "nova-1",
    }
    return Kind.PORT, Port(**{**known, **fields})


def the_nova_server(status: str = "ACTIVE", **fields: Any) -> tuple[Kind, Server]:
    """The Nova server that was made."""
    known = {
        "id": "nova-1",
        "name": "worker-0",
        "status": status,
        "metadata": {METADATA_KEY: Mark(OWNER, "server").tag},
    }
    return Kind.SERVER, Server(**{**known, **fields})


SECRET = LocalObjectReference(name="boot")
USER_DATA = Sealed("I2Nsb3VkLWNvbmZpZw==")
