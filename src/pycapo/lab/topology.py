# SPDX-License-Identifier: Apache-2.0
"""What a cluster is made of in OpenStack, read from OpenStack itself and drawn as a tree.

Rule: the tree shows what the cloud answers; the OpenStackCluster only says which network is the cluster's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from pycapo.lab.cloud_bootstrap import ADMIN, TENANT, connect
from pycapo.lab.places import Lab

Item = Mapping[str, Any]
_HOST = "OS-EXT-SRV-ATTR:host"
_ZONE = "OS-EXT-AZ:availability_zone"


@dataclass(frozen=True, slots=True)
class Topology:
    """The resources of one cluster, as OpenStack describes them."""

    networks: Sequence[Item] = ()
    subnets: Sequence[Item] = ()
    routers: Sequence[Item] = ()
    ports: Sequence[Item] = ()
    addresses: Sequence[Item] = ()
    groups: Sequence[Item] = ()
    balancers: Sequence[Item] = ()
    listeners: Sequence[Item] = ()
    pools: Sequence[Item] = ()
    members: Sequence[Item] = ()
    servers: Sequence[Item] = ()


def look(lab: Lab, network: str) -> Topology:
    """Return everything on a network and what belongs to it; hosts of servers only an administrator is told."""
    cloud = connect(lab, TENANT)
    ports = _network(cloud, "ports", network_id=network)
    devices = {port["device_id"] for port in ports}
    used = {group for port in ports for group in port["security_groups"]}
    balancers = [one for one in _balancer(cloud, "loadbalancers") if one["vip_network_id"] == network]
    inside = {balancer["id"] for balancer in balancers}
    pools = [pool for pool in _balancer(cloud, "pools") if _within(pool, inside)]
    admin = connect(lab, ADMIN).compute.get("/servers/detail", params={"all_tenants": "1"}).json()["servers"]
    return Topology(
        networks=_network(cloud, "networks", id=network),
        subnets=_network(cloud, "subnets", network_id=network),
        routers=[router for router in _network(cloud, "routers") if router["id"] in devices],
        ports=ports,
        addresses=[fip for fip in _network(cloud, "floatingips") if fip["port_id"] in {port["id"] for port in ports}],
        groups=[group for group in _network(cloud, "security-groups") if group["id"] in used],
        balancers=balancers,
        listeners=[one for one in _balancer(cloud, "listeners") if _within(one, inside)],
        pools=pools,
        members=[member for pool in pools for member in _balancer(cloud, f"pools/{pool['id']}/members")],
        servers=[server for server in admin if server["id"] in devices],
    )


def tree(name: str, found: Topology, *, external: str) -> Tree:
    """Return the drawing; `external` is the name of the network that floating IPs come from."""
    root = Tree(f"[bold]cluster {escape(name)}[/bold]")
    for network in found.networks:
        _add_network(root, network, found, external)
    groups = root.add("security groups")
    for group in sorted(found.groups, key=lambda group: str(group["name"])):
        groups.add(f"{_named(group)}, {len(group.get('security_group_rules', ()))} rules")
    for balancer in found.balancers:
        _add_balancer(root, balancer, found, external)
    servers = root.add("servers")
    for server in sorted(found.servers, key=lambda server: str(server["name"])):
        _add_server(servers, server, found)
    return root


def _add_network(root: Tree, network: Item, found: Topology, external: str) -> None:
    branch = root.add(f"network {_named(network)}")
    for subnet in found.subnets:
        branch.add(f"subnet {subnet['cidr']}, gateway {subnet['gateway_ip']} {_id(subnet)}")
    for router in found.routers:
        gateway = (router.get("external_gateway_info") or {}).get("external_fixed_ips") or ()
        addresses = ", ".join(item["ip_address"] for item in gateway)
        branch.add(f"router {_named(router)}").add(f"to {escape(external)} as {addresses or 'nothing'}")


def _add_balancer(root: Tree, balancer: Item, found: Topology, external: str) -> None:
    branch = root.add(f"load balancer {_named(balancer)}, {balancer['provisioning_status']}")
    vip = branch.add(f"VIP {balancer['vip_address']}")
    for fip in found.addresses:
        if fip["port_id"] == balancer["vip_port_id"]:
            vip.add(f"floating IP {fip['floating_ip_address']} of {escape(external)} {_id(fip)}")
    for listener in found.listeners:
        if not _within(listener, {balancer["id"]}):
            continue
        port = branch.add(f"listener {listener['protocol']} {listener['protocol_port']} {_id(listener)}")
        for pool in found.pools:
            if pool["id"] == listener["default_pool_id"]:
                _add_pool(port, pool, found.members)


def _add_pool(listener: Tree, pool: Item, members: Sequence[Item]) -> None:
    own = {member["id"] for member in pool["members"]}
    branch = listener.add(f"pool {pool['lb_algorithm']} {_id(pool)}")
    for member in sorted(members, key=lambda member: str(member["name"])):
        if member["id"] in own:
            branch.add(f"member {member['address']}:{member['protocol_port']} {escape(member['name'])}")


def _add_server(servers: Tree, server: Item, found: Topology) -> None:
    where = f"{server[_ZONE]}, host {server.get(_HOST) or '?'}"
    branch = servers.add(f"{_named(server)}, {server['status']}, {where}")
    for port in found.ports:
        if port["device_id"] == server["id"]:
            addresses = ", ".join(item["ip_address"] for item in port["fixed_ips"])
            branch.add(f"port {escape(port['name'])} {addresses} {_id(port)}")


def _network(cloud: Any, kind: str, **query: str) -> list[Item]:
    answer = cloud.network.get(f"/{kind}", params={"project_id": cloud.current_project_id, **query})
    answer.raise_for_status()
    return list(answer.json()[kind.replace("-", "_")])


def _balancer(cloud: Any, kind: str) -> list[Item]:
    answer = cloud.load_balancer.get(f"/lbaas/{kind}")
    answer.raise_for_status()
    return list(answer.json()[kind.rpartition("/")[2]])


def _within(thing: Item, balancers: set[Any]) -> bool:
    return any(balancer["id"] in balancers for balancer in thing["loadbalancers"])


def _named(thing: Item) -> str:
    return f"{escape(str(thing['name']))} {_id(thing)}"


def _id(thing: Item) -> str:
    return f"[dim]{thing['id']}[/dim]"
