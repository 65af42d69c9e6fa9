# SPDX-License-Identifier: Apache-2.0
"""Looking at floating IPs: those of a pool, and the one that a server claimed with the way to it.

Rule: reads only. What the shared picture shows is not asked for again.
"""

from collections.abc import Collection, Mapping

import msgspec

from pycapo.cloud.cloud import Cloud, Picture
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port, Record
from pycapo.model.seen import Seen

FRESH = 5.0
"""How old the picture may be, in seconds, when it matters where a floating IP points just now."""

Lookups = Mapping[str, tuple[Kind, Mapping[str, str]]]


def observe_pool(
    cloud: Cloud, owner: str, *, addresses: Collection[str], lookups: Lookups, max_age: float = 300.0
) -> Seen:
    """The floating IPs that a pool made, those with the addresses that it gave, and what its spec's references mean."""
    picture = cloud.look({Kind.FLOATING_IP}, max_age=max_age)
    beside = tuple(item for item in _all(picture) if item.floating_ip_address in addresses)
    return Seen(
        owner=owner,
        owned={Kind.FLOATING_IP: picture.owned(Kind.FLOATING_IP, owner)},
        found={path: _found(cloud, picture, kind, query) for path, (kind, query) in lookups.items()},
        named={Kind.FLOATING_IP: tuple(item for item in beside if item.mark is None)},
        beside={Kind.FLOATING_IP: beside},
        extensions=cloud.extensions(),
    )


def observe_users(cloud: Cloud, seen: Seen, used: Collection[FloatingIP]) -> Seen:
    """The same with the ports that floating IPs point at."""
    picture = cloud.look({Kind.PORT})
    ports = (picture.get(Kind.PORT, it.port_id) for it in used if it.port_id)
    return msgspec.structs.replace(seen, beside={**seen.beside, Kind.PORT: tuple(it for it in ports if it)})


def observe_address(cloud: Cloud, seen: Seen, path: str, address: str) -> Seen:
    """The floating IP of an address under `path`; unless it points at the server already, where it points just now, and the
    routers and their interfaces."""
    ports = {port.id for port in seen.all(Kind.PORT, Port)}
    found = _of_address(cloud.look({Kind.FLOATING_IP}), address)
    if found and found.port_id in ports:
        return msgspec.structs.replace(seen, found={path: (found,)})
    if found is None or found.port_id:
        found = _of_address(cloud.look({Kind.FLOATING_IP}, max_age=FRESH), address)
    around = cloud.look({Kind.PORT, Kind.ROUTER})
    beside = {kind: tuple(around.all(kind)) for kind in (Kind.ROUTER, Kind.ROUTER_INTERFACE)}
    return msgspec.structs.replace(seen, found={path: (found,) if found else ()}, beside=beside)


def _found(cloud: Cloud, picture: Picture, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
    known = _of_address(picture, query["floating_ip_address"]) if kind is Kind.FLOATING_IP else None
    return (known,) if known else cloud.find(kind, query)


def _of_address(picture: Picture, address: str) -> FloatingIP | None:
    return next((item for item in _all(picture) if item.floating_ip_address == address), None)


def _all(picture: Picture) -> list[FloatingIP]:
    return [item for item in picture.all(Kind.FLOATING_IP) if isinstance(item, FloatingIP)]
