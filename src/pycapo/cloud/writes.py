# SPDX-License-Identifier: Apache-2.0
"""Creating, changing and removing, kind by kind; whatever a write brings is shown in the picture at once.

Rule: one write is one request, but for what a service can only do in a call of its own (tags, metadata, subports).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pycapo.cloud import balancer, compute, network
from pycapo.cloud.answers import decode
from pycapo.cloud.errors import BadRequest
from pycapo.cloud.inventory import PARTS, Inventory
from pycapo.cloud.listing import get
from pycapo.cloud.marking import TAGGED
from pycapo.cloud.network_claim import claim_network, release_network
from pycapo.cloud.rest import TABLE
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import (
    LoadBalancer,
    Member,
    Network,
    Record,
    SecurityGroupRule,
    Server,
    Subnet,
    Trunk,
    Volume,
)
from pycapo.model.steps import Delete

Body = Mapping[str, Any]


def create(
    wire: Wire, inventory: Inventory, kind: Kind, bodies: Sequence[Body], parent: str | None
) -> tuple[Record, ...]:
    """Make what the bodies say, already marked, in one request."""
    match kind:
        case Kind.ROUTER_INTERFACE:
            return (network.join_router(wire, inventory, _parent(kind, parent), bodies[0]),)
        case Kind.SERVER_INTERFACE:
            return (compute.attach(wire, inventory, _parent(kind, parent), bodies[0]),)
        case Kind.NETWORK_CLAIM:
            return (claim_network(wire, inventory, _parent(kind, parent), bodies[0]["tag"]),)
        case Kind.SERVER:
            made: tuple[Record, ...] = (compute.create_server(wire, inventory, bodies[0]),)
        case Kind.MEMBER:
            member = _post(wire, kind, bodies, _parent(kind, parent))[0]
            made = (msgspec.structs.replace(member, pool_id=parent),)
        case Kind.LOAD_BALANCER:
            made = (_create_balancer(wire, inventory, bodies[0]),)
        case _:
            made = tuple(_post(wire, kind, bodies, parent))
    _show(inventory, kind, made)
    return made


def _parent(kind: Kind, parent: str | None) -> str:
    if parent is None:
        raise BadRequest(f"A {kind} is made under a parent, and none was named")
    return parent


def _post(wire: Wire, kind: Kind, bodies: Sequence[Body], parent: str | None) -> list[Any]:
    rest = TABLE[kind]
    path = rest.path.format(parent=parent)
    if len(bodies) == 1:
        ask = Ask(verb="POST", service=rest.service, path=path, kind=kind, body={rest.one: bodies[0]})
        return [decode(wire.request(ask), rest.one, rest.record, kind)]
    ask = Ask(verb="POST", service=rest.service, path=path, kind=kind, body={rest.many: list(bodies)})
    many: type[list[Record]] = list[rest.record]  # type: ignore[name-defined]
    return decode(wire.request(ask), rest.many, many, kind)


def _create_balancer(wire: Wire, inventory: Inventory, body: Body) -> LoadBalancer:
    rest = TABLE[Kind.LOAD_BALANCER]
    ask = Ask(verb="POST", service=rest.service, path=rest.path, kind=Kind.LOAD_BALANCER, body={rest.one: body})
    content = wire.request(ask)
    for kind, part in balancer.parts_of(content):
        inventory.put(kind, [part])
    return decode(content, rest.one, LoadBalancer, Kind.LOAD_BALANCER)


def _show(inventory: Inventory, kind: Kind, made: Sequence[Record]) -> None:
    if kind is Kind.SECURITY_GROUP_RULE:
        network.put_rules(inventory, [rule for rule in made if isinstance(rule, SecurityGroupRule)])
        return
    inventory.put(kind, made)
    if kind in PARTS:
        for part in made:
            balancer.joined(inventory, part)
            balancer.lock(inventory, kind, part)


def update(wire: Wire, inventory: Inventory, known: Record, kind: Kind, body: Body) -> Record:
    """Change fields of what is known; the mark is in the body already."""
    match known:
        case Server():
            record = compute.update_server(wire, known.id, body)
        case Trunk() if "sub_ports" in body:
            inventory.put(kind, [network.put_subports(wire, known, body["sub_ports"])])
            rest = {name: value for name, value in body.items() if name != "sub_ports"}
            changed = inventory.get(kind, known.id) or known
            return update(wire, inventory, changed, kind, rest) if rest else changed
        case Member(pool_id=pool_id):
            record = msgspec.structs.replace(_put(wire, kind, known.id, body, pool_id), pool_id=pool_id)
        case _:
            record = _put_with_tags(wire, known, kind, body)
    inventory.put(kind, [record])
    if kind in PARTS:
        balancer.lock(inventory, kind, record)
    return record


def _put_with_tags(wire: Wire, known: Record, kind: Kind, body: Body) -> Record:
    """Neutron's tags have a call of their own; everything else goes out together."""
    rest = {name: value for name, value in body.items() if name != "tags" or kind not in TAGGED}
    record: Record = _put(wire, kind, known.id, rest) if rest else known
    if "tags" not in body or kind not in TAGGED:
        return record
    return msgspec.structs.replace(record, tags=network.put_tags(wire, kind, known.id, body["tags"]))


