# SPDX-License-Identifier: Apache-2.0
"""Octavia as far as a plan can tell it from the real one: pending states lock, one creation may bring all parts."""

from collections.abc import Iterator, Mapping
from typing import Any

import memory_neutron as neutron
from memory_world import World
from pycapo.cloud.errors import BadRequest, InUse
from pycapo.model.kinds import Kind
from pycapo.model.records import LoadBalancer, Port

Body = Mapping[str, Any]


def create_balancer(world: World, body: Body, project: str) -> LoadBalancer:
    """A load balancer with its VIP port and whatever listeners, pools, monitors and members are nested in the body."""
    subnet_id = body.get("vip_subnet_id")
    network_id = world.get(Kind.SUBNET, subnet_id).network_id if subnet_id else body.get("vip_network_id")
    if not network_id:
        raise BadRequest(
            "Validation failure: VIP must contain one of: vip_port_id, vip_network_id, vip_subnet_id.", status=400
        )
    nested = [
        *body.get("pools", ()),
        *(one["default_pool"] for one in body.get("listeners", ()) if "default_pool" in one),
    ]
    if not all(pool.get("name") for pool in nested):
        raise BadRequest(
            "Validation failure: Pools must be named when creating a fully populated loadbalancer.", status=400
        )
    id = world.new_id(Kind.LOAD_BALANCER)
    asked = {"subnet_id": subnet_id, "ip_address": body.get("vip_address")}
    port = neutron.create_port(
        world,
        {
            "network_id": network_id,
            "name": f"octavia-lb-{id}",
            "device_id": f"lb-{id}",
            "device_owner": "Octavia",
            "security_groups": [],
            "fixed_ips": [{key: value for key, value in asked.items() if value}],
        },
        project,
    )
    fields = {
        "provider": "amphora",
        **body,
        "id": id,
        "vip_network_id": network_id,
        "vip_subnet_id": port.fixed_ips[0].subnet_id,
        "vip_address": port.fixed_ips[0].ip_address,
        "vip_port_id": port.id,
        "operating_status": "OFFLINE",
    }
    world.make(Kind.LOAD_BALANCER, {**fields, "provisioning_status": "ACTIVE"}, project=project)
    for listener in body.get("listeners", ()):
        create_listener(world, {**listener, "loadbalancer_id": id}, project, locked=False)
    for pool in body.get("pools", ()):
        create_pool(world, {**pool, "loadbalancer_id": id}, project, locked=False)
    return _pending(world, id, "PENDING_CREATE")


def _pending(world: World, id: str, status: str) -> Any:
    balancer = world.change(Kind.LOAD_BALANCER, id, {"provisioning_status": status})
    active = {"provisioning_status": "ACTIVE", "operating_status": "ONLINE"}
    if world.balancer_looks == 0:
        return world.change(Kind.LOAD_BALANCER, id, active)
    settle = lambda: world.change(Kind.LOAD_BALANCER, id, active)  # noqa: E731
    world.later(Kind.LOAD_BALANCER, id, world.balancer_looks, settle)
    return balancer


def _lock(world: World, id: str, *, locked: bool = True) -> None:
    """What every change begins with: refused while another one is pending."""
    if not locked:
        return
    status = world.get(Kind.LOAD_BALANCER, id).provisioning_status
    if status != "ACTIVE":
        raise InUse(f"Load Balancer {id} is immutable and cannot be updated.", status=409)
    _pending(world, id, "PENDING_UPDATE")


def create_listener(world: World, body: Body, project: str, *, locked: bool = True) -> Any:
    balancer = body["loadbalancer_id"]
    world.get(Kind.LOAD_BALANCER, balancer)
    for other in parts(world, Kind.LISTENER, balancer):
        if other.protocol_port == body["protocol_port"]:
            message = f"Another Listener on this Load Balancer is already using protocol_port {other.protocol_port}"
            raise InUse(message, status=409)
    _lock(world, balancer, locked=locked)
    id = world.new_id(Kind.LISTENER)
    fields = {**body, "id": id, "provisioning_status": "ACTIVE", "loadbalancers": [{"id": balancer}]}
    world.make(Kind.LISTENER, fields, project=project)
    if pool := body.get("default_pool"):
        create_pool(world, {**pool, "listener_id": id}, project, locked=False)
    return world.get(Kind.LISTENER, id)


def parts(world: World, kind: Kind, balancer: str) -> Iterator[Any]:
    """The listeners or pools of a load balancer."""
    for item in list(world.records[kind].values()):
        if any(owner.id == balancer for owner in getattr(item, "loadbalancers", ())):
            yield item


