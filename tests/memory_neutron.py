# SPDX-License-Identifier: Apache-2.0
"""Neutron as far as a plan can tell it from the real one: addresses, interfaces, what is in use."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from memory_world import World
from pycapo.cloud.errors import AddressTaken, BadRequest, InUse, NotFound, RetryNow
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, FloatingIP, Network, Port, Router, SecurityGroup, Subnet, SubnetPool, Trunk

Body = Mapping[str, Any]


def create_network(world: World, body: Body, project: str) -> Network:
    return world.make(
        Kind.NETWORK, {"status": "ACTIVE", "mtu": 1450, "port_security_enabled": True, **body}, project=project
    )


def create_subnet(world: World, body: Body, project: str) -> Subnet:
    network = world.get(Kind.NETWORK, body["network_id"])
    if "subnetpool_id" in body:
        body = {**body, "cidr": _carved(world, body)}
    try:
        cidr = ipaddress.ip_network(body["cidr"])
    except (KeyError, ValueError) as error:
        raise BadRequest(f"Invalid input for cidr. Reason: {error}.", status=400) from error
    for other in world.all(Kind.SUBNET, Subnet):
        if other.network_id == network.id and cidr.overlaps(ipaddress.ip_network(other.cidr)):
            raise BadRequest(f"Requested subnet with cidr: {cidr} overlaps with subnet {other.id}", status=400)
    gateway = str(cidr[1]) if "gateway_ip" not in body else body["gateway_ip"]
    pools = body.get("allocation_pools") or _default_pools(cidr, gateway)
    fields = {"ip_version": cidr.version, **body, "gateway_ip": gateway, "allocation_pools": pools}
    subnet = world.make(Kind.SUBNET, fields, project=project)
    world.change(Kind.NETWORK, network.id, {"subnets": [*network.subnets, subnet.id]})
    return subnet


def _carved(world: World, body: Body) -> str:
    """The lowest free prefix of a subnet pool; Neutron answers 500 when there is none, and takes one pool for each IP version."""
    pool: SubnetPool = world.get(Kind.SUBNET_POOL, body["subnetpool_id"])
    others = list(world.all(Kind.SUBNET, Subnet))
    for other in others:
        if other.network_id == body["network_id"] and other.ip_version == pool.ip_version:
            raise BadRequest(
                "Subnets hosted on the same network must be allocated from the same subnet pool.", status=400
            )
    taken = [ipaddress.ip_network(it.cidr) for it in others if it.subnetpool_id == pool.id]
    for prefix in pool.prefixes:
        for found in ipaddress.ip_network(prefix).subnets(new_prefix=body["prefixlen"]):
            if not any(found.overlaps(it) for it in taken):
                return str(found)
    raise RetryNow("Request Failed: internal server error while processing your request.", status=500)


def create_subnet_pool(world: World, body: Body, project: str) -> SubnetPool:
    version = ipaddress.ip_network(body["prefixes"][0]).version
    return world.make(Kind.SUBNET_POOL, {**body, "ip_version": version}, project=project)


def update_subnet_pool(world: World, id: str, body: Body) -> SubnetPool:
    pool: SubnetPool = world.get(Kind.SUBNET_POOL, id)
    if not set(pool.prefixes) <= set(body.get("prefixes", pool.prefixes)):
        raise BadRequest("Existing prefixes must be a subset of the new prefixes", status=400)
    return world.change(Kind.SUBNET_POOL, id, body)


def delete_subnet_pool(world: World, id: str) -> None:
    world.get(Kind.SUBNET_POOL, id)
    if any(subnet.subnetpool_id == id for subnet in world.all(Kind.SUBNET, Subnet)):
        raise InUse("Unable to delete subnet pool: Subnet pool has existing allocations.", status=400)
    world.drop(Kind.SUBNET_POOL, id)


def claim_network(world: World, id: str, tag: str) -> Network:
    network: Network = world.get(Kind.NETWORK, id)
    if any(mark.tag != tag for mark in network.marks):
        raise InUse(f"Network {network.name} ({id}) was taken by somebody else at the same moment", status=None)
    return world.change(Kind.NETWORK, id, {"tags": [*(it for it in network.tags if it != tag), tag]})


def release_network(world: World, id: str, tag: str) -> None:
    network: Network = world.get(Kind.NETWORK, id)
    world.change(Kind.NETWORK, id, {"tags": [it for it in network.tags if it != tag]})


def _default_pools(cidr: Any, gateway: str | None) -> list[dict[str, str]]:
    first = 2 if gateway == str(cidr[1]) else 1
    last = -2 if cidr.version == 4 else -1
    return [{"start": str(cidr[first]), "end": str(cidr[last])}]


def _taken(world: World, subnet: Subnet) -> set[str]:
    ports = world.all(Kind.PORT, Port)
    return {fixed.ip_address for port in ports for fixed in port.fixed_ips if fixed.subnet_id == subnet.id}


def _free(world: World, subnet: Subnet) -> str:
    taken = _taken(world, subnet) | {subnet.gateway_ip}
    for pool in subnet.allocation_pools:
        first, last = ipaddress.ip_address(pool.start), ipaddress.ip_address(pool.end)
        addresses = (str(type(first)(number)) for number in range(int(first), int(last) + 1))
        if address := next((it for it in addresses if it not in taken), None):
            return address
    raise InUse(f"No more IP addresses available on network {subnet.network_id}.", status=409)


def addresses(world: World, network_id: str, asked: Sequence[Body] | None) -> list[dict[str, str]]:
    """The addresses of a new port: the asked ones if they are free and inside, else one of each IP version."""
    subnets = [subnet for subnet in world.all(Kind.SUBNET, Subnet) if subnet.network_id == network_id]
    if asked is None:
        by_version = {subnet.ip_version: subnet for subnet in reversed(subnets)}
        return [{"subnet_id": subnet.id, "ip_address": _free(world, subnet)} for subnet in by_version.values()]
    return [_address(world, network_id, subnets, entry) for entry in asked]


def _address(world: World, network_id: str, subnets: Sequence[Subnet], entry: Body) -> dict[str, str]:
    wanted, subnet_id = entry.get("ip_address"), entry.get("subnet_id")
    if subnet_id:
        world.get(Kind.SUBNET, subnet_id)
    fitting = [subnet for subnet in subnets if subnet_id in (None, subnet.id) and _inside(subnet, wanted)]
    if not fitting:
        where = f"subnet {subnet_id}" if subnet_id else f"any subnet of network {network_id}"
        raise BadRequest(f"IP address {wanted} is not a valid IP for {where}.", status=400)
    if wanted is None:
        return {"subnet_id": fitting[0].id, "ip_address": _free(world, fitting[0])}
    if wanted in _taken(world, fitting[0]):
        raise AddressTaken(f"IP address {wanted} already allocated in subnet {fitting[0].id}", status=409)
    return {"subnet_id": fitting[0].id, "ip_address": wanted}


def _inside(subnet: Subnet, address: str | None) -> bool:
    return address is None or ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)


def create_port(world: World, body: Body, project: str) -> Port:
    network = world.get(Kind.NETWORK, body["network_id"])
    secured = body.get("port_security_enabled")
    secured = network.port_security_enabled if secured is None else secured
    groups = body.get("security_groups")
    if groups is None:
        groups = [default_group(world, project).id] if secured else []
    if groups and not secured:
        raise BadRequest(
            "Port security must be enabled and port must have an IP address in order to use security groups."
        )
    for group in groups:
        world.get(Kind.SECURITY_GROUP, group)
    count = world.counts[Kind.PORT] + 1
    fields = {
        "status": "DOWN",
        "mac_address": f"fa:16:3e:00:{count >> 8:02x}:{count & 255:02x}",
        "binding:vnic_type": "normal",
        **body,
        "port_security_enabled": secured,
        "security_groups": groups,
        "fixed_ips": addresses(world, network.id, body.get("fixed_ips")),
    }
    return world.make(Kind.PORT, {**fields, **_pairs(body, str(fields["mac_address"]))}, project=project)


def _pairs(body: Body, mac: str) -> dict[str, Any]:
    """The address pairs of a body; one without a MAC address gets the port's."""
    pairs = body.get("allowed_address_pairs")
    return {} if pairs is None else {"allowed_address_pairs": [{"mac_address": mac, **pair} for pair in pairs]}


