# SPDX-License-Identifier: Apache-2.0
"""A cluster's plan as a whole, its lookups, its status, and its end."""

from typing import Any

import msgspec

from builders import OWNER, a_picture, asked
from pycapo.api.cluster import FailureDomain, OpenStackClusterStatus
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import (
    FixedIP,
    FloatingIP,
    LoadBalancer,
    Network,
    Port,
    Record,
    Router,
    SecurityGroup,
    Subnet,
    Zone,
)
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Plan, Update, Wait
from pycapo.plan.cluster import complete, plan_cluster, plan_retirement
from pycapo.plan.lookups import lookups
from pycapo.plan.report import whole
from pycapo.plan.status import failure_domains, status_of

PUBLIC = Network(id="p", name="public", external=True)
FOUND: dict[str, tuple[Record, ...]] = {"spec.externalNetwork": (PUBLIC,)}


def tag(role: str) -> tuple[str, ...]:
    return (Mark(OWNER, role).tag,)


NETWORK = Network(id="n", name="net", tags=(*tag("network"), "prod"))
SUBNET = Subnet(id="s", name="sub", network_id="n", cidr="10.6.0.0/24", tags=tag("subnet-0"))
ROUTER = Router(id="r", name="rout", tags=tag("router"))
GROUP = SecurityGroup(id="g", name="group", tags=tag("sg-worker"))
ADDRESS = FloatingIP(id="f", floating_ip_address="203.0.113.9", tags=tag("api-fip"))
BALANCER = LoadBalancer(id="lb", name="bal", tags=tag("api-lb"), provisioning_status="ACTIVE")
INTERFACE = Port(
    id="i",
    network_id="n",
    device_id="r",
    device_owner="network:router_interface",
    fixed_ips=(FixedIP("10.6.0.1", "s"),),
)
OWNED: dict[Kind, tuple[Record, ...]] = {
    Kind.NETWORK: (NETWORK,),
    Kind.SUBNET: (SUBNET,),
    Kind.ROUTER: (ROUTER,),
    Kind.SECURITY_GROUP: (GROUP,),
    Kind.FLOATING_IP: (ADDRESS,),
}


def test_the_first_plan_makes_all_that_needs_no_answer() -> None:
    plan = whole(plan_cluster(asked(), a_picture(found=FOUND)))

    kinds = list(dict.fromkeys(step.key.kind for step in plan.steps if isinstance(step, Create)))
    assert kinds == [
        Kind.NETWORK,
        Kind.SUBNET,
        Kind.ROUTER,
        Kind.ROUTER_INTERFACE,
        Kind.SECURITY_GROUP,
        Kind.SECURITY_GROUP_RULE,
        Kind.LOAD_BALANCER,
    ]


def test_every_step_knows_what_it_needs_from_the_steps_before_it() -> None:
    steps = whole(plan_cluster(asked(), a_picture(found=FOUND))).steps
    made: set[str] = set()

    for step in steps:
        assert isinstance(step, Create)
        assert {str(key) for key in keys(step.body)} <= made
        made.add(str(step.key))


def keys(value: Any) -> list[Any]:
    match value:
        case dict():
            return [key for item in value.values() for key in keys(item)]
        case list():
            return [key for item in value for key in keys(item)]
    return [value] if type(value).__name__ == "Key" else []


def test_parts_are_named_by_their_conditions() -> None:
    parts = plan_cluster(asked(), a_picture(found=FOUND))

    assert list(parts) == ["NetworkReady", "RouterReady", "SecurityGroupsReady", "APIEndpointReady"]


def test_a_network_that_exists_has_no_router_condition_unless_one_is_named() -> None:
    spec: dict[str, Any] = {"managedSubnets": None, "network": {"id": "n"}}

    assert "RouterReady" not in plan_cluster(asked(**spec), a_picture(found=FOUND))
    assert "RouterReady" in plan_cluster(asked(**spec, router={"id": "r"}), a_picture(found=FOUND))


def test_an_unclear_external_network_holds_up_router_and_endpoint_but_not_the_network() -> None:
    two = (PUBLIC, Network(id="q", name="other", external=True))

    parts = plan_cluster(asked(), a_picture(found={"spec.externalNetwork": two}))

    assert parts["NetworkReady"].steps
    assert parts["SecurityGroupsReady"].steps
    assert parts["RouterReady"].steps == parts["APIEndpointReady"].steps == ()
    assert parts["RouterReady"].waits[0].reason == "WaitingForNetwork"


