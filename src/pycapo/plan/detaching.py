# SPDX-License-Identifier: Apache-2.0
"""What takes NICs away that no attachment asks for any more.

    plugged in -> unplugged -> trunk and floating IP gone -> port deleted, or given back as it was

Rule: what somebody made is given back, never deleted; what he uses elsewhere by now is left alone.
"""

from collections.abc import Iterable, Iterator

import msgspec

from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Port, Server, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Delete, Plan, Step, Update, Wait
from pycapo.plan.asking import borrowed, names_address
from pycapo.plan.existing_ports import give_back
from pycapo.plan.nics import CONDITION, Wish, made_for, nics_wished
from pycapo.plan.plugging import BUSY_AGAIN, TROUBLE_AGAIN, UNPLUGGED_AGAIN, is_child, takes_ports, unplug
from pycapo.plan.port_floating_ips import leave

_WHY = "no attachment asks for it any more"


def leave_nics(wish: Wish, server: OpenStackServer, seen: Seen, *, record: Server | None) -> Plan:
    """What takes the NICs and floating IPs of an attachment away that its wish does not hold; empty when there are none."""
    wanted = {nic.entry.role for nic in nics_wished(wish, server)}
    ports = [it for it in made_for(seen, wish.id) if isinstance(it, Port) and it.mark and it.mark.role not in wanted]
    parents = [it for it in ports if it.mark and not is_child(it.mark.role)]
    roles = {it.mark.role for it in parents if it.mark}
    orphans = [it for it in ports if it.mark and it.mark.role.rpartition("-")[0] not in roles and it not in parents]
    leaving = (*(leave(it, seen, why=_WHY) for it in _floating_ips(wish, server, seen)), *_let_out(orphans, seen))
    plan = Plan(steps=leaving)
    for port in sorted((*parents, *orphans), key=lambda it: it.id):
        plan += take_away(port, seen, record)
    return plan


def take_away(port: Port, seen: Seen, record: Server | None) -> Plan:
    """Unplugs a port; once it is unplugged its trunk goes, then the ports that the trunk carried, and it."""
    if port.leaving:
        return Plan(waits=(nic_wait("Unplugging", f"port {port.name} is being unplugged"),))
    inside = record is not None and record.id == port.device_id and not (port.mark and is_child(port.mark.role))
    if record is not None and inside:
        return take_out(port, record, why=_WHY)
    if port.device_id and record is not None and port.device_owner != "trunk:subport":
        message = f"port {port.name} is plugged into {port.device_id}, not into server {record.id}; it is left alone"
        return Plan(waits=(nic_wait("InUse", message, after=TROUBLE_AGAIN),))
    return Plan(steps=tuple(_remove(port, seen)))


def take_out(port: Port, record: Server, *, why: str) -> Plan:
    """What unplugs a port from a server that has it, if the server is not busy."""
    if not takes_ports(record):
        return Plan(waits=(busy(record, f"port {port.name} cannot be unplugged"),))
    going = nic_wait("Unplugging", f"port {port.name} is being unplugged")
    return Plan(steps=(unplug(port, record, why=why),), waits=(going,))


def busy(record: Server, what: str, *, path: str = "") -> Wait:
    """The wait for a server that takes no port just now."""
    doing = f", {record.task_state}" if record.task_state else ""
    message = f"{what} while server {record.id} is {record.status or 'BUILD'}{doing}"
    return nic_wait("InstanceNotReady", message, path=path, after=BUSY_AGAIN)


def nic_wait(reason: str, message: str, *, path: str = "", after: float | None = UNPLUGGED_AGAIN) -> Wait:
    """A wait of an attachment."""
    return Wait(condition=CONDITION, reason=reason, message=message, path=path, after=after)


def _let_out(orphans: Iterable[Port], seen: Seen) -> Iterator[Step]:
    """Takes ports out of their trunks, which stay."""
    going = {it.id for it in orphans}
    for trunk in seen.all(Kind.TRUNK, Trunk):
        stay = [it for it in trunk.sub_ports if it.port_id not in going]
        if len(stay) < len(trunk.sub_ports):
            told = f"take {len(trunk.sub_ports) - len(stay)} ports out of trunk {trunk.name}: {_WHY}"
            yield Update(kind=Kind.TRUNK, id=trunk.id, body={"sub_ports": msgspec.to_builtins(stay)}, why=told)


def _remove(port: Port, seen: Seen) -> Iterator[Step]:
    role = port.mark.role if port.mark else ""
    trunk = seen.one(Kind.TRUNK, role, Trunk)
    if trunk:
        yield Delete(kind=Kind.TRUNK, id=trunk.id, why=f"trunk {trunk.name}: {_WHY}")
    carried = (it for it in seen.all(Kind.PORT, Port) if it.mark and it.mark.role.rpartition("-")[0] == role)
    for it in (*sorted(carried, key=lambda it: it.id), port):
        yield give_back(it) if borrowed(it) else Delete(kind=Kind.PORT, id=it.id, why=f"port {it.name}: {_WHY}")


def _floating_ips(wish: Wish, server: OpenStackServer, seen: Seen) -> Iterator[FloatingIP]:
    """The floating IPs of an attachment that its wish does not hold, or not any more as they are."""
    nics = {nic.entry.role: nic for nic in nics_wished(wish, server)}
    made = {nic.floating_ip for nic in nics.values() if nic.entry.port.floating_ip}
    for it in made_for(seen, wish.id):
        if not isinstance(it, FloatingIP) or it.mark is None or (not it.mark.borrowed and it.mark.role in made):
            continue
        nic = nics.get(it.mark.role)
        if not (it.mark.borrowed and nic and names_address(nic.entry, it)):
            yield it
