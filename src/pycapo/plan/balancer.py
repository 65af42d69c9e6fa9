# SPDX-License-Identifier: Apache-2.0
"""The load balancer in front of the API servers: made whole in one request, then kept by single steps.

    absent -> load balancer with listener, pool and monitor of every port, one request
    PENDING_* -> wait      ERROR -> wait, and say so      ACTIVE -> the first difference, one step

Rule: Octavia takes one change at a time; so a plan holds at most one step for a load balancer that exists.
"""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from pycapo.api.cluster import APIServerLoadBalancerMonitor
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.records import HealthMonitor, Listener, LoadBalancer, LoadBalancerFlavor, Network, Pool, Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.choose import choose_one, query_of, spelled
from pycapo.plan.network import Ground, choose_subnet, ip_version
from pycapo.plan.router import Way

CONDITION = "APIEndpointReady"
PATH = "spec.apiServer.managedLoadBalancer"
SERVICE = "load-balancer"
POLL = 2.0
"""Seconds until a load balancer in transition is looked at again."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


class Front(msgspec.Struct, frozen=True):
    """The side of the load balancer that clients see: where its VIP is, who may connect (None: everybody)."""

    network: Ref
    subnet: Ref | None
    allowed: tuple[str, ...] | None


def plan_balancer(asked: Asked, seen: Seen, ground: Ground, way: Way | None) -> tuple[Plan, LoadBalancer | None]:
    """What makes the load balancer or changes the first thing that differs; the load balancer once it was seen."""
    if SERVICE not in seen.services:
        return Plan(waits=(_no_octavia(),)), None
    there, taken = kept(asked, seen, Key(Kind.LOAD_BALANCER, roles.LOAD_BALANCER), LoadBalancer)
    front, told = _front(asked, seen, ground, way)
    if there is None:
        flavor = _flavor(asked, seen)
        waits = tuple(wait for wait in (front, *told, flavor) if isinstance(wait, Wait))
        if isinstance(front, Wait) or isinstance(flavor, Wait):
            return Plan(waits=waits), None
        return Plan(steps=(_creation(asked, front, flavor),), waits=waits), None
    status = there.provisioning_status
    if status == "ERROR":
        return Plan(waits=(_broken(there), *told)), there
    if status not in ("ACTIVE", "PENDING_UPDATE"):
        return Plan(waits=(_pending(there),)), there
    if isinstance(front, Wait):
        return Plan(waits=(front, *told)), there
    steps = next(((step,) for step in (*taken, *_differences(asked, seen, there, front))), ())
    if steps and status != "ACTIVE":  # a member that comes or goes changes nothing here, so it is no reason to wait
        return Plan(waits=(_pending(there), *told)), there
    return Plan(steps=steps, waits=told), there


def _no_octavia() -> Wait:
    message = (
        "the cloud's catalog has no load-balancer service (Octavia): set enabled to false and use a floating IP or a "
        "fixed IP, or let the operator of the cloud add Octavia; the catalog is read again every few minutes"
    )
    return Wait(condition=CONDITION, reason="LoadBalancerServiceAbsent", message=message, path=PATH, after=150.0)


def _pending(there: LoadBalancer) -> Wait:
    message = f"load balancer {there.name} ({there.id}) is {there.provisioning_status}"
    return Wait(condition=CONDITION, reason="LoadBalancerPending", message=message, after=POLL)


def _broken(there: LoadBalancer) -> Wait:
    message = (
        f"load balancer {there.name} ({there.id}) is in ERROR: let the operator of the cloud fail it over, or delete it "
        "with --cascade and a new one is made"
    )
    return Wait(condition=CONDITION, reason="LoadBalancerError", message=message, after=60.0)


def flavor_name(asked: Asked) -> str | None:
    """The name of the Octavia flavor that the spec asks for; None for none, or when it is given by its UUID."""
    flavor = asked.balancer.flavor if asked.balancer else None
    return flavor if flavor and not _UUID.fullmatch(flavor) else None


def _flavor(asked: Asked, seen: Seen) -> str | Wait | None:
    """The id of the Octavia flavor; a Wait when the name means none or several."""
    name = flavor_name(asked)
    if name is None:
        return (asked.balancer.flavor if asked.balancer else None) or None
    path, kind = f"{PATH}.flavor", Kind.LOAD_BALANCER_FLAVOR
    found = [item for item in seen.found.get(path, ()) if isinstance(item, LoadBalancerFlavor)]
    chosen = choose_one(found, path=path, kind=kind, wanted=f'name "{name}"', condition=CONDITION)
    return chosen if isinstance(chosen, Wait) else chosen.id


def _front(asked: Asked, seen: Seen, ground: Ground, way: Way | None) -> tuple[Front | Wait, tuple[Wait, ...]]:
    """Where the VIP is and who may connect; and what of the allowed addresses is no use."""
    wanted = asked.balancer
    network: Ref = ground.ref
    subnet: Ref | None = ground.primary.ref
    family = ip_version(ground.primary.cidr)
    record: Network | None = ground.record
    if wanted and wanted.network:
        found = [item for item in seen.found.get(f"{PATH}.network", ()) if isinstance(item, Network)]
        told = spelled(query_of(wanted.network))
        chosen = choose_one(found, path=f"{PATH}.network", kind=Kind.NETWORK, wanted=told, condition=CONDITION)
        if isinstance(chosen, Wait):
            return chosen, ()
        network, subnet, record = chosen.id, None, chosen
    if wanted and wanted.subnets and (wanted.network or record):
        place = choose_subnet(seen, f"{PATH}.subnets[0]", wanted.subnets[0], network=record, condition=CONDITION)
        if isinstance(place, Wait):
            return place, ()
        subnet, family = place.id, place.ip_version
    if wanted and wanted.allowed_cidrs and wanted.provider != "ovn" and way and way.record is None:
        message = "the addresses of the router are not known yet"
        return Wait(condition=CONDITION, reason="WaitingForRouter", message=message, after=POLL), ()
    allowed, waits = _allowed(asked, ground, way, family)
    return Front(network, subnet, allowed), waits


def _allowed(
    asked: Asked, ground: Ground, way: Way | None, family: int
) -> tuple[tuple[str, ...] | None, tuple[Wait, ...]]:
    """Who may connect: those the spec names, the nodes, the router and the bastion, of the VIP's IP version."""
    wanted = asked.balancer.allowed_cidrs if asked.balancer else None
    if not wanted:
        return None, ()
    if asked.balancer and asked.balancer.provider == "ovn":
        message = "the ovn provider has no access lists: everybody may connect"
        wait = Wait(
            condition=CONDITION, reason="NotSupported", message=message, path=f"{PATH}.allowedCIDRs", after=None
        )
        return None, (wait,)
    waits = tuple(
        Wait(
            condition=CONDITION,
            reason="NotUsed",
            message=f'"{cidr}" is no IPv{family} address or CIDR, as the load balancer needs',
            path=f"{PATH}.allowedCIDRs[{index}]",
            after=None,
        )
        for index, cidr in enumerate(wanted)
        if _network_of(cidr, family) is None
    )
    known = (*wanted, *(site.cidr for site in ground.sites), *(way.addresses if way else ()), *asked.visitors)
    return tuple(sorted({cidr for cidr in (_network_of(item, family) for item in known) if cidr})), waits


