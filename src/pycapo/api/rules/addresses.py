# SPDX-License-Identifier: Apache-2.0
"""Rules for addresses, prefixes and MAC addresses that a manifest spells out.

Rule: only what no cloud can accept is a problem; a spelling that Neutron understands is fine.
"""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from pycapo.api.rules.problem import Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_MAC = re.compile(r"(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12}")


def address(text: object) -> Address | None:
    """Return the address that a text spells, or None."""
    try:
        return ip_address(text) if isinstance(text, str) else None
    except ValueError:
        return None


def network(text: object) -> Network | None:
    """Return the prefix that a text spells, its host bits cleared, or None."""
    try:
        return ip_network(text, strict=False) if isinstance(text, str) else None
    except ValueError:
        return None


def check_address(path: str, text: object) -> Iterator[Problem]:
    """Yield a problem when a text that is there spells no IP address."""
    if text is not None and address(text) is None:
        yield Problem(path, "is no IP address; write one such as 10.0.0.10 or 2001:db8::10", text)


def check_prefix(path: str, text: object) -> Iterator[Problem]:
    """Yield a problem when a text that is there spells neither an IP address nor a CIDR."""
    if text is not None and network(text) is None:
        yield Problem(path, "is neither an IP address nor a CIDR; write one such as 10.0.0.0/24", text)


def check_subnet_cidr(path: str, text: object) -> Iterator[Problem]:
    """Yield a problem when a text cannot be the CIDR of a subnet (Neutron wants no host bits)."""
    found = network(text)
    if found is None or not isinstance(text, str) or "/" not in text:
        yield Problem(path, "is no CIDR; write one such as 10.0.0.0/24 or fd00::/64", text)
    elif (start := address(text.split("/")[0])) != found.network_address:
        yield Problem(path, f"{start} is not the first address of the subnet; {found} is", text)


def check_inside(path: str, text: object, cidr: object) -> Iterator[Problem]:
    """Yield a problem when an address lies outside a CIDR; silent when one of them is no good itself."""
    found, around = address(text), network(cidr)
    if found is not None and around is not None and found not in around:
        yield Problem(path, f"lies outside its subnet {around} ({around[0]} to {around[-1]})", text)


def check_mac(path: str, text: object) -> Iterator[Problem]:
    """Yield a problem when a text that is there spells no MAC address."""
    if text is not None and not (isinstance(text, str) and _MAC.fullmatch(text.lower())):
        yield Problem(path, "is no MAC address; write one such as fa:16:3e:00:00:01", text)


def check_range(path: str, found: Mapping[str, Any], cidr: object = None) -> Iterator[Problem]:
    """Yield the problems of a `{start, end}` range, which lies in `cidr` when that is given."""
    for end in ("start", "end"):
        yield from check_address(f"{path}.{end}", found.get(end))
        yield from check_inside(f"{path}.{end}", found.get(end), cidr)
    start, end_address = address(found.get("start")), address(found.get("end"))
    if start is None or end_address is None:
        return
    if start.version != end_address.version:
        yield Problem(f"{path}.end", f"is of another IP version than start {start}", found.get("end"))
    elif int(end_address) < int(start):
        yield Problem(f"{path}.end", f"lies before start {start}; swap them", found.get("end"))