def default_group(world: World, project: str) -> SecurityGroup:
    """The project's group called default, which Neutron makes by itself."""
    for group in world.all(Kind.SECURITY_GROUP, SecurityGroup):
        if group.name == "default" and group.project_id == project:
            return group
    return create_security_group(world, {"name": "default", "description": "Default security group"}, project)


def create_security_group(world: World, body: Body, project: str) -> SecurityGroup:
    id = world.new_id(Kind.SECURITY_GROUP)
    egress = [
        {
            "id": world.new_id(Kind.SECURITY_GROUP_RULE),
            "security_group_id": id,
            "direction": "egress",
            "ethertype": ether,
        }
        for ether in ("IPv4", "IPv6")
    ]
    return world.make(Kind.SECURITY_GROUP, {**body, "id": id, "security_group_rules": egress}, project=project)


def create_rule(world: World, body: Body, project: str) -> Any:
    group = world.get(Kind.SECURITY_GROUP, body["security_group_id"])
    if body.get("remote_group_id"):
        world.get(Kind.SECURITY_GROUP, body["remote_group_id"])
    rule = world.make(Kind.SECURITY_GROUP_RULE, body, project=project)
    world.drop(Kind.SECURITY_GROUP_RULE, rule.id)
    for other in group.security_group_rules:
        if _same_rule(other, rule):
            raise InUse(f"Security group rule already exists. Rule id is {other.id}.", status=409)
    _set_rules(world, group, [*group.security_group_rules, rule])
    return rule


