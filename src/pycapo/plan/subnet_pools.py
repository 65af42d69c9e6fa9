# SPDX-License-Identifier: Apache-2.0
"""The subnet pools of a cluster: what the subnets of its machines' own networks are carved out of.

    spec.networks[].perMachine.subnets[] -> one pool each, ours, with the prefixes of `from`
    taken out of the spec, cluster gone  -> deleted, once no subnet is carved out of it any more

Rule: a pool gives subnets of one size only; prefixes are added to it, never taken away. The networks themselves belong to the
machines (`plan.machine_networks`).
"""

import ipaddress
from collections.abc import Iterable, Iterator

from pycapo.api.networks import NAMED_NETWORKS, CarvedSubnet, NamedNetwork
from pycapo.model.kinds import Kind
from pycapo.model.records import Record, Subnet, SubnetPool
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked, kept
from pycapo.plan.choose import choose_some, query_of, spelled

CONDITION = NAMED_NETWORKS
EXTENSION = "subnet_allocation"
"""The Neutron extension without which there are no subnet pools."""
SWEEP = 30.0
"""Seconds until the subnets that keep a pool from going are looked at again."""


def plan_pools(asked: Asked, seen: Seen, wanted: NamedNetwork, *, path: str) -> tuple[Plan, tuple[SubnetPool, ...]]:
    """What makes the pools of a network for each machine, and those that are there; `path` is the field of the network."""
    plan, there = Plan(), []
    asked_for = wanted.per_machine is not None and wanted.per_machine.subnets
    if asked_for and EXTENSION not in seen.extensions:
        message = (
            f'Neutron has no extension "{EXTENSION}", without which no subnet can be carved out of a larger prefix'
        )
        reason, where = "ExtensionMissing", f"{path}.perMachine.subnets"
        return Plan(waits=(Wait(condition=CONDITION, reason=reason, message=message, path=where, after=None),)), ()
    for place, subnet in enumerate((wanted.per_machine.subnets if wanted.per_machine else None) or ()):
        spot = f"{path}.perMachine.subnets[{place}]"
        key = Key(Kind.SUBNET_POOL, roles.named_subnet(wanted.name, subnet.name))
        record, steps = kept(asked, seen, key, SubnetPool, belongs=lambda _: False)
        if record is None:
            steps = (_creation(asked, subnet, key, path=spot),)
        else:
            steps = (*steps, *_widened(subnet, record, path=f"{spot}.from"))
            there.append(record)
        plan += Plan(steps=steps)
    return plan, tuple(there)


def plan_claims(seen: Seen, wanted: NamedNetwork, *, path: str) -> Plan:
    """What keeps machines from claiming a network: nothing matches the claim."""
    claim = wanted.per_machine.claim if wanted.per_machine else None
    if claim is None:
        return Plan()
    where = f"{path}.perMachine.claim"
    found, told = seen.found.get(where, ()), spelled(query_of(claim))
    chosen = choose_some(found, path=where, kind=Kind.NETWORK, wanted=told, condition=CONDITION)
    return Plan(waits=(chosen,)) if isinstance(chosen, Wait) else Plan()


def plan_unwanted_pools(asked: Asked, seen: Seen) -> Plan:
    """What takes away the pools that the spec asks for no more, once no subnet is left of them."""
    networks = [it for it in asked.spec.networks or () if it.per_machine]
    wanted = {
        roles.named_subnet(it.name, subnet.name)
        for it in networks
        for subnet in (it.per_machine.subnets if it.per_machine else None) or ()
    }
    gone = [it for it in seen.all(Kind.SUBNET_POOL, SubnetPool) if it.mark and it.mark.role not in wanted]
    return sum((_retire(seen, pool) for pool in sorted(gone, key=lambda it: it.id)), Plan())


def subnets_of(seen: Seen, pool: Record) -> list[Subnet]:
    """The subnets that are carved out of a pool, whoever has them."""
    found = (*seen.beside.get(Kind.SUBNET, ()), *seen.all(Kind.SUBNET, Subnet))
    return [it for it in found if isinstance(it, Subnet) and it.subnetpool_id == pool.id]


def still_carved(pool: Record, subnets: list[Subnet], *, condition: str, after: float) -> Wait:
    """The wait for the subnets of a pool that is to go."""
    shown = ", ".join(f"{it.name or 'unnamed'} ({it.cidr})" for it in subnets[:5])
    more = f" and {len(subnets) - 5} more" if len(subnets) > 5 else ""
    message = f"subnet pool {pool.name} is to go, and {len(subnets)} subnets are still carved out of it: {shown}{more}"
    return Wait(condition=condition, reason="WaitingForSubnets", message=message, path="spec.networks", after=after)


def _retire(seen: Seen, pool: SubnetPool) -> Plan:
    if left := subnets_of(seen, pool):
        return Plan(waits=(still_carved(pool, left, condition=CONDITION, after=SWEEP),))
    why = f"delete subnet pool {pool.name}, which spec.networks asks for no more"
    return Plan(steps=(Delete(kind=Kind.SUBNET_POOL, id=pool.id, why=why),))


def _creation(asked: Asked, subnet: CarvedSubnet, key: Key, *, path: str) -> Create:
    title = f"{asked.title}-{key.role.removeprefix('net.').replace('.', '-')}"
    length = subnet.prefix_length
    body = {
        "name": title,
        "description": asked.description,
        "prefixes": list(subnet.from_),
        "default_prefixlen": length,
        "min_prefixlen": length,
        "max_prefixlen": length,
        "tags": list(asked.tags),
    }
    why = f"make subnet pool {title} for subnets of /{length}"
    return Create(key=key, body=body, mark=asked.mark(key.role), why=why, path=path)


def _widened(subnet: CarvedSubnet, record: SubnetPool, *, path: str) -> Iterator[Step]:
    """What adds the prefixes that the spec has more than the pool."""
    there, every = space(record.prefixes), space((*record.prefixes, *subnet.from_))
    if there == every:
        return
    why = f"add prefixes to subnet pool {record.name}: {', '.join(every)}"
    yield Update(kind=Kind.SUBNET_POOL, id=record.id, body={"prefixes": every}, why=why, path=path)


def space(prefixes: Iterable[str]) -> list[str]:
    """Prefixes of one IP version without overlaps and with neighbours joined, as Neutron keeps them."""
    networks = [ipaddress.ip_network(it, strict=False) for it in prefixes]
    four = ipaddress.collapse_addresses(it for it in networks if isinstance(it, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(it for it in networks if isinstance(it, ipaddress.IPv6Network))
    return [str(it) for it in (*four, *six)]
