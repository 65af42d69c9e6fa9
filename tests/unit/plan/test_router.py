# SPDX-License-Identifier: Apache-2.0
"""The router: made, found, joined, led out."""

from typing import Any

from builders import OWNER, a_picture, asked
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FixedIP, Gateway, Network, Port, Record, Router, Subnet
from pycapo.model.steps import Create, Key, Plan, Step, Update
from pycapo.plan.network import Ground, Site
from pycapo.plan.router import Way, plan_router

PUBLIC = Network(id="p", name="public", external=True)
SITE = Site("s", "10.6.0.0/24")
GROUND = Ground("n", (SITE,), SITE)
TAG = Mark(OWNER, "router").tag
INTERFACE = Port(id="i", network_id="n", device_id="r", fixed_ips=(FixedIP("10.6.0.1", "s"),))


def a_router(*addresses: FixedIP, network: str = "p") -> Router:
    return Router(id="r", name="router", tags=(TAG,), external_gateway_info=Gateway(network, addresses))


def planned(
    router: Router | None = None, joined: bool = True, external: Network | None = PUBLIC, **spec: Any
) -> tuple[Plan, Way | None]:
    owned: dict[Kind, tuple[Record, ...]] = {Kind.ROUTER: (router,)} if router else {}
    found: dict[str, tuple[Record, ...]] = {
        "spec.router": (Router(id="theirs", name="theirs"),),
        "spec.managedRouter.externalIPs[0].subnet": (Subnet(id="ps", network_id="p", cidr="203.0.113.0/24"),),
    }
    beside: dict[Kind, tuple[Record, ...]] = {Kind.ROUTER_INTERFACE: (INTERFACE,) if joined else ()}
    return plan_router(asked(**spec), a_picture(owned=owned, found=found, beside=beside), GROUND, external)


def updated(step: Step) -> Update:
    assert isinstance(step, Update)
    return step


def test_a_router_is_made_with_its_gateway_and_joins_the_subnet() -> None:
    plan, _ = planned()

    router, interface = plan.steps
    assert isinstance(router, Create)
    assert isinstance(interface, Create)
    assert router.body["external_gateway_info"] == {"network_id": "p"}
    assert (interface.parent, interface.body) == (Key(Kind.ROUTER, "router"), {"subnet_id": "s"})


def test_a_router_that_is_there_and_joined_needs_nothing() -> None:
    plan, way = planned(a_router(FixedIP("203.0.113.5", "ps")))

    assert plan == Plan()
    assert way is not None
    assert way.addresses == ("203.0.113.5",)


def test_a_missing_interface_is_made() -> None:
    plan, _ = planned(a_router(), joined=False)

    (step,) = plan.steps
    assert isinstance(step, Create)
    assert step.parent == "r"


def test_a_router_that_lost_its_gateway_gets_it_back() -> None:
    plan, _ = planned(Router(id="r", name="router", tags=(TAG,)))

    assert updated(plan.steps[0]).body == {"external_gateway_info": {"network_id": "p"}}


def test_a_cluster_without_external_network_has_no_router() -> None:
    assert planned(external=None) == (Plan(), None)


ONE_ADDRESS = {"externalIPs": [{"fixedIP": "203.0.113.7", "subnet": {"id": "ps"}}]}


def test_addresses_of_the_router_are_set_after_it_was_made() -> None:
    plan, _ = planned(managedRouter=ONE_ADDRESS)

    step = plan.steps[0]
    assert isinstance(step, Create)
    assert "external_gateway_info" not in step.body


def test_other_addresses_of_the_router_are_set() -> None:
    plan, _ = planned(a_router(FixedIP("203.0.113.5", "ps")), managedRouter=ONE_ADDRESS)

    step = updated(plan.steps[0])
    assert step.body["external_gateway_info"] == {
        "network_id": "p",
        "external_fixed_ips": [{"subnet_id": "ps", "ip_address": "203.0.113.7"}],
    }
    assert step.path == "spec.managedRouter.externalIPs"


def test_addresses_that_are_right_are_not_set_again() -> None:
    plan, _ = planned(a_router(FixedIP("203.0.113.7", "ps")), managedRouter=ONE_ADDRESS)

    assert plan == Plan()


def test_any_address_of_a_subnet_will_do_where_none_is_named() -> None:
    wanted = {"externalIPs": [{"subnet": {"filter": {"name": "outer"}}}]}

    plan, _ = planned(a_router(FixedIP("203.0.113.9", "ps")), managedRouter=wanted)

    assert plan == Plan()


def test_a_surplus_address_is_taken_away() -> None:
    router = a_router(FixedIP("203.0.113.7", "ps"), FixedIP("203.0.113.8", "ps"))

    plan, _ = planned(router, managedRouter=ONE_ADDRESS)

    assert len(plan.steps) == 1


def test_an_unknown_subnet_of_an_address_is_told_and_keeps_the_rest() -> None:
    wanted = {"externalIPs": [{"subnet": {"id": "ps"}}, {"subnet": {"filter": {"name": "lost"}}}]}

    plan, _ = planned(managedRouter=wanted)

    assert plan.waits[0].told == 'spec.managedRouter.externalIPs[1].subnet: no subnet matches name "lost"'
    assert plan.steps == ()


def test_a_router_that_exists_is_joined_and_not_changed() -> None:
    plan, way = existing()

    (step,) = plan.steps
    assert isinstance(step, Create)
    assert (step.key.kind, step.parent) == (Kind.ROUTER_INTERFACE, "theirs")
    assert way is not None
    assert way.ref == "theirs"


def existing(*found: Router, **spec: Any) -> tuple[Plan, Way | None]:
    seen = a_picture(found={"spec.router": found or (Router(id="theirs", name="theirs"),)})
    return plan_router(asked(**{"router": {"filter": {"name": "theirs"}}, **spec}), seen, GROUND, None)


def test_a_router_beside_a_network_that_exists_is_only_looked_up() -> None:
    plan, way = existing(managedSubnets=None, network={"id": "n"})

    assert plan == Plan()
    assert way is not None


def test_an_ambiguous_router_is_told() -> None:
    plan, way = existing(Router(id="a", name="theirs"), Router(id="b", name="theirs"))

    assert way is None
    assert plan.waits[0].told == 'spec.router: 2 routers match name "theirs" (ids a, b)'
