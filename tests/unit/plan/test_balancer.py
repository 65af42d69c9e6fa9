# SPDX-License-Identifier: Apache-2.0
"""The load balancer: whole in one request, then one change at a time."""

from typing import Any

import msgspec
import pytest

from builders import OWNER, a_picture, asked
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import (
    FixedIP,
    Gateway,
    HealthMonitor,
    Listener,
    LoadBalancer,
    LoadBalancerFlavor,
    Network,
    Owned,
    Pool,
    Record,
    Router,
    Subnet,
)
from pycapo.model.steps import Create, Delete, Plan, Step, Update
from pycapo.plan.balancer import PATH, plan_balancer
from pycapo.plan.lookups import lookups
from pycapo.plan.network import Ground, Site
from pycapo.plan.router import Way

NAME = "k8s-clusterapi-cluster-team-blue-kubeapi"
SITE = Site("s", "10.6.0.0/24")
GROUND = Ground("n", (SITE,), SITE, Network(id="n", name="n"))
WAY = Way("r", Router(id="r", external_gateway_info=Gateway("p", (FixedIP("203.0.113.5", "ps"),))))


def tag(role: str) -> tuple[str, ...]:
    return (Mark(OWNER, role).tag,)


BALANCER = LoadBalancer(
    id="lb", name=NAME, tags=tag("api-lb"), provisioning_status="ACTIVE", vip_address="10.6.0.9", vip_port_id="vip"
)
LISTENER = Listener(
    id="l", name=f"{NAME}-6443", tags=tag("api-listener-6443"), protocol_port=6443, default_pool_id="po",
    loadbalancers=(Owned("lb"),),
)  # fmt: skip
POOL = Pool(id="po", name=f"{NAME}-6443", tags=tag("api-pool-6443"), listeners=(Owned("l"),))
MONITOR = HealthMonitor(
    id="m", tags=tag("api-monitor-6443"), delay=10, timeout=5, max_retries=5, max_retries_down=3, pools=(Owned("po"),)
)
WHOLE: dict[Kind, tuple[Record, ...]] = {
    Kind.LOAD_BALANCER: (BALANCER,),
    Kind.LISTENER: (LISTENER,),
    Kind.POOL: (POOL,),
    Kind.HEALTH_MONITOR: (MONITOR,),
}


def planned(
    owned: dict[Kind, tuple[Record, ...]] | None = None, *, fields: Any = None, way: Way | None = WAY, **wanted: Any
) -> Plan:
    api = {"managedLoadBalancer": {"enabled": True, **wanted}}
    return plan_balancer(asked(apiServer=api), a_picture(owned=owned or {}, **(fields or {})), GROUND, way)[0]


def created(plan: Plan) -> Create:
    (step,) = plan.steps
    assert isinstance(step, Create)
    return step


def only(plan: Plan) -> Step:
    (step,) = plan.steps
    return step


def test_everything_is_made_in_one_request() -> None:
    body = created(planned()).body

    (listener,) = body["listeners"]
    assert (body["name"], body["vip_network_id"], body["vip_subnet_id"]) == (NAME, "n", "s")
    assert (listener["protocol"], listener["protocol_port"]) == ("TCP", 6443)
    assert listener["default_pool"]["lb_algorithm"] == "ROUND_ROBIN"
    assert listener["default_pool"]["healthmonitor"]["delay"] == 10


def test_every_part_carries_a_mark_of_its_own() -> None:
    listener = created(planned()).body["listeners"][0]

    assert listener["tags"] == [*tag("api-listener-6443")]
    assert listener["default_pool"]["tags"] == [*tag("api-pool-6443")]
    assert listener["default_pool"]["healthmonitor"]["tags"] == [*tag("api-monitor-6443")]


def test_additional_ports_have_listeners_too() -> None:
    listeners = created(planned(additionalPorts=[9345])).body["listeners"]

    assert [item["protocol_port"] for item in listeners] == [6443, 9345]


