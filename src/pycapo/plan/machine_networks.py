# SPDX-License-Identifier: Apache-2.0
"""The networks that one server has for itself: made with subnets carved out of the cluster's pools, or claimed.

    spec.networks[].subnets -> network -> subnets -> ports -> server      nothing <- network with its subnets <- ports <- server
    spec.networks[].claim   -> a network that exists (`plan.network_claim`)

Rule: they come before the ports that stand on them and go after these. A port that names one has its id from then on, so that
everything else treats it as any other.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from pycapo.api.networks import MachineNetwork, PooledSubnet
from pycapo.api.ports import PortBody, PortOpts
from pycapo.api.references import NetworkParam
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerSpec
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark, parse_mark
from pycapo.model.records import Network, Port, Record, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan import network_claim, roles
from pycapo.plan.choose import query_of
from pycapo.plan.entries import entries
from pycapo.plan.named_subnets import subnet_body, subnet_changes
from pycapo.plan.network_options import option_changes, options_body
from pycapo.plan.port_repair import TAG_EXTENSION
from pycapo.plan.references import INSTANCE_READY, Wanted
from pycapo.plan.subnet_pools import space

SWEEP = 5.0
"""Seconds until the ports of others that keep a network from going are looked at again."""

P = TypeVar("P", bound=PortBody)


def pool_path(index: int, place: int) -> str:
    """Where the subnets that a pool has given stand in what was found."""
    return f"spec.networks[{index}].subnets[{place}].pool"


def networks_claimed(server: OpenStackServer, owner: str) -> Wanted:
    """What tells which networks a server has claimed."""
    claims = ((index, it.name) for index, it in enumerate(server.spec.networks or ()) if it.claim)
    tags = ((index, network_claim.claim_mark(owner, name).tag) for index, name in claims)
    return {network_claim.claimed_path(index): (Kind.NETWORK, {"tags": tag}) for index, tag in tags}


def networks_wanted(server: OpenStackServer, owner: str) -> Wanted:
    """What networks of a server's own are chosen from and made by: what claims match, and what pools have given."""
    wanted = dict(networks_claimed(server, owner))
    for index, network in enumerate(server.spec.networks or ()):
        if network.claim:
            wanted[network_claim.claim_path(index)] = Kind.NETWORK, query_of(network.claim)
        for place, subnet in enumerate(network.subnets or ()):
            wanted[pool_path(index, place)] = Kind.SUBNET, {"subnetpool_id": subnet.pool}
    return wanted


def complete(server: OpenStackServer, seen: Seen) -> bool:
    """Whether all networks of a server's own are there."""
    networks = enumerate(server.spec.networks or ())
    return all(own_network(wanted, seen, index) for index, wanted in networks)


def placed(server: OpenStackServer, seen: Seen) -> OpenStackServer:
    """The server with the ids of its own networks in the ports that name them, as far as they are there and complete."""
    if not server.spec.networks:
        return server
    ports = list(placed_ports(server.spec.ports, server.spec, seen))
    return msgspec.structs.replace(server, spec=msgspec.structs.replace(server.spec, ports=ports))


def placed_ports(ports: Iterable[PortOpts], spec: OpenStackServerSpec, seen: Seen) -> Iterator[PortOpts]:
    """Entries with the ids of a server's own networks, as far as these are there and complete."""
    own = ((it.name, own_network(it, seen, index)) for index, it in enumerate(spec.networks or ()))
    there = {name: network.id for name, network in own if network}
    for entry in ports:
        subports = [msgspec.structs.replace(it, port=_placed(it.port, there)) for it in entry.subports or ()]
        yield msgspec.structs.replace(_placed(entry, there), subports=subports or entry.subports)


def own_network(wanted: MachineNetwork, seen: Seen, index: int) -> Network | None:
    """A server's own network, if it is there with everything that it is to have."""
    if wanted.claim:
        return network_claim.held(wanted, seen, index)
    lacking = any(_subnet(wanted, it, seen) is None for it in wanted.subnets or ())
    return None if lacking else seen.one(Kind.NETWORK, roles.machine_network(wanted.name), Network)


def plan_networks(server: OpenStackServer, seen: Seen) -> Plan:
    """What gives a server the networks of its own that its ports still wait for; nothing once all are there."""
    waiting = {it.port.cluster_network for it in entries(server)}
    parts = (
        network_claim.plan_claim(server, seen, index) if wanted.claim else _carve(server, seen, index)
        for index, wanted in enumerate(server.spec.networks or ())
        if wanted.name in waiting
    )
    return sum(parts, Plan())


def repair_networks(server: OpenStackServer, seen: Seen) -> Iterator[Step]:
    """What brings the networks that were made for a server to what its spec says of them by now."""
    for index, wanted in enumerate(server.spec.networks or ()):
        record = seen.one(Kind.NETWORK, roles.machine_network(wanted.name), Network)
        if wanted.claim or record is None:
            continue
        path, tags = f"spec.networks[{index}]", _tags(server, wanted)
        yield from option_changes(wanted, record, _policy(wanted), path=path)
        yield from _retag(Kind.NETWORK, record, tags, seen, path=path)
        for place, subnet in enumerate(wanted.subnets or ()):
            if there := _subnet(wanted, subnet, seen):
                where = f"{path}.subnets[{place}]"
                yield from _retag(Kind.SUBNET, there, tags, seen, path=path)
                if changes := subnet_changes(subnet, there):
                    why = f"set {', '.join(changes)} of subnet {there.name}"
                    yield Update(kind=Kind.SUBNET, id=there.id, body=changes, why=why, path=where)


