# SPDX-License-Identifier: Apache-2.0
"""The names of what pycapo makes: the Go provider's, so that people and scripts find what they are used to.

Names are for people; `model.marks` says who owns what.
"""


def cluster_network(namespace: str, name: str) -> str:
    """The name of a cluster's network, subnet and router."""
    return f"k8s-clusterapi-cluster-{namespace}-{name}"


def load_balancer(namespace: str, name: str) -> str:
    """The name of the load balancer in front of a cluster's API servers."""
    return f"{cluster_network(namespace, name)}-kubeapi"


def load_balancer_part(namespace: str, name: str, port: int) -> str:
    """The name of the listener, pool and health monitor of one port."""
    return f"{load_balancer(namespace, name)}-{port}"


def security_group(namespace: str, name: str, role: str) -> str:
    """The name of a role's security group; roles are controlplane, worker and bastion."""
    return f"k8s-cluster-{namespace}-{name}-secgroup-{role}"


def machine_network(server: str, network: str) -> str:
    """The name of a network that one server has for itself."""
    return f"{server}-{network}"


def port(server: str, suffix: str) -> str:
    """The name of a server's port; the suffix is the entry's index unless it has a name of its own."""
    return f"{server}-{suffix}"


def volume(server: str, device: str) -> str:
    """The name of a server's volume; `root` is the one that it boots from."""
    return f"{server}-{device}"


def bastion(cluster: str) -> str:
    """The name of a cluster's bastion server."""
    return f"{cluster}-bastion"
