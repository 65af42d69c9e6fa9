# SPDX-License-Identifier: Apache-2.0
"""The managed security groups: one for control plane nodes, one for workers, one for the bastion, and their rules.

    wanted rules - rules there -> made, one request for each group: Neutron takes no rules of two groups at once
    rules there - wanted rules -> deleted

Rule: a rule is what it lets through; its id and its description do not matter. Rules for IPv6 come with IPv6 subnets.
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pycapo.api.cluster import SecurityGroupRuleSpec
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, SecurityGroup, SecurityGroupRule
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Ref, Step, Wait
from pycapo.plan import roles
from pycapo.plan.asked import DEFAULT_PORT, Asked, kept
from pycapo.plan.network import Ground, ip_version

CONDITION = "SecurityGroupsReady"
CONTROL_PLANE, WORKER, BASTION = "controlplane", "worker", "bastion"
NODE_PORTS = (30000, 32767)
_ANY = (None, "", "any", "0")


class Opening(msgspec.Struct, frozen=True):
    """What a rule lets through; None means any. `remote` is the group at the other end, `prefix` the CIDR."""

    direction: str = "ingress"
    family: str = "IPv4"
    protocol: str | None = None
    ports: tuple[int | None, int | None] = (None, None)
    remote: Ref | None = None
    prefix: str | None = None


Openings = Mapping[Opening, str]
"""What a group lets through, each with its description."""

_EGRESS = (Opening(direction="egress", family="IPv4"), Opening(direction="egress", family="IPv6"))
"""What Neutron puts into every new group."""


def plan_security(asked: Asked, seen: Seen, ground: Ground | None) -> Plan:
    """What makes the managed groups and brings their rules to what the spec says; nothing when they are not managed."""
    if asked.spec.managed_security_groups is None:
        return Plan()
    if ground is None:
        message = "the cluster network is not known yet"
        return Plan(waits=(Wait(condition=CONDITION, reason="WaitingForNetwork", message=message, after=None),))
    records: dict[str, SecurityGroup | None] = {}
    steps: list[Step] = []
    for name in _names(asked):
        records[name], more = _group(asked, seen, name)
        steps += more
    refs: dict[str, Ref] = {
        name: record.id if record else Key(Kind.SECURITY_GROUP, roles.security_group(name))
        for name, record in records.items()
    }
    wanted, waits = _wanted(asked, ground, refs)
    made, stale = _differences(records, refs, wanted)
    return Plan(steps=(*steps, *made, *stale), waits=waits) + _bastion_left(asked, seen)


def _names(asked: Asked) -> tuple[str, ...]:
    return (CONTROL_PLANE, WORKER, BASTION) if asked.has_bastion else (CONTROL_PLANE, WORKER)


def _group(asked: Asked, seen: Seen, name: str) -> tuple[SecurityGroup | None, tuple[Step, ...]]:
    key = Key(Kind.SECURITY_GROUP, roles.security_group(name))
    group, steps = kept(asked, seen, key, SecurityGroup)
    if group is not None:
        return group, steps
    title = names.security_group(asked.namespace, asked.name, name)
    body = {"name": title, "description": asked.description, "tags": list(asked.tags)}
    why = f"make security group {title}"
    path = "spec.managedSecurityGroups"
    return None, (Create(key=key, body=body, mark=asked.mark(key.role), why=why, path=path),)


def _bastion_left(asked: Asked, seen: Seen) -> Plan:
    """The group of a bastion that is no longer asked for goes when no port is in it."""
    group = seen.one(Kind.SECURITY_GROUP, roles.BASTION_GROUP, SecurityGroup)
    if asked.has_bastion or group is None:
        return Plan()
    users = [
        port for port in seen.beside.get(Kind.PORT, ()) if isinstance(port, Port) and group.id in port.security_groups
    ]
    if users:
        return Plan()
    return Plan(steps=(Delete(kind=Kind.SECURITY_GROUP, id=group.id, why=f"delete security group {group.name}"),))


def _wanted(asked: Asked, ground: Ground, refs: Mapping[str, Ref]) -> tuple[Mapping[str, Openings], tuple[Wait, ...]]:
    """What each group lets through."""
    waits: list[Wait] = []
    wanted: dict[str, dict[Opening, str]] = {name: dict.fromkeys(_EGRESS, "Full open") for name in refs}
    families = sorted({"IPv4", *(f"IPv{ip_version(site.cidr)}" for site in ground.sites)})
    for name, openings in wanted.items():
        for family in families:
            openings.update(_defaults(asked, name, family, refs))
    for site in ground.sites:
        wanted[WORKER].update(_node_ports(f"IPv{ip_version(site.cidr)}", prefix=site.cidr))
    for field, targets, rules in _custom(asked):
        for index, rule in enumerate(rules):
            path = f"spec.managedSecurityGroups.{field}[{index}]"
            opened = _openings_of(rule, path, refs)
            if isinstance(opened, Wait):
                waits.append(opened)
                continue
            for name in targets:
                wanted[name] = {**opened, **wanted[name]}
    return wanted, tuple(waits)


def _defaults(asked: Asked, name: str, family: str, refs: Mapping[str, Ref]) -> dict[Opening, str]:
    """The rules that Kubernetes needs, of one IP version."""
    match name:
        case "controlplane":
            return _control_plane(asked, family, refs)
        case "worker":
            return _worker(asked, family, refs)
    return {_tcp(family, 22): "SSH"}


def _control_plane(asked: Asked, family: str, refs: Mapping[str, Ref]) -> dict[Opening, str]:
    rules = {_tcp(family, port): "Kubernetes API" for port in (DEFAULT_PORT, asked.api_port)}
    if asked.balancer:
        rules |= {_tcp(family, port): "Additional port" for port in asked.balancer.additional_ports or ()}
    nodes = (refs[CONTROL_PLANE], refs[WORKER])
    if asked.spec.managed_security_groups and asked.spec.managed_security_groups.allow_all_in_cluster_traffic:
        rules |= {Opening(family=family, remote=remote): "In-cluster ingress" for remote in nodes}
    else:
        rules[_tcp(family, 2379, 2380, remote=refs[CONTROL_PLANE])] = "etcd"
        rules |= {_tcp(family, 10250, remote=remote): "Kubelet API" for remote in nodes}
    return rules | _ssh(family, refs)


def _worker(asked: Asked, family: str, refs: Mapping[str, Ref]) -> dict[Opening, str]:
    rules: dict[Opening, str] = {}
    nodes = (refs[WORKER], refs[CONTROL_PLANE])
    for remote in nodes:
        rules |= _node_ports(family, remote=remote)
    if asked.spec.managed_security_groups and asked.spec.managed_security_groups.allow_all_in_cluster_traffic:
        rules |= {Opening(family=family, remote=remote): "In-cluster ingress" for remote in nodes}
    else:
        rules |= {_tcp(family, 10250, remote=remote): "Kubelet API" for remote in nodes}
    return rules | _ssh(family, refs)


def _ssh(family: str, refs: Mapping[str, Ref]) -> dict[Opening, str]:
    return {_tcp(family, 22, remote=refs[BASTION]): "SSH"} if BASTION in refs else {}


def _node_ports(family: str, *, remote: Ref | None = None, prefix: str | None = None) -> dict[Opening, str]:
    prefix = _prefix(prefix)
    return {
        Opening(family=family, protocol=protocol, ports=NODE_PORTS, remote=remote, prefix=prefix): "Node port services"
        for protocol in ("tcp", "udp")
    }


def _tcp(family: str, first: int, last: int | None = None, *, remote: Ref | None = None) -> Opening:
    return Opening(family=family, protocol="tcp", ports=(first, last or first), remote=remote)


def _custom(asked: Asked) -> Iterator[tuple[str, tuple[str, ...], Sequence[SecurityGroupRuleSpec]]]:
    """The fields with rules of the user's, the groups that they are for, and the rules."""
    managed = asked.spec.managed_security_groups
    if managed is None:
        return
    nodes = (CONTROL_PLANE, WORKER)
    yield "clusterNodesSecurityGroupRules", nodes, managed.cluster_nodes_security_group_rules or ()
    yield (
        "controlPlaneNodesSecurityGroupRules",
        (CONTROL_PLANE,),
        managed.control_plane_nodes_security_group_rules or (),
    )
    yield "workerNodesSecurityGroupRules", (WORKER,), managed.worker_nodes_security_group_rules or ()


