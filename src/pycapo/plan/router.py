# SPDX-License-Identifier: Apache-2.0
"""The router of a managed network: made with a gateway to the external network, or found; it joins the managed subnets.

A router that exists is only joined, never changed. A cluster without external network gets no router unless it names one.
"""

from typing import Any

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.records import Gateway, Network, Port, Router, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.choose import choose_one, query_of, spelled
from pycapo.plan.network import Ground

CONDITION = "RouterReady"


class Way(msgspec.Struct, frozen=True):
    """The router: what it is or will be, and its record once it was seen."""

    ref: Ref
    record: Router | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses on the external network."""
        gateway = self.record.external_gateway_info if self.record else None
        return tuple(item.ip_address for item in gateway.external_fixed_ips) if gateway else ()


def plan_router(asked: Asked, seen: Seen, ground: Ground | None, external: Network | None) -> tuple[Plan, Way | None]:
    """What makes or finds the router and joins it to the managed subnets; None for a cluster without one."""
    if asked.spec.router is not None:
        return _existing(asked, seen, ground)
    if not asked.spec.managed_subnets or external is None or ground is None:
        return Plan(), None
    key = Key(Kind.ROUTER, roles.ROUTER)
    router, steps = kept(asked, seen, key, Router)
    gateway = _gateway(asked, seen, external)
    if isinstance(gateway, Wait):
        return Plan(steps=steps, waits=(gateway,)), Way(router.id, router) if router else None
    if router is None:
        steps = (_creation(asked, key, gateway),)
    elif not _fits(router.external_gateway_info, gateway):
        why = f"lead router {router.name} to external network {external.name}"
        body = {"external_gateway_info": gateway}
        path = "spec.managedRouter.externalIPs" if "external_fixed_ips" in gateway else "spec.externalNetwork"
        steps += (Update(kind=Kind.ROUTER, id=router.id, body=body, why=why, path=path),)
    way = Way(router.id if router else key, router)
    return Plan(steps=steps + _joins(asked, seen, ground, way)), way


def leave(port: Port) -> Delete:
    """What takes a router out of the subnet in which it has this interface."""
    why = f"take router {port.device_id} out of the subnet"
    return Delete(kind=Kind.ROUTER_INTERFACE, id=port.id, parent=port.device_id, why=why)


def _existing(asked: Asked, seen: Seen, ground: Ground | None) -> tuple[Plan, Way | None]:
    path = "spec.router"
    found = [item for item in seen.found.get(path, ()) if isinstance(item, Router)]
    wanted = spelled(query_of(asked.spec.router))
    chosen = choose_one(found, path=path, kind=Kind.ROUTER, wanted=wanted, condition=CONDITION)
    if isinstance(chosen, Wait):
        return Plan(waits=(chosen,)), None
    way = Way(chosen.id, chosen)
    managed = asked.spec.managed_subnets and ground is not None
    return Plan(steps=_joins(asked, seen, ground, way) if managed and ground else ()), way


def _creation(asked: Asked, key: Key, gateway: dict[str, Any]) -> Create:
    """Addresses of its own are set afterwards: some clouds take them only in an update."""
    body: dict[str, Any] = {"name": asked.title, "description": asked.description, "tags": list(asked.tags)}
    if "external_fixed_ips" not in gateway:
        body["external_gateway_info"] = gateway
    return Create(
        key=key, body=body, mark=asked.mark(key.role), why=f"make router {asked.title}", path="spec.externalNetwork"
    )


def _gateway(asked: Asked, seen: Seen, external: Network) -> dict[str, Any] | Wait:
    """The gateway that the spec wants, as Neutron takes it."""
    gateway: dict[str, Any] = {"network_id": external.id}
    addresses = []
    wanted = asked.spec.managed_router.external_ips if asked.spec.managed_router else None
    for index, item in enumerate(wanted or ()):
        path = f"spec.managedRouter.externalIPs[{index}].subnet"
        subnet = item.subnet.id or _subnet_id(seen, path, spelled(query_of(item.subnet)))
        if isinstance(subnet, Wait):
            return subnet
        addresses.append({"subnet_id": subnet, **({"ip_address": item.fixed_ip} if item.fixed_ip else {})})
    if addresses:
        gateway["external_fixed_ips"] = addresses
    return gateway


def _subnet_id(seen: Seen, path: str, wanted: str) -> str | Wait:
    found = [item for item in seen.found.get(path, ()) if isinstance(item, Subnet)]
    chosen = choose_one(found, path=path, kind=Kind.SUBNET, wanted=wanted, condition=CONDITION)
    return chosen if isinstance(chosen, Wait) else chosen.id


def _fits(there: Gateway | None, wanted: dict[str, Any]) -> bool:
    """Whether a gateway is what is wanted; addresses that nobody asked for do not matter when none were asked for."""
    if there is None or there.network_id != wanted["network_id"]:
        return False
    addresses = wanted.get("external_fixed_ips")
    if addresses is None:
        return True
    left = [(item.subnet_id, item.ip_address) for item in there.external_fixed_ips]
    for item in sorted(addresses, key=lambda item: "ip_address" not in item):
        match = next(
            (pair for pair in left if pair[0] == item["subnet_id"] and item.get("ip_address", pair[1]) == pair[1]), None
        )
        if match is None:
            return False
        left.remove(match)
    return not left


def _joins(asked: Asked, seen: Seen, ground: Ground, way: Way) -> tuple[Step, ...]:
    """An interface in each managed subnet that the router has none in."""
    joined = {
        address.subnet_id
        for port in seen.beside.get(Kind.ROUTER_INTERFACE, ())
        if isinstance(port, Port) and port.device_id == way.ref
        for address in port.fixed_ips
    }
    return tuple(
        Create(
            key=Key(Kind.ROUTER_INTERFACE, roles.interface(index)),
            body={"subnet_id": site.ref},
            parent=way.ref,
            why=f"join subnet {site.cidr} to the router",
            path=f"spec.managedSubnets[{index}]",
        )
        for index, site in enumerate(ground.sites)
        if site.ref not in joined
    )