def _set_rules(world: World, group: SecurityGroup, rules: Sequence[Any]) -> None:
    world.add(Kind.SECURITY_GROUP, msgspec.structs.replace(group, security_group_rules=tuple(rules)))


def _same_rule(one: Any, other: Any) -> bool:
    names = (
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    )
    return all(getattr(one, name) == getattr(other, name) for name in names)


def delete_rule(world: World, id: str) -> None:
    for group in world.all(Kind.SECURITY_GROUP, SecurityGroup):
        rules = [rule for rule in group.security_group_rules if rule.id != id]
        if len(rules) < len(group.security_group_rules):
            return _set_rules(world, group, rules)
    raise NotFound(f"Security group rule {id} does not exist", status=404)


def delete_security_group(world: World, id: str) -> None:
    world.get(Kind.SECURITY_GROUP, id)
    if any(id in port.security_groups for port in world.all(Kind.PORT, Port)):
        raise InUse(f"Security Group {id} in use.", status=409)
    world.drop(Kind.SECURITY_GROUP, id)
    for group in world.all(Kind.SECURITY_GROUP, SecurityGroup):
        _set_rules(world, group, [rule for rule in group.security_group_rules if rule.remote_group_id != id])


def create_router(world: World, body: Body, project: str) -> Router:
    id = world.new_id(Kind.ROUTER)
    gateway = _gateway(world, id, body.get("external_gateway_info"))
    return world.make(
        Kind.ROUTER, {"status": "ACTIVE", **body, "id": id, "external_gateway_info": gateway}, project=project
    )


def _gateway(world: World, router_id: str, asked: Body | None) -> dict[str, Any] | None:
    for port in _router_ports(world, router_id, "network:router_gateway"):
        world.drop(Kind.PORT, port.id)
    if not asked:
        return None
    network = world.get(Kind.NETWORK, asked["network_id"])
    if not network.external:
        raise BadRequest(f"Network {network.id} is not an external network", status=400)
    fixed = addresses(world, network.id, asked.get("external_fixed_ips"))
    owner = {"device_id": router_id, "device_owner": "network:router_gateway"}
    world.make(Kind.PORT, {"network_id": network.id, "fixed_ips": fixed, **owner}, project="")
    return {"enable_snat": True, **asked, "external_fixed_ips": fixed}


def _router_ports(world: World, router_id: str, owner: str) -> Iterator[Port]:
    return (port for port in world.all(Kind.PORT, Port) if port.device_id == router_id and port.device_owner == owner)


INTERFACE = "network:router_interface"


def create_interface(world: World, router_id: str, body: Body) -> Port:
    router = world.get(Kind.ROUTER, router_id)
    owner = {"device_id": router_id, "device_owner": INTERFACE, "status": "ACTIVE"}
    if "port_id" in body:
        return world.change(Kind.PORT, body["port_id"], owner)
    subnet = world.get(Kind.SUBNET, body["subnet_id"])
    for port in world.all(Kind.PORT, Port):
        if port.device_owner == INTERFACE and subnet.id in (fixed.subnet_id for fixed in port.fixed_ips):
            if port.device_id == router_id:
                raise BadRequest(f"Bad router request: Router already has a port on subnet {subnet.id}.", status=400)
            raise InUse(f"IP address {subnet.gateway_ip} already allocated in subnet {subnet.id}", status=409)
    fixed = [{"subnet_id": subnet.id, "ip_address": subnet.gateway_ip or ""}]
    return world.make(
        Kind.PORT, {"network_id": subnet.network_id, "fixed_ips": fixed, **owner}, project=router.project_id
    )


