# SPDX-License-Identifier: Apache-2.0
"""The ports of a server and the trunks on them: which are missing, and the requests that make them.

Rule: a port is known again by its place in the spec (its mark's role), never by its name; what the spec asks for and this
version does not do yet is told, never left out in silence.
"""

import contextlib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, Subnet, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Ref, Step, Update, Wait
from pycapo.plan.references import INSTANCE_READY, Resolved

TAG_EXTENSION = "standard-attr-tag"
TRUNK_EXTENSION = "trunk"
TRUSTED_EXTENSION = "port-trusted-vif"

_PASSED = {
    "admin_state_up": "admin_state_up",
    "mac_address": "mac_address",
    "host_id": "binding:host_id",
    "vnic_type": "binding:vnic_type",
    "enable_port_security": "port_security_enabled",
    "propagate_uplink_status": "propagate_uplink_status",
    "dns_name": "dns_name",
    "hints": "hints",
}
"""Fields that go to Neutron as they are, by the name that Neutron gives them."""


def port_role(index: int) -> str:
    """The role of the port with this place in the spec."""
    return f"port-{index}"


def trunk_role(index: int) -> str:
    """The role of the trunk on the port with this place in the spec."""
    return f"trunk-{index}"


def port_path(index: int) -> str:
    """The field of the port with this place in the spec."""
    return f"spec.ports[{index}]"


def port_name(server: str, port: PortOpts, index: int) -> str:
    """The port's name: the server's and the entry's suffix, its place by default."""
    return names.port(server, port.name_suffix or str(index))


def wants_trunk(spec: OpenStackServerSpec, port: PortOpts) -> bool:
    """Whether a port is to be the parent of a trunk: its own word, else the server's."""
    return bool(spec.trunk) if port.trunk is None else port.trunk


def any_trunk(spec: OpenStackServerSpec) -> bool:
    """Whether any port of the server is to be the parent of a trunk."""
    return any(wants_trunk(spec, port) for port in spec.ports)


def port_waits(spec: OpenStackServerSpec, seen: Seen) -> Iterator[Wait]:
    """What keeps the ports from being made at all: contradictions in the spec, and what the cloud does not offer."""
    for index, port in enumerate(spec.ports):
        path = port_path(index)
        if port.enable_port_security is False and port.security_groups:
            yield _invalid(f"{path}.securityGroups", "security groups need port security, which the entry switches off")
        if port.network is None and not any(fixed.subnet for fixed in port.fixed_ips or ()):
            yield _invalid(
                f"{path}.network", "neither a network nor a fixed IP with a subnet says where the port belongs"
            )
        if wants_trunk(spec, port) and TRUNK_EXTENSION not in seen.extensions:
            yield Wait(
                condition=INSTANCE_READY,
                reason="TrunkNotSupported",
                path=f"{path}.trunk",
                message='a trunk is wanted, and Neutron has no extension "trunk"; enable it or set trunk to false',
                after=300.0,
            )


def not_supported(spec: OpenStackServerSpec) -> Iterator[str]:
    """The fields that this version does not act on."""
    if spec.floating_ip_pool_ref:
        yield "spec.floatingIPPoolRef"
    for index, port in enumerate(spec.ports):
        yield from (f"{port_path(index)}.{field}" for field in _not_supported(port))


def _not_supported(port: PortOpts) -> Iterator[str]:
    for field in ("cluster_network", "existing_port", "floating_ip", "default_route", "subports"):
        if getattr(port, field):
            yield wire(port, field)
    if port.qos_policy and not port.qos_policy.id:
        yield "qosPolicy.filter"
    for place, fixed in enumerate(port.fixed_ips or ()):
        if fixed.address_from:
            yield f"fixedIPs[{place}].addressFrom"
        if fixed.range:
            yield f"fixedIPs[{place}].range"


def missing_ports(spec: OpenStackServerSpec, seen: Seen) -> tuple[int, ...]:
    """The places in the spec whose port does not exist."""
    return tuple(i for i in range(len(spec.ports)) if seen.one(Kind.PORT, port_role(i), Port) is None)


def port_ref(index: int, seen: Seen) -> Ref:
    """The port of a place: its id, or the key under which this plan makes it."""
    port = seen.one(Kind.PORT, port_role(index), Port)
    return port.id if port else Key(Kind.PORT, port_role(index))


def create_ports(server: OpenStackServer, seen: Seen, resolved: Resolved) -> Iterator[Step]:
    """One creation for each port that is missing; neighbours go out in one request."""
    for index in missing_ports(server.spec, seen):
        port = server.spec.ports[index]
        yield Create(
            key=Key(Kind.PORT, port_role(index)),
            mark=Mark(seen.owner, port_role(index)),
            body=port_body(server, index, seen=seen, resolved=resolved),
            why=f"make port {port_name(server.metadata.name, port, index)} of server {server.metadata.name}",
            path=port_path(index),
        )