def _network_of(text: str, family: int) -> str | None:
    """An address or CIDR as a CIDR, if it is of the IP version."""
    try:
        cidr = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return str(cidr) if cidr.version == family else None


def _ports(asked: Asked) -> tuple[int, ...]:
    extra = asked.balancer.additional_ports if asked.balancer else None
    return tuple(dict.fromkeys((asked.api_port, *(extra or ()))))


def _creation(asked: Asked, front: Front, flavor: str | None) -> Create:
    """The load balancer with all its parts."""
    wanted = asked.balancer
    optional = {
        "vip_address": wanted_vip(asked),
        "vip_subnet_id": front.subnet,
        "provider": wanted.provider if wanted else None,
        "flavor_id": flavor,
        "availability_zone": wanted.availability_zone if wanted else None,
    }
    body: dict[str, Any] = {
        "name": names.load_balancer(asked.namespace, asked.name),
        "description": asked.description,
        "vip_network_id": front.network,
        "tags": list(asked.tags),
        **{name: value for name, value in optional.items() if value is not None},
        "listeners": [
            {
                **_listener(asked, port, front),
                "default_pool": {**_pool(asked, port), "healthmonitor": _monitor(asked, port)},
            }
            for port in _ports(asked)
        ],
    }
    key = Key(Kind.LOAD_BALANCER, roles.LOAD_BALANCER)
    why = f"make load balancer {body['name']} for port {', '.join(map(str, _ports(asked)))}"
    return Create(key=key, body=body, mark=asked.mark(key.role), why=why, path=PATH)


def wanted_vip(asked: Asked) -> str | None:
    """The address that the VIP is to have: the fixed IP, or without floating IP the host of a set endpoint."""
    if asked.api_server.fixed_ip:
        return asked.api_server.fixed_ip
    host = asked.endpoint_host
    return host if host and asked.api_server.enable_floating_ip is False and is_address(host) else None