def _openings_of(rule: SecurityGroupRuleSpec, path: str, refs: Mapping[str, Ref]) -> dict[Opening, str] | Wait:
    """What a rule of the user's lets through: one opening, or one for each managed group at the other end."""
    unknown = [name for name in rule.remote_managed_groups or () if name not in refs]
    if unknown:
        message = f"the cluster has no managed group {unknown[0]}, only {', '.join(refs)}"
        where = f"{path}.remoteManagedGroups"
        return Wait(condition=CONDITION, reason="NotFound", message=message, path=where, after=None)
    opening = Opening(
        direction=rule.direction,
        family=rule.ether_type or "IPv4",
        protocol=_protocol(rule.protocol),
        ports=(rule.port_range_min or None, rule.port_range_max or None),
        remote=rule.remote_group_id,
        prefix=_prefix(rule.remote_ip_prefix),
    )
    remotes: list[Ref | None] = [refs[name] for name in rule.remote_managed_groups or ()]
    openings = [msgspec.structs.replace(opening, remote=remote) for remote in remotes] or [opening]
    return dict.fromkeys(openings, rule.description or "")


def _differences(
    records: Mapping[str, SecurityGroup | None], refs: Mapping[str, Ref], wanted: Mapping[str, Openings]
) -> tuple[list[Step], list[Step]]:
    """The rules to make and those to delete, over all groups."""
    made: list[Step] = []
    stale: list[Step] = []
    for name, record in records.items():
        there = {_opening(rule): rule for rule in record.security_group_rules} if record else dict.fromkeys(_EGRESS)
        missing = [opening for opening in wanted[name] if opening not in there]
        made += [
            Create(
                key=Key(Kind.SECURITY_GROUP_RULE, f"{name}-{index}"),
                body=_body(refs[name], opening, wanted[name][opening]),
                parent=refs[name],
                why=f"open {_spoken(opening)} to {name}",
                path="spec.managedSecurityGroups",
            )
            for index, opening in enumerate(missing)
        ]
        stale += [
            Delete(kind=Kind.SECURITY_GROUP_RULE, id=rule.id, why=f"close {_spoken(opening)} to {name}")
            for opening, rule in there.items()
            if rule is not None and opening not in wanted[name]
        ]
    return made, stale


