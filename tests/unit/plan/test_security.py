# SPDX-License-Identifier: Apache-2.0
"""The security groups: what they let through, and how little it takes to keep them so."""

import itertools
from typing import Any

from builders import OWNER, a_picture, asked
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, Record, SecurityGroup, SecurityGroupRule
from pycapo.model.steps import Create, Delete, Key, Plan
from pycapo.plan.network import Ground, Site
from pycapo.plan.security import plan_security

V4, V6 = Site("s", "10.6.0.0/24"), Site("t", "fd00:6::/64")
CONTROL_PLANE, WORKER = (Key(Kind.SECURITY_GROUP, f"sg-{name}") for name in ("controlplane", "worker"))
BASTION = {"enabled": True, "spec": {"flavor": {"id": "1"}, "image": {"id": "1"}}}


def planned(*sites: Site, owned: dict[Kind, tuple[Record, ...]] | None = None, beside: Any = None, **spec: Any) -> Plan:
    places = sites or (V4,)
    seen = a_picture(owned=owned or {}, beside=beside or {})
    return plan_security(asked(**{"managedSecurityGroups": {}, **spec}), seen, Ground("n", places, places[0]))


def rules(plan: Plan, group: Any) -> set[tuple[Any, ...]]:
    """The rules that a plan makes in a group: direction, IP version, protocol, ports, the other end."""
    return {
        (
            step.body["ethertype"],
            step.body.get("protocol"),
            step.body.get("port_range_min"),
            step.body.get("port_range_max"),
            step.body.get("remote_group_id") or step.body.get("remote_ip_prefix"),
        )
        for step in plan.steps
        if isinstance(step, Create) and step.body.get("security_group_id") == group
    }


def made_from(plan: Plan) -> dict[Kind, tuple[Record, ...]]:
    """The groups as Neutron has them after a plan: its two egress rules, and what the plan made."""
    ids = {step.key: step.key.role for step in plan.steps if isinstance(step, Create) and "name" in step.body}
    groups = []
    for key, id in ids.items():
        egress = [SecurityGroupRule(id=f"{id}-{v}", direction="egress", ethertype=v) for v in ("IPv4", "IPv6")]
        made = [
            SecurityGroupRule(
                id=f"{id}-{number}",
                direction=step.body["direction"],
                ethertype=step.body["ethertype"],
                protocol=step.body.get("protocol"),
                port_range_min=step.body.get("port_range_min"),
                port_range_max=step.body.get("port_range_max"),
                remote_ip_prefix=step.body.get("remote_ip_prefix"),
                remote_group_id=ids.get(step.body.get("remote_group_id"), step.body.get("remote_group_id")),
            )
            for number, step in enumerate(plan.steps)
            if isinstance(step, Create) and step.body.get("security_group_id") == key
        ]
        groups.append(SecurityGroup(id=id, name=id, tags=(Mark(OWNER, id).tag,), security_group_rules=(*egress, *made)))
    return {Kind.SECURITY_GROUP: tuple(groups)}


def test_unmanaged_groups_are_nobodys_business() -> None:
    assert planned(managedSecurityGroups=None) == Plan()


def test_without_a_network_the_groups_wait() -> None:
    assert plan_security(asked(), a_picture(), None).waits[0].reason == "WaitingForNetwork"


def test_groups_are_made_with_the_names_people_know() -> None:
    made = [step.body["name"] for step in planned().steps if isinstance(step, Create) and "name" in step.body]

    assert made == ["k8s-cluster-team-blue-secgroup-controlplane", "k8s-cluster-team-blue-secgroup-worker"]


def test_control_plane_nodes_serve_the_api_and_talk_among_themselves() -> None:
    assert rules(planned(), CONTROL_PLANE) == {
        ("IPv4", "tcp", 6443, 6443, None),
        ("IPv4", "tcp", 2379, 2380, CONTROL_PLANE),
        ("IPv4", "tcp", 10250, 10250, CONTROL_PLANE),
        ("IPv4", "tcp", 10250, 10250, WORKER),
    }


def test_workers_serve_node_ports_to_nodes_and_to_the_subnet() -> None:
    node_ports = {
        ("IPv4", protocol, 30000, 32767, end)
        for protocol in ("tcp", "udp")
        for end in (WORKER, CONTROL_PLANE, "10.6.0.0/24")
    }

    assert rules(planned(), WORKER) == node_ports | {
        ("IPv4", "tcp", 10250, 10250, WORKER),
        ("IPv4", "tcp", 10250, 10250, CONTROL_PLANE),
    }


def test_all_traffic_among_nodes_replaces_the_narrow_rules() -> None:
    plan = planned(managedSecurityGroups={"allowAllInClusterTraffic": True})

    assert rules(plan, CONTROL_PLANE) == {
        ("IPv4", "tcp", 6443, 6443, None),
        ("IPv4", None, None, None, CONTROL_PLANE),
        ("IPv4", None, None, None, WORKER),
    }


