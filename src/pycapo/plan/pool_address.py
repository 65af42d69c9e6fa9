# SPDX-License-Identifier: Apache-2.0
"""The floating IP that a server claims of a pool: what is waited for, and the port that it is pointed at.

    claim -> address -> server -> floating IP on the first port with a router to the external network

Rule: a floating IP that points at a port of somebody else is never taken from it.
"""

from collections.abc import Iterator

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port, Router
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Plan, Update, Wait
from pycapo.plan.references import INSTANCE_READY

ADDRESS_READY = "FloatingAddressFromPoolReady"
PATH = "spec.floatingIPPoolRef"
LOOK_AGAIN = 30.0


def held_back(plan: Plan, claimed: str | Wait | None) -> Plan:
    """The plan of a server, which makes nothing before its floating IP is known."""
    if not isinstance(claimed, Wait) or not any(isinstance(step, Create) for step in plan.steps):
        return plan
    return Plan(waits=(msgspec.structs.replace(claimed, condition=INSTANCE_READY),))


def plan_address(address: str, ports: tuple[Port, ...], seen: Seen) -> Plan:
    """What points the claimed address at one of the ports, in their order."""
    found = next((it for it in seen.found.get(PATH, ()) if isinstance(it, FloatingIP)), None)
    if found is None:
        message = f"no floating IP of this project has the address {address} that the pool gave"
        return Plan(waits=(_wait("NotFound", message),))
    told = f"floating IP {address} ({found.id})"
    if found.port_id in {port.id for port in ports}:
        return Plan()
    if found.port_id:
        return Plan(waits=(_wait("InUse", f"{told} is in use at port {found.port_id}"),))
    way = next(ways(ports, found.floating_network_id, seen), None)
    if way is None:
        names = ", ".join(port.network_id for port in ports) or "none"
        message = (
            f"no router leads from a port of the server (networks {names}) to network {found.floating_network_id}, "
            f"which {told} is of"
        )
        return Plan(waits=(_wait("NoRoute", message),))
    port, fixed = way
    body = {"port_id": port.id, "fixed_ip_address": fixed}
    why = f"point {told} at port {port.name}"
    return Plan(steps=(Update(kind=Kind.FLOATING_IP, id=found.id, body=body, why=why, path=PATH),))


def ways(ports: tuple[Port, ...], external: str, seen: Seen) -> Iterator[tuple[Port, str]]:
    """The ports with an IPv4 address in a subnet that a router joins to an external network, and that address."""
    routers = {
        item.id
        for item in seen.beside.get(Kind.ROUTER, ())
        if isinstance(item, Router) and item.external_gateway_info and item.external_gateway_info.network_id == external
    }
    joined = {
        fixed.subnet_id
        for item in seen.beside.get(Kind.ROUTER_INTERFACE, ())
        if isinstance(item, Port) and item.device_id in routers
        for fixed in item.fixed_ips
    }
    for port in ports:
        for fixed in port.fixed_ips:
            if fixed.subnet_id in joined and ":" not in fixed.ip_address:
                yield port, fixed.ip_address


def _wait(reason: str, message: str) -> Wait:
    return Wait(condition=ADDRESS_READY, reason=reason, path=PATH, message=message, after=LOOK_AGAIN)
