# SPDX-License-Identifier: Apache-2.0
"""What ports ask of Neutron that not every cloud has.

Rule: an extension that is missing is told with the field that needs it, before anything is made; a trunk has words of its own.
"""

from collections.abc import Iterator

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.seen import Seen
from pycapo.model.steps import Wait
from pycapo.plan.entries import Entry, entries, port_path, wants_trunk
from pycapo.plan.references import INSTANCE_READY

LOOK_AGAIN = 300.0
"""Seconds until it is looked again whether an extension was added."""

TRUNK_EXTENSION = "trunk"

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
    "qos_policy": "qos",
    "security_groups": "security-group",
    "vnic_type": "binding",
}
"""By field the alias of the extension without which Neutron does not know it."""


def extension_waits(server: OpenStackServer, seen: Seen) -> Iterator[Wait]:
    """A wait for each field of a port that the cloud does not know."""
    for entry in entries(server):
        yield from _missing(entry, seen)
    for index, port in enumerate(server.spec.ports):
        if wants_trunk(server.spec, port) and TRUNK_EXTENSION not in seen.extensions:
            yield Wait(
                condition=INSTANCE_READY,
                reason="TrunkNotSupported",
                path=f"{port_path(index)}.trunk",
                message='a trunk is wanted, and Neutron has no extension "trunk"; enable it or set trunk to false',
                after=LOOK_AGAIN,
            )


def _missing(entry: Entry, seen: Seen) -> Iterator[Wait]:
    for name, field in zip(entry.port.__struct_fields__, entry.port.__struct_encode_fields__, strict=True):
        extension = _NEEDED.get(name)
        if extension is None or extension in seen.extensions or getattr(entry.port, name) in (None, []):
            continue
        yield Wait(
            condition=INSTANCE_READY,
            reason="ExtensionMissing",
            path=f"{entry.path}.{field}",
            message=f'Neutron has no extension "{extension}", which this needs; enable it or leave {field} out',
            after=LOOK_AGAIN,
        )
