# SPDX-License-Identifier: Apache-2.0
"""Nova and Cinder as far as a plan can tell them from the real ones."""

from collections.abc import Mapping
from typing import Any

import memory_neutron as neutron
from memory_world import World
from pycapo.cloud.errors import BadRequest, CloudError, InUse, NotFound, QuotaExceeded
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Quota, Server, Volume

Body = Mapping[str, Any]


def quotas(world: World, project: str) -> dict[str, Quota]:
    """What is limited of servers, and what the project has of it."""
    used = _used(world, project)
    return {name: Quota(limit, used[name]) for name, limit in world.compute_quota.items()}


def _used(world: World, project: str) -> dict[str, int]:
    servers = [it for it in world.all(Kind.SERVER, Server) if it.project_id == project]
    flavors = [world.flavors[it.id] for it in servers if it.id in world.flavors]
    return {"instances": len(servers), "cores": sum(it.vcpus for it in flavors), "ram": sum(it.ram for it in flavors)}


def _check_quota(world: World, flavor: Any, project: str) -> None:
    used, wanted = _used(world, project), {"instances": 1, "cores": flavor.vcpus, "ram": flavor.ram}
    for name, limit in world.compute_quota.items():
        if used[name] + wanted[name] > limit:
            message = f"Quota exceeded for {name}: Requested {wanted[name]}, but already used {used[name]} of {limit}"
            raise QuotaExceeded(message, status=403)


def create_server(world: World, body: Body, project: str) -> Server:
    """A server that is in BUILD for `build_looks` lists, then ACTIVE, or in ERROR while the world has a `server_fault`."""
    _require(world, Kind.FLAVOR, body.get("flavorRef"))
    if body.get("imageRef"):
        _require(world, Kind.IMAGE, body["imageRef"])
    flavor = world.get(Kind.FLAVOR, str(body["flavorRef"]))
    _check_quota(world, flavor, project)
    zone = body.get("availability_zone")
    if zone and zone not in {known.name for known in world.zones}:
        raise BadRequest("The requested availability zone is not available", status=400)
    id = world.new_id(Kind.SERVER)
    ports = _networks(world, body, project)
    volumes = _devices(world, body)
    fields = {
        **body,
        "id": id,
        "status": "BUILD",
        "OS-EXT-STS:task_state": "scheduling",
        "OS-EXT-AZ:availability_zone": zone or world.zones[0].name,
        "os-extended-volumes:volumes_attached": [{"id": volume} for volume in volumes],
    }
    server = world.make(Kind.SERVER, fields, project=project)
    world.flavors[id] = flavor
    for port in ports:
        owner = f"compute:{server.zone}"
        world.change(Kind.PORT, port, {"device_id": id, "device_owner": owner, "dns_name": server.name})
    for volume in volumes:
        world.change(Kind.VOLUME, volume, {"status": "in-use"})
    fault = world.server_fault
    world.later(Kind.SERVER, id, world.build_looks, lambda: _built(world, id, fault))
    return server


def _require(world: World, kind: Kind, id: Any) -> None:
    if id not in world.records[kind]:
        raise BadRequest(f"{kind.capitalize()} {id} could not be found.", status=400)


def _networks(world: World, body: Body, project: str) -> list[str]:
    asked = body.get("networks", ())
    if isinstance(asked, str):
        return []
    ports = []
    for entry in asked:
        if "port" not in entry:
            made = neutron.create_port(world, {"network_id": entry["uuid"], "name": ""}, project)
            ports.append(made.id)
            continue
        _require(world, Kind.PORT, entry["port"])
        _check_name(world.get(Kind.PORT, entry["port"]), body["name"])
        if world.get(Kind.PORT, entry["port"]).device_id:
            raise InUse(f"Port {entry['port']} is still in use.", status=409)
        ports.append(entry["port"])
    return ports


def _devices(world: World, body: Body) -> list[str]:
    volumes = []
    for device in body.get("block_device_mapping_v2", ()):
        if device.get("source_type") != "volume":
            continue
        _require(world, Kind.VOLUME, device["uuid"])
        if world.get(Kind.VOLUME, device["uuid"]).status != "available":
            raise BadRequest(f"Block Device Mapping is Invalid: failed to get volume {device['uuid']}.", status=400)
        volumes.append(device["uuid"])
    return volumes