def is_address(host: str) -> bool:
    """Whether a host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _part(asked: Asked, port: int, role: str) -> dict[str, Any]:
    return {
        "name": names.load_balancer_part(asked.namespace, asked.name, port),
        "tags": [*asked.tags, asked.mark(role).tag],
    }


def _listener(asked: Asked, port: int, front: Front) -> dict[str, Any]:
    allowed = {} if front.allowed is None else {"allowed_cidrs": list(front.allowed)}
    return {**_part(asked, port, roles.listener(port)), "protocol": "TCP", "protocol_port": port, **allowed}


def _pool(asked: Asked, port: int) -> dict[str, Any]:
    spread = "SOURCE_IP_PORT" if asked.balancer and asked.balancer.provider == "ovn" else "ROUND_ROBIN"
    return {**_part(asked, port, roles.pool(port)), "protocol": "TCP", "lb_algorithm": spread}


def _monitor(asked: Asked, port: int) -> dict[str, Any]:
    return {**_part(asked, port, roles.monitor(port)), "type": "TCP", **_timing(asked)}


def _timing(asked: Asked) -> dict[str, int]:
    wanted = asked.balancer.monitor if asked.balancer and asked.balancer.monitor else APIServerLoadBalancerMonitor()
    return {
        "delay": wanted.delay or 10,
        "timeout": wanted.timeout or 5,
        "max_retries": wanted.max_retries or 5,
        "max_retries_down": wanted.max_retries_down or 3,
    }


def _differences(asked: Asked, seen: Seen, there: LoadBalancer, front: Front) -> Iterator[Step]:
    """What differs, in the order in which it is set right."""
    for port in _ports(asked):
        yield from _port_differences(asked, seen, there, port, front)
    yield from _surplus(asked, seen)


def _port_differences(asked: Asked, seen: Seen, there: LoadBalancer, port: int, front: Front) -> Iterator[Step]:
    """What differs at one port; what hangs on a part that is missing is told when that is there."""
    listener, steps = kept(
        asked,
        seen,
        Key(Kind.LISTENER, roles.listener(port)),
        Listener,
        belongs=lambda item: there.id in {owner.id for owner in item.loadbalancers},
    )
    yield from steps
    if listener is None:
        body = {**_listener(asked, port, front), "loadbalancer_id": there.id}
        yield _made(asked, Kind.LISTENER, roles.listener(port), body)
        return
    if front.allowed is not None and set(front.allowed) != set(listener.allowed_cidrs or ()):
        why = f"let {', '.join(front.allowed)} connect to port {port}"
        body = {"allowed_cidrs": list(front.allowed)}
        yield Update(kind=Kind.LISTENER, id=listener.id, body=body, why=why, path=f"{PATH}.allowedCIDRs")
    if front.allowed is None and listener.allowed_cidrs:
        why = f"let everybody connect to port {port}"
        yield Update(
            kind=Kind.LISTENER, id=listener.id, body={"allowed_cidrs": []}, why=why, path=f"{PATH}.allowedCIDRs"
        )
    yield from _pool_differences(asked, seen, port, listener)


def _pool_differences(asked: Asked, seen: Seen, port: int, listener: Listener) -> Iterator[Step]:
    pool, steps = kept(
        asked,
        seen,
        Key(Kind.POOL, roles.pool(port)),
        Pool,
        belongs=lambda item: item.id == listener.default_pool_id,
    )
    yield from steps
    if pool is None:
        yield _made(asked, Kind.POOL, roles.pool(port), {**_pool(asked, port), "listener_id": listener.id})
        return
    pool_id = pool.id
    monitor, steps = kept(
        asked,
        seen,
        Key(Kind.HEALTH_MONITOR, roles.monitor(port)),
        HealthMonitor,
        belongs=lambda item: pool_id in {owner.id for owner in item.pools},
    )
    yield from steps
    if monitor is None:
        yield _made(asked, Kind.HEALTH_MONITOR, roles.monitor(port), {**_monitor(asked, port), "pool_id": pool.id})
        return
    body = {name: value for name, value in _timing(asked).items() if getattr(monitor, name) != value}
    if body:
        why = f"set {', '.join(f'{name} {value}' for name, value in body.items())} of the monitor of port {port}"
        yield Update(kind=Kind.HEALTH_MONITOR, id=monitor.id, body=body, why=why, path=f"{PATH}.monitor")


def _made(asked: Asked, kind: Kind, role: str, body: dict[str, Any]) -> Create:
    why = f"make {kind} {body['name']}"
    return Create(key=Key(kind, role), body=body, mark=asked.mark(role), why=why, path=PATH)


def _surplus(asked: Asked, seen: Seen) -> Iterator[Step]:
    """Parts of ours for ports that nobody asks for any more, from the outside in."""
    wanted = {role(port) for port in _ports(asked) for role in (roles.listener, roles.pool, roles.monitor)}
    for kind in (Kind.LISTENER, Kind.HEALTH_MONITOR, Kind.POOL):
        for item in seen.all(kind, Record):
            if item.mark and item.mark.role.startswith("api-") and item.mark.role not in wanted:
                yield Delete(kind=kind, id=item.id, why=f"delete {kind} {item.name}, a port that is not asked for")