def test_the_wishes_of_the_spec_go_into_the_creation() -> None:
    flavor = "3fa85f64-5717-4562-b3fc-2c963f66afa6"

    body = created(planned(provider="amphora", availabilityZone="az1", flavor=flavor, monitor={"delay": 3})).body

    assert (body["provider"], body["availability_zone"], body["flavor_id"]) == ("amphora", "az1", flavor)
    assert body["listeners"][0]["default_pool"]["healthmonitor"]["delay"] == 3


def test_ovn_spreads_by_source() -> None:
    assert created(planned(provider="ovn")).body["listeners"][0]["default_pool"]["lb_algorithm"] == "SOURCE_IP_PORT"


def flavors(*ids: str) -> dict[str, Any]:
    return {"found": {f"{PATH}.flavor": tuple(LoadBalancerFlavor(id=id, name="large") for id in ids)}}


def test_a_flavor_by_name_is_sent_by_its_id() -> None:
    assert created(planned(flavor="large", fields=flavors("f-1"))).body["flavor_id"] == "f-1"


@pytest.mark.parametrize("ids", [(), ("f-1", "f-2")])
def test_an_unknown_or_ambiguous_flavor_is_told_before_anything_is_made(ids: tuple[str, ...]) -> None:
    plan = planned(flavor="large", fields=flavors(*ids))

    assert plan.steps == ()
    assert plan.waits[0].path == f"{PATH}.flavor"
    assert 'name "large"' in plan.waits[0].message


def test_only_names_of_flavors_are_looked_up() -> None:
    def wanted(flavor: str) -> bool:
        api = {"managedLoadBalancer": {"enabled": True, "flavor": flavor}}
        return f"{PATH}.flavor" in lookups(asked(apiServer=api))

    assert wanted("large")
    assert not wanted("3fa85f64-5717-4562-b3fc-2c963f66afa6")


def test_the_fixed_ip_is_the_vip() -> None:
    api = {"fixedIP": "10.6.0.50", "managedLoadBalancer": {"enabled": True}}

    plan, _ = plan_balancer(asked(apiServer=api), a_picture(), GROUND, WAY)

    assert created(plan).body["vip_address"] == "10.6.0.50"


def test_another_network_and_subnet_can_carry_the_vip() -> None:
    path = "spec.apiServer.managedLoadBalancer"
    found = {
        f"{path}.network": (Network(id="front", name="front"),),
        f"{path}.subnets[0]": (Subnet(id="fs", network_id="front", cidr="10.9.0.0/24"),),
    }

    plan = planned(fields={"found": found}, network={"filter": {"name": "front"}}, subnets=[{"filter": {"name": "fs"}}])

    body = created(plan).body
    assert (body["vip_network_id"], body["vip_subnet_id"]) == ("front", "fs")


def test_a_subnet_outside_of_the_network_is_told() -> None:
    path = "spec.apiServer.managedLoadBalancer.subnets[0]"
    found = {path: (Subnet(id="x", network_id="elsewhere", cidr="10.9.0.0/24"),)}

    plan = planned(fields={"found": found}, subnets=[{"id": "x"}])

    assert plan.waits[0].told == f'{path}: no subnet matches id "x" in network n (n)'


def test_a_cloud_without_octavia_is_told_what_to_do() -> None:
    plan = planned(fields={"services": frozenset({"network"})})

    assert plan.waits[0].reason == "LoadBalancerServiceAbsent"
    assert "set enabled to false" in plan.waits[0].told


def test_what_is_as_the_spec_says_is_left() -> None:
    assert planned(WHOLE) == Plan()


@pytest.mark.parametrize(
    ("status", "reason", "after"),
    [("PENDING_UPDATE", "LoadBalancerPending", 2.0), ("ERROR", "LoadBalancerError", 60.0)],
)
def test_nothing_is_changed_unless_it_is_active(status: str, reason: str, after: float) -> None:
    balancer = msgspec.structs.replace(BALANCER, provisioning_status=status)

    plan = planned({Kind.LOAD_BALANCER: (balancer,)}, monitor={"delay": 1})

    assert plan.steps == ()
    assert (plan.waits[0].reason, plan.waits[0].after) == (reason, after)


