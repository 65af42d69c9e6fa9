# SPDX-License-Identifier: Apache-2.0
"""From a machine to the server that backs it: the complete spec of an OpenStackServer, and what the machine tells of it.

Rule: a server's spec says everything itself; who reads it needs neither the machine nor the cluster.
"""

import copy
from collections.abc import Iterable, Iterator

import msgspec

from pycapo.api.capi import CLUSTER_NAME_LABEL, CONTROL_PLANE_LABEL, WATCH_FILTER_LABEL, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import LocalObjectReference, ObjectMeta, OwnerReference
from pycapo.api.ports import FixedIP, PortBody, PortFloatingIP, PortOpts
from pycapo.api.references import NetworkParam, OpenStackIdentityReference, SecurityGroupParam
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model.marks import OWNER_ANNOTATION
from pycapo.model.steps import Wait
from pycapo.plan.per_machine import followed, machine_networks, per_machine
from pycapo.plan.references import INSTANCE_READY

NETWORK_READY = "NetworkReady"
"""Condition of a machine that names networks of its cluster: they are there."""

SERVER_FINALIZER = "openstackserver.infrastructure.cluster.x-k8s.io"
MACHINE_FINALIZER = "openstackmachine.infrastructure.cluster.x-k8s.io"


def server_of(machine: OpenStackMachine, cluster: OpenStackCluster, capi_machine: Machine) -> OpenStackServer:
    """The OpenStackServer of a machine: its name, its owner mark, and its finalizer from the first moment on."""
    meta = machine.metadata
    labels = {name: (meta.labels or {}).get(name) for name in (CLUSTER_NAME_LABEL, WATCH_FILTER_LABEL)}
    owner = OwnerReference(
        api_version=machine.api_version,
        kind=machine.kind,
        name=meta.name,
        uid=meta.uid or "",
        controller=True,
        block_owner_deletion=True,
    )
    return OpenStackServer(
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            labels={name: value for name, value in labels.items() if value},
            annotations={OWNER_ANNOTATION: (meta.annotations or {})[OWNER_ANNOTATION]},
            finalizers=[SERVER_FINALIZER],
            owner_references=[owner],
        ),
        spec=server_spec(machine, cluster, capi_machine),
    )


def server_spec(machine: OpenStackMachine, cluster: OpenStackCluster, capi_machine: Machine) -> OpenStackServerSpec:
    """The complete spec of a machine's server: ports, groups and tags as the cluster and the role of the machine have them."""
    spec, made_by = machine.spec, capi_machine.spec
    bootstrap = made_by.bootstrap if made_by else None
    ports = list(complete_ports(_entries(machine), machine, cluster, group=role_group(cluster, capi_machine)))
    return OpenStackServerSpec(
        identity_ref=identity_of(machine, cluster),
        flavor=spec.flavor.filter.name if spec.flavor.filter else None,
        flavor_id=spec.flavor.id,
        image=spec.image,
        network_config=spec.network_config,
        ports=ports,
        networks=machine_networks(ports, cluster),
        ssh_key_name=spec.ssh_key_name or "",
        availability_zone=made_by.failure_domain if made_by else None,
        config_drive=spec.config_drive,
        root_volume=spec.root_volume,
        additional_block_devices=spec.additional_block_devices,
        server_group=spec.server_group,
        server_metadata=spec.server_metadata,
        scheduler_hint_additional_properties=spec.scheduler_hint_additional_properties,
        floating_ip_pool_ref=spec.floating_ip_pool_ref,
        tags=list(dict.fromkeys((*(spec.tags or ()), *(cluster.spec.tags or ())))) or None,
        trunk=spec.trunk,
        user_data_ref=LocalObjectReference(name=bootstrap.data_secret_name)
        if bootstrap and bootstrap.data_secret_name
        else None,
    )


def follow(server: OpenStackServerSpec, machine: OpenStackMachine, cluster: OpenStackCluster) -> OpenStackServerSpec:
    """The spec of a server that exists, with what may change on its machine: credentials, and the address pairs of ports."""
    entries, ports = _entries(machine), server.ports
    if len(entries) == len(ports):
        ports = [_with_pairs(port, entry) for port, entry in zip(ports, entries, strict=True)]
    identity, networks = identity_of(machine, cluster), followed(server.networks, cluster)
    return msgspec.structs.replace(server, identity_ref=identity, networks=networks, ports=ports)


