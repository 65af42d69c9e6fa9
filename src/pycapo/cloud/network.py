# SPDX-License-Identifier: Apache-2.0
"""Neutron's peculiarities: tags have a call of their own, interfaces and subports are actions, rules live in groups."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pycapo.cloud.answers import read
from pycapo.cloud.inventory import Inventory
from pycapo.cloud.rest import NETWORK, TABLE
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, Port, SecurityGroup, SecurityGroupRule, Subnet, Subport, Trunk


def put_tags(wire: Wire, kind: Kind, id: str, tags: Collection[str]) -> tuple[str, ...]:
    """Replace the tags of a resource."""
    ask = Ask(verb="PUT", service=NETWORK, path=f"{TABLE[kind].path}/{id}/tags", kind=kind, body={"tags": list(tags)})
    wire.request(ask)
    return tuple(tags)


class _Interface(msgspec.Struct, frozen=True):
    """What Neutron answers to an added or removed router interface."""

    id: str
    port_id: str = ""
    network_id: str = ""
    subnet_id: str = ""


def join_router(wire: Wire, inventory: Inventory, router_id: str, body: Mapping[str, Any]) -> Port:
    """Add an interface to a router; the record is its port as far as the answer tells."""
    content = _router_action(wire, router_id, "add_router_interface", body)
    made = read(content, _Interface, Kind.ROUTER_INTERFACE)
    subnet = inventory.get(Kind.SUBNET, made.subnet_id)
    address = (subnet.gateway_ip or "") if isinstance(subnet, Subnet) and "subnet_id" in body else ""
    port = Port(
        id=made.port_id,
        network_id=made.network_id,
        project_id=wire.project_id,
        device_id=router_id,
        device_owner="network:router_interface",
        fixed_ips=(FixedIP(ip_address=address, subnet_id=made.subnet_id),),
    )
    inventory.put(Kind.PORT, [port])
    return port


def leave_router(wire: Wire, inventory: Inventory, router_id: str, port_id: str, body: Mapping[str, Any]) -> None:
    """Remove an interface by its port, or by `subnet_id` in the body."""
    content = _router_action(wire, router_id, "remove_router_interface", body or {"port_id": port_id})
    inventory.drop(Kind.PORT, {port_id, read(content, _Interface, Kind.ROUTER_INTERFACE).port_id})


def _router_action(wire: Wire, router_id: str, action: str, body: Mapping[str, Any]) -> bytes:
    path = f"/routers/{router_id}/{action}"
    return wire.request(Ask(verb="PUT", service=NETWORK, path=path, kind=Kind.ROUTER_INTERFACE, body=body))


def put_subports(wire: Wire, trunk: Trunk, wanted: Sequence[Mapping[str, Any]]) -> Trunk:
    """Make the subports of a trunk those that are wanted: remove what is too much or differs, then add."""
    subports = msgspec.convert(wanted, tuple[Subport, ...])
    going = [{"port_id": subport.port_id} for subport in trunk.sub_ports if subport not in subports]
    coming = [subport for subport in subports if subport not in trunk.sub_ports]
    for action, some in (("remove_subports", going), ("add_subports", coming)):
        if some:
            path = f"/trunks/{trunk.id}/{action}"
            wire.request(Ask(verb="PUT", service=NETWORK, path=path, kind=Kind.TRUNK, body={"sub_ports": some}))
    return msgspec.structs.replace(trunk, sub_ports=subports)


def put_rules(inventory: Inventory, rules: Iterable[SecurityGroupRule]) -> None:
    """Show new rules in their groups; a group that is not known is listed again."""
    for rule in rules:
        group = inventory.get(Kind.SECURITY_GROUP, rule.security_group_id)
        if not isinstance(group, SecurityGroup):
            inventory.doubt([Kind.SECURITY_GROUP])
            continue
        inventory.put(Kind.SECURITY_GROUP, [_with_rules(group, [*group.security_group_rules, rule])])


def drop_rule(inventory: Inventory, id: str) -> None:
    """Show a group without a rule."""
    for group in inventory.known(Kind.SECURITY_GROUP):
        if isinstance(group, SecurityGroup) and any(rule.id == id for rule in group.security_group_rules):
            rules = [rule for rule in group.security_group_rules if rule.id != id]
            inventory.put(Kind.SECURITY_GROUP, [_with_rules(group, rules)])


def _with_rules(group: SecurityGroup, rules: Sequence[SecurityGroupRule]) -> SecurityGroup:
    return msgspec.structs.replace(group, security_group_rules=tuple(rules))