def test_a_network_for_each_machine_makes_a_subnet_pool_and_nothing_else() -> None:
    carved = {"subnets": [{"name": "v4", "from": ["10.64.0.0/16"], "prefixLength": 28}]}
    spec: dict[str, Any] = {"networks": [{"name": "own", "perMachine": carved}]}

    (step,) = plan_cluster(asked(**spec), a_picture(found=FOUND))["NamedNetworksReady"].steps

    assert isinstance(step, Create)
    assert (step.key.kind, step.path) == (Kind.SUBNET_POOL, "spec.networks[0].perMachine.subnets[0]")
    lengths = {step.body[f"{name}_prefixlen"] for name in ("min", "default", "max")}
    assert (step.body["prefixes"], lengths) == (["10.64.0.0/16"], {28})


def test_machines_can_join_when_nothing_they_need_is_missing() -> None:
    harmless = Wait(condition="APIEndpointReady", reason="NotUsed", message="x")
    missing = Wait(condition="NetworkReady", reason="NotFound", message="x")
    beside = Wait(condition="NamedNetworksReady", reason="NotYetSupported", message="x")

    assert complete({"APIEndpointReady": Plan(waits=(harmless,)), "NamedNetworksReady": Plan(waits=(beside,))})
    assert not complete({"NetworkReady": Plan(waits=(missing,))})


def test_every_reference_is_looked_up() -> None:
    spec: dict[str, Any] = {
        "managedSubnets": None,
        "network": {"filter": {"name": "dc"}},
        "subnets": [{"id": "a"}, {"filter": {"cidr": "10.0.0.0/24"}}],
        "primarySubnet": {"id": "a"},
        "router": {"filter": {"tags": ["x"]}},
        "externalNetwork": {"filter": {"name": "inet"}},
        "managedRouter": {"externalIPs": [{"subnet": {"filter": {"name": "outer"}}}]},
        "apiServer": {
            "floatingIP": "203.0.113.7",
            "managedLoadBalancer": {"network": {"id": "f"}, "subnets": [{"filter": {"name": "fs"}}]},
        },
    }

    assert lookups(asked(**spec)) == {
        "spec.externalNetwork": (Kind.NETWORK, {"name": "inet", "router:external": "true"}),
        "spec.network": (Kind.NETWORK, {"name": "dc"}),
        "spec.subnets[0]": (Kind.SUBNET, {"id": "a"}),
        "spec.subnets[1]": (Kind.SUBNET, {"cidr": "10.0.0.0/24"}),
        "spec.primarySubnet": (Kind.SUBNET, {"id": "a"}),
        "spec.router": (Kind.ROUTER, {"tags": "x"}),
        "spec.managedRouter.externalIPs[0].subnet": (Kind.SUBNET, {"name": "outer"}),
        "spec.apiServer.managedLoadBalancer.network": (Kind.NETWORK, {"id": "f"}),
        "spec.apiServer.managedLoadBalancer.subnets[0]": (Kind.SUBNET, {"name": "fs"}),
        "spec.apiServer.floatingIP": (Kind.FLOATING_IP, {"floating_ip_address": "203.0.113.7"}),
    }


def test_a_plain_cluster_looks_for_the_external_network_alone() -> None:
    assert lookups(asked()) == {"spec.externalNetwork": (Kind.NETWORK, {"router:external": "true"})}
    assert lookups(asked(enableExternalNetwork=False)) == {}


def zones(**spec: Any) -> list[FailureDomain]:
    return failure_domains(asked(**spec), a_picture(zones=(Zone("az2"), Zone("az1"))))


def test_zones_are_failure_domains() -> None:
    assert zones() == [FailureDomain(name=name, control_plane=True) for name in ("az1", "az2")]


def test_control_plane_nodes_keep_to_the_zones_that_the_spec_names() -> None:
    domains = zones(controlPlaneAvailabilityZones=["az2"], controlPlaneOmitAvailabilityZone=True)

    assert [item.control_plane for item in domains] == [False, True]


def test_control_plane_nodes_may_ignore_zones() -> None:
    assert [item.control_plane for item in zones(controlPlaneOmitAvailabilityZone=True)] == [False, False]


def test_status_tells_what_was_seen_without_our_marks() -> None:
    status = status_of(asked(), a_picture(owned=OWNED, found=FOUND), OpenStackClusterStatus())

    assert status.network is not None
    assert status.network.tags == ["prod"]
    assert [item.id for item in status.network.subnets or ()] == ["s"]
    assert status.worker_security_group is not None
    assert status.worker_security_group.id == "g"
    assert status.external_network is not None
    assert status.external_network.id == "p"


def test_status_tells_the_primary_subnet_first() -> None:
    subnets = [Subnet(id=id, network_id="dc", cidr="10.0.0.0/24") for id in ("a", "b")]
    found: dict[str, tuple[Record, ...]] = {
        "spec.network": (Network(id="dc", subnets=("a", "b")),),
        "spec.subnets": tuple(subnets),
        "spec.primarySubnet": (subnets[1],),
    }
    spec: dict[str, Any] = {"managedSubnets": None, "network": {"id": "dc"}, "primarySubnet": {"filter": {"name": "b"}}}

    status = status_of(asked(**spec), a_picture(found={**FOUND, **found}), OpenStackClusterStatus())

    assert status.network is not None
    assert [item.id for item in status.network.subnets or ()] == ["b", "a"]


