# SPDX-License-Identifier: Apache-2.0
"""The API endpoint: which address it gets, and what becomes of floating IPs."""

from typing import Any

import msgspec
import pytest

from builders import OWNER, a_picture, asked
from pycapo.api.cluster import APIEndpoint
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FloatingIP, LoadBalancer, Network, Record
from pycapo.model.steps import Create, Plan, Step, Update
from pycapo.plan.endpoint import endpoint_of, plan_endpoint
from pycapo.plan.network import Ground, Site

SITE = Site("s", "10.6.0.0/24")
GROUND = Ground("n", (SITE,), SITE)
PUBLIC = Network(id="p", name="public", external=True)
PATH = "spec.apiServer.floatingIP"
BALANCER = LoadBalancer(
    id="lb", name="lb", tags=(Mark(OWNER, "api-lb").tag,), provisioning_status="PENDING_CREATE",
    vip_address="10.6.0.9", vip_port_id="vip",
)  # fmt: skip
OURS = FloatingIP(id="f", tags=(Mark(OWNER, "api-fip").tag,), floating_ip_address="203.0.113.9", port_id="vip")
THEIRS = FloatingIP(id="u", floating_ip_address="203.0.113.77", port_id=None)
BALANCED: dict[str, Any] = {"managedLoadBalancer": {"enabled": True}}


class Case:
    """A spec and what was seen for it."""

    def __init__(
        self,
        *owned: Record,
        found: tuple[FloatingIP, ...] = (),
        beside: tuple[FloatingIP, ...] = (),
        external: Network | None = PUBLIC,
        api: dict[str, Any] | None = None,
        **spec: Any,
    ) -> None:
        kinds = {LoadBalancer: Kind.LOAD_BALANCER, FloatingIP: Kind.FLOATING_IP}
        by_kind = {kind: tuple(item for item in owned if isinstance(item, of)) for of, kind in kinds.items()}
        self.seen = a_picture(owned=by_kind, found={PATH: found}, beside={Kind.FLOATING_IP: beside})
        self.asked = asked(apiServer=api if api is not None else BALANCED, **spec)
        self.external = external

    @property
    def plan(self) -> Plan:
        return plan_endpoint(self.asked, self.seen, GROUND, None, self.external)

    @property
    def step(self) -> Step:
        return next(
            step for step in self.plan.steps if not isinstance(step, Create) or step.key.kind is Kind.FLOATING_IP
        )

    @property
    def host(self) -> str | None:
        endpoint = endpoint_of(self.asked, self.seen)
        return endpoint.host if endpoint else None


def addresses(plan: Plan) -> list[Step]:
    """The steps about floating IPs."""
    return [
        step for step in plan.steps if (step.key.kind if isinstance(step, Create) else step.kind) is Kind.FLOATING_IP
    ]


def test_a_floating_ip_is_made_on_the_vip_in_one_request_while_the_balancer_is_built() -> None:
    step = Case(BALANCER).step

    assert isinstance(step, Create)
    assert (step.body["floating_network_id"], step.body["port_id"]) == ("p", "vip")
    assert step.mark == Mark(OWNER, "api-fip")


def test_a_floating_ip_on_the_vip_is_the_endpoint() -> None:
    case = Case(BALANCER, OURS)

    assert addresses(case.plan) == []
    assert case.host == "203.0.113.9"


def test_a_floating_ip_that_lost_its_vip_is_pointed_there_again() -> None:
    step = Case(BALANCER, msgspec.structs.replace(OURS, port_id=None)).step

    assert isinstance(step, Update)
    assert (step.id, step.body) == ("f", {"port_id": "vip"})


def test_without_floating_ip_the_vip_is_the_endpoint() -> None:
    case = Case(BALANCER, api={**BALANCED, "enableFloatingIP": False})

    assert addresses(case.plan) == []
    assert case.host == "10.6.0.9"


def test_without_external_network_the_vip_is_the_endpoint() -> None:
    case = Case(BALANCER, external=None)

    assert addresses(case.plan) == []
    assert case.host == "10.6.0.9"


def test_a_vip_that_became_the_endpoint_gets_no_floating_ip_later() -> None:
    case = Case(BALANCER, controlPlaneEndpoint={"host": "10.6.0.9", "port": 6443})

    assert addresses(case.plan) == []


def test_a_floating_ip_of_the_user_is_pointed_at_the_vip_and_not_marked() -> None:
    step = Case(BALANCER, found=(THEIRS,), api={**BALANCED, "floatingIP": "203.0.113.77"}).step

    assert isinstance(step, Update)
    assert (step.id, step.body) == ("u", {"port_id": "vip"})


