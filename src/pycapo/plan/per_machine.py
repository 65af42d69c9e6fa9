# SPDX-License-Identifier: Apache-2.0
"""From the cluster's `perMachine` networks to those of one server: which it needs, and what they are made of or claimed from.

Rule: a server's spec says everything itself, the ids of the subnet pools too. What may change of
the networks and their pools, servers follow.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from pycapo.api.cluster import OpenStackCluster
from pycapo.api.networks import CarvedSubnet, MachineNetwork, NamedNetwork, NetworkOptions, PooledSubnet
from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.references import QosPolicyParam

_OF_NETWORKS = tuple(NetworkOptions.__struct_fields__)
_OF_SUBNETS = ("pool", "from_", "dns_nameservers", "host_routes", "enable_dhcp")
S = TypeVar("S", MachineNetwork, PooledSubnet)


def per_machine(cluster: OpenStackCluster) -> dict[str, MachineNetwork]:
    """The networks that each machine can have for itself by now, by name: all pools of them are there."""
    found = (_known(it, cluster) for it in cluster.spec.networks or ())
    return {it.name: it for it in found if it}


def machine_networks(ports: Iterable[PortOpts], cluster: OpenStackCluster) -> list[MachineNetwork] | None:
    """The networks that a server with these ports has for itself, in the order of the cluster's spec."""
    named = {it.cluster_network for port in ports for it in _with_subports(port)}
    return [it for name, it in per_machine(cluster).items() if name in named] or None


def followed(networks: list[MachineNetwork] | None, cluster: OpenStackCluster) -> list[MachineNetwork] | None:
    """The networks of a server that exists, with what may change of them and their pools as the cluster has it now."""
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
    policy = told.qos_policy_id if told else None
    if asked.claim:
        return MachineNetwork(name=wanted.name, claim=asked.claim)
    if not all(it.name in pools for it in asked.subnets or ()) or (asked.qos_policy and not policy):
        return None
    return MachineNetwork(
        name=wanted.name,
        subnets=[_pooled(it, pools[it.name]) for it in asked.subnets or ()],
        mtu=asked.mtu,
        enable_port_security=asked.enable_port_security,
        qos_policy=QosPolicyParam(id=policy) if asked.qos_policy else None,
        tags=asked.tags,
    )


def _pooled(subnet: CarvedSubnet, pool: str) -> PooledSubnet:
    return PooledSubnet(**msgspec.structs.asdict(subnet), pool=pool)


def _followed(network: MachineNetwork, now: MachineNetwork | None) -> MachineNetwork:
    if now is None or not now.subnets or not network.subnets:
        return network  # it waits, or is claimed, or its name means something else by now
    known = {it.name: it for it in now.subnets}
    subnets = [_with(it, known.get(it.name), _OF_SUBNETS) for it in network.subnets]
    return msgspec.structs.replace(_with(network, now, _OF_NETWORKS), subnets=subnets)


def _with(struct: S, now: S | None, fields: tuple[str, ...]) -> S:
    """The same with these fields as they are now."""
    return msgspec.structs.replace(struct, **{it: getattr(now, it) for it in fields}) if now else struct
