# SPDX-License-Identifier: Apache-2.0
"""Which port a claimed floating IP goes to, and what is told when there is none."""

from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, FloatingIP, Gateway, Port, Router
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan, Update, Wait
from pycapo.plan.pool_address import ADDRESS_READY, PATH, held_back, plan_address

ADDRESS = "203.0.113.9"
WAITING = Wait(condition=ADDRESS_READY, reason="WaitingForIPAMProvider", message="not yet", after=None)


def a_port(id: str, *fixed: tuple[str, str]) -> Port:
    addresses = tuple(FixedIP(ip_address=address, subnet_id=subnet) for subnet, address in fixed)
    return Port(id=id, name=f"worker-{id}", network_id=f"net-{id}", fixed_ips=addresses)


PORTS = a_port("a", ("storage", "10.9.0.5")), a_port("b", ("v6", "fd00::5"), ("inner", "10.6.0.5"))


def a_picture(*, port: str | None = None, gateway: str = "public", there: bool = True) -> Seen:
    floating = FloatingIP(id="fip", floating_ip_address=ADDRESS, floating_network_id="public", port_id=port)
    router = Router(id="router", external_gateway_info=Gateway(network_id=gateway))
    interface = Port(id="i", network_id="net-b", device_id="router", fixed_ips=(FixedIP(subnet_id="inner"),))
    beside = {Kind.ROUTER: (router,), Kind.ROUTER_INTERFACE: (interface,)}
    return Seen(owner="o", found={PATH: (floating,) if there else ()}, beside=beside)


def test_it_goes_to_the_address_in_the_subnet_that_a_router_joins() -> None:
    (step,) = plan_address(ADDRESS, PORTS, a_picture()).steps

    assert isinstance(step, Update)
    assert (step.id, step.body) == ("fip", {"port_id": "b", "fixed_ip_address": "10.6.0.5"})


def test_nothing_is_done_when_it_points_at_any_of_the_ports_already() -> None:
    assert plan_address(ADDRESS, PORTS, a_picture(port="a")) == Plan()


def test_without_a_way_the_networks_of_both_sides_are_named() -> None:
    plan = plan_address(ADDRESS, PORTS, a_picture(gateway="elsewhere"))

    (wait,) = plan.waits
    assert (plan.steps, wait.reason, wait.path) == ((), "NoRoute", PATH)
    assert "(networks net-a, net-b) to network public" in wait.message


def test_one_that_does_not_exist_is_told() -> None:
    (wait,) = plan_address(ADDRESS, PORTS, a_picture(there=False)).waits

    assert (wait.reason, ADDRESS in wait.message) == ("NotFound", True)


def test_one_in_use_elsewhere_is_left_where_it_is() -> None:
    plan = plan_address(ADDRESS, PORTS, a_picture(port="theirs"))

    assert (plan.steps, plan.waits[0].reason) == ((), "InUse")


def test_nothing_is_made_before_the_address_is_known_but_repairs_go_on() -> None:
    create = Create(key=Key(Kind.PORT, "port-0"), body={}, why="make a port")
    repair = Update(kind=Kind.PORT, id="a", body={}, why="repair a port")

    assert held_back(Plan(steps=(create,)), WAITING).waits[0].condition == "InstanceReady"
    assert held_back(Plan(steps=(create,)), WAITING).steps == ()
    assert held_back(Plan(steps=(repair,)), WAITING).steps == (repair,)
    assert held_back(Plan(steps=(create,)), ADDRESS).steps == (create,)
