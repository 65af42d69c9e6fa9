# SPDX-License-Identifier: Apache-2.0
"""Looking at a server: what is there of it, and what its spec refers to.

Rule: reads only. A server that exists costs nothing but the shared picture; references are looked up only while it has to be made.
"""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from pycapo.api.ports import PortBody
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.cloud.cloud import Cloud, Picture
from pycapo.cloud.matching import matches
from pycapo.model.addresses import plain
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Record, Trunk
from pycapo.model.seen import Seen

Wanted = Mapping[str, tuple[Kind, Mapping[str, str]]]
"""References to look up: by field path the kind and the service's list filters."""

_OWN = Kind.NETWORK, Kind.SUBNET, Kind.PORT
_SERVER = Kind.SERVER, Kind.PORT, Kind.TRUNK, Kind.VOLUME, Kind.FLOATING_IP


def observe_server(
    cloud: Cloud, server: OpenStackServer, owner: str, *, wanted: Wanted, max_age: float = 300.0
) -> Seen:
    """What is there of a server; no kind in it is older than `max_age` seconds. Raises `CloudError`."""
    extensions = cloud.extensions()
    kinds = server_kinds(server, extensions)
    picture = cloud.look(kinds, max_age=max_age)
    owned = {kind: picture.owned(kind, owner) for kind in _SERVER if kind in kinds}
    missing = not owned[Kind.SERVER] and not server.metadata.deletion_timestamp and not _noted_server(server)
    return Seen(
        owner=owner,
        owned=owned,
        found={path: cloud.find(kind, query) for path, (kind, query) in wanted.items()} if missing else {},
        named=_taken_over(picture, server, owned),
        beside={
            Kind.FLOATING_IP: _floating_ips(picture, server, owned[Kind.PORT]),
        },
        extensions=extensions,
    )


def observe_further(cloud: Cloud, seen: Seen, wanted: Wanted) -> Seen:
    """The same with what can only be looked up when the first answers are known."""
    further = {path: cloud.find(kind, query) for path, (kind, query) in wanted.items()}
    return msgspec.structs.replace(seen, found={**seen.found, **further}) if further else seen


def observe_subnets(cloud: Cloud, seen: Seen) -> Seen:
    """The same with the subnets of the server's ports: from the picture, by id where they belong to another project."""
    ids = sorted({fixed.subnet_id for port in seen.all(Kind.PORT, Port) for fixed in port.fixed_ips})
    if not ids:
        return seen
    picture = cloud.look({Kind.SUBNET})
    known = ((picture.get(Kind.SUBNET, id), id) for id in ids)
    subnets = tuple(it for found, id in known for it in ((found,) if found else cloud.find(Kind.SUBNET, {"id": id})))
    return msgspec.structs.replace(seen, beside={**seen.beside, Kind.SUBNET: subnets})


def observe_holders(cloud: Cloud, server: OpenStackServer, seen: Seen) -> Seen:
    """The same with the ports that hold addresses which the server asks for or was given by pools; of a range, all ports."""
    asked = [fixed for port in _entries(server) for fixed in port.fixed_ips or ()]
    addresses = {fixed.ip_address for fixed in asked if fixed.ip_address}
    addresses |= {it for it in seen.claimed.values() if isinstance(it, str)}
    picture = cloud.look({Kind.PORT})
    if any(fixed.range for fixed in asked):
        ports = tuple(picture.all(Kind.PORT))
    else:
        ports = tuple(it for address in addresses for it in picture.where(Kind.PORT, "address", plain(address)))
    known = {it.id: it for it in (*seen.beside.get(Kind.PORT, ()), *ports)}
    return msgspec.structs.replace(seen, beside={**seen.beside, Kind.PORT: tuple(known.values())})


