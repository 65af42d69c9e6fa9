# SPDX-License-Identifier: Apache-2.0
"""Clusters for tests: an ordinary one, and what a test wants different."""

from typing import Any

from pycapo.api.capi import Cluster
from pycapo.api.cluster import OpenStackCluster
from pycapo.model.seen import Seen
from pycapo.plan.asked import Asked, asked_of

NAMESPACE, NAME, OWNER = "team", "blue", "0123456789ab"
CLOUDS_YAML = b"clouds: {dev: {auth: {username: u, password: p}}}"

PLAIN: dict[str, Any] = {
    "identityRef": {"name": "cloud-config", "cloudName": "dev"},
    "managedSubnets": [{"cidr": "10.6.0.0/24", "dnsNameservers": ["1.1.1.1"]}],
    "managedSecurityGroups": {"allowAllInClusterTraffic": True},
    "apiServer": {"managedLoadBalancer": {"enabled": True}},
}
"""A managed network, security groups, a load balancer with a floating IP."""


def a_cluster(status: dict[str, Any] | None = None, **changes: Any) -> OpenStackCluster:
    """An OpenStackCluster of the plain spec with fields (wire names) replaced; None takes a field out."""
    spec = {name: value for name, value in {**PLAIN, **changes}.items() if value is not None}
    document = {
        "metadata": {
            "namespace": NAMESPACE,
            "name": NAME,
            "generation": 1,
            "ownerReferences": [
                {"apiVersion": "cluster.x-k8s.io/v1beta2", "kind": "Cluster", "name": NAME, "uid": "uid-of-cluster"}
            ],
        },
        "spec": spec,
    }
    return OpenStackCluster.from_dict(document | ({"status": status} if status else {}))


def asked(status: dict[str, Any] | None = None, **changes: Any) -> Asked:
    """What such a cluster asks for."""
    return asked_of(a_cluster(status, **changes), name=NAME, owner=OWNER)


def a_capi_cluster(**spec: Any) -> Cluster:
    """The Cluster that owns it."""
    return Cluster.from_dict(
        {
            "metadata": {"namespace": NAMESPACE, "name": NAME},
            "spec": {
                "infrastructureRef": {
                    "apiGroup": "infrastructure.cluster.x-k8s.io",
                    "kind": "OpenStackCluster",
                    "name": NAME,
                },
                **spec,
            },
        }
    )


def a_picture(**fields: Any) -> Seen:
    """What a look showed, all services and extensions there."""
    defaults = {
        "owner": OWNER,
        "extensions": frozenset({"standard-attr-tag", "subnet_allocation"}),
        "services": frozenset({"network", "compute", "load-balancer"}),
    }
    return Seen(**{**defaults, **fields})
