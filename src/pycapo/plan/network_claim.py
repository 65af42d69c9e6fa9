# SPDX-License-Identifier: Apache-2.0
"""Networks that exist and that servers share out among themselves: each takes one for itself.

    free -> our tag added, and read again: alone -> ours -> server and its ports gone -> tag off, free again
                                           not alone -> tag off, another one

Rule: no two servers have one network. A claim is ours when no tag of anybody else is beside it, or when a port of ours is there;
a contested one is given back. What was claimed is never changed but for the tag, and never deleted.
"""

from collections.abc import Iterable

from pycapo.api.networks import MachineNetwork
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Network, Port, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Wait
from pycapo.plan import roles
from pycapo.plan.choose import query_of, spelled
from pycapo.plan.entries import entries
from pycapo.plan.port_repair import TAG_EXTENSION
from pycapo.plan.references import INSTANCE_READY

LOOK_AGAIN = 30.0
"""Seconds until it is looked again whether somebody gave a network back."""

CONTESTED_AGAIN = 1.0
"""Seconds until another network is tried after one that two wanted at the same moment."""

SHOWN = 5
"""How many networks, with who has them, a message names."""


def claim_path(index: int) -> str:
    """Where the networks stand that a claim matches."""
    return f"spec.networks[{index}].claim"


def claimed_path(index: int) -> str:
    """Where the networks stand that carry our tag for a claim, whether it still matches them or not."""
    return f"spec.networks[{index}].claim.claimed"


def naming(server: OpenStackServer, index: int) -> str:
    """The field of the first port that names a network of the server's own and waits for it."""
    name = (server.spec.networks or [])[index].name
    paths = (f"{it.path}.clusterNetwork" for it in entries(server) if it.port.cluster_network == name)
    return next(paths, f"spec.networks[{index}]")


def claim_mark(owner: str, network: str) -> Mark:
    """The mark of a network that a server claims."""
    return Mark(owner, roles.machine_network(network), borrowed=True)


def claimed(seen: Seen, index: int) -> list[Network]:
    """The networks that carry our tag for a claim; those with a port of ours come first."""
    used = _used(seen)
    found = (it for it in seen.found.get(claimed_path(index), ()) if isinstance(it, Network))
    return sorted(found, key=lambda it: (it.id not in used, it.name or "", it.id))


def held(wanted: MachineNetwork, seen: Seen, index: int) -> Network | None:
    """The network that is ours for a claim."""
    mark, used = claim_mark(seen.owner, wanted.name), _used(seen)
    return next((it for it in claimed(seen, index) if it.id in used or not _rivals(it, mark)), None)


def plan_claim(server: OpenStackServer, seen: Seen, index: int) -> Plan:
    """What makes a network of those that exist the server's own; nothing once it is."""
    wanted, path = (server.spec.networks or [])[index], naming(server, index)
    ours = held(wanted, seen, index)
    too_many = [it for it in claimed(seen, index) if it is not ours]
    steps = tuple(release(it, seen.owner, wanted.name, why="it is not needed") for it in too_many)
    if ours or steps:
        waits = () if ours else (_wait("NetworkContested", "another server took it", path, after=CONTESTED_AGAIN),)
        return Plan(steps=steps, waits=waits)
    if TAG_EXTENSION not in seen.extensions:
        message = f'Neutron has no extension "{TAG_EXTENSION}", without which no network can be claimed'
        return Plan(waits=(_wait("ExtensionMissing", message, path),))
    chosen = _choose(wanted, seen, index, path=path)
    return Plan(waits=(chosen,)) if isinstance(chosen, Wait) else Plan(steps=(_take(chosen, server, seen, index),))


def release(network: Network, owner: str, name: str, *, why: str) -> Step:
    """Takes the tag of a claim off a network."""
    tag = claim_mark(owner, name).tag
    told = f"give network {network.name or network.id} back: {why}"
    return Delete(kind=Kind.NETWORK_CLAIM, id=network.id, parent=network.id, body={"tag": tag}, why=told)


def _take(network: Network, server: OpenStackServer, seen: Seen, index: int) -> Create:
    wanted = (server.spec.networks or [])[index]
    mark = claim_mark(seen.owner, wanted.name)
    return Create(
        key=Key(Kind.NETWORK_CLAIM, mark.role),
        mark=mark,
        body={"tag": mark.tag},
        parent=network.id,
        why=f"take network {network.name or network.id} for server {server.metadata.name}",
        path=naming(server, index),
    )


def _choose(wanted: MachineNetwork, seen: Seen, index: int, *, path: str) -> Network | Wait:
    """The first free network by name; the one that has a port of ours already, should the tag have been lost."""
    found = [it for it in seen.found.get(claim_path(index), ()) if isinstance(it, Network)]
    matching = sorted(found, key=lambda it: (it.name or "", it.id))
    told, used = spelled(query_of(wanted.claim)), _used(seen)
    for network in matching:
        marks = network.marks
        if network.id in used and all(mark.borrowed and mark.owner != seen.owner for mark in marks):
            return _taken_back(network, seen, path) if marks else network
    for network in matching:
        if not network.marks and not network.external and (network.id, "") not in seen.spoken_for:
            return network
    if not matching:
        message = f'no network of the project matches {told}, of which "{wanted.name}" is to be one'
        return _wait("NotFound", message, path)
    message = f'all {len(matching)} networks that match {told} are taken, "{wanted.name}" needs one: '
    return _wait("NoFreeNetwork", message + _holders(matching, seen), path)


def _taken_back(network: Network, seen: Seen, path: str) -> Wait:
    holder = _holder(network, seen)
    message = (
        f"network {network.name} ({network.id}) has a port of this server and the tag of {holder}; take one of them off"
    )
    return _wait("NetworkTaken", message, path, after=60.0)


def _holders(networks: list[Network], seen: Seen) -> str:
    shown = ", ".join(f"{it.name or it.id} by {_holder(it, seen)}" for it in networks[:SHOWN])
    return shown + (f" and {len(networks) - SHOWN} more" if len(networks) > SHOWN else "")


def _holder(network: Network, seen: Seen) -> str:
    """Who has a network: the server of the tag's owner, as far as it is in the project."""
    marks = [mark for mark in network.marks if mark.owner != seen.owner]
    if not marks:
        return "nobody (external)" if network.external else "a server that is about to take it"
    if not marks[0].borrowed:
        return f"its maker ({marks[0].owner})"
    servers = (it for it in seen.beside.get(Kind.SERVER, ()) if isinstance(it, Server))
    names = (it.name for it in servers if it.mark and it.mark.owner == marks[0].owner)
    name = next(names, None)
    return f"server {name}" if name else f"owner {marks[0].owner}"


def _rivals(network: Network, mark: Mark) -> Iterable[Mark]:
    return [it for it in network.marks if it != mark]


def _used(seen: Seen) -> frozenset[str]:
    """The networks on which ports of ours are."""
    return frozenset(it.network_id for it in seen.all(Kind.PORT, Port))


def _wait(reason: str, message: str, path: str, *, after: float = LOOK_AGAIN) -> Wait:
    return Wait(condition=INSTANCE_READY, reason=reason, path=path, message=message, after=after)
