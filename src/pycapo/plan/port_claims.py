# SPDX-License-Identifier: Apache-2.0
"""Which addresses of IPAM pools the ports of a server claim, and what the claims are called.

Rule: a claim is known by its name, which says the server and the place of the address in its spec.
"""

from collections.abc import Iterable, Iterator

import msgspec

from pycapo.api.capi import PoolReference
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.seen import Seen
from pycapo.plan.claims import pool_reference
from pycapo.plan.entries import Entry, entries
from pycapo.plan.ports import missing_ports


class PortClaim(msgspec.Struct, frozen=True):
    """A claim that a port needs: its name, its pool, and the field that asks for it."""

    name: str
    pool: PoolReference
    path: str


def claims_of(server: OpenStackServer) -> tuple[PortClaim, ...]:
    """The claims of all ports of a server."""
    return (*_claims(server, entries(server)), *_floating(server))


def claims_wanted(server: OpenStackServer, seen: Seen) -> tuple[PortClaim, ...]:
    """The claims for fixed addresses of ports that are missing, and those for floating IPs."""
    return (*_claims(server, missing_ports(server, seen)), *_floating(server))


def _claims(server: OpenStackServer, of: Iterable[Entry]) -> Iterator[PortClaim]:
    for entry in of:
        for place, fixed in enumerate(entry.port.fixed_ips or ()):
            if fixed.address_from:
                name = f"{server.metadata.name}-{entry.role}-{place}"
                path = f"{entry.path}.fixedIPs[{place}].addressFrom"
                yield PortClaim(name, pool_reference(fixed.address_from), path)


def _floating(server: OpenStackServer) -> Iterator[PortClaim]:
    for entry in entries(server):
        floating = entry.port.floating_ip
        if floating and floating.pool_ref:
            name = f"{server.metadata.name}-{entry.role}-floating-ip"
            yield PortClaim(name, pool_reference(floating.pool_ref), f"{entry.path}.floatingIP.poolRef")
