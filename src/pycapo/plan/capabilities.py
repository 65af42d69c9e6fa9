# SPDX-License-Identifier: Apache-2.0
"""What ports ask of Neutron that not every cloud has.

Rule: an extension that is missing is told with the field that needs it, before anything is made; a trunk has words of its own.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from pycapo.api.cluster import ManagedNetwork, OpenStackClusterSpec
from pycapo.api.machine import OpenStackMachineSpec
from pycapo.api.networks import NetworkOptions
from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.seen import Seen
from pycapo.model.steps import Wait
from pycapo.plan.entries import entries, port_path, wants_trunk
from pycapo.plan.references import INSTANCE_READY

LOOK_AGAIN = 300.0
"""Seconds until it is looked again whether an extension was added."""

TRUNK_EXTENSION = "trunk"
QOS_EXTENSION = "qos"

_NEEDED = {
    "allowed_address_pairs": "allowed-address-pairs",
    "binding_profile": "binding",
    "dns_name": "dns-integration",
    "enable_port_security": "port-security",
    "extra_dhcp_options": "extra_dhcp_opt",
    "floating_ip": "router",
    "hints": "port-hints",
    "host_id": "binding",
    "profile": "binding",
    "propagate_uplink_status": "uplink-status-propagation",
    "qos_policy": QOS_EXTENSION,
    "security_groups": "security-group",
    "vnic_type": "binding",
}
"""By field of a port the alias of the extension without which Neutron does not know it."""

_NEEDED_BY_NETWORKS = {
    "enable_port_security": "port-security",
    "mtu": "net-mtu-writable",
    "provider": "provider",
    "qos_policy": QOS_EXTENSION,
}
"""The same for a network."""


Need = tuple[str, str]
"""The path of a field, and the alias of the extension that it needs."""


def extension_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each field of a port that the cloud does not know."""
    return lacking(server_needs(server), seen.extensions)


def server_needs(server: OpenStackServer) -> Iterator[Need]:
    """What the ports of a server need, the trunks on them, and the networks that are made for it."""
    for index, network in enumerate(server.spec.networks or ()):
        yield from _network_needs(f"spec.networks[{index}]", network)
    for entry in entries(server):
        yield from _needs(entry.path, entry.port)
    for index, port in enumerate(server.spec.ports):
        if wants_trunk(server.spec, port):
            yield f"{port_path(index)}.trunk", TRUNK_EXTENSION


def machine_needs(spec: OpenStackMachineSpec) -> Iterator[Need]:
    """What the ports of a machine need, the implicit one too."""
    for path, port in _machine_ports(spec):
        yield from _needs(path, port)
        for place, subport in enumerate(port.subports or ()):
            yield from _needs(f"{path}.subports[{place}].port", subport.port)
        if wants_trunk(spec, port):
            yield f"{path}.trunk" if port.trunk or port.subports else "spec.trunk", TRUNK_EXTENSION


def cluster_needs(spec: OpenStackClusterSpec) -> Iterator[Need]:
    """What the networks that a cluster makes and its bastion need."""
    if spec.managed_network:
        yield from _network_needs("spec.managedNetwork", spec.managed_network)
    for index, network in enumerate(spec.networks or ()):
        for place, made in (("managed", network.managed), ("perMachine", network.per_machine)):
            if made:
                yield from _network_needs(f"spec.networks[{index}].{place}", made)
    if spec.bastion and spec.bastion.enabled and spec.bastion.spec:
        yield from inside("spec.bastion.spec", machine_needs(spec.bastion.spec))


def inside(place: str, needs: Iterable[Need]) -> Iterator[Need]:
    """The needs of a machine's spec that stands at another place than `spec`."""
    return ((place + path.removeprefix("spec"), extension) for path, extension in needs)


def lacking(needs: Iterable[Need], extensions: Collection[str], *, of: str = "") -> Iterator[Wait]:
    """A wait for each field once whose extension the cloud has not; `of` says whose fields they are."""
    for path, extension in dict.fromkeys(needs):
        if extension in extensions:
            continue
        yield Wait(
            condition=INSTANCE_READY,
            reason="TrunkNotSupported" if extension == TRUNK_EXTENSION else "ExtensionMissing",
            path=of + path,
            message=_told(path.rpartition(".")[2], extension),
            after=LOOK_AGAIN,
        )


def _machine_ports(spec: OpenStackMachineSpec) -> Iterator[tuple[str, PortOpts]]:
    yield from ((f"spec.ports[{index}]", port) for index, port in enumerate(spec.ports or (PortOpts(),)))
    yield from ((f"spec.additionalPorts[{index}]", port) for index, port in enumerate(spec.additional_ports or ()))


def _needs(path: str, port: PortBody) -> Iterator[Need]:
    return _of_fields(path, port, _NEEDED)


def _network_needs(path: str, network: ManagedNetwork | NetworkOptions) -> Iterator[Need]:
    return _of_fields(path, network, _NEEDED_BY_NETWORKS)


def _of_fields(path: str, struct: msgspec.Struct, needed: Mapping[str, str]) -> Iterator[Need]:
    for name, field in zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True):
        if name in needed and getattr(struct, name) not in (None, []):
            yield f"{path}.{field}", needed[name]


def _told(field: str, extension: str) -> str:
    if extension == TRUNK_EXTENSION:
        return 'a trunk is wanted, and Neutron has no extension "trunk"; enable it or set trunk to false'
    return f'Neutron has no extension "{extension}", which this needs; enable it or leave {field} out'
