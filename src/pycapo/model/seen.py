# SPDX-License-Identifier: Apache-2.0
"""What one look showed: the frozen picture that a plan is decided from.

`found` holds, for each reference in a spec (by its field path, e.g. "spec.ports[2].network"), everything in the cloud that
matches it: none, one or several. Deciding what that means, and telling it, is the plan's business.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.records import Quota, Record, Zone
from pycapo.model.steps import Sealed, Wait

R = TypeVar("R", bound=Record)
Found = Mapping[str, tuple[Record, ...]]
Claimed = Mapping[str, str | Wait]
"""By field path the address that a claim got, or why there is none yet."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen for one owner.

    `owned`: what carries the owner's mark, by kind. `found`: what the spec's references match. `named`: resources that have the
    name which the Go provider would have given and carry no mark (for taking over what it made). `beside`: resources that are
    not the owner's but stand in the way or in between, by kind (router interface ports, ports on a network to be deleted,
    members of a pool). `extensions`: Neutron extension aliases. `spoken_for`: addresses, each with the id of its subnet before
    it, that others are about to take or that Neutron refused to give. `nics`: the ids of ports that the server has besides those
    of its spec, in order; `default_nic` is the role of the one that a server which is made now has its default route through.
    `claimed`: the addresses of ports that come from pools. `room`: the quotas of servers, cores and RAM as others leave them,
    while a server is to be made.
    """

    owner: str
    owned: Mapping[Kind, tuple[Record, ...]] = {}
    found: Found = {}
    named: Mapping[Kind, tuple[Record, ...]] = {}
    beside: Mapping[Kind, tuple[Record, ...]] = {}
    extensions: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    zones: tuple[Zone, ...] = ()
    user_data: Sealed | None = None
    user_data_format: str = ""
    spoken_for: frozenset[tuple[str, str]] = frozenset()
    nics: tuple[str, ...] = ()
    default_nic: str = ""
    claimed: Claimed = {}
    room: Mapping[str, Quota] = {}

    def all(self, kind: Kind, record: type[R]) -> tuple[R, ...]:
        """Everything of a kind that the owner owns."""
        return tuple(item for item in self.owned.get(kind, ()) if isinstance(item, record))

    def one(self, kind: Kind, role: str, record: type[R]) -> R | None:
        """The owner's resource that plays a role; the first by id should there ever be two."""
        playing = [item for item in self.all(kind, record) if item.mark and item.mark.role == role]
        return min(playing, key=lambda item: item.id, default=None)
