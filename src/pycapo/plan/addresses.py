# SPDX-License-Identifier: Apache-2.0
"""The addresses of a server, in an order that says something.

Rule: the first port is the primary one and comes first, then the others as the spec lists them; within a port IPv4 before
IPv6, each as Neutron gave them, and a floating IP right after the addresses of its port. (The Go provider sorts by the names of
networks, so that which address of a node comes first depends on what somebody called a network.)
"""

from collections.abc import Iterable, Iterator, Sequence

from pycapo.api.meta import NodeAddress
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port
from pycapo.model.seen import Seen


def addresses(name: str, ports: Sequence[Port], floating_ips: Iterable[FloatingIP]) -> list[NodeAddress]:
    """The addresses of a server of this name; its name last, as InternalDNS, by which kubelet's certificates are approved."""
    by_port: dict[str, list[FloatingIP]] = {}
    for floating in floating_ips:
        if floating.port_id:
            by_port.setdefault(floating.port_id, []).append(floating)
    listed = [address for port in ports for address in _of_port(port, by_port.get(port.id, []))]
    return [*listed, NodeAddress(type="InternalDNS", address=name)]


def floating_ips(seen: Seen) -> tuple[FloatingIP, ...]:
    """The floating IPs that point at the server's ports, whoever owns them."""
    return tuple(item for item in seen.beside.get(Kind.FLOATING_IP, ()) if isinstance(item, FloatingIP))


def address_on(network: str, ports: Iterable[Port], subnet: str | None = None) -> tuple[Port, str] | None:
    """The first port on a network and its first address there, IPv4 before IPv6; of one subnet if that is given."""
    for port in ports:
        if port.network_id != network:
            continue
        fitting = [it.ip_address for it in port.fixed_ips if it.ip_address and subnet in (None, it.subnet_id)]
        if fitting:
            return port, min(fitting, key=lambda address: ":" in address)
    return None


def _of_port(port: Port, floating: list[FloatingIP]) -> Iterator[NodeAddress]:
    given = [item.ip_address for item in port.fixed_ips if item.ip_address]
    for address in sorted(given, key=lambda it: ":" in it):
        yield NodeAddress(type="InternalIP", address=address)
    for item in sorted(floating, key=lambda it: it.id):
        yield NodeAddress(type="ExternalIP", address=item.floating_ip_address)