def delete_interface(world: World, router_id: str, id: str, body: Body) -> str:
    """Take away the interface of a port or, by `subnet_id` in the body, of a subnet; the port's id."""
    world.get(Kind.ROUTER, router_id)
    for port in _router_ports(world, router_id, INTERFACE):
        subnets = {fixed.subnet_id for fixed in port.fixed_ips}
        if port.id != id and body.get("subnet_id") not in subnets:
            continue
        for address in world.all(Kind.FLOATING_IP, FloatingIP):
            if address.router_id == router_id and address.port_id and _subnets(world, address.port_id) & subnets:
                raise InUse(
                    f"Router interface for subnet {min(subnets)} is required by one or more floating IPs.", status=409
                )
        world.drop(Kind.PORT, port.id)
        return port.id
    raise NotFound(f"Router {router_id} has no interface {id}", status=404)


def _subnets(world: World, port_id: str) -> set[str]:
    port = world.records[Kind.PORT].get(port_id)
    return {fixed.subnet_id for fixed in port.fixed_ips} if isinstance(port, Port) else set()


def update_router(world: World, id: str, body: Body) -> Router:
    changed = dict(body)
    if "external_gateway_info" in body:
        changed["external_gateway_info"] = _gateway(world, id, body["external_gateway_info"])
    return world.change(Kind.ROUTER, id, changed)


def delete_router(world: World, id: str) -> None:
    world.get(Kind.ROUTER, id)
    if any(_router_ports(world, id, INTERFACE)):
        raise InUse(f"Router {id} still has ports", status=409)
    _gateway(world, id, None)
    world.drop(Kind.ROUTER, id)


def delete_network(world: World, id: str) -> None:
    network = world.get(Kind.NETWORK, id)
    _unless_ports(world, lambda port: port.network_id == id, f"Unable to complete operation on network {id}.")
    for subnet in network.subnets:
        world.drop(Kind.SUBNET, subnet)
    world.drop(Kind.NETWORK, id)


def delete_subnet(world: World, id: str) -> None:
    subnet = world.get(Kind.SUBNET, id)
    _unless_ports(world, lambda port: id in _subnets(world, port.id), f"Unable to complete operation on subnet {id}.")
    world.drop(Kind.SUBNET, id)
    network = world.get(Kind.NETWORK, subnet.network_id)
    world.change(Kind.NETWORK, network.id, {"subnets": [other for other in network.subnets if other != id]})


def _unless_ports(world: World, on_it: Any, message: str) -> None:
    if any(on_it(port) and port.device_owner != "network:dhcp" for port in world.all(Kind.PORT, Port)):
        raise InUse(f"{message} There are one or more ports still in use.", status=409)


def update_port(world: World, id: str, body: Body) -> Port:
    port = world.get(Kind.PORT, id)
    changed = {**body, **_pairs(body, port.mac_address)}
    if "fixed_ips" in body:
        kept = [{"subnet_id": fixed.subnet_id, "ip_address": fixed.ip_address} for fixed in port.fixed_ips]
        others = [entry for entry in body["fixed_ips"] if dict(entry) not in kept]
        same = [dict(entry) for entry in body["fixed_ips"] if dict(entry) in kept]
        changed["fixed_ips"] = [*same, *addresses(world, port.network_id, others)]
    return world.change(Kind.PORT, id, changed)


def delete_port(world: World, id: str) -> None:
    port = world.get(Kind.PORT, id)
    if port.device_owner.startswith("network:router"):
        raise InUse(
            f"Port {id} cannot be deleted directly via the port API: has device owner {port.device_owner}.", status=409
        )
    if port.trunk_details is not None or port.device_owner == "trunk:subport":
        raise InUse(f"Port {id} is currently a parent port or a subport of a trunk.", status=409)
    drop_port(world, id)


def drop_port(world: World, id: str) -> None:
    """Take a port away and point its floating IPs nowhere."""
    for address in world.all(Kind.FLOATING_IP, FloatingIP):
        if address.port_id == id:
            update_floating_ip(world, address.id, {"port_id": None})
    world.drop(Kind.PORT, id)