def test_a_floating_ip_of_the_user_that_is_in_use_is_left_and_told() -> None:
    busy = msgspec.structs.replace(THEIRS, port_id="elsewhere")

    plan = Case(BALANCER, found=(busy,), api={**BALANCED, "floatingIP": "203.0.113.77"}).plan

    assert addresses(plan) == []
    assert plan.waits[0].told == f"{PATH}: floating IP 203.0.113.77 (u) is in use at port elsewhere"


def test_an_address_that_nobody_has_is_asked_for() -> None:
    step = Case(BALANCER, api={**BALANCED, "floatingIP": "203.0.113.77"}).step

    assert isinstance(step, Create)
    assert step.body["floating_ip_address"] == "203.0.113.77"


def test_a_floating_ip_that_the_user_put_on_the_vip_is_used() -> None:
    case = Case(BALANCER, beside=(msgspec.structs.replace(THEIRS, port_id="vip"),))

    assert addresses(case.plan) == []
    assert case.host == "203.0.113.77"


def test_without_load_balancer_a_floating_ip_waits_for_a_node() -> None:
    step = Case(api={}).step

    assert isinstance(step, Create)
    assert "port_id" not in step.body


def test_a_floating_ip_without_load_balancer_is_the_endpoint_wherever_it_points() -> None:
    case = Case(msgspec.structs.replace(OURS, port_id="node"), api={})

    assert case.plan == Plan()
    assert case.host == "203.0.113.9"


def test_our_floating_ip_stays_after_it_became_the_endpoint() -> None:
    case = Case(OURS, found=(OURS,), api={}, controlPlaneEndpoint={"host": "203.0.113.9", "port": 6443})

    assert case.plan == Plan()


def test_a_fixed_ip_is_the_endpoint_where_there_is_nothing_else() -> None:
    case = Case(api={"enableFloatingIP": False, "fixedIP": "10.6.0.50"})

    assert case.plan == Plan()
    assert case.host == "10.6.0.50"


def test_a_set_endpoint_stays() -> None:
    case = Case(api={}, controlPlaneEndpoint={"host": "api.example.org", "port": 443})

    assert case.plan == Plan()
    assert endpoint_of(case.asked, case.seen) == APIEndpoint(host="api.example.org", port=443)


def test_no_way_to_an_endpoint_is_told_with_the_ways_there_are() -> None:
    plan = Case(external=None, api={}).plan

    assert plan.waits[0].reason == "NoEndpoint"
    assert plan.waits[0].told.startswith("spec.apiServer: no external network was found")


def test_before_the_network_is_known_nothing_is_made() -> None:
    plan = plan_endpoint(asked(), a_picture(), None, None, PUBLIC)

    assert (plan.steps, plan.waits[0].reason) == ((), "WaitingForNetwork")


@pytest.mark.parametrize(("api", "port"), [({}, 6443), ({"port": 8443}, 8443)])
def test_the_port_of_the_endpoint(api: dict[str, Any], port: int) -> None:
    case = Case(BALANCER, OURS, api={**BALANCED, **api})

    assert endpoint_of(case.asked, case.seen) == APIEndpoint(host="203.0.113.9", port=port)


def test_tags_of_our_floating_ip_follow_the_spec() -> None:
    step = Case(BALANCER, OURS, tags=["prod"]).step

    assert isinstance(step, Update)
    assert (step.id, step.body) == ("f", {"tags": ["prod"]})


NAMED: dict[str, Any] = {"controlPlaneEndpoint": {"host": "api.example.org", "port": 6443}}


@pytest.mark.parametrize(("api", "field"), [({}, "floatingIP"), ({"enableFloatingIP": False}, "fixedIP")])
def test_a_name_before_a_load_balancer_needs_the_address_it_leads_to(api: dict[str, Any], field: str) -> None:
    plan = Case(api=BALANCED | api, **NAMED).plan

    assert not plan.steps
    assert plan.waits[0].told == (
        f'spec.controlPlaneEndpoint.host: "api.example.org" is a name: say in spec.apiServer.{field} to which address it leads, '
        "so that the load balancer has it"
    )


def test_a_name_stays_the_endpoint_of_a_load_balancer_at_the_address_that_is_said() -> None:
    case = Case(BALANCER, found=(THEIRS,), api=BALANCED | {"floatingIP": "203.0.113.77"}, **NAMED)

    assert case.step == Update(kind=Kind.FLOATING_IP, id="u", body={"port_id": "vip"}, why=case.step.why, path=PATH)
    assert case.host == "api.example.org"


def test_a_name_without_load_balancer_is_the_business_of_the_user() -> None:
    case = Case(api={}, **NAMED)

    assert case.plan == Plan()
    assert case.host == "api.example.org"
