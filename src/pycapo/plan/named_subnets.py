# SPDX-License-Identifier: Apache-2.0
"""The subnets of a named network, and of a machine's own, in Neutron's words: the request that makes one, and what of it changed.

Rule: what the spec does not say is left to Neutron, and never set back.
"""

import ipaddress
from typing import Any

from pycapo.api.networks import NO_GATEWAY, CarvedSubnet, NamedSubnet
from pycapo.model.records import Subnet
from pycapo.plan.network import ip_version


def subnet_body(wanted: NamedSubnet | CarvedSubnet) -> dict[str, Any]:
    """The attributes of a subnet that is to be made, without its network, name and subnet pool."""
    fixed = {
        **_place(wanted),
        "ipv6_address_mode": wanted.ipv6_address_mode,
        "ipv6_ra_mode": wanted.ipv6_ra_mode,
    }
    return {**{name: value for name, value in fixed.items() if value is not None}, **_mutable(wanted)}


def _place(wanted: NamedSubnet | CarvedSubnet) -> dict[str, Any]:
    """The CIDR of a subnet, or how large the one is that a pool gives."""
    if isinstance(wanted, NamedSubnet):
        return {"cidr": wanted.cidr, "ip_version": ip_version(wanted.cidr)}
    return {"prefixlen": wanted.prefix_length, "ip_version": ip_version(wanted.from_[0])}


def subnet_changes(wanted: NamedSubnet | CarvedSubnet, there: Subnet) -> dict[str, Any]:
    """What has to be set so that a subnet is as the spec says."""
    routes = [{"destination": it.destination, "nexthop": it.nexthop} for it in there.host_routes]
    pools = [{"start": it.start, "end": it.end} for it in there.allocation_pools]
    known: dict[str, Any] = {
        "gateway_ip": there.gateway_ip,
        "enable_dhcp": there.enable_dhcp,
        "dns_nameservers": list(there.dns_nameservers),
        "host_routes": routes,
        "allocation_pools": pools,
    }
    asked = _mutable(wanted)
    return {name: value for name, value in asked.items() if _plain(value) != _plain(known[name])}


def _mutable(wanted: NamedSubnet | CarvedSubnet) -> dict[str, Any]:
    """The attributes that Neutron lets change, where the spec says them."""
    body: dict[str, Any] = {}
    if wanted.gateway is not None:
        body["gateway_ip"] = None if wanted.gateway == NO_GATEWAY else wanted.gateway
    if wanted.enable_dhcp is not None:
        body["enable_dhcp"] = wanted.enable_dhcp
    if wanted.dns_nameservers is not None:
        body["dns_nameservers"] = list(wanted.dns_nameservers)
    if wanted.host_routes is not None:
        body["host_routes"] = [{"destination": it.destination, "nexthop": it.next_hop} for it in wanted.host_routes]
    if isinstance(wanted, NamedSubnet) and wanted.allocation_pools is not None:
        body["allocation_pools"] = [{"start": it.start, "end": it.end} for it in wanted.allocation_pools]
    return body


def _plain(value: Any) -> Any:
    """A value in one spelling and order: addresses as `ipaddress` writes them; only DNS servers have an order."""
    if isinstance(value, dict):
        return tuple(sorted((name, _plain(item)) for name, item in value.items()))
    if isinstance(value, list):
        items = [_plain(item) for item in value]
        return sorted(items) if items and isinstance(items[0], tuple) else items
    if not isinstance(value, str):
        return value
    try:
        return str(ipaddress.ip_interface(value)) if "/" in value else str(ipaddress.ip_address(value))
    except ValueError:
        return value
