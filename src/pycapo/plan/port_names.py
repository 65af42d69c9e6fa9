# SPDX-License-Identifier: Apache-2.0
"""The DNS names of ports.

Rule: a name is set once the server has its port. Nova gives every port that it takes the server's name, and does not take one that
has another.
"""

from collections.abc import Iterator

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Server
from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Update, Wait
from pycapo.plan.entries import Entry, entry_at
from pycapo.plan.references import INSTANCE_READY

UNNAMED = "openstacklocal"
"""The domain of a Neutron that keeps no names."""


def name_ports(server: OpenStackServer, seen: Seen, record: Server) -> Plan:
    """What gives the ports of a server's spec the names that they ask for."""
    return sum((name_port(entry, seen, record) for entry in _entries(server)), Plan())


def name_port(entry: Entry, seen: Seen, record: Server) -> Plan:
    """What gives one port its name, or why it cannot have one."""
    port, name = entry.seen(seen), entry.port.dns_name
    if not name or port is None or port.device_id != record.id or record.status != "ACTIVE":
        return Plan()
    path = f"{entry.path}.dnsName"
    if _kept_unnamed(port):
        message = f"Neutron keeps no names of ports while its dns_domain is {UNNAMED}; set another one, or leave it out"
        return Plan(
            waits=(Wait(condition=INSTANCE_READY, reason="NotSupported", path=path, message=message, after=300.0),)
        )
    if port.dns_name == name:
        return Plan()
    why = f"name port {port.name} {name}"
    return Plan(steps=(Update(kind=Kind.PORT, id=port.id, body={"dns_name": name}, why=why, path=path),))


def _entries(server: OpenStackServer) -> Iterator[Entry]:
    return (entry_at(server, index) for index in range(len(server.spec.ports)))


def _kept_unnamed(port: Port) -> bool:
    return any(it.fqdn.rstrip(".").endswith(UNNAMED) for it in port.dns_assignment)
