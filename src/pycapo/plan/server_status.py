# SPDX-License-Identifier: Apache-2.0
"""What an OpenStackServer tells of itself.

Rule: status is told, never asked: everything in it can be found again by looking. Its one word that counts is the id of a server
that existed, so that it is never made twice.
"""

import msgspec

from pycapo.api.ports import PortAttributes, PortStatus, ResolvedFixedIP, ResolvedPortSpec
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerStatus, ResolvedServerSpec, ServerResources
from pycapo.model.kinds import Kind
from pycapo.model.records import Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan
from pycapo.plan.addresses import addresses, floating_ips
from pycapo.plan.ports import port_body, wants_trunk
from pycapo.plan.references import Resolved, resolve
from pycapo.plan.server import SERVER, the_ports

_SHARED = tuple(field for field in PortAttributes.__struct_fields__)


def server_status(server: OpenStackServer, seen: Seen, plan: Plan) -> OpenStackServerStatus:
    """The status of a server as it was seen, with the conditions that it had; `plan` is what is left to do."""
    before = server.status or OpenStackServerStatus()
    record = seen.one(Kind.SERVER, SERVER, Server)
    ports = the_ports(server, seen)
    told = msgspec.structs.replace(
        before,
        ready=record is not None and record.status == "ACTIVE" and plan.settled,
        instance_id=record.id if record else before.instance_id,
        instance_state=_state(record, before),
        resources=ServerResources(ports=[PortStatus(id=port.id) for port in ports]) if ports else before.resources,
    )
    if record:
        told.addresses = addresses(server.metadata.name, ports, floating_ips(seen))
    return told


def resolved_spec(server: OpenStackServer, seen: Seen) -> ResolvedServerSpec | None:
    """The references of a spec as ids, as the Go provider notes them; None while some are not known."""
    resolved = resolve(server.spec, seen)
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
    body = port_body(server, index, seen=seen, resolved=resolved)
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


def _state(record: Server | None, before: OpenStackServerStatus) -> str | None:
    """Nova's word; a server that existed and is gone is DELETED."""
    if record:
        return record.status or "BUILD"
    return "DELETED" if before.instance_id else None