def _with_pairs(port: PortOpts, entry: PortOpts) -> PortOpts:
    """A server's port with the address pairs of its machine's entry."""
    dropped = entry.allowed_address_pairs is None and port.allowed_address_pairs is not None
    # An entry that says no more would leave the pairs to whoever sets them; those that it did name have to go.
    return msgspec.structs.replace(port, allowed_address_pairs=[] if dropped else entry.allowed_address_pairs)


def identity_of(machine: OpenStackMachine, cluster: OpenStackCluster) -> OpenStackIdentityReference:
    """The credentials of a machine: its own, else those of its cluster."""
    return machine.spec.identity_ref or cluster.spec.identity_ref


def is_control_plane(machine: Machine | OpenStackMachine) -> bool:
    """Whether a machine is to be a control plane node; Cluster API puts the same label on both objects."""
    return CONTROL_PLANE_LABEL in (machine.metadata.labels or {})


def provisioned(cluster: OpenStackCluster) -> bool:
    """Whether the infrastructure of a cluster was ready once."""
    return bool(cluster.status and cluster.status.initialization and cluster.status.initialization.provisioned)


def role_group(cluster: OpenStackCluster, capi_machine: Machine) -> str | None:
    """The id of the managed security group of the machine's role, if the cluster manages groups."""
    if cluster.spec.managed_security_groups is None or cluster.status is None:
        return None
    status = cluster.status
    group = status.control_plane_security_group if is_control_plane(capi_machine) else status.worker_security_group
    return group.id if group else None


def provider_id(machine: OpenStackMachine, server: str) -> str:
    """The providerID of the node: the region only if the machine's own identity has one, as the Go provider writes it."""
    identity = machine.spec.identity_ref
    return f"openstack://{(identity.region if identity else None) or ''}/{server}"


def noted_server(machine: OpenStackMachine) -> str | None:
    """The id of the server that a machine's providerID remembers; it survives a move of the objects, status does not."""
    return (machine.spec.provider_id or "").rpartition("/")[2] or None


def machine_waits(machine: OpenStackMachine, cluster: OpenStackCluster, capi_machine: Machine) -> Iterator[Wait]:
    """What has to be there before a machine's server can be asked for."""
    if not provisioned(cluster):
        message = f"the infrastructure of cluster {cluster.metadata.name} is not ready yet"
        yield _wait("WaitingForClusterInfrastructure", message)
    bootstrap = capi_machine.spec.bootstrap if capi_machine.spec else None
    if not (bootstrap and bootstrap.data_secret_name):
        message = f"Machine {capi_machine.metadata.name} has no bootstrap data yet"
        yield _wait("WaitingForBootstrapData", message, path="spec.bootstrap.dataSecretName")
    yield from network_waits(machine, cluster)


def names_networks(machine: OpenStackMachine) -> bool:
    """Whether a port of a machine names a network of the cluster."""
    return any(_named_entries(machine))


def network_waits(machine: OpenStackMachine, cluster: OpenStackCluster) -> Iterator[Wait]:
    """The named networks of the cluster that a machine's ports name and that are not there yet."""
    ready = {*_named_networks(cluster), *per_machine(cluster)}
    declared = [network.name for network in cluster.spec.networks or ()]
    for path, port in _named_entries(machine):
        name = port.cluster_network or ""
        if name in declared and name not in ready:
            message = f'network "{name}" of OpenStackCluster {cluster.metadata.name} is not there yet'
            yield _wait("WaitingForNetwork", message + _told(name, cluster), path=path)
        elif name not in declared:
            message = f'no network "{name}" in spec.networks of OpenStackCluster {cluster.metadata.name}'
            yield _wait("WaitingForNetwork", f"{message} ({', '.join(declared) or 'it names none'})", path=path)


def _named_networks(cluster: OpenStackCluster) -> dict[str, str]:
    """The ids of the named networks that can be used, by name: a network that is being repaired can.

    What names a network must mean the same at every look, whatever its condition says just now.
    """
    known = (cluster.status.networks if cluster.status else None) or ()
    there = {item.name: item for item in known}
    usable = {}
    for wanted in cluster.spec.networks or ():
        seen = there.get(wanted.name)
        asked = len((wanted.managed.subnets if wanted.managed else None) or ())
        if seen and seen.id and len(seen.subnets or ()) >= asked:
            usable[wanted.name] = seen.id
    return usable


def _told(name: str, cluster: OpenStackCluster) -> str:
    """What the cluster tells of a named network."""
    known = (cluster.status.networks if cluster.status else None) or ()
    told = next((item.condition.message for item in known if item.name == name and item.condition), "")
    return f": {told}" if told else ""


