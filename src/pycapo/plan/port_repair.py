# SPDX-License-Identifier: Apache-2.0
"""Ports that exist, made as their entries say: what Neutron changes in place.

Rule: a port that is as the spec says costs no request; what an entry does not say is left alone.
"""

import contextlib
import ipaddress
import re
from collections.abc import Iterator

from pycapo.api.ports import PortBody
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Step, Update
from pycapo.plan.entries import entries, port_path, port_role, port_tags, trunk_role, wants_trunk
from pycapo.plan.port_body import address_pairs

TAG_EXTENSION = "standard-attr-tag"


def retag(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """The tags of the spec that ports and trunks lack, because somebody died before Neutron had them."""
    if TAG_EXTENSION not in seen.extensions:
        return
    for index, entry in enumerate(server.spec.ports):
        port = seen.one(Kind.PORT, port_role(index), Port)
        trunk = seen.one(Kind.TRUNK, trunk_role(index), Trunk) if wants_trunk(server.spec, entry) else None
        for kind, record in ((Kind.PORT, port), (Kind.TRUNK, trunk)):
            lacking = [tag for tag in port_tags(server.spec, entry) if record and tag not in record.tags]
            if record and lacking and not (record.mark and record.mark.borrowed):
                body = {"tags": [*record.tags, *lacking]}
                why = f"{kind} {record.name} lacks the tags {', '.join(lacking)}"
                yield Update(kind=kind, id=record.id, body=body, why=why, path=f"{port_path(index)}.tags")


def repair_pairs(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """The address pairs of ports that exist, where they are not those of the spec; an entry that names none leaves them alone."""
    for entry in entries(server):
        port = entry.seen(seen)
        if (
            port is None
            or entry.port.existing_port
            or not _names_pairs(entry.port)
            or port.port_security_enabled is False
        ):
            continue
        wanted = {_spelled(pair.ip_address, pair.mac_address, port) for pair in entry.port.allowed_address_pairs or ()}
        if wanted != {_spelled(pair.ip_address, pair.mac_address, port) for pair in port.allowed_address_pairs}:
            pairs = address_pairs(entry.port)
            told = ", ".join(pair["ip_address"] for pair in pairs) or "none"
            yield Update(
                kind=Kind.PORT,
                id=port.id,
                body={"allowed_address_pairs": pairs},
                why=f"set the allowed address pairs of port {port.name} to {told}",
                path=f"{entry.path}.allowedAddressPairs",
            )


def _names_pairs(entry: PortBody) -> bool:
    """Whether an entry says which address pairs its port has: not without port security, nor if valueSpecs say it."""
    passed = any(it.key == "allowed_address_pairs" for it in entry.value_specs or ())
    return entry.allowed_address_pairs is not None and entry.enable_port_security is not False and not passed


def _spelled(address: str, mac: str | None, port: Port) -> tuple[str, str]:
    """A pair in one spelling: addresses with their prefix, the port's own MAC where none is given, as Neutron fills it in."""
    with contextlib.suppress(ValueError):
        address = str(ipaddress.ip_interface(address))
    return address, re.sub("[^0-9a-f]", "", (mac or port.mac_address).lower())
