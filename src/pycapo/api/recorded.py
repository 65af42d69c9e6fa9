# SPDX-License-Identifier: Apache-2.0
"""What a cluster's status says of resources: the ids that were recorded there, by whichever controller."""

from pycapo.api.cluster import OpenStackCluster


def recorded_ids(cluster: OpenStackCluster) -> frozenset[str]:
    """The ids of resources in a cluster's status."""
    status = cluster.status
    if status is None:
        return frozenset()
    network = status.network
    items = (
        network,
        *((network.subnets or ()) if network else ()),
        status.router,
        status.api_server_managed_load_balancer,
        status.control_plane_security_group,
        status.worker_security_group,
        status.bastion_security_group,
    )
    return frozenset(item.id for item in items if item is not None)


def recorded_addresses(cluster: OpenStackCluster) -> frozenset[str]:
    """The addresses at which the API server is reached, as the spec and the status have them."""
    endpoint = cluster.spec.control_plane_endpoint
    balancer = cluster.status.api_server_managed_load_balancer if cluster.status else None
    told = (endpoint.host if endpoint else None, balancer.ip if balancer else None)
    return frozenset(address for address in told if address)
