# SPDX-License-Identifier: Apache-2.0
"""The request that makes a port: every field of an entry as Neutron takes it.

Rule: what an entry does not say is left to Neutron.
"""

from collections.abc import Mapping
from typing import Any

from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model.records import Subnet
from pycapo.model.seen import Seen
from pycapo.plan.entries import Entry, port_tags
from pycapo.plan.references import Resolved

TRUSTED_EXTENSION = "port-trusted-vif"
GROUP_EXTENSION = "security-group"

_PASSED = {
    "admin_state_up": "admin_state_up",
    "mac_address": "mac_address",
    "host_id": "binding:host_id",
    "vnic_type": "binding:vnic_type",
    "enable_port_security": "port_security_enabled",
    "propagate_uplink_status": "propagate_uplink_status",
    "hints": "hints",
}
"""Fields that go to Neutron as they are, by the name that Neutron gives them."""


def port_body(server: OpenStackServer, entry: Entry, *, seen: Seen, resolved: Resolved) -> dict[str, Any]:
    """Neutron's request body for the port of an entry."""
    port = entry.port
    secured = port.enable_port_security is not False
    body = given(
        name=entry.name,
        description=port.description or f"Port of server {server.metadata.name}",
        network_id=network_id(entry, seen, resolved),
        fixed_ips=fixed_ips(entry, resolved),
        tags=port_tags(server.spec, port),
        qos_policy_id=resolved.one(f"{entry.path}.qosPolicy"),
        extra_dhcp_opts=[
            given(opt_name=option.name, opt_value=option.value, ip_version=option.ip_version)
            for option in port.extra_dhcp_options or ()
        ],
        allowed_address_pairs=address_pairs(port) if secured else None,
    )
    groups = security_groups(entry, server.spec, resolved)
    if secured and groups is not None and (groups or GROUP_EXTENSION in seen.extensions):
        body["security_groups"] = groups
    passed = {wire: value for field, wire in _PASSED.items() if (value := getattr(port, field)) is not None}
    if port.dns_name and not isinstance(port, PortOpts):
        passed["dns_name"] = port.dns_name  # a port that Nova takes is named afterwards (plan.port_names)
    extra = {it.key: it.json if it.value is None else it.value for it in port.value_specs or ()}
    return {**body, **passed, **_profile(port, seen), **extra}


def address_pairs(entry: PortBody) -> list[dict[str, Any]]:
    """The address pairs of an entry as Neutron takes them."""
    pairs = entry.allowed_address_pairs or ()
    return [given(ip_address=pair.ip_address, mac_address=pair.mac_address) for pair in pairs]


def network_id(entry: Entry, seen: Seen, resolved: Resolved) -> str | None:
    """The network of a port: the one it names, else that of the first subnet it names."""
    if entry.port.network:
        return resolved.one(f"{entry.path}.network")
    places = range(len(entry.port.fixed_ips or ()))
    found = (seen.found.get(f"{entry.path}.fixedIPs[{place}].subnet", ()) for place in places)
    return next((item.network_id for items in found for item in items if isinstance(item, Subnet)), None)


def fixed_ips(entry: Entry, resolved: Resolved) -> list[dict[str, Any]]:
    """The addresses that a port asks for, as Neutron takes them."""
    asked = []
    for place, fixed in enumerate(entry.port.fixed_ips or ()):
        path = f"{entry.path}.fixedIPs[{place}]"
        subnet, address = resolved.addresses.get(path, (resolved.one(f"{path}.subnet"), fixed.ip_address))
        asked.append(given(subnet_id=subnet, ip_address=address))
    return asked


def security_groups(entry: Entry, spec: OpenStackServerSpec, resolved: Resolved) -> list[str] | None:
    """The ids of a port's groups: its own, an empty list for none, the server's if it says nothing, None for Neutron's default."""
    path, listed = entry.path, entry.port.security_groups
    if listed is None:
        path, listed = "spec", spec.security_groups
    if listed is None:
        return None
    ids = (resolved.ids.get(f"{path}.securityGroups[{place}]", ()) for place in range(len(listed)))
    return list(dict.fromkeys(item for several in ids for item in several))


def _profile(port: PortBody, seen: Seen) -> Mapping[str, Any]:
    """The binding profile; a trusted virtual function has an attribute of its own where Neutron offers it."""
    profile: dict[str, Any] = dict(port.binding_profile or {})
    attributes: dict[str, Any] = {}
    if port.profile and port.profile.ovs_hw_offload:
        profile["capabilities"] = ["switchdev"]
    if port.profile and port.profile.trusted_vf:
        (attributes if TRUSTED_EXTENSION in seen.extensions else profile)["trusted"] = True
    return {**attributes, **({"binding:profile": profile} if profile else {})}


def given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value: Neutron's own defaults are left to Neutron."""
    return {name: value for name, value in fields.items() if value is not None and value != []}
