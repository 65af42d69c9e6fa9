# SPDX-License-Identifier: Apache-2.0
"""The API endpoint: where the workload cluster's API server is reached.

    load balancer, floating IP on its VIP  -> the floating IP
    load balancer without floating IP      -> the VIP
    floating IP without load balancer      -> the floating IP; the machine's life points it at a control plane node
    fixed IP                               -> the fixed IP; who serves it is the user's business
    an endpoint that is set already        -> stays; a load balancer behind a name has the address that the spec says

Rule: a floating IP that the user named is found by its address, pointed where it is needed and never marked or deleted.
"""

from typing import Any

from pycapo.api.cluster import APIEndpoint
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, LoadBalancer, Network
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.balancer import CONDITION, is_address, plan_balancer
from pycapo.plan.network import Ground
from pycapo.plan.router import Way

PATH = "spec.apiServer.floatingIP"


def plan_endpoint(asked: Asked, seen: Seen, ground: Ground | None, way: Way | None, external: Network | None) -> Plan:
    """What makes the endpoint that the spec asks for."""
    if ground is None:
        message = "the cluster network is not known yet"
        return Plan(waits=(Wait(condition=CONDITION, reason="WaitingForNetwork", message=message, after=None),))
    if asked.balancer:
        unclear = _unclear_name(asked, seen, external)
        if unclear is not None:
            return Plan(waits=(unclear,))
        plan, there = plan_balancer(asked, seen, ground, way)
        if (
            there is None
            or not there.vip_port_id
            or not _wants_address(asked, external)
            or there.vip_address == asked.endpoint_host
        ):
            return plan
        return _address(asked, seen, external, there) + plan
    if asked.endpoint_host and (floating_ip(asked, seen) is None or asked.endpoint_host == asked.api_server.fixed_ip):
        return Plan()
    if _wants_address(asked, external):
        return _address(asked, seen, external, None)
    if asked.api_server.fixed_ip:
        return Plan()
    return Plan(waits=(_nowhere(asked, external),))


def endpoint_of(asked: Asked, seen: Seen) -> APIEndpoint | None:
    """The endpoint as it was seen: one that is set already stays."""
    if asked.endpoint_host:
        return asked.spec.control_plane_endpoint
    address = floating_ip(asked, seen)
    balancer = seen.one(Kind.LOAD_BALANCER, roles.LOAD_BALANCER, LoadBalancer)
    if asked.balancer:
        if balancer is None:
            return None
        pointed = address if address and address.port_id == balancer.vip_port_id else None
        return APIEndpoint(host=pointed.floating_ip_address if pointed else balancer.vip_address, port=asked.api_port)
    host = address.floating_ip_address if address else asked.api_server.fixed_ip
    return APIEndpoint(host=host, port=asked.api_port) if host else None


def floating_ip(asked: Asked, seen: Seen) -> FloatingIP | None:
    """The floating IP of the endpoint: the one wanted, else ours, else one that the user pointed at the VIP."""
    wanted = wanted_address(asked)
    named = [item for item in seen.found.get(PATH, ()) if isinstance(item, FloatingIP)]
    if wanted:
        return next((item for item in named if item.floating_ip_address == wanted), None)
    ours = seen.one(Kind.FLOATING_IP, roles.ENDPOINT_ADDRESS, FloatingIP)
    balancer = seen.one(Kind.LOAD_BALANCER, roles.LOAD_BALANCER, LoadBalancer)
    if ours is not None or balancer is None or not balancer.vip_port_id:
        return ours
    beside = [item for item in seen.beside.get(Kind.FLOATING_IP, ()) if isinstance(item, FloatingIP)]
    return next((item for item in beside if item.port_id == balancer.vip_port_id), None)


def wanted_address(asked: Asked) -> str | None:
    """The floating address that the spec names, or that a set endpoint has."""
    if asked.api_server.floating_ip:
        return asked.api_server.floating_ip
    host = asked.endpoint_host
    return host if host and is_address(host) and host != asked.api_server.fixed_ip else None