def _named_entries(machine: OpenStackMachine) -> Iterator[tuple[str, PortBody]]:
    """The ports, and subports, that name a network of the cluster, by their field path."""
    entries = [(f"spec.ports[{i}]", port) for i, port in enumerate(machine.spec.ports or ())]
    entries += [(f"spec.additionalPorts[{i}]", port) for i, port in enumerate(machine.spec.additional_ports or ())]
    for path, port in entries:
        if port.cluster_network:
            yield f"{path}.clusterNetwork", port
        for place, subport in enumerate(port.subports or ()):
            if subport.port.cluster_network:
                yield f"{path}.subports[{place}].port.clusterNetwork", subport.port


def complete_ports(
    ports: Iterable[PortOpts], machine: OpenStackMachine, cluster: OpenStackCluster, *, group: str | None
) -> Iterator[PortOpts]:
    """Entries with the network and the groups that they mean by saying nothing; `group` is the id of the role's group."""
    for entry in ports:
        port = copy.deepcopy(entry)
        for part in (port, *(subport.port for subport in port.subports or ())):
            _complete(part, machine, cluster, group=group)
        yield port


def _complete(port: PortBody, machine: OpenStackMachine, cluster: OpenStackCluster, *, group: str | None) -> None:
    """Puts the network, the groups and the external network into an entry that it means by saying nothing."""
    status = cluster.status
    if _implicit(port) and status and status.network:
        port.network = NetworkParam(id=status.network.id)
        port.fixed_ips = port.fixed_ips or _cluster_addresses(cluster)
    if port.floating_ip == PortFloatingIP() and status and status.external_network:
        port.floating_ip = PortFloatingIP(network=NetworkParam(id=status.external_network.id))
    port.security_groups = _groups(port, machine, cluster, group=group)
    named = _named_networks(cluster).get(port.cluster_network or "")
    if named:
        port.network, port.cluster_network = NetworkParam(id=named), None


def _entries(machine: OpenStackMachine) -> tuple[PortOpts, ...]:
    """The ports that a machine asks for, in the order in which its server has them."""
    return (*(machine.spec.ports or (PortOpts(),)), *(machine.spec.additional_ports or ()))


def _implicit(port: PortBody) -> bool:
    """Whether an entry means the cluster network by naming none."""
    return not (port.network or port.cluster_network or port.existing_port)


def _cluster_addresses(cluster: OpenStackCluster) -> list[FixedIP] | None:
    """The subnets that nodes take addresses of, where the cluster says which."""
    if cluster.spec.primary_subnet:
        return [FixedIP(subnet=cluster.spec.primary_subnet)]
    return [FixedIP(subnet=subnet) for subnet in cluster.spec.subnets or ()] or None


def _groups(
    port: PortBody, machine: OpenStackMachine, cluster: OpenStackCluster, *, group: str | None
) -> list[SecurityGroupParam] | None:
    """The groups of a port; None leaves them to Neutron, an empty list means none."""
    own = port.security_groups
    if port.existing_port:
        return None  # it has what it has
    on_cluster = on_cluster_network(port, cluster)
    if own == [] or not _secured(port, cluster, on_cluster):
        return own
    by_default = own is None and on_cluster if port.default_security_groups is None else port.default_security_groups
    role = [SecurityGroupParam(id=group)] if group and by_default else []
    # Where the role's group belongs and there is none, Neutron's default stands in for it; elsewhere no word would mean that too.
    return [*(own or ()), *role, *(machine.spec.security_groups or ())] or (None if by_default else [])


def _secured(port: PortBody, cluster: OpenStackCluster, on_cluster: bool) -> bool:
    """Whether port security is on: the port says so, else the managed cluster network, else it is."""
    managed = cluster.spec.managed_network
    if port.enable_port_security is None and port.cluster_network:
        named = (it.managed or it.per_machine for it in cluster.spec.networks or () if it.name == port.cluster_network)
        return all(it is None or it.enable_port_security is not False for it in named)
    if port.enable_port_security is None and on_cluster and managed:
        return managed.enable_port_security is not False
    return port.enable_port_security is not False


def on_cluster_network(port: PortBody, cluster: OpenStackCluster) -> bool:
    """Whether an entry means the cluster network: by id, by the cluster's own filter, or by nothing but its name."""
    known = cluster.status.network if cluster.status else None
    if port.network is None or known is None:
        return _implicit(port)
    if port.network.id or port.network == cluster.spec.network:
        return port.network.id in (None, known.id)
    by_name = port.network.filter
    return by_name is not None and msgspec.to_builtins(by_name) == {"name": known.name}


def _wait(reason: str, message: str, *, path: str = "") -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, message=message, path=path, after=None)