def test_a_member_that_joins_does_not_make_the_endpoint_unready() -> None:
    balancer = msgspec.structs.replace(BALANCER, provisioning_status="PENDING_UPDATE")

    assert planned({**WHOLE, Kind.LOAD_BALANCER: (balancer,)}) == Plan()


@pytest.mark.parametrize(
    ("lost", "needs"),
    [(Kind.LISTENER, "loadbalancer_id"), (Kind.POOL, "listener_id"), (Kind.HEALTH_MONITOR, "pool_id")],
)
def test_a_part_that_was_lost_is_made_again(lost: Kind, needs: str) -> None:
    owned = {kind: records for kind, records in WHOLE.items() if kind is not lost}

    step = created(planned(owned))

    assert step.key.kind is lost
    assert step.body[needs] in ("lb", "l", "po")


def test_differences_are_set_right_one_at_a_time() -> None:
    step = only(planned(WHOLE, monitor={"delay": 3, "timeout": 2}, additionalPorts=[9345]))

    assert isinstance(step, Update)
    assert (step.kind, step.id, step.body) == (Kind.HEALTH_MONITOR, "m", {"delay": 3, "timeout": 2})


def test_a_port_that_nobody_asks_for_any_more_goes() -> None:
    old = Listener(id="old", name="x", tags=tag("api-listener-9345"), protocol_port=9345)

    step = only(planned({**WHOLE, Kind.LISTENER: (LISTENER, old)}))

    assert isinstance(step, Delete)
    assert (step.kind, step.id) == (Kind.LISTENER, "old")


ALLOWED = ["10.6.0.0/24", "192.0.2.0/24", "203.0.113.5/32"]


def test_nodes_and_router_may_always_connect() -> None:
    assert created(planned(allowedCIDRs=["192.0.2.0/24"])).body["listeners"][0]["allowed_cidrs"] == ALLOWED


def test_the_load_balancer_waits_for_the_addresses_of_the_router() -> None:
    plan = planned(way=Way("r"), allowedCIDRs=["192.0.2.0/24"])

    assert plan.steps == ()
    assert plan.waits[0].reason == "WaitingForRouter"


def test_changed_addresses_are_set_on_the_listener() -> None:
    step = only(planned(WHOLE, allowedCIDRs=["192.0.2.0/24"]))

    assert isinstance(step, Update)
    assert (step.id, step.body) == ("l", {"allowed_cidrs": ALLOWED})


def test_a_list_of_addresses_that_was_taken_out_lets_everybody_in() -> None:
    listener = msgspec.structs.replace(LISTENER, allowed_cidrs=("192.0.2.0/24",))

    step = only(planned({**WHOLE, Kind.LISTENER: (listener,)}))

    assert isinstance(step, Update)
    assert step.body == {"allowed_cidrs": []}


def test_an_address_of_no_use_is_told_and_the_others_are_used() -> None:
    plan = planned(allowedCIDRs=["192.0.2.0/24", "fd00::/8", "nonsense"])

    assert [wait.path[-15:] for wait in plan.waits] == ["allowedCIDRs[1]", "allowedCIDRs[2]"]
    assert created(plan).body["listeners"][0]["allowed_cidrs"] == ALLOWED


def test_tags_of_the_load_balancer_follow_the_spec() -> None:
    seen = a_picture(owned=WHOLE)

    plan, _ = plan_balancer(asked(tags=["prod"]), seen, GROUND, WAY)

    step = only(plan)
    assert isinstance(step, Update)
    assert (step.kind, step.body) == (Kind.LOAD_BALANCER, {"tags": ["prod"]})


def test_parts_that_the_go_provider_made_are_taken_over() -> None:
    bare = {
        kind: tuple(msgspec.structs.replace(item, tags=(), name=f"{NAME}-6443") for item in items)
        for kind, items in WHOLE.items()
    }
    seen = a_picture(owned={Kind.LOAD_BALANCER: (BALANCER,)}, named={**bare, Kind.LOAD_BALANCER: ()})

    plan, _ = plan_balancer(asked(), seen, GROUND, WAY)

    step = only(plan)
    assert isinstance(step, Update)
    assert (step.id, step.body) == ("l", {"tags": [*tag("api-listener-6443")]})
