# SPDX-License-Identifier: Apache-2.0
"""From the cluster's `perMachine` networks to those of one server: which it needs, and what they are made of or claimed from.

Rule: a server's spec says everything itself, the ids of the subnet pools too. What the cluster adds to a pool, servers follow.
"""

from collections.abc import Iterable

import msgspec

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.networks import CarvedSubnet, MachineNetwork, NamedNetwork, PooledSubnet
from pycapo.api.ports import PortBody, PortOpts


def per_machine(cluster: OpenStackCluster) -> dict[str, MachineNetwork]:
    """The networks that each machine can have for itself by now, by name: all pools of them are there."""
    found = (_known(it, cluster) for it in cluster.spec.networks or ())
    return {it.name: it for it in found if it}


def machine_networks(ports: Iterable[PortOpts], cluster: OpenStackCluster) -> list[MachineNetwork] | None:
    """The networks that a server with these ports has for itself, in the order of the cluster's spec."""
    named = {it.cluster_network for port in ports for it in _with_subports(port)}
    return [it for name, it in per_machine(cluster).items() if name in named] or None


def followed(networks: list[MachineNetwork] | None, cluster: OpenStackCluster) -> list[MachineNetwork] | None:
    """The networks of a server that exists, with what may change of their pools as the cluster has it now."""
    known = per_machine(cluster)
    return [_followed(it, known.get(it.name)) for it in networks] if networks else networks


def _with_subports(port: PortOpts) -> tuple[PortBody, ...]:
    return (port, *(it.port for it in port.subports or ()))


def _known(wanted: NamedNetwork, cluster: OpenStackCluster) -> MachineNetwork | None:
    asked = wanted.per_machine
    if asked is None:
        return None
    told = next(
        (it for it in (cluster.status.networks if cluster.status else None) or () if it.name == wanted.name), None
    )
    pools = {it.name: it.id for it in (told.subnet_pools if told else None) or ()}
    if asked.claim or not all(it.name in pools for it in asked.subnets or ()):
        return MachineNetwork(name=wanted.name, claim=asked.claim) if asked.claim else None
    return MachineNetwork(name=wanted.name, subnets=[_pooled(it, pools[it.name]) for it in asked.subnets or ()])


def _pooled(subnet: CarvedSubnet, pool: str) -> PooledSubnet:
    return PooledSubnet(**msgspec.structs.asdict(subnet), pool=pool)


def _followed(network: MachineNetwork, now: MachineNetwork | None) -> MachineNetwork:
    known = {it.name: it for it in (now.subnets if now else None) or ()}
    subnets = [
        msgspec.structs.replace(it, pool=known[it.name].pool, from_=known[it.name].from_) if it.name in known else it
        for it in network.subnets or ()
    ]
    return msgspec.structs.replace(network, subnets=subnets or network.subnets)