def test_ports_of_the_api_server_are_open() -> None:
    api = {"port": 443, "managedLoadBalancer": {"enabled": True, "additionalPorts": [9345]}}

    opened = rules(planned(apiServer=api), CONTROL_PLANE)

    assert {(rule[2], rule[4]) for rule in opened} >= {(6443, None), (443, None), (9345, None)}


def test_ipv6_subnets_bring_ipv6_rules() -> None:
    opened = rules(planned(V4, V6), WORKER)

    assert ("IPv6", "tcp", 30000, 32767, "fd00:6::/64") in opened
    assert ("IPv6", "tcp", 10250, 10250, WORKER) in opened


def test_a_bastion_reaches_all_nodes() -> None:
    plan = planned(bastion=BASTION)
    bastion = Key(Kind.SECURITY_GROUP, "sg-bastion")

    assert rules(plan, bastion) == {("IPv4", "tcp", 22, 22, None)}
    assert all(("IPv4", "tcp", 22, 22, bastion) in rules(plan, group) for group in (CONTROL_PLANE, WORKER))


def test_rules_of_the_user_are_added_once_for_each_managed_group() -> None:
    rule = {
        "name": "bgp",
        "direction": "ingress",
        "protocol": "TCP",
        "portRangeMin": 179,
        "portRangeMax": 179,
        "remoteManagedGroups": ["controlplane", "worker"],
    }

    plan = planned(managedSecurityGroups={"clusterNodesSecurityGroupRules": [rule]})

    expected = {("IPv4", "tcp", 179, 179, CONTROL_PLANE), ("IPv4", "tcp", 179, 179, WORKER)}
    assert rules(plan, CONTROL_PLANE) >= expected
    assert rules(plan, WORKER) >= expected


def test_rules_for_one_role_stay_there() -> None:
    rule = {"name": "x", "direction": "ingress", "protocol": "udp", "remoteIPPrefix": "192.0.2.7"}
    plan = planned(managedSecurityGroups={"workerNodesSecurityGroupRules": [rule]})

    assert ("IPv4", "udp", None, None, "192.0.2.7/32") in rules(plan, WORKER)
    assert not any(end == "192.0.2.7/32" for *_, end in rules(plan, CONTROL_PLANE))


def test_a_managed_group_that_the_cluster_does_not_have_is_told() -> None:
    rule = {"name": "x", "direction": "ingress", "remoteManagedGroups": ["bastion"]}

    plan = planned(managedSecurityGroups={"controlPlaneNodesSecurityGroupRules": [rule]})

    assert plan.waits[0].told == (
        "spec.managedSecurityGroups.controlPlaneNodesSecurityGroupRules[0].remoteManagedGroups: "
        "the cluster has no managed group bastion, only controlplane, worker"
    )


def test_rules_that_exist_are_neither_made_nor_deleted() -> None:
    for spec in ({}, {"bastion": BASTION}, {"managedSecurityGroups": {"allowAllInClusterTraffic": True}}):
        first = planned(**spec)

        assert planned(owned=made_from(first), **spec) == Plan()


def test_rules_of_a_group_are_made_side_by_side_and_apart_from_those_of_others() -> None:
    """One request makes the rules of one group; Neutron refuses those of two."""
    steps = [step for step in planned().steps if isinstance(step, Create)]
    rules = [step for step in steps if step.key.kind is Kind.SECURITY_GROUP_RULE]

    assert steps[-len(rules) :] == rules
    assert all(step.parent == step.body["security_group_id"] for step in rules)
    assert [group for group, _ in itertools.groupby(step.parent for step in rules)] == [CONTROL_PLANE, WORKER]


def test_a_rule_that_nobody_wants_is_deleted_and_a_lost_one_made() -> None:
    owned = made_from(planned())
    group = owned[Kind.SECURITY_GROUP][0]
    assert isinstance(group, SecurityGroup)
    stranger = SecurityGroupRule(id="stranger", protocol="tcp", port_range_min=8080, port_range_max=8080)
    kept = tuple(rule for rule in group.security_group_rules if rule.port_range_min != 6443)
    changed = SecurityGroup(id=group.id, name=group.name, tags=group.tags, security_group_rules=(*kept, stranger))

    plan = planned(owned={Kind.SECURITY_GROUP: (changed, owned[Kind.SECURITY_GROUP][1])})

    made, deleted = plan.steps
    assert isinstance(made, Create)
    assert made.why == "open ingress IPv4 tcp 6443 to controlplane"
    assert isinstance(deleted, Delete)
    assert (deleted.id, deleted.why) == ("stranger", "close ingress IPv4 tcp 8080 to controlplane")


def test_a_bastion_that_left_takes_its_group_along_once_no_port_is_in_it() -> None:
    owned = made_from(planned(bastion=BASTION))
    port = Port(id="p", network_id="n", security_groups=("sg-bastion",))

    busy = planned(owned=owned, beside={Kind.PORT: (port,)})
    free = planned(owned=owned)

    group = Delete(kind=Kind.SECURITY_GROUP, id="sg-bastion", why="delete security group sg-bastion")
    assert group not in busy.steps
    assert group in free.steps