def observe_own(cloud: Cloud, owner: str, wanted: Wanted, *, ports: bool = False, max_age: float = 300.0) -> Seen:
    """The networks that are a server's alone, and what `wanted` matches in the shared picture: only what is the project's own.

    Beside them stand the `ports` that others put there, if they are asked for, and the servers whose tags are on what was found.
    """
    picture = cloud.look(_OWN, max_age=max_age)
    found = {path: _matching(picture, kind, query) for path, (kind, query) in wanted.items()}
    owned = {kind: picture.owned(kind, owner) for kind in _OWN}
    places = {it.id for it in owned[Kind.NETWORK] if it.mark and not it.mark.borrowed}
    there = picture.all(Kind.PORT) if ports and places else ()
    others_ports = (it for it in there if isinstance(it, Port) and it.network_id in places)
    others = {mark.owner for items in found.values() for it in items for mark in it.marks} - {owner}
    beside = {
        Kind.PORT: tuple(it for it in others_ports if not (it.mark and it.mark.owner == owner)),
        Kind.SERVER: tuple(it for other in sorted(others) for it in picture.owned(Kind.SERVER, other)),
    }
    return Seen(owner=owner, owned=owned, found=found, beside=beside)


def with_own(seen: Seen, own: Seen) -> Seen:
    """What was seen of a server, with the networks that are its own."""
    if not own.owned:
        return seen
    beside = {
        **seen.beside,
        Kind.PORT: tuple({it.id: it for it in (*seen.beside.get(Kind.PORT, ()), *own.beside[Kind.PORT])}.values()),
        Kind.SERVER: own.beside[Kind.SERVER],
    }
    found = {**seen.found, **own.found}
    return msgspec.structs.replace(seen, owned={**own.owned, **seen.owned}, found=found, beside=beside)


def observe_trunks(cloud: Cloud, seen: Seen) -> Seen:
    """The same with the owner's trunks."""
    if "trunk" not in seen.extensions:
        return seen
    trunks = cloud.look({Kind.TRUNK}).owned(Kind.TRUNK, seen.owner)
    return msgspec.structs.replace(seen, owned={**seen.owned, Kind.TRUNK: trunks})


def observe_spaces(cloud: Cloud, seen: Seen, networks: Collection[str], *, path: str, max_age: float = 300.0) -> Seen:
    """The same with these networks and their subnets under a path; what the shared picture does not have is asked for."""
    if not networks:
        return seen
    picture = cloud.look({Kind.NETWORK, Kind.SUBNET}, max_age=max_age)
    found: list[Record] = []
    for id in sorted(networks):
        network = picture.get(Kind.NETWORK, id)
        known = picture.where(Kind.SUBNET, "network_id", id)
        found.extend([network] if network else [])
        found.extend(known or cloud.find(Kind.SUBNET, {"network_id": id}))
    return msgspec.structs.replace(seen, found={**seen.found, path: tuple(found)})


def observe_groups(cloud: Cloud, seen: Seen) -> Seen:
    """The same with the security groups of the project, from the shared picture."""
    groups = tuple(cloud.look({Kind.SECURITY_GROUP}).all(Kind.SECURITY_GROUP))
    return msgspec.structs.replace(seen, beside={**seen.beside, Kind.SECURITY_GROUP: groups})


def observe_asked(cloud: Cloud, seen: Seen, asking: OpenStackServer, *, max_age: float) -> Seen:
    """What matters for further ports of a server, those that `asking` lists: what stands in their way, nothing found yet."""
    picture = cloud.look({Kind.PORT, Kind.FLOATING_IP}, max_age=max_age)
    ports = picture.owned(Kind.PORT, seen.owner)
    owned = {**seen.owned, Kind.PORT: ports, Kind.FLOATING_IP: picture.owned(Kind.FLOATING_IP, seen.owner)}
    beside = {**seen.beside, Kind.FLOATING_IP: _floating_ips(picture, asking, ports)}
    found = {path: items for path, items in seen.found.items() if path.startswith("spec.networks[")}
    return msgspec.structs.replace(seen, owned=owned, beside=beside, found=found, claimed={})