def create_trunk(world: World, body: Body, project: str) -> Trunk:
    parent = world.get(Kind.PORT, body["port_id"])
    if parent.trunk_details is not None:
        raise InUse(f"Port {parent.id} is in use by another trunk.", status=409)
    trunk = world.make(Kind.TRUNK, {"status": "DOWN", **body}, project=project)
    _join(world, trunk, ())
    return trunk


def _join(world: World, trunk: Trunk, before: Sequence[Any]) -> None:
    for subport in before:
        if subport.port_id in world.records[Kind.PORT]:
            world.change(Kind.PORT, subport.port_id, {"device_owner": "", "device_id": ""})
    for subport in trunk.sub_ports:
        world.get(Kind.PORT, subport.port_id)
        world.change(Kind.PORT, subport.port_id, {"device_owner": "trunk:subport", "device_id": trunk.id})
    details = {"trunk_id": trunk.id, "sub_ports": [{"port_id": subport.port_id} for subport in trunk.sub_ports]}
    world.change(Kind.PORT, trunk.port_id, {"trunk_details": details})


def update_trunk(world: World, id: str, body: Body) -> Trunk:
    before = world.get(Kind.TRUNK, id).sub_ports
    trunk: Any = world.change(Kind.TRUNK, id, body)
    _join(world, trunk, before)
    return trunk


def delete_trunk(world: World, id: str) -> None:
    trunk = world.get(Kind.TRUNK, id)
    update_trunk(world, id, {"sub_ports": []})
    world.change(Kind.PORT, trunk.port_id, {"trunk_details": None})
    world.drop(Kind.TRUNK, id)


def create_floating_ip(world: World, body: Body, project: str) -> FloatingIP:
    network = world.get(Kind.NETWORK, body["floating_network_id"])
    if not network.external:
        raise BadRequest(f"Network {network.id} is not a valid external network", status=400)
    entry = {"ip_address": body["floating_ip_address"]} if body.get("floating_ip_address") else {}
    subnets = [subnet for subnet in world.all(Kind.SUBNET, Subnet) if subnet.network_id == network.id]
    (address,) = [_address(world, network.id, subnets, entry)]
    id = world.new_id(Kind.FLOATING_IP)
    owner = {"device_id": id, "device_owner": "network:floatingip"}
    joined = _joined(world, network.id, body.get("port_id"), body.get("fixed_ip_address"))
    world.make(Kind.PORT, {"network_id": network.id, "fixed_ips": [address], **owner}, project="")
    fields = {**body, **joined, "id": id, "floating_ip_address": address["ip_address"]}
    return world.make(Kind.FLOATING_IP, fields, project=project)


def _joined(world: World, network_id: str, port_id: str | None, fixed: str | None) -> dict[str, Any]:
    """The fields of a floating IP that points at a port; raises NotFound when no router leads there."""
    if port_id is None:
        return {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
    port = world.get(Kind.PORT, port_id)
    at: FixedIP = next((entry for entry in port.fixed_ips if fixed in (None, entry.ip_address)), FixedIP())
    for router in world.all(Kind.ROUTER, Router):
        gateway = router.external_gateway_info
        interfaces = _router_ports(world, router.id, INTERFACE)
        if (
            gateway
            and gateway.network_id == network_id
            and any(at.subnet_id in _subnets(world, p.id) for p in interfaces)
        ):
            return {"port_id": port_id, "fixed_ip_address": at.ip_address, "router_id": router.id, "status": "ACTIVE"}
    raise NotFound(f"External network {network_id} is not reachable from subnet {at.subnet_id}.", status=404)


def update_floating_ip(world: World, id: str, body: Body) -> FloatingIP:
    address = world.get(Kind.FLOATING_IP, id)
    changed = dict(body)
    if "port_id" in body:
        changed |= _joined(world, address.floating_network_id, body["port_id"], body.get("fixed_ip_address"))
    return world.change(Kind.FLOATING_IP, id, changed)


def delete_floating_ip(world: World, id: str) -> None:
    world.get(Kind.FLOATING_IP, id)
    for port in world.all(Kind.PORT, Port):
        if port.device_id == id:
            world.drop(Kind.PORT, port.id)
    world.drop(Kind.FLOATING_IP, id)
