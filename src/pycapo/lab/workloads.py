# SPDX-License-Identifier: Apache-2.0
"""The objects that the bench makes: a cluster, and machines of several makes, as a user would write them.

Rule: no template and no control plane provider stands between, so a batch is exactly as large as it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pycapo.lab.cloud_bootstrap import IMAGE, TENANT, cloud
from pycapo.lab.places import Lab

NAMESPACE, CLUSTER = "bench", "bench"
CORE, INFRASTRUCTURE = "cluster.x-k8s.io", "infrastructure.cluster.x-k8s.io"
SIDE_NETWORK = "bench-side"
"""A network beside the cluster's, for machines with several ports."""
NAMED_NETWORK = "bench-named"
"""A network that the cluster makes besides its own, for NICs of machines that run."""
CREDENTIALS, BOOTSTRAP, ATTACHMENT = "bench-cloud", "bench-bootstrap", "bench"
_FLAVOR = "m1.tiny"  # one core: the tenant's quota is of cores

Object = dict[str, Any]


def surroundings(lab: Lab) -> list[Object]:
    """Return the namespace, the credentials and the bootstrap data that everything else refers to."""
    clouds = json.dumps({"clouds": {TENANT: cloud(lab, TENANT)}})  # JSON is YAML
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _secret(CREDENTIALS, {"clouds.yaml": clouds}),
        _secret(BOOTSTRAP, {"value": "#cloud-config\n", "format": "cloud-config"}),
    ]


def cluster() -> list[Object]:
    """Return a Cluster with everything managed: network, router, security groups, load balancer, floating IP."""
    spec = {
        "identityRef": {"name": CREDENTIALS, "cloudName": TENANT},
        "apiServer": {"managedLoadBalancer": {"enabled": True}},
        "managedSubnets": [{"cidr": "10.6.0.0/24", "dnsNameservers": ["192.0.2.53"]}],
        "managedSecurityGroups": {},
    }
    reference = {"apiGroup": INFRASTRUCTURE, "kind": "OpenStackCluster", "name": CLUSTER}
    network = {"pods": {"cidrBlocks": ["192.168.0.0/16"]}}
    return [
        _object(INFRASTRUCTURE, "OpenStackCluster", CLUSTER, spec),
        _object(CORE, "Cluster", CLUSTER, {"clusterNetwork": network, "infrastructureRef": reference}),
    ]


def machine(name: str, *, control_plane: bool = False, **spec: Any) -> list[Object]:
    """Return an OpenStackMachine with `spec` added to flavor and image, and the Machine that owns it."""
    labels = {"cluster.x-k8s.io/cluster-name": CLUSTER}
    if control_plane:
        labels["cluster.x-k8s.io/control-plane"] = ""
    wanted = {"flavor": {"filter": {"name": _FLAVOR}}, "image": {"filter": {"name": IMAGE}}, **spec}
    owner = {
        "clusterName": CLUSTER,
        "bootstrap": {"dataSecretName": BOOTSTRAP},
        "infrastructureRef": {"apiGroup": INFRASTRUCTURE, "kind": "OpenStackMachine", "name": name},
    }
    return [
        _object(INFRASTRUCTURE, "OpenStackMachine", name, wanted, labels=labels),
        _object(CORE, "Machine", name, owner, labels=labels),
    ]


def trunk_machine(name: str) -> list[Object]:
    """Return a machine with three ports on two networks, a trunk on the first of them, and tags."""
    side = {"network": {"filter": {"name": SIDE_NETWORK}}}
    return machine(name, ports=[{"trunk": True}, side, side], tags=["bench"])


def routed_machine(name: str, *, routed: bool) -> list[Object]:
    """Return a machine with NICs on two networks, whose guest is told to answer on each of them, or is told nothing."""
    side = {"network": {"filter": {"name": SIDE_NETWORK}}}
    return machine(name, ports=[{}, side], networkConfig={"policyRouting": routed})


def reachable_machine(name: str) -> list[Object]:
    """Return a machine whose NIC has a floating IP of its own."""
    return machine(name, ports=[{"floatingIP": {}}])


def named_network() -> Object:
    """Return the change of the cluster's spec that asks for a managed network besides its own."""
    return {"networks": [{"name": NAMED_NETWORK, "managed": {"subnets": [{"name": "v4", "cidr": "10.11.0.0/24"}]}}]}


def attachment() -> Object:
    """Return an OpenStackNetworkAttachment that gives every machine of the cluster a NIC on the named network."""
    spec = {"clusterName": CLUSTER, "ports": [{"clusterNetwork": NAMED_NETWORK}]}
    version, metadata = f"{INFRASTRUCTURE}/v1alpha1", {"name": ATTACHMENT, "namespace": NAMESPACE}
    return {"apiVersion": version, "kind": "OpenStackNetworkAttachment", "metadata": metadata, "spec": spec}


def collection(group: str, plural: str, namespace: str = NAMESPACE) -> str:
    """Return the path of all objects of a kind in a namespace; `group` is one of ours or Cluster API's."""
    return f"apis/{group}/{_VERSIONS.get(plural, 'v1beta2')}/namespaces/{namespace}/{plural}"


_VERSIONS = {"openstackservers": "v1alpha1", "openstacknetworkattachments": "v1alpha1"}


def _object(group: str, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Object:
    known = {"name": name, "namespace": NAMESPACE, **metadata}
    return {"apiVersion": f"{group}/v1beta2", "kind": kind, "metadata": known, "spec": dict(spec)}


def _secret(name: str, data: Mapping[str, str]) -> Object:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
