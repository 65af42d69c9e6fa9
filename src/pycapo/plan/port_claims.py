# SPDX-License-Identifier: Apache-2.0
"""Which addresses of IPAM pools the ports of a server claim, and what the claims are called.

Rule: a claim is known by its name, which says the server and the place of the address in its spec.
"""

from collections.abc import Iterable, Iterator

import msgspec

from pycapo.api.capi import PoolReference
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Port
from pycapo.model.seen import Seen
from pycapo.plan.claims import pool_reference
from pycapo.plan.entries import Entry, entries
from pycapo.plan.nics import Wish, attachment_of, nics_wished
from pycapo.plan.plugging import NIC
from pycapo.plan.ports import missing_ports
from pycapo.plan.references import INSTANCE_READY

_FLOATING = "-floating-ip"


class PortClaim(msgspec.Struct, frozen=True):
    """A claim that a port needs: its name, its pool, the field that asks for it, and the condition that tells how far it is."""

    name: str
    pool: PoolReference
    path: str
    condition: str = INSTANCE_READY


def claims_of(server: OpenStackServer) -> tuple[PortClaim, ...]:
    """The claims of all ports of a server."""
    own = tuple(entries(server))
    return (*fixed_claims(server, own), *floating_claims(server, own))


def claims_wanted(server: OpenStackServer, seen: Seen) -> tuple[PortClaim, ...]:
    """The claims for fixed addresses of ports that are missing, and those for floating IPs."""
    return (*fixed_claims(server, missing_ports(server, seen)), *floating_claims(server, entries(server)))


def claims_of_nics(wish: Wish, server: OpenStackServer) -> tuple[PortClaim, ...]:
    """The claims of all NICs that an attachment asks for."""
    asked = [nic.entry for nic in nics_wished(wish, server)]
    return (*fixed_claims(server, asked), *floating_claims(server, asked))


def nic_claims_wanted(wish: Wish, server: OpenStackServer, seen: Seen) -> tuple[PortClaim, ...]:
    """The claims for fixed addresses of NICs that are missing, and those for floating IPs."""
    asked = [nic.entry for nic in nics_wished(wish, server)]
    missing = (entry for entry in asked if entry.seen(seen) is None)
    return (*fixed_claims(server, missing), *floating_claims(server, asked))


def claims_prefix(server: str, id: str = "") -> str:
    """What the names of the claims of NICs begin with: of an attachment by its id, or of all."""
    return f"{server}-{NIC}{id}-" if id else f"{server}-{NIC}"


def claimant(server: str, name: str) -> str | None:
    """The id of the attachment that a claim of this name was made for, if it was made for one."""
    return attachment_of(name.removeprefix(f"{server}-"))


def spent(names: Iterable[str], wish: Wish, server: OpenStackServer, seen: Seen) -> Iterator[str]:
    """Of the claims that were made for an attachment those whose address nobody uses any more.

    A fixed address is used while its port is there; a floating IP goes back to its pool, which points it nowhere."""
    name = server.metadata.name
    asked = {claim.name for claim in claims_of_nics(wish, server)}
    used = tuple(f"{name}-{port.mark.role}-" for port in seen.all(Kind.PORT, Port) if port.mark)
    mine = (it for it in names if it not in asked and it.startswith(claims_prefix(name, wish.id)))
    return (it for it in mine if it.endswith(_FLOATING) or not it.startswith(used))


def fixed_claims(server: OpenStackServer, of: Iterable[Entry]) -> Iterator[PortClaim]:
    """The claims for the fixed addresses of ports."""
    for entry in of:
        for place, fixed in enumerate(entry.port.fixed_ips or ()):
            if fixed.address_from:
                name = f"{server.metadata.name}-{entry.role}-{place}"
                path = f"{entry.path}.fixedIPs[{place}].addressFrom"
                yield PortClaim(name, pool_reference(fixed.address_from), path)


def floating_claims(server: OpenStackServer, of: Iterable[Entry]) -> Iterator[PortClaim]:
    """The claims for the floating IPs of ports."""
    for entry in of:
        floating = entry.port.floating_ip
        if floating and floating.pool_ref:
            name = f"{server.metadata.name}-{entry.role}{_FLOATING}"
            yield PortClaim(name, pool_reference(floating.pool_ref), f"{entry.path}.floatingIP.poolRef")
