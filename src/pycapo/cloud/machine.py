# SPDX-License-Identifier: Apache-2.0
"""Looking at a control plane node's way to the API endpoint.

Rule: reads only, and nothing but the shared picture.
"""

from collections.abc import Collection

from pycapo.cloud.cloud import Cloud, Picture
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Member, Port, Record
from pycapo.model.seen import Seen

SERVICE = "load-balancer"
_PARTS = Kind.POOL, Kind.MEMBER


def observe_membership(
    cloud: Cloud, owner: str, *, cluster: str, balanced: bool, others: Collection[str] | None = None
) -> Seen:
    """The machine's ports and members, and beside them its cluster's load balancer and pools, or without one the floating IPs.

    `owner` is the machine's mark, `cluster` its cluster's, `others` those of the other control plane nodes that live, for a
    machine that leaves. The state of the load balancer matters only to who has to change it: it is asked for unless `others` is
    None.
    """
    if balanced and SERVICE in cloud.services():
        picture = cloud.look({Kind.PORT, *_PARTS, *(() if others is None else (Kind.LOAD_BALANCER,))})
    else:
        picture = cloud.look({Kind.PORT} if balanced else {Kind.PORT, Kind.FLOATING_IP})
    ports = picture.owned(Kind.PORT, owner)
    if balanced:
        return _with_balancer(picture, owner, cluster, ports=ports)
    heirs = tuple(port for other in others or () for port in picture.owned(Kind.PORT, other))
    floating = tuple(item for item in picture.all(Kind.FLOATING_IP) if isinstance(item, FloatingIP))
    known = tuple(item for item in floating if item.mark is None or item.mark.owner == cluster)
    return Seen(owner=owner, owned={Kind.PORT: ports}, beside={Kind.PORT: heirs, Kind.FLOATING_IP: known})


def _with_balancer(picture: Picture, owner: str, cluster: str, *, ports: tuple[Record, ...]) -> Seen:
    pools = picture.owned(Kind.POOL, cluster)
    ids = {pool.id for pool in pools}
    addresses = {fixed.ip_address for port in ports if isinstance(port, Port) for fixed in port.fixed_ips}
    members = (item for item in picture.all(Kind.MEMBER) if isinstance(item, Member) and item.mark is None)
    return Seen(
        owner=owner,
        owned={Kind.PORT: ports, Kind.MEMBER: picture.owned(Kind.MEMBER, owner)},
        named={Kind.MEMBER: tuple(item for item in members if item.pool_id in ids and item.address in addresses)},
        beside={Kind.LOAD_BALANCER: picture.owned(Kind.LOAD_BALANCER, cluster), Kind.POOL: pools},
    )