def server_kinds(server: OpenStackServer, extensions: frozenset[str]) -> frozenset[Kind]:
    """What has to be looked at to know how a server is; trunks and volumes only where they may be."""
    spec, kinds = server.spec, {Kind.SERVER, Kind.PORT, Kind.FLOATING_IP}
    if (spec.trunk or any(port.trunk or port.subports for port in spec.ports)) and "trunk" in extensions:
        kinds.add(Kind.TRUNK)
    if spec.root_volume or any(device.storage.type == "Volume" for device in spec.additional_block_devices or ()):
        kinds.add(Kind.VOLUME)
    return frozenset(kinds)


def _matching(picture: Picture, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
    """What matches a query; of networks that carry one tag, nothing else is gone through."""
    tag = query.get("tags", "")
    tagged = kind is Kind.NETWORK and tag and "," not in tag
    candidates = picture.where(kind, "tags", tag) if tagged else picture.all(kind)
    return tuple(it for it in candidates if matches(it, query))


def _noted_server(server: OpenStackServer) -> str | None:
    return server.status.instance_id if server.status else None


def _taken_over(
    picture: Picture, server: OpenStackServer, owned: Mapping[Kind, tuple[Record, ...]]
) -> Mapping[Kind, tuple[Record, ...]]:
    """What the Go provider made for this server, by the ids that it noted, and carries no mark yet."""
    noted = server.status.resources.ports if server.status and server.status.resources else None
    of_server = picture.get(Kind.SERVER, _noted_server(server) or "")
    ports = {item.id: picture.get(Kind.PORT, item.id) for item in noted or ()}
    if of_server and not owned[Kind.PORT] and not ports:
        ports = {port.id: port for port in picture.all(Kind.PORT) if _plugged(port, of_server.id)}
    unmarked = tuple(port for port in ports.values() if port and port.mark is None)
    trunks = tuple(_trunks_on(picture, unmarked)) if Kind.TRUNK in owned else ()
    servers = (of_server,) if of_server and of_server.mark is None else ()
    return {kind: items for kind, items in _kinds(servers, unmarked, trunks) if items}


def _kinds(
    servers: tuple[Record, ...], ports: tuple[Record, ...], trunks: tuple[Record, ...]
) -> Iterator[tuple[Kind, tuple[Record, ...]]]:
    yield Kind.SERVER, servers
    yield Kind.PORT, ports
    yield Kind.TRUNK, trunks


def _plugged(port: Record, server: str) -> bool:
    return isinstance(port, Port) and port.device_id == server


def _trunks_on(picture: Picture, ports: tuple[Record, ...]) -> Iterator[Record]:
    ids = {port.id for port in ports}
    for trunk in picture.all(Kind.TRUNK) if ids else ():
        if isinstance(trunk, Trunk) and trunk.port_id in ids and trunk.mark is None:
            yield trunk


def _floating_ips(picture: Picture, server: OpenStackServer, ports: tuple[Record, ...]) -> tuple[Record, ...]:
    """The floating IPs that point at the server's ports or that its spec names, whoever owns them."""
    ids = {port.id for port in ports}
    asked = [port.floating_ip for port in _entries(server) if port.floating_ip]
    named = {wanted.address for wanted in asked}
    pooled = any(wanted.pool_ref for wanted in asked)  # which address that is, is not known here
    if pooled:
        return tuple(picture.all(Kind.FLOATING_IP))
    wanted = (*(("port_id", id) for id in ids), *(("address", address) for address in named if address))
    found = (it for word in wanted for it in picture.where(Kind.FLOATING_IP, *word))
    return tuple({it.id: it for it in found}.values())


def _entries(server: OpenStackServer) -> Iterator[PortBody]:
    """The ports that a server asks for, those of its trunks among them."""
    for port in server.spec.ports:
        yield port
        yield from (subport.port for subport in port.subports or ())
