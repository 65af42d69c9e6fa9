# SPDX-License-Identifier: Apache-2.0
"""A control plane node and the API endpoint: joining, leaving, and whose floating IP it is."""

from typing import Any

import pytest

from machines import CLUSTER_OWNER, NETWORK, OWNER, SUBNET, a_ready_cluster, seen_of, the_port
from pycapo.api.cluster import APIServer
from pycapo.api.networks import Subnet as SubnetStatus
from pycapo.api.references import SubnetFilter, SubnetParam
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FixedIP, FloatingIP, LoadBalancer, Member, Pool, Port, Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Update
from pycapo.plan.membership import leave, plan_membership

CLUSTER = a_ready_cluster()
FLOATED = a_ready_cluster(balanced=False)


def a_pool(port: int = 6443) -> Pool:
    return Pool(id=f"pool-{port}", name=f"p{port}", tags=(Mark(CLUSTER_OWNER, f"api-pool-{port}").tag,))


def a_member(port: int = 6443, address: str = "10.6.0.10", *, marked: bool = True) -> Member:
    tags = (Mark(OWNER, f"member-{port}").tag,) if marked else ()
    return Member(id=f"m-{port}", name="cp", pool_id=f"pool-{port}", address=address, protocol_port=port, tags=tags)


def seen_at(
    *owned: tuple[Kind, Record], state: str = "ACTIVE", pools: tuple[Pool, ...] = (a_pool(),), **fields: Any
) -> Seen:
    beside: dict[Kind, tuple[Record, ...]] = {
        Kind.LOAD_BALANCER: (LoadBalancer(id="lb", provisioning_status=state),),
        Kind.POOL: pools,
    }
    return seen_of(*owned, beside={**beside, **fields.pop("beside", {})}, **fields)


def an_address(port_id: str | None = None) -> FloatingIP:
    tag = Mark(CLUSTER_OWNER, "api-fip").tag
    return FloatingIP(id="fip", floating_ip_address="203.0.113.5", port_id=port_id, tags=(tag,))


def test_a_node_becomes_a_member_of_the_api_pool_by_its_address_on_the_cluster_network() -> None:
    elsewhere = the_port(0, network_id="net-2", fixed_ips=(FixedIP("10.9.0.1", "s9"),))

    (step,) = plan_membership("cp", CLUSTER, seen_at(elsewhere, the_port(1))).steps

    assert isinstance(step, Create)
    assert (step.parent, step.mark) == ("pool-6443", Mark(OWNER, "member-6443"))
    assert step.body == {"name": "cp", "address": "10.6.0.11", "protocol_port": 6443, "subnet_id": SUBNET}


def test_a_member_that_is_right_is_left_alone() -> None:
    assert plan_membership("cp", CLUSTER, seen_at(the_port(), (Kind.MEMBER, a_member()))).settled


def test_each_pool_gets_its_member_one_change_at_a_time() -> None:
    plan = plan_membership("cp", CLUSTER, seen_at(the_port(), pools=(a_pool(6443), a_pool(9345))))

    assert [step.parent for step in plan.steps if isinstance(step, Create)] == ["pool-6443"]
    assert [(wait.reason, wait.after) for wait in plan.waits] == [("LoadBalancerBusy", 2.0)]


@pytest.mark.parametrize(
    ("state", "reason", "after"),
    [("PENDING_UPDATE", "LoadBalancerBusy", 2.0), ("ERROR", "LoadBalancerMemberError", 60.0)],
)
def test_a_load_balancer_that_takes_no_changes_is_waited_for(state: str, reason: str, after: float) -> None:
    plan = plan_membership("cp", CLUSTER, seen_at(the_port(), state=state))

    assert plan.steps == ()
    assert [(wait.reason, wait.after, wait.condition) for wait in plan.waits] == [
        (reason, after, "APIServerIngressReady")
    ]


def test_a_busy_load_balancer_is_no_matter_once_the_node_is_a_member() -> None:
    assert plan_membership(
        "cp", CLUSTER, seen_at(the_port(), (Kind.MEMBER, a_member()), state="PENDING_UPDATE")
    ).settled


def test_a_member_with_an_old_address_is_replaced() -> None:
    plan = plan_membership("cp", CLUSTER, seen_at(the_port(), (Kind.MEMBER, a_member(address="10.6.0.99"))))

    assert isinstance(plan.steps[0], Delete)
    assert plan.waits


def test_a_member_of_the_go_provider_is_taken_over() -> None:
    seen = seen_at(the_port(), named={Kind.MEMBER: (a_member(marked=False),)})

    (step,) = plan_membership("cp", CLUSTER, seen).steps

    assert isinstance(step, Update)
    assert (step.id, step.parent, step.body) == ("m-6443", "pool-6443", {"tags": [Mark(OWNER, "member-6443").tag]})


def test_a_node_without_an_address_on_the_cluster_network_is_told_what_to_change() -> None:
    plan = plan_membership("cp", CLUSTER, seen_at(the_port(network_id="net-2")))

    assert plan.steps == ()
    assert plan.waits[0].path == "spec.ports"
    assert "add an entry without a network to spec.ports" in plan.waits[0].message