def _built(world: World, id: str, fault: Any) -> None:
    if fault is not None:
        told = {"code": fault.code, "message": fault.message, "details": fault.details}
        world.change(Kind.SERVER, id, {"status": "ERROR", "OS-EXT-STS:task_state": None, "fault": told})
        return
    world.change(Kind.SERVER, id, {"status": "ACTIVE", "OS-EXT-STS:task_state": None})
    for port in _ports(world, id):
        world.change(Kind.PORT, port.id, {"status": "ACTIVE"})


def _ports(world: World, server: str) -> list[Port]:
    return [port for port in world.all(Kind.PORT, Port) if port.device_id == server]


def delete_server(world: World, id: str) -> None:
    """The server is on its way out for `removal_looks` lists; its ports are set free, those that Nova made go with it."""
    world.get(Kind.SERVER, id)
    world.change(Kind.SERVER, id, {"OS-EXT-STS:task_state": "deleting"})
    world.later(Kind.SERVER, id, world.removal_looks, lambda: _gone(world, id))


def _gone(world: World, id: str) -> None:
    server = world.get(Kind.SERVER, id)
    for port in _ports(world, id):
        if port.name:
            world.change(Kind.PORT, port.id, {"device_id": "", "device_owner": "", "status": "DOWN", "dns_name": None})
        else:
            neutron.drop_port(world, port.id)
    for volume in server.attached_volumes:
        if volume.id in world.records[Kind.VOLUME]:
            world.change(Kind.VOLUME, volume.id, {"status": "available"})
    world.drop(Kind.SERVER, id)


def attach(world: World, server_id: str, body: Body) -> Port:
    server = world.get(Kind.SERVER, server_id)
    if server.status not in ("ACTIVE", "PAUSED", "SHUTOFF"):
        raise InUse(
            f"Cannot 'attach_interface' instance {server_id} while it is in vm_state {server.status}", status=409
        )
    port_id = body.get("port_id") or neutron.create_port(world, {"network_id": body["net_id"]}, server.project_id).id
    _require(world, Kind.PORT, port_id)
    if world.get(Kind.PORT, port_id).device_id:
        raise InUse(f"Port {port_id} is still in use.", status=409)
    _check_name(world.get(Kind.PORT, port_id), server.name)
    owner = f"compute:{server.zone}"
    fields = {"device_id": server_id, "device_owner": owner, "status": "ACTIVE", "dns_name": server.name}
    return world.change(Kind.PORT, port_id, fields)


def detach(world: World, server_id: str, port_id: str) -> None:
    world.get(Kind.SERVER, server_id)
    if world.get(Kind.PORT, port_id).device_id != server_id:
        raise NotFound(f"Instance {server_id} has no port {port_id}", status=404)
    world.later(Kind.PORT, port_id, world.unplug_looks, lambda: _unplugged(world, port_id))


def _unplugged(world: World, port_id: str) -> None:
    if port_id in world.records[Kind.PORT]:
        world.change(Kind.PORT, port_id, {"device_id": "", "device_owner": "", "status": "DOWN", "dns_name": None})


def create_volume(world: World, body: Body, project: str) -> Volume:
    volume = world.make(Kind.VOLUME, {**body, "status": "creating"}, project=project)
    available = {"status": "available"}
    world.later(Kind.VOLUME, volume.id, world.volume_looks, lambda: world.change(Kind.VOLUME, volume.id, available))
    return volume


def delete_volume(world: World, id: str) -> None:
    volume = world.get(Kind.VOLUME, id)
    if volume.status not in ("available", "error"):
        message = f"Invalid volume: Volume status must be available or error, but current status is: {volume.status}."
        raise CloudError(message, status=400) if volume.status == "deleting" else InUse(message, status=400)
    world.change(Kind.VOLUME, id, {"status": "deleting"})
    world.later(Kind.VOLUME, id, world.removal_looks, lambda: world.drop(Kind.VOLUME, id))


def _check_name(port: Port, server: str | None) -> None:
    """Nova takes no port that has another name than the server."""
    if port.dns_name and port.dns_name != server:
        raise BadRequest(
            f"Port {port.id} not usable: its dns_name {port.dns_name} is not the server's hostname {server}"
        )