def create_trunks(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """One creation for each trunk that is missing."""
    for index, port in enumerate(server.spec.ports):
        if not wants_trunk(server.spec, port) or seen.one(Kind.TRUNK, trunk_role(index), Trunk):
            continue
        name = port_name(server.metadata.name, port, index)
        yield Create(
            key=Key(Kind.TRUNK, trunk_role(index)),
            mark=Mark(seen.owner, trunk_role(index)),
            body=_given(name=name, port_id=port_ref(index, seen), tags=port_tags(server.spec, port)),
            why=f"make a trunk of port {name}",
            path=f"{port_path(index)}.trunk",
        )


def port_tags(spec: OpenStackServerSpec, port: PortOpts) -> list[str]:
    """The tags of a port and its trunk: the server's and its own, each once, in their order."""
    return list(dict.fromkeys((*(spec.tags or ()), *(port.tags or ()))))


def port_body(server: OpenStackServer, index: int, *, seen: Seen, resolved: Resolved) -> dict[str, Any]:
    """Neutron's request body for the port with this place in the spec."""
    port, path = server.spec.ports[index], port_path(index)
    secured = port.enable_port_security is not False
    body = _given(
        name=port_name(server.metadata.name, port, index),
        description=port.description or f"Port of server {server.metadata.name}",
        network_id=network_id(index, port, seen, resolved),
        fixed_ips=fixed_ips(index, port, resolved),
        tags=port_tags(server.spec, port),
        qos_policy_id=port.qos_policy.id if port.qos_policy else None,
        extra_dhcp_opts=[
            _given(opt_name=option.name, opt_value=option.value, ip_version=option.ip_version)
            for option in port.extra_dhcp_options or ()
        ],
        allowed_address_pairs=_pairs(port) if secured else None,
    )
    groups = security_groups(path, server.spec, port, resolved)
    if secured and groups is not None:
        body["security_groups"] = groups
    passed = {wire: value for field, wire in _PASSED.items() if (value := getattr(port, field)) is not None}
    extra = {it.key: it.json if it.value is None else it.value for it in port.value_specs or ()}
    return {**body, **passed, **_profile(port, seen), **extra}


def repair_pairs(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """The address pairs of ports that exist, where they are not those of the spec; an entry that names none leaves them alone."""
    for index, entry in enumerate(server.spec.ports):
        port = seen.one(Kind.PORT, port_role(index), Port)
        if port is None or not _names_pairs(entry) or port.port_security_enabled is False:
            continue
        wanted = {_spelled(pair.ip_address, pair.mac_address, port) for pair in entry.allowed_address_pairs or ()}
        if wanted != {_spelled(pair.ip_address, pair.mac_address, port) for pair in port.allowed_address_pairs}:
            pairs = _pairs(entry)
            told = ", ".join(pair["ip_address"] for pair in pairs) or "none"
            yield Update(
                kind=Kind.PORT,
                id=port.id,
                body={"allowed_address_pairs": pairs},
                why=f"set the allowed address pairs of port {port.name} to {told}",
                path=f"{port_path(index)}.allowedAddressPairs",
            )


def _names_pairs(entry: PortOpts) -> bool:
    """Whether an entry says which address pairs its port has: not without port security, nor if valueSpecs say it."""
    passed = any(it.key == "allowed_address_pairs" for it in entry.value_specs or ())
    return entry.allowed_address_pairs is not None and entry.enable_port_security is not False and not passed


def _pairs(entry: PortOpts) -> list[dict[str, Any]]:
    """The address pairs of an entry as Neutron takes them."""
    pairs = entry.allowed_address_pairs or ()
    return [_given(ip_address=pair.ip_address, mac_address=pair.mac_address) for pair in pairs]


def _spelled(address: str, mac: str | None, port: Port) -> tuple[str, str]:
    """A pair in one spelling: addresses with their prefix, the port's own MAC where none is given, as Neutron fills it in."""
    with contextlib.suppress(ValueError):
        address = str(ipaddress.ip_interface(address))
    return address, re.sub("[^0-9a-f]", "", (mac or port.mac_address).lower())


def network_id(index: int, port: PortOpts, seen: Seen, resolved: Resolved) -> str | None:
    """The network of a port: the one it names, else that of the first subnet it names."""
    path = port_path(index)
    if port.network:
        return resolved.one(f"{path}.network")
    found = (seen.found.get(f"{path}.fixedIPs[{place}].subnet", ()) for place in range(len(port.fixed_ips or ())))
    return next((item.network_id for items in found for item in items if isinstance(item, Subnet)), None)


def fixed_ips(index: int, port: PortOpts, resolved: Resolved) -> list[dict[str, Any]]:
    """The addresses that a port asks for, as Neutron takes them."""
    return [
        _given(
            subnet_id=resolved.one(f"{port_path(index)}.fixedIPs[{place}].subnet"),
            ip_address=fixed.ip_address,
        )
        for place, fixed in enumerate(port.fixed_ips or ())
    ]


def security_groups(path: str, spec: OpenStackServerSpec, port: PortOpts, resolved: Resolved) -> list[str] | None:
    """The ids of a port's groups: its own, an empty list for none, the server's if it says nothing, None for Neutron's default."""
    if port.security_groups is None:
        path, listed = "spec", spec.security_groups
    else:
        listed = port.security_groups
    if listed is None:
        return None
    ids = (resolved.ids.get(f"{path}.securityGroups[{place}]", ()) for place in range(len(listed)))
    return list(dict.fromkeys(item for several in ids for item in several))


def _profile(port: PortOpts, seen: Seen) -> Mapping[str, Any]:
    """The binding profile; a trusted virtual function has an attribute of its own where Neutron offers it."""
    profile: dict[str, Any] = dict(port.binding_profile or {})
    attributes: dict[str, Any] = {}
    if port.profile and port.profile.ovs_hw_offload:
        profile["capabilities"] = ["switchdev"]
    if port.profile and port.profile.trusted_vf:
        (attributes if TRUSTED_EXTENSION in seen.extensions else profile)["trusted"] = True
    return {**attributes, **({"binding:profile": profile} if profile else {})}


def _given(**fields: Any) -> dict[str, Any]:
    """The fields that have a value: Neutron's own defaults are left to Neutron."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _invalid(path: str, message: str) -> Wait:
    return Wait(condition=INSTANCE_READY, reason="InvalidMachineSpec", path=path, message=message, after=None)


def wire(struct: msgspec.Struct, field: str) -> str:
    """The name that a manifest gives a field."""
    return struct.__struct_encode_fields__[struct.__struct_fields__.index(field)]
