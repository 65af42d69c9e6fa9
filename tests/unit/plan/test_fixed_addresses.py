# SPDX-License-Identifier: Apache-2.0
"""Fixed addresses: outside or taken is told before anything is made, and of a range the lowest free one is chosen."""

from typing import Any

import pytest

from machines import NETWORK, SUBNET, a_port, a_server, seen_of, the_nova_server, the_port
from pycapo.api.ports import AddressRange, FixedIP, PortOpts
from pycapo.api.references import SubnetParam
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP as SeenIP
from pycapo.model.records import Port, Record, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create
from pycapo.plan.fixed_addresses import subnets_wanted, takes
from pycapo.plan.server import plan_server

V4 = Subnet(id=SUBNET, name="v4", network_id=NETWORK, cidr="10.6.0.0/24", gateway_ip="10.6.0.1")
V6 = Subnet(id="subnet-6", name="v6", network_id=NETWORK, cidr="fd00:6::/64", ip_version=6, gateway_ip="fd00:6::1")


def asking(*fixed: FixedIP) -> PortOpts:
    return a_port(fixed_ips=list(fixed))


def a_range(start: str, end: str) -> FixedIP:
    return FixedIP(range=AddressRange(start=start, end=end))


def held(address: str, *, subnet: str = SUBNET, **fields: Any) -> Port:
    known = {"id": f"p-{address}", "name": "db", "network_id": NETWORK, "fixed_ips": (SeenIP(address, subnet),)}
    return Port(**{**known, **fields})


def around(*others: Port, ports: int = 1, subnets: tuple[Record, ...] = (V4, V6), **fields: Any) -> Seen:
    found = {f"spec.ports[{index}].network.subnets": subnets for index in range(ports)}
    return seen_of(found={**found, **fields.pop("found", {})}, beside={Kind.PORT: others}, **fields)


def given(seen: Seen, *ports: PortOpts) -> list[list[dict[str, str]]]:
    plan = plan_server(a_server(*ports), seen)
    assert not [wait for wait in plan.waits if wait.reason != "InstanceNotReady"], plan.waits
    return [s.body["fixed_ips"] for s in plan.steps if isinstance(s, Create) and s.key.kind is Kind.PORT]


def told(seen: Seen, *ports: PortOpts) -> tuple[str, str]:
    plan = plan_server(a_server(*ports), seen)
    assert plan.steps == ()
    return plan.waits[0].reason, plan.waits[0].told


def test_an_address_is_asked_for_in_the_subnet_that_it_lies_in() -> None:
    ports = given(around(), asking(FixedIP(ip_address="10.6.0.9"), FixedIP(ip_address="FD00:6::0:9")))

    assert ports == [
        [{"subnet_id": SUBNET, "ip_address": "10.6.0.9"}, {"subnet_id": "subnet-6", "ip_address": "fd00:6::9"}]
    ]


def test_an_address_outside_every_subnet_is_told_with_those_that_there_are() -> None:
    assert told(around(), asking(FixedIP(ip_address="10.7.0.9"))) == (
        "AddressOutsideSubnet",
        "spec.ports[0].fixedIPs[0].ipAddress: 10.7.0.9 lies in no subnet that the port may have"
        " (10.6.0.0/24 of subnet v4, fd00:6::/64 of subnet v6)",
    )


def test_an_address_must_lie_in_the_subnet_that_its_entry_names() -> None:
    port = asking(FixedIP(ip_address="10.6.0.9", subnet=SubnetParam(id="subnet-6")))
    seen = around(found={"spec.ports[0].fixedIPs[0].subnet": (V6,)})

    assert told(seen, port)[0] == "AddressOutsideSubnet"


def test_a_network_without_subnets_is_told() -> None:
    assert "its network has none" in told(around(subnets=()), asking(FixedIP(ip_address="10.6.0.9")))[1]


def test_a_taken_address_is_told_with_its_holder() -> None:
    holder = held("10.6.0.9", device_owner="compute:az1", device_id="vm-7")

    assert told(around(holder), asking(FixedIP(ip_address="10.6.0.9"))) == (
        "AddressTaken",
        "spec.ports[0].fixedIPs[0].ipAddress: 10.6.0.9 is taken by port db (p-10.6.0.9, used by compute:az1 vm-7)",
    )


