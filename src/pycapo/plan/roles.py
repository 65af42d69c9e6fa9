# SPDX-License-Identifier: Apache-2.0
"""The roles that a cluster's resources play for it, as their marks name them.

The cluster's life makes them; the machine's life finds by them what it joins.
"""

NETWORK = "network"
ROUTER = "router"
CONTROL_PLANE_GROUP = "sg-controlplane"
WORKER_GROUP = "sg-worker"
BASTION_GROUP = "sg-bastion"
LOAD_BALANCER = "api-lb"
ENDPOINT_ADDRESS = "api-fip"
BASTION_ADDRESS = "bastion-fip"


def subnet(index: int) -> str:
    """The role of the managed subnet with this place in the spec."""
    return f"subnet-{index}"


def named_network(name: str) -> str:
    """The role of a network of `spec.networks`."""
    return f"net.{name}"


def named_subnet(network: str, subnet: str) -> str:
    """The role of a subnet of a network of `spec.networks`; no name of a network has a dot."""
    return f"net.{network}.{subnet}"


def is_named(role: str) -> bool:
    """Whether a role is that of a named network or one of its subnets."""
    return role.startswith("net.")


def machine_network(name: str) -> str:
    """The role of a machine's own network, of this name in `spec.networks`; it plays it for the machine, not for the cluster.

    Without a dot: it ends a path of Neutron's API when it is claimed, and Neutron takes what follows a dot for a file type."""
    return f"own_{name}"


def machine_subnet(network: str, subnet: str) -> str:
    """The role of a subnet of a machine's own network."""
    return f"own_{network}.{subnet}"


def is_machine_network(role: str) -> bool:
    """Whether a role is that of a machine's own network or one of its subnets."""
    return role.startswith("own_")


def interface(index: int) -> str:
    """The role of the router interface in the subnet with this place."""
    return f"interface-{index}"


def security_group(name: str) -> str:
    """The role of a managed security group; names are controlplane, worker and bastion."""
    return f"sg-{name}"


def listener(port: int) -> str:
    """The role of the listener of one API port."""
    return f"api-listener-{port}"


def pool(port: int) -> str:
    """The role of the pool of one API port; the machine's life puts members into it."""
    return f"api-pool-{port}"


def monitor(port: int) -> str:
    """The role of the health monitor of one API port's pool."""
    return f"api-monitor-{port}"