def _opening(rule: SecurityGroupRule) -> Opening:
    """What a rule that exists lets through."""
    return Opening(
        direction=rule.direction,
        family=rule.ethertype,
        protocol=_protocol(rule.protocol),
        ports=(rule.port_range_min, rule.port_range_max),
        remote=rule.remote_group_id,
        prefix=_prefix(rule.remote_ip_prefix),
    )


def _body(group: Ref, opening: Opening, description: str) -> dict[str, Any]:
    fields = {
        "security_group_id": group,
        "direction": opening.direction,
        "ethertype": opening.family,
        "protocol": opening.protocol,
        "port_range_min": opening.ports[0],
        "port_range_max": opening.ports[1],
        "remote_group_id": opening.remote,
        "remote_ip_prefix": opening.prefix,
        "description": description,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _protocol(protocol: str | None) -> str | None:
    return None if protocol in _ANY else str(protocol).lower()


def _prefix(prefix: str | None) -> str | None:
    """A prefix as Neutron spells it; what is none stays, so that the cloud refuses it in its own words."""
    try:
        return ipaddress.ip_interface(prefix).with_prefixlen if prefix else None
    except ValueError:
        return prefix


def _spoken(opening: Opening) -> str:
    """An opening as people say it: `ingress IPv4 tcp 2379-2380`."""
    first, last = opening.ports
    ports = "" if first is None else f" {first}" if first == last else f" {first}-{last}"
    return f"{opening.direction} {opening.family} {opening.protocol or 'any'}{ports}"