def test_the_same_address_of_another_network_takes_nothing() -> None:
    other = held("10.6.0.9", subnet="elsewhere")

    assert given(around(other), asking(FixedIP(ip_address="10.6.0.9")))[0][0]["ip_address"] == "10.6.0.9"


def test_an_address_that_neutron_refused_is_not_asked_for_again_at_once() -> None:
    seen = around(spoken_for=frozenset({(SUBNET, "10.6.0.9")}))

    assert told(seen, asking(FixedIP(ip_address="10.6.0.9")))[0] == "AddressTaken"


def test_of_a_range_the_lowest_free_address_is_taken() -> None:
    others = held("10.6.0.10"), held("10.6.0.11", subnet="elsewhere"), held("10.6.0.12")

    assert given(around(*others), asking(a_range("10.6.0.10", "10.6.0.20")))[0][0]["ip_address"] == "10.6.0.11"


def test_what_others_are_about_to_take_and_the_gateway_are_not_taken_of_a_range() -> None:
    seen = around(spoken_for=frozenset({(SUBNET, "10.6.0.2")}))

    assert given(seen, asking(a_range("10.6.0.1", "10.6.0.9")))[0][0]["ip_address"] == "10.6.0.3"


def test_two_ports_of_one_server_take_two_addresses_and_leave_the_given_ones() -> None:
    ports = given(
        around(ports=3),
        asking(a_range("10.6.0.10", "10.6.0.12")),
        asking(FixedIP(ip_address="10.6.0.10")),
        asking(a_range("10.6.0.10", "10.6.0.12")),
    )

    assert [fixed[0]["ip_address"] for fixed in ports] == ["10.6.0.11", "10.6.0.10", "10.6.0.12"]


def test_a_wide_range_of_ipv6_costs_no_more_than_what_is_taken() -> None:
    port = asking(a_range("fd00:6::", "fd00:6::ffff:ffff:ffff:ffff"))

    found = given(around(held("fd00:6::", subnet="subnet-6")), port)

    assert found[0][0] == {"subnet_id": "subnet-6", "ip_address": "fd00:6::2"}


def test_an_exhausted_range_is_told() -> None:
    seen = around(held("10.6.0.10"), held("10.6.0.11"))

    assert told(seen, asking(a_range("10.6.0.10", "10.6.0.11"))) == (
        "AddressesExhausted",
        "spec.ports[0].fixedIPs[0].range: all addresses from 10.6.0.10 to 10.6.0.11 in subnet 10.6.0.0/24 are taken",
    )


@pytest.mark.parametrize(
    ("start", "end", "field"), [("10.7.0.1", "10.7.0.2", "start"), ("10.6.0.9", "10.7.0.1", "end")]
)
def test_a_range_outside_its_subnet_is_told_with_its_end(start: str, end: str, field: str) -> None:
    reason, message = told(around(), asking(a_range(start, end)))

    assert reason == "AddressOutsideSubnet"
    assert message.startswith(f"spec.ports[0].fixedIPs[0].range.{field}: ")


def test_subnets_are_looked_up_only_for_ports_that_are_missing_and_ask_for_addresses() -> None:
    server = a_server(asking(FixedIP(ip_address="10.6.0.9")), a_port(), asking(a_range("10.6.0.3", "10.6.0.4")))

    assert subnets_wanted(server, seen_of(the_port())) == {
        "spec.ports[2].network.subnets": (Kind.SUBNET, {"network_id": NETWORK})
    }


def test_a_plan_tells_which_addresses_it_takes() -> None:
    plan = plan_server(a_server(asking(a_range("10.6.0.5", "10.6.0.9")), a_port()), around())

    assert takes(plan) == {(SUBNET, "10.6.0.5")}


@pytest.mark.parametrize(
    ("fixed", "settled"),
    [
        (FixedIP(ip_address="10.6.0.10"), True),
        (FixedIP(ip_address="10.6.0.11"), False),
        (a_range("10.6.0.9", "10.6.0.12"), True),
        (a_range("10.6.0.11", "10.6.0.12"), False),
        (FixedIP(subnet=SubnetParam(id=SUBNET)), True),
        (FixedIP(subnet=SubnetParam(id="other")), False),
    ],
)
def test_what_neutron_gave_is_compared_with_what_was_asked(fixed: FixedIP, settled: bool) -> None:
    plan = plan_server(a_server(asking(fixed)), seen_of(the_port(), the_nova_server()))

    assert [wait.reason for wait in plan.waits] == ([] if settled else ["AddressDiffers"])