def _retag(kind: Kind, record: Record, tags: list[str], seen: Seen, *, path: str) -> Iterator[Step]:
    """The user's tags of a network or subnet, where they are others than the spec has."""
    if TAG_EXTENSION in seen.extensions and set(tags) != {it for it in record.tags if parse_mark(it) is None}:
        why = f"give {kind} {record.name} the tags of the spec"
        yield Update(kind=kind, id=record.id, body={"tags": tags}, why=why, path=f"{path}.tags")


def retire_networks(server: OpenStackServer, seen: Seen) -> Plan:
    """What takes a server's own networks away, and gives back those that it claimed; comes after its ports."""
    made = [it for it in seen.all(Kind.NETWORK, Network) if it.mark and roles.is_machine_network(it.mark.role)]
    plan = sum((_remove(seen, it) for it in made if it.mark and not it.mark.borrowed), Plan())
    for index, wanted in enumerate(server.spec.networks or ()):
        back = network_claim.claimed(seen, index)
        steps = (network_claim.release(it, seen.owner, wanted.name, why="its server is gone") for it in back)
        plan += Plan(steps=tuple(steps))
    return plan


def _tags(server: OpenStackServer, wanted: MachineNetwork) -> list[str]:
    return list(dict.fromkeys((*(server.spec.tags or ()), *(wanted.tags or ()))))


def _policy(wanted: MachineNetwork) -> str | None:
    """The id of the QoS policy; that of one by name, the cluster has found."""
    return wanted.qos_policy.id if wanted.qos_policy else None


def _placed(port: P, there: Mapping[str, str]) -> P:
    id = there.get(port.cluster_network or "")
    return msgspec.structs.replace(port, network=NetworkParam(id=id), cluster_network=None) if id else port


def _subnet(wanted: MachineNetwork, subnet: PooledSubnet, seen: Seen) -> Subnet | None:
    return seen.one(Kind.SUBNET, roles.machine_subnet(wanted.name, subnet.name), Subnet)


def _carve(server: OpenStackServer, seen: Seen, index: int) -> Plan:
    """The network and the subnets that are missing; nothing is made while a pool has nothing left."""
    wanted = (server.spec.networks or [])[index]
    missing = [(i, it) for i, it in enumerate(wanted.subnets or ()) if _subnet(wanted, it, seen) is None]
    waits = tuple(wait for place, it in missing if (wait := _exhausted(server, it, seen, (index, place))))
    if waits:
        return Plan(waits=waits)
    key, path = Key(Kind.NETWORK, roles.machine_network(wanted.name)), network_claim.naming(server, index)
    record = seen.one(Kind.NETWORK, key.role, Network)
    title = names.machine_network(server.metadata.name, wanted.name)
    told = {"description": f"Network of server {server.metadata.name} alone", "tags": _tags(server, wanted)}
    steps: list[Step] = []
    if record is None:
        body = {"name": title, "admin_state_up": True, **told, **options_body(wanted, _policy(wanted))}
        mark = Mark(seen.owner, key.role)
        steps.append(Create(key=key, body=body, mark=mark, why=f"make network {title}", path=path))
    for _, subnet in missing:
        role = roles.machine_subnet(wanted.name, subnet.name)
        body = {"network_id": record.id if record else key, "name": f"{title}-{subnet.name}", **told}
        body |= {"subnetpool_id": subnet.pool, **subnet_body(subnet)}
        why = f"carve a subnet of /{subnet.prefix_length} for network {title}"
        steps.append(Create(key=Key(Kind.SUBNET, role), body=body, mark=Mark(seen.owner, role), why=why, path=path))
    return Plan(steps=tuple(steps))


def _exhausted(server: OpenStackServer, subnet: PooledSubnet, seen: Seen, where: tuple[int, int]) -> Wait | None:
    """The wait for a pool that has nothing left: Neutron would say no more than that it failed."""
    index, place = where
    length = subnet.prefix_length
    most = sum(1 << (length - ipaddress.ip_network(it).prefixlen) for it in space(subnet.from_))
    given = [it for it in seen.found.get(pool_path(index, place), ()) if isinstance(it, Subnet)]
    if len(given) < most:
        return None
    shown = ", ".join(f"{it.name} ({it.cidr})" for it in sorted(given, key=lambda it: it.name or "")[:5])
    message = (
        f"no subnet of /{length} is left in {', '.join(subnet.from_)}: all {most} are in use, {shown}"
        f"{f' and {len(given) - 5} more' if len(given) > 5 else ''}; add a CIDR to perMachine.subnets[{place}].from of this "
        "network in the OpenStackCluster"
    )
    path = network_claim.naming(server, index)
    return Wait(
        condition=INSTANCE_READY,
        reason="SubnetPoolExhausted",
        path=path,
        message=message,
        after=network_claim.LOOK_AGAIN,
    )


def _remove(seen: Seen, network: Network) -> Plan:
    """Deletes a network, with which Neutron deletes its subnets; what others put there is named, never touched."""
    found = (it for it in seen.beside.get(Kind.PORT, ()) if isinstance(it, Port) and it.network_id == network.id)
    ports = [it for it in found if not it.device_owner.startswith("network:")]
    if ports:
        shown = ", ".join(f"{it.name or 'unnamed'} ({it.id})" for it in ports[:5])
        message = f"network {network.name} is to go, and {len(ports)} ports of others are still on it: {shown}"
        return Plan(waits=(Wait(condition=INSTANCE_READY, reason="WaitingForPorts", message=message, after=SWEEP),))
    why = f"network {network.name}: its server is gone"
    return Plan(steps=(Delete(kind=Kind.NETWORK, id=network.id, why=why),))