def _wants_address(asked: Asked, external: Network | None) -> bool:
    return external is not None and asked.api_server.enable_floating_ip is not False


def _address(asked: Asked, seen: Seen, external: Network | None, balancer: LoadBalancer | None) -> Plan:
    """What makes or finds the floating IP and points it at the VIP."""
    port, wanted = balancer.vip_port_id if balancer else None, wanted_address(asked)
    mine, steps = held_address(asked, seen)
    there = floating_ip(asked, seen)
    if there is None and mine is not None and wanted in (None, mine.floating_ip_address):
        there = mine
    if there is None or mine is None or there.id != mine.id:
        steps = ()
    if there is None:
        return Plan(steps=(_creation(asked, external, port),))
    if port is None or there.port_id == port:
        return Plan(steps=steps)
    if there.port_id and (mine is None or there.id != mine.id):
        message = f"floating IP {there.floating_ip_address} ({there.id}) is in use at port {there.port_id}"
        return Plan(waits=(Wait(condition=CONDITION, reason="InUse", message=message, path=PATH, after=60.0),))
    why = f"point floating IP {there.floating_ip_address} at the load balancer"
    steps += (Update(kind=Kind.FLOATING_IP, id=there.id, body={"port_id": port}, why=why, path=PATH),)
    return Plan(steps=steps)


def held_address(asked: Asked, seen: Seen) -> tuple[FloatingIP | None, tuple[Step, ...]]:
    """Our floating IP of the endpoint, and what keeps it: its mark if the Go provider made it, its tags."""
    return kept(asked, seen, _key(), FloatingIP, belongs=lambda item: _was_made(asked, item))


def _key() -> Key:
    return Key(Kind.FLOATING_IP, roles.ENDPOINT_ADDRESS)


def _was_made(asked: Asked, item: FloatingIP) -> bool:
    """Whether the Go provider made a floating IP for this cluster: its description says so and the user does not name it."""
    told = (item.description or "").endswith(f" cluster {asked.namespace}-{asked.name}")
    return told and item.floating_ip_address != asked.api_server.floating_ip


def _creation(asked: Asked, external: Network | None, port: str | None) -> Step:
    key, wanted = _key(), wanted_address(asked)
    body: dict[str, Any] = {
        "floating_network_id": external.id if external else "",
        "description": asked.description,
        "tags": list(asked.tags),
    }
    if port:
        body["port_id"] = port
    if wanted:
        body["floating_ip_address"] = wanted
    why = f"make floating IP {wanted or ''} for the API server".replace("  ", " ")
    return Create(key=key, body=body, mark=asked.mark(key.role), why=why, path=PATH)


def _unclear_name(asked: Asked, seen: Seen, external: Network | None) -> Wait | None:
    """What is missing when the endpoint is a DNS name: a load balancer at any other address than the name's serves nobody.

    The Go provider resolves the name, and then writes the address over it; names are not resolved here."""
    host, server = asked.endpoint_host, asked.api_server
    made = seen.one(Kind.LOAD_BALANCER, roles.LOAD_BALANCER, LoadBalancer)
    field, said = (
        ("floatingIP", server.floating_ip) if _wants_address(asked, external) else ("fixedIP", server.fixed_ip)
    )
    if host is None or is_address(host) or made is not None or said:
        return None
    message = (
        f'"{host}" is a name: say in spec.apiServer.{field} to which address it leads, so that the load balancer has it'
    )
    return Wait(
        condition=CONDITION, reason="NoEndpoint", message=message, path="spec.controlPlaneEndpoint.host", after=None
    )


def _nowhere(asked: Asked, external: Network | None) -> Wait:
    off = external is None and asked.spec.enable_external_network is not False
    message = (
        f"{'no external network was found, and there' if off else 'there'} is neither load balancer, floating IP nor "
        "fixedIP: enable managedLoadBalancer, name an externalNetwork, or give fixedIP or controlPlaneEndpoint"
    )
    return Wait(condition=CONDITION, reason="NoEndpoint", message=message, path="spec.apiServer", after=None)