def _put(wire: Wire, kind: Kind, id: str, body: Body, parent: str | None = None) -> Any:
    rest = TABLE[kind]
    ask = Ask(verb="PUT", service=rest.service, path=_path(kind, id, parent), kind=kind, body={rest.one: body})
    return decode(wire.request(ask), rest.one, rest.record, kind)


def _path(kind: Kind, id: str, parent: str | None) -> str:
    return f"{TABLE[kind].path.format(parent=parent)}/{quote(id, safe='')}"


def known_or_read(wire: Wire, inventory: Inventory, kind: Kind, id: str, parent: str | None) -> Record:
    """What is about to be changed, from the picture or else from the service."""
    known = inventory.get(kind, id) or get(wire, kind, id, parent)
    if isinstance(known, Member) and parent:
        return msgspec.structs.replace(known, pool_id=parent)
    return known


def delete(wire: Wire, inventory: Inventory, step: Delete) -> None:
    """Remove a resource; what goes later stays in the picture as going."""
    kind, id = step.kind, step.id
    match kind:
        case Kind.ROUTER_INTERFACE:
            network.leave_router(wire, inventory, _parent(kind, step.parent), id, step.body)
            return
        case Kind.SERVER_INTERFACE:
            compute.detach(wire, inventory, _parent(kind, step.parent), id)
            return
        case Kind.NETWORK_CLAIM:
            release_network(wire, inventory, id, step.body["tag"])
            return
    path = _path(kind, id, step.parent)
    query = [(name, str(value).lower()) for name, value in step.body.items()]
    wire.request(Ask(verb="DELETE", service=TABLE[kind].service, path=path, kind=kind, query=query))
    _show_deleted(inventory, kind, id)


def _show_deleted(inventory: Inventory, kind: Kind, id: str) -> None:
    known = inventory.get(kind, id)
    match known:
        case Server():
            inventory.put(kind, [msgspec.structs.replace(known, task_state="deleting")])
        case LoadBalancer():
            inventory.put(kind, [msgspec.structs.replace(known, provisioning_status="PENDING_DELETE")])
        case Volume():
            inventory.put(kind, [msgspec.structs.replace(known, status="deleting")])
        case _ if kind is Kind.SECURITY_GROUP_RULE:
            network.drop_rule(inventory, id)
        case Network():
            gone = (it.id for it in inventory.known(Kind.SUBNET) if isinstance(it, Subnet) and it.network_id == id)
            inventory.drop(Kind.SUBNET, tuple(gone))
            inventory.drop(kind, [id])
        case _:
            if kind in PARTS:
                balancer.lock(inventory, kind, known)
                balancer.left(inventory, kind, known)
            inventory.drop(kind, [id])
