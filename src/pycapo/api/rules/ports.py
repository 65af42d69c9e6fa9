# SPDX-License-Identifier: Apache-2.0
"""Rules for the ports of machines, servers, bastions and attachments.

Rule: only contradictions inside the manifest are problems here; whether a network exists is for the controller to see.
"""

from collections.abc import Iterator
from typing import Any

from pycapo.api.rules.addresses import check_address, check_inside, check_mac, check_prefix, check_range
from pycapo.api.rules.fixed import items, part
from pycapo.api.rules.problem import Problem, duplicate, forbidden

Json = dict[str, Any]
MUTABLE = ("ports[*].allowedAddressPairs", "additionalPorts[*].allowedAddressPairs")
_BESIDE_EXISTING = frozenset(
    {
        "existingPort",
        "trunk",
        "subports",
        "tags",
        "floatingIP",
        "defaultRoute",
        "nameSuffix",
        "network",
        "clusterNetwork",
    }
)
"""What may be said beside existingPort, or is told by another rule: nothing that would have to change the port."""
_SOURCES = ("ipAddress", "addressFrom", "range")


def check_ports(path: str, ports: list[Json]) -> Iterator[Problem]:
    """Yield the problems of a list of ports."""
    for index, port in enumerate(ports):
        yield from check_port(f"{path}[{index}]", port)
    yield from _shared_names(path, ports)
    yield from _shared_addresses(path, ports)
    yield from _routes(path, ports)


def check_port(path: str, port: Json) -> Iterator[Problem]:
    """Yield the problems of one port, those of its subports too."""
    yield from check_mac(f"{path}.macAddress", port.get("macAddress"))
    yield from _security(path, port)
    yield from _places(path, port)
    yield from _existing(path, port)
    for index, fixed in enumerate(items(port, "fixedIPs")):
        yield from _fixed_ip(f"{path}.fixedIPs[{index}]", fixed)
    for index, pair in enumerate(items(port, "allowedAddressPairs")):
        yield from check_prefix(f"{path}.allowedAddressPairs[{index}].ipAddress", pair.get("ipAddress"))
        yield from check_mac(f"{path}.allowedAddressPairs[{index}].macAddress", pair.get("macAddress"))
    yield from check_address(f"{path}.floatingIP.address", part(port, "floatingIP").get("address"))
    yield from _subports(path, port)


def _security(path: str, port: Json) -> Iterator[Problem]:
    if port.get("enablePortSecurity") is False and port.get("securityGroups"):
        yield forbidden(
            f"{path}.securityGroups",
            "a port without port security has no security groups; leave them out or set enablePortSecurity to true",
        )


def _places(path: str, port: Json) -> Iterator[Problem]:
    """Yield a problem when a port is said to be in several places."""
    said = [name for name in ("network", "clusterNetwork", "existingPort") if port.get(name)]
    if len(said) > 1:
        yield forbidden(
            f"{path}.{said[1]}", f"{said[0]} already says where the port is; keep one of {' and '.join(said)}"
        )


def _existing(path: str, port: Json) -> Iterator[Problem]:
    """Yield a problem for each field that a port cannot have which somebody else made."""
    for name in sorted(set(port) - _BESIDE_EXISTING) if port.get("existingPort") else ():
        yield forbidden(
            f"{path}.{name}", "the port of existingPort is used as it is; leave it out and change that port"
        )


def _fixed_ip(path: str, fixed: Json) -> Iterator[Problem]:
    sources = [name for name in _SOURCES if fixed.get(name)]
    if len(sources) > 1:
        yield forbidden(
            f"{path}.{sources[1]}", f"{sources[0]} already says the address; keep one of {', '.join(sources)}"
        )
    cidr = part(fixed, "subnet", "filter").get("cidr")
    yield from check_address(f"{path}.ipAddress", fixed.get("ipAddress"))
    yield from check_inside(f"{path}.ipAddress", fixed.get("ipAddress"), cidr)
    if fixed.get("range"):
        yield from check_range(f"{path}.range", fixed["range"], cidr)


def _subports(path: str, port: Json) -> Iterator[Problem]:
    subports = items(port, "subports")
    if subports and port.get("trunk") is False:
        yield forbidden(
            f"{path}.subports", "a port with subports is the parent of a trunk; leave trunk out or set it to true"
        )
    seen: set[tuple[Any, Any]] = set()
    for index, subport in enumerate(subports):
        yield from check_port(f"{path}.subports[{index}].port", subport.get("port") or {})
        segment = (subport.get("segmentationType", "vlan"), subport.get("segmentationID"))
        if segment in seen and segment[1] is not None:
            told = f"another subport of this port carries {segment[0]} {segment[1]}; choose another id"
            yield duplicate(f"{path}.subports[{index}].segmentationID", told, segment[1])
        seen.add(segment)


def _place(port: Json) -> str:
    """Return where a port is, so that ports of one network compare equal."""
    return repr((port.get("network"), port.get("clusterNetwork")))


def _shared_names(path: str, ports: list[Json]) -> Iterator[Problem]:
    """Yield a problem for ports of one network that would have the same name."""
    seen: dict[tuple[str, str], int] = {}
    for index, port in enumerate(ports):
        suffix = port.get("nameSuffix")
        first = seen.setdefault((_place(port), suffix or str(index)), index)
        if first != index and suffix:
            yield duplicate(
                f"{path}[{index}].nameSuffix", f"{path}[{first}] on the same network has it; choose another", suffix
            )


def _shared_addresses(path: str, ports: list[Json]) -> Iterator[Problem]:
    """Yield a problem for an address that is asked for twice on one network."""
    seen: dict[tuple[str, str], str] = {}
    for index, port in enumerate(ports):
        for position, fixed in enumerate(items(port, "fixedIPs")):
            where, found = f"{path}[{index}].fixedIPs[{position}].ipAddress", fixed.get("ipAddress")
            first = seen.setdefault((_place(port), found), where) if found else where
            if first != where:
                yield duplicate(where, f"{first} on the same network has it; choose another", found)


def _routes(path: str, ports: list[Json]) -> Iterator[Problem]:
    """Yield a problem for a second default route."""
    chosen = [index for index, port in enumerate(ports) if port.get("defaultRoute")]
    for index in chosen[1:]:
        yield forbidden(
            f"{path}[{index}].defaultRoute", f"{path}[{chosen[0]}] carries the default route; only one port can"
        )
