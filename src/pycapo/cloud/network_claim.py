# SPDX-License-Identifier: Apache-2.0
"""Taking a network that exists for one machine alone, and giving it back.

    tag added -> network read again -> no tag of anybody else: it is ours
                                    -> one of somebody else: our tag off again, whoever was first has it

Rule: whoever sees another one's tag after putting his own withdraws. Neutron adds and removes one tag at a time, so two never both
see themselves alone, and tags of others are never written over.
"""

from contextlib import suppress
from urllib.parse import quote

import msgspec

from pycapo.cloud.errors import InUse, NotFound
from pycapo.cloud.inventory import Inventory
from pycapo.cloud.listing import get
from pycapo.cloud.rest import NETWORK, TABLE
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Record

AGAIN = 1.0
"""Seconds until somebody who came second looks for another network."""


def claim_network(wire: Wire, inventory: Inventory, id: str, tag: str) -> Record:
    """Put a claim's tag on a network; raises InUse when somebody else's is there, and leaves none of ours then."""
    _tag(wire, "PUT", id, tag)
    found = get(wire, Kind.NETWORK, id)
    if tag not in found.tags or any(mark.tag != tag for mark in found.marks):
        release_network(wire, inventory, id, tag)
        message = f"Network {found.name or id} ({id}) was taken by somebody else at the same moment"
        raise InUse(message, retry_after=AGAIN)
    inventory.put(Kind.NETWORK, [found])
    return found


def release_network(wire: Wire, inventory: Inventory, id: str, tag: str) -> None:
    """Take a claim's tag off a network; whatever else is on it stays."""
    with suppress(NotFound):
        _tag(wire, "DELETE", id, tag)
    known = inventory.get(Kind.NETWORK, id)
    if isinstance(known, Network):
        left = tuple(it for it in known.tags if it != tag)
        inventory.put(Kind.NETWORK, [msgspec.structs.replace(known, tags=left)])


def _tag(wire: Wire, verb: str, id: str, tag: str) -> None:
    path = f"{TABLE[Kind.NETWORK].path}/{quote(id, safe='')}/tags/{quote(tag, safe=':')}"
    wire.request(Ask(verb=verb, service=NETWORK, path=path, kind=Kind.NETWORK_CLAIM))