def test_the_primary_subnet_says_which_address_is_served() -> None:
    cluster = a_ready_cluster(primary_subnet=SubnetParam(id="s2"), tags=["blue"])
    port = the_port(fixed_ips=(FixedIP("10.6.0.10", SUBNET), FixedIP("10.7.0.10", "s2")))

    (step,) = plan_membership("cp", cluster, seen_at(port)).steps

    assert isinstance(step, Create)
    assert (step.body["address"], step.body["subnet_id"], step.body["tags"]) == ("10.7.0.10", "s2", ["blue"])


BY_FILTER = SubnetParam(filter=SubnetFilter(name="nodes"))
BOTH = the_port(fixed_ips=(FixedIP("10.6.0.10", SUBNET), FixedIP("10.7.0.10", "s2")))


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ({"primary_subnet": BY_FILTER}, "10.7.0.10"),
        ({"primary_subnet": BY_FILTER, "subnets": [SubnetParam(id=SUBNET)]}, "10.7.0.10"),
        ({"subnets": [BY_FILTER]}, "10.7.0.10"),
        ({"subnets": [SubnetParam(id="s2")]}, "10.7.0.10"),
        ({}, "10.6.0.10"),
    ],
)
def test_the_status_says_which_subnet_a_filter_meant(spec: dict[str, Any], address: str) -> None:
    cluster = a_ready_cluster(**spec)
    assert cluster.status is not None
    assert cluster.status.network is not None
    cluster.status.network.subnets = [SubnetStatus(id=id, name=id, cidr="10.0.0.0/8") for id in ("s2", SUBNET)]

    (step,) = plan_membership("cp", cluster, seen_at(BOTH)).steps

    assert isinstance(step, Create)
    assert step.body["address"] == address


def test_a_node_outside_of_the_primary_subnet_is_reached_where_it_is() -> None:
    cluster = a_ready_cluster(primary_subnet=SubnetParam(id="s9"))

    (step,) = plan_membership("cp", cluster, seen_at(the_port())).steps

    assert isinstance(step, Create)
    assert step.body["address"] == "10.6.0.10"


def test_members_leave_one_at_a_time_while_the_load_balancer_takes_changes() -> None:
    members = ((Kind.MEMBER, a_member(6443)), (Kind.MEMBER, a_member(9345)))
    pools = (a_pool(6443), a_pool(9345))

    ready = leave(CLUSTER, seen_at(the_port(), *members, pools=pools))
    busy = leave(CLUSTER, seen_at(the_port(), *members, pools=pools, state="PENDING_UPDATE"))

    assert [(step.id, step.parent) for step in ready.steps if isinstance(step, Delete)] == [("m-6443", "pool-6443")]
    assert ready.waits
    assert busy.steps == ()
    assert busy.waits


def test_leaving_is_nothing_when_the_endpoint_is_gone_or_goes_with_the_cluster() -> None:
    dying = a_ready_cluster()
    dying.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"
    member = (Kind.MEMBER, a_member())

    assert leave(dying, seen_at(member)).settled
    assert leave(CLUSTER, seen_at(member, pools=())).settled


def test_without_a_balancer_the_floating_ip_leads_to_the_first_node_that_asks() -> None:
    free = seen_of(the_port(), beside={Kind.FLOATING_IP: (an_address(),)})
    taken = seen_of(the_port(), beside={Kind.FLOATING_IP: (an_address("port-of-another"),)})

    (step,) = plan_membership("cp", FLOATED, free).steps

    assert isinstance(step, Update)
    assert (step.kind, step.id, step.body) == (Kind.FLOATING_IP, "fip", {"port_id": "port-0"})
    assert plan_membership("cp", FLOATED, taken).settled


def test_a_floating_ip_that_the_spec_gives_is_known_by_its_address() -> None:
    cluster = a_ready_cluster(balanced=False, api_server=APIServer(floating_ip="203.0.113.7"))
    given = FloatingIP(id="users", floating_ip_address="203.0.113.7")

    (step,) = plan_membership("cp", cluster, seen_of(the_port(), beside={Kind.FLOATING_IP: (given,)})).steps

    assert isinstance(step, Update)
    assert step.id == "users"


@pytest.mark.parametrize(
    ("heirs", "port"), [((Port(id="p9", network_id=NETWORK, fixed_ips=(FixedIP("10.6.0.2"),)),), "p9"), ((), None)]
)
def test_a_node_that_goes_hands_the_floating_ip_over_and_never_deletes_it(
    heirs: tuple[Port, ...], port: str | None
) -> None:
    seen = seen_of(the_port(), beside={Kind.FLOATING_IP: (an_address("port-0"),), Kind.PORT: heirs})

    (step,) = leave(FLOATED, seen).steps

    assert isinstance(step, Update)
    assert step.body == {"port_id": port}


def test_a_floating_ip_of_another_node_is_left_alone() -> None:
    seen = seen_of(the_port(), beside={Kind.FLOATING_IP: (an_address("port-of-another"),)})

    assert leave(FLOATED, seen).settled


def test_an_endpoint_that_somebody_else_serves_asks_nothing_of_the_node() -> None:
    cluster = a_ready_cluster(balanced=False, api_server=APIServer(enable_floating_ip=False, fixed_ip="10.6.0.250"))

    assert plan_membership("cp", cluster, seen_of()).settled
    assert leave(cluster, seen_of(the_port())).settled