def test_status_keeps_a_network_that_could_not_be_told_this_time() -> None:
    before = status_of(asked(), a_picture(owned=OWNED, found=FOUND), OpenStackClusterStatus())

    spec: dict[str, Any] = {"managedSubnets": None, "network": {"filter": {"name": "two"}}}
    after = status_of(asked(**spec), a_picture(), before)

    assert after.network == before.network


def ending(*remaining: str, beside: dict[Kind, tuple[Record, ...]] | None = None, **more: Any) -> Plan:
    seen: Seen = a_picture(owned={**OWNED, **more.pop("owned", {})}, beside=beside or {}, **more)
    return plan_retirement(asked(more.pop("status", None)), seen, remaining)


def deleted(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps if isinstance(step, Delete)]


def test_removal_waits_for_machines() -> None:
    plan = ending(*"abcdefg")

    assert plan.steps == ()
    assert plan.waits[0].message == "7 machines still exist: a, b, c, d, e and 2 more"


def test_removal_goes_from_the_inside_out() -> None:
    plan = ending(beside={Kind.ROUTER_INTERFACE: (INTERFACE,), Kind.PORT: (INTERFACE,)})

    assert deleted(plan) == ["f", "i", "r", "s", "n", "g"]


def test_removal_deletes_the_load_balancer_first_and_comes_back() -> None:
    plan = ending(owned={Kind.LOAD_BALANCER: (BALANCER,)})

    assert deleted(plan) == ["f", "lb"]
    assert isinstance(plan.steps[1], Delete)
    assert plan.steps[1].body == {"cascade": True}


def test_removal_waits_until_the_load_balancer_is_gone() -> None:
    going = msgspec.structs.replace(BALANCER, provisioning_status="PENDING_DELETE")

    plan = ending(owned={Kind.LOAD_BALANCER: (going,), Kind.FLOATING_IP: ()})

    assert plan.steps == ()
    assert (plan.waits[0].reason, plan.waits[0].after) == ("WaitingForLoadBalancer", 2.0)


def test_a_load_balancer_in_error_is_deleted() -> None:
    broken = msgspec.structs.replace(BALANCER, provisioning_status="ERROR")

    assert "lb" in deleted(ending(owned={Kind.LOAD_BALANCER: (broken,)}))


def test_a_router_that_existed_before_is_left_but_for_our_subnet() -> None:
    interface = msgspec.structs.replace(INTERFACE, device_id="theirs")

    plan = ending(owned={Kind.ROUTER: ()}, beside={Kind.ROUTER_INTERFACE: (interface,)})

    step = next(step for step in plan.steps if isinstance(step, Delete) and step.kind is Kind.ROUTER_INTERFACE)
    assert (step.id, step.parent) == ("i", "theirs")


def test_ports_of_others_are_named_and_hold_the_network() -> None:
    theirs = Port(id="x", name="vm", network_id="n", device_owner="compute:az1")

    plan = ending(beside={Kind.PORT: (theirs,), Kind.ROUTER_INTERFACE: (INTERFACE,)})

    assert deleted(plan) == ["f", "i"]
    assert plan.waits[0].message == "1 ports that are not the cluster's are on its network: vm (x, compute:az1)"


def test_ports_that_neutron_removes_itself_hold_nothing() -> None:
    dhcp = Port(id="d", network_id="n", device_owner="network:dhcp")

    assert "n" in deleted(ending(beside={Kind.PORT: (dhcp,)}))


def test_a_router_of_ours_in_a_subnet_of_others_is_named() -> None:
    interface = msgspec.structs.replace(INTERFACE, fixed_ips=(FixedIP("10.8.0.1", "theirs"),))

    plan = ending(beside={Kind.ROUTER_INTERFACE: (interface,)})

    assert deleted(plan) == ["f"]
    assert plan.waits[0].message == "router rout still joins subnets that are not the cluster's (port i)"


def test_ports_of_the_cluster_go_with_it() -> None:
    port = Port(id="mine", network_id="n", tags=tag("port"))

    assert "mine" in deleted(ending(owned={Kind.PORT: (port,)}))


def test_what_the_go_provider_made_is_marked_before_it_is_deleted() -> None:
    name = "k8s-clusterapi-cluster-team-blue"
    seen = a_picture(named={Kind.NETWORK: (Network(id="n", name=name),)})

    plan = plan_retirement(asked({"network": {"name": name, "id": "n"}}), seen, ())

    (step,) = plan.steps
    assert isinstance(step, Update)
    assert step.id == "n"


def test_nothing_left_is_the_end() -> None:
    assert plan_retirement(asked(), a_picture(), ()).settled