def create_pool(world: World, body: Body, project: str, *, locked: bool = True) -> Any:
    listener = world.get(Kind.LISTENER, body["listener_id"]) if body.get("listener_id") else None
    balancer = listener.loadbalancers[0].id if listener else body["loadbalancer_id"]
    if listener and listener.default_pool_id:
        raise InUse(f"Listener {listener.id} already has a default pool.", status=409)
    _lock(world, balancer, locked=locked)
    id = world.new_id(Kind.POOL)
    listeners = [{"id": listener.id}] if listener else []
    fields = {
        **body,
        "id": id,
        "provisioning_status": "ACTIVE",
        "loadbalancers": [{"id": balancer}],
        "listeners": listeners,
    }
    world.make(Kind.POOL, fields, project=project)
    if listener:
        world.change(Kind.LISTENER, listener.id, {"default_pool_id": id})
    if monitor := body.get("healthmonitor"):
        create_monitor(world, {**monitor, "pool_id": id}, project, locked=False)
    for member in body.get("members", ()):
        create_member(world, id, member, project, locked=False)
    return world.get(Kind.POOL, id)


def create_monitor(world: World, body: Body, project: str, *, locked: bool = True) -> Any:
    pool = world.get(Kind.POOL, body["pool_id"])
    if pool.healthmonitor_id:
        raise InUse("This pool already has a health monitor", status=409)
    _lock(world, pool.loadbalancers[0].id, locked=locked)
    fields = {**body, "provisioning_status": "ACTIVE", "pools": [{"id": pool.id}]}
    monitor = world.make(Kind.HEALTH_MONITOR, fields, project=project)
    world.change(Kind.POOL, pool.id, {"healthmonitor_id": monitor.id})
    return monitor


def create_member(world: World, pool_id: str, body: Body, project: str, *, locked: bool = True) -> Any:
    pool = world.get(Kind.POOL, pool_id)
    for other in members(world, pool_id):
        if (other.address, other.protocol_port) == (body["address"], body["protocol_port"]):
            raise InUse(
                f"Member with address {other.address} and port {other.protocol_port} already present", status=409
            )
    _lock(world, pool.loadbalancers[0].id, locked=locked)
    fields = {**body, "pool_id": pool_id, "provisioning_status": "ACTIVE", "operating_status": "ONLINE"}
    return world.make(Kind.MEMBER, fields, project=project)


def members(world: World, pool_id: str) -> Iterator[Any]:
    """The members of a pool."""
    return (item for item in list(world.records[Kind.MEMBER].values()) if getattr(item, "pool_id", "") == pool_id)


def balancer_of(world: World, kind: Kind, id: str) -> str:
    """The load balancer that a part belongs to."""
    part = world.get(kind, id)
    match kind:
        case Kind.MEMBER:
            return balancer_of(world, Kind.POOL, part.pool_id)
        case Kind.HEALTH_MONITOR:
            return balancer_of(world, Kind.POOL, part.pools[0].id)
    return str(part.loadbalancers[0].id)


def update_part(world: World, kind: Kind, id: str, body: Body) -> Any:
    _lock(world, balancer_of(world, kind, id))
    return world.change(kind, id, body)


def update_balancer(world: World, id: str, body: Body) -> Any:
    _lock(world, id)
    return world.change(Kind.LOAD_BALANCER, id, body)


def delete_part(world: World, kind: Kind, id: str) -> None:
    _lock(world, balancer_of(world, kind, id))
    drop_part(world, kind, id)


def drop_part(world: World, kind: Kind, id: str) -> None:
    """Take a part away and what is inside it; references to it become empty."""
    part = world.get(kind, id)
    match kind:
        case Kind.POOL:
            for member in members(world, id):
                world.drop(Kind.MEMBER, member.id)
            if part.healthmonitor_id:
                world.drop(Kind.HEALTH_MONITOR, part.healthmonitor_id)
            for listener in part.listeners:
                if listener.id in world.records[Kind.LISTENER]:
                    world.change(Kind.LISTENER, listener.id, {"default_pool_id": None})
        case Kind.HEALTH_MONITOR:
            world.change(Kind.POOL, part.pools[0].id, {"healthmonitor_id": None})
        case Kind.LISTENER if part.default_pool_id in world.records[Kind.POOL]:
            world.change(Kind.POOL, part.default_pool_id, {"listeners": []})
    world.drop(kind, id)


def delete_balancer(world: World, id: str, body: Body) -> None:
    balancer = world.get(Kind.LOAD_BALANCER, id)
    if balancer.provisioning_status.startswith("PENDING"):
        raise InUse(f"Load Balancer {id} is immutable and cannot be updated.", status=409)
    if not body.get("cascade") and any(True for kind in (Kind.LISTENER, Kind.POOL) for _ in parts(world, kind, id)):
        raise BadRequest(f"Cannot delete Load Balancer {id} - it has children", status=400)
    world.change(Kind.LOAD_BALANCER, id, {"provisioning_status": "PENDING_DELETE"})
    world.later(Kind.LOAD_BALANCER, id, world.removal_looks, lambda: _gone(world, id))


def _gone(world: World, id: str) -> None:
    for kind in (Kind.POOL, Kind.LISTENER):
        for part in parts(world, kind, id):
            drop_part(world, kind, part.id)
    for port in world.all(Kind.PORT, Port):
        if port.device_id == f"lb-{id}":
            neutron.drop_port(world, port.id)
    world.drop(Kind.LOAD_BALANCER, id)
