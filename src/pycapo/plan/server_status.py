# SPDX-License-Identifier: Apache-2.0
"""What an OpenStackServer tells of itself.

Rule: status is told, never asked: everything in it can be found again by looking. Its one word that counts is the id of a server
that existed, so that it is never made twice.
"""

from collections.abc import Mapping

import msgspec

from pycapo.api.ports import PortAttributes, PortStatus, ResolvedFixedIP, ResolvedPortSpec
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerStatus, ResolvedServerSpec, ServerResources
from pycapo.model.kinds import Kind
from pycapo.model.records import Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Key, Plan
from pycapo.plan.addresses import addresses, floating_ips
from pycapo.plan.entries import entry_at, wants_trunk
from pycapo.plan.existing_ports import existing
from pycapo.plan.fixed_addresses import resolve_server
from pycapo.plan.port_body import port_body
from pycapo.plan.references import Resolved
from pycapo.plan.server import SERVER, all_ports

Made = Mapping[Key, str]
"""What a plan made: ids by key."""

_SHARED = tuple(field for field in PortAttributes.__struct_fields__)


def server_status(server: OpenStackServer, seen: Seen, plan: Plan, made: Made) -> OpenStackServerStatus:
    """The status of a server as it was seen and with what a plan then made, with the conditions that it had."""
    before = server.status or OpenStackServerStatus()
    record = seen.one(Kind.SERVER, SERVER, Server)
    id = record.id if record else made.get(Key(Kind.SERVER, SERVER), before.instance_id)
    ports = _port_ids(server, seen, made)
    told = msgspec.structs.replace(
        before,
        ready=record is not None and record.status == "ACTIVE" and plan.settled,
        instance_id=id,
        instance_state=_state(record, before, id),
        resources=ServerResources(ports=[PortStatus(id=port) for port in ports]) if ports else before.resources,
    )
    if record:
        told.addresses = addresses(server.metadata.name, all_ports(server, seen), floating_ips(seen))
    return told


def _port_ids(server: OpenStackServer, seen: Seen, made: Made) -> list[str]:
    """The ids of the ports in the order of the spec, those that were seen and those just made."""
    listed = [entry_at(server, index) for index in range(len(server.spec.ports))]
    ports = ((entry.seen(seen), entry.key) for entry in listed)
    ids = (port.id if port else made.get(key) for port, key in ports)
    return [id for id in ids if id]


def resolved_spec(server: OpenStackServer, seen: Seen) -> ResolvedServerSpec | None:
    """The references of a spec as ids, as the Go provider notes them; None while some are not known."""
    resolved = resolve_server(server, seen)
    if resolved.waits:
        return None
    return ResolvedServerSpec(
        server_group_id=resolved.one("spec.serverGroup"),
        image_id=resolved.one("spec.image"),
        flavor_id=resolved.one("spec.flavorID") or resolved.one("spec.flavor"),
        ports=[_port(server, index, seen, resolved) for index in range(len(server.spec.ports))],
    )


def _port(server: OpenStackServer, index: int, seen: Seen, resolved: Resolved) -> ResolvedPortSpec:
    entry = server.spec.ports[index]
    there = existing(entry_at(server, index), seen)
    if there:
        name = there.name or entry_at(server, index).name
        return ResolvedPortSpec(name=name, network_id=there.network_id, trunk=wants_trunk(server.spec, entry) or None)
    body = port_body(server, entry_at(server, index), seen=seen, resolved=resolved)
    fixed = [
        ResolvedFixedIP(subnet=it.get("subnet_id"), ip_address=it.get("ip_address")) for it in body.get("fixed_ips", ())
    ]
    return ResolvedPortSpec(
        name=body["name"],
        description=body["description"],
        network_id=body.get("network_id") or "",
        tags=body.get("tags"),
        trunk=wants_trunk(server.spec, entry) or None,
        fixed_ips=fixed or None,
        security_groups=body.get("security_groups"),
        **{field: getattr(entry, field) for field in _SHARED},
    )


def _state(record: Server | None, before: OpenStackServerStatus, id: str | None) -> str | None:
    """Nova's word; a server that was just asked for is in BUILD, one that existed and is gone is DELETED."""
    if record:
        return record.status or "BUILD"
    if before.instance_id:
        return "DELETED"
    return "BUILD" if id else None
