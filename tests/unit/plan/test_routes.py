# SPDX-License-Identifier: Apache-2.0
"""Which servers get routes, what their guests are told, and what is said where they get none."""

import base64
import gzip
import random
from typing import Any

import pytest

from machines import SECRET, SUBNET, a_port, a_server, seen_of, the_nova_server, the_port
from pycapo.api.machine import NetworkConfig
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.model.records import FixedIP, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan, Sealed
from pycapo.plan.routes import FORMAT_KEY, METADATA_KEY, facts, told, user_data
from pycapo.plan.server import plan_server
from pycapo.plan.user_data import USER_DATA_LIMIT

SUBNETS = (
    Subnet(id=SUBNET, network_id="net-1", cidr="10.6.0.0/24", gateway_ip="10.6.0.1"),
    Subnet(id="six", network_id="net-1", cidr="2001:db8::/64", ip_version=6, gateway_ip="2001:db8::1"),
    Subnet(id="alone", network_id="net-2", cidr="10.9.0.0/16"),
)
PORTS = (
    the_port(
        0, mac_address="FA:16:3E:00:00:00", fixed_ips=(FixedIP("10.6.0.10", SUBNET), FixedIP("2001:db8::a", "six"))
    ),
    the_port(1, mac_address="fa:16:3e:00:00:01", fixed_ips=(FixedIP("10.9.0.11", "alone"),)),
)
PLAIN = Sealed(base64.b64encode(b"#cloud-config\n").decode())
ON, OFF = NetworkConfig(policy_routing=True), NetworkConfig(policy_routing=False)


def a_server_with_two_nics(**fields: Any) -> OpenStackServer:
    return a_server(a_port(), a_port(**fields.pop("second", {})), **{"user_data_ref": SECRET, **fields})


def seen(*records: Any, **fields: Any) -> Seen:
    return seen_of(*records, **{"user_data": PLAIN, "beside": {Kind.SUBNET: SUBNETS}, **fields})


def body(plan: Plan) -> Any:
    (step,) = [it for it in plan.steps if isinstance(it, Create) and it.key.kind is Kind.SERVER]
    return step.body


def test_the_facts_are_a_line_for_each_address_with_the_nic_of_the_default_route_first() -> None:
    usual = list(facts(a_server_with_two_nics(), seen(*PORTS)))
    other = list(facts(a_server_with_two_nics(second={"default_route": True}), seen(*PORTS)))

    assert usual == [
        "fa:16:3e:00:00:00 10.6.0.10/24 10.6.0.1",
        "fa:16:3e:00:00:00 2001:db8::a/64 2001:db8::1",
        "fa:16:3e:00:00:01 10.9.0.11/16 -",
    ]
    assert other == [usual[2], *usual[:2]]


def test_an_address_in_a_subnet_that_is_not_known_is_left_to_the_guest() -> None:
    assert not list(facts(a_server_with_two_nics(), seen(*PORTS, beside={})))


def test_the_ports_are_made_before_the_server_because_its_user_data_name_them() -> None:
    server = a_server_with_two_nics()

    first, second = plan_server(server, seen()), plan_server(server, seen(*PORTS))

    assert [step.key for step in first.steps if isinstance(step, Create)] == [
        Key(Kind.PORT, "port-0"),
        Key(Kind.PORT, "port-1"),
    ]
    assert first.after == 0.0
    assert b"fa:16:3e:00:00:01 10.9.0.11/16 -" in base64.b64decode(body(second)["user_data"].value)
    assert body(second)["metadata"] == {METADATA_KEY: "Delivered"}


@pytest.mark.parametrize(
    "server",
    [
        a_server(user_data_ref=SECRET),
        a_server(user_data_ref=SECRET, network_config=OFF),
        a_server_with_two_nics(network_config=OFF),
        a_server_with_two_nics(user_data_ref=None),
    ],
    ids=["one NIC", "one NIC, off", "off", "no user data"],
)
def test_without_routes_the_user_data_go_as_they_came_and_everything_is_made_at_once(server: OpenStackServer) -> None:
    plan = plan_server(server, seen())

    assert body(plan)["user_data"] == PLAIN
    assert "metadata" not in body(plan)


def test_one_nic_is_enough_where_routes_are_asked_for_because_more_may_be_plugged_in_later() -> None:
    plan = plan_server(a_server(user_data_ref=SECRET, network_config=ON), seen(PORTS[0]))

    assert body(plan)["metadata"] == {METADATA_KEY: "Delivered"}


def test_user_data_of_an_unknown_format_go_as_they_came_and_the_server_remembers_it() -> None:
    plan = plan_server(a_server_with_two_nics(), seen(user_data_format="talos"))

    assert body(plan)["user_data"] == PLAIN
    assert body(plan)["metadata"] == {METADATA_KEY: "UnknownFormat", FORMAT_KEY: "talos"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"network_config": ON}, "spec.networkConfig.policyRouting"),
        ({"second": {"default_route": True}}, "spec.ports[1].defaultRoute"),
    ],
)
def test_what_is_asked_for_and_cannot_be_delivered_is_told_and_nothing_is_made(fields: Any, path: str) -> None:
    plan = plan_server(a_server_with_two_nics(**fields), seen(user_data_format="talos"))

    (wait,) = plan.waits
    assert (plan.steps, wait.reason, wait.path) == ((), "NotSupported", path)
    assert "neither cloud-init's nor Ignition's" in wait.message


def test_a_default_route_that_is_switched_off_is_told() -> None:
    server = a_server_with_two_nics(second={"default_route": True}, network_config=OFF)

    (wait,) = plan_server(server, seen()).waits

    assert wait.path == "spec.ports[1].defaultRoute"
    assert "spec.networkConfig.policyRouting switches it off" in wait.message


def test_user_data_that_only_the_routes_make_too_large_say_how_large_they_are_without() -> None:
    noise = base64.b64encode(random.Random(1).randbytes(46_000))
    data = base64.b64encode(gzip.compress(b"#cloud-config\n# " + noise, mtime=0)).decode()

    (wait,) = plan_server(a_server_with_two_nics(), seen(*PORTS, user_data=Sealed(data))).waits

    assert len(data) < USER_DATA_LIMIT
    assert wait.reason == "UserDataTooLarge"
    assert f"spec.networkConfig.policyRouting: false) they are {len(data)}" in wait.message


@pytest.mark.parametrize(
    ("fields", "noted", "expected"),
    [
        ({}, "Delivered", (True, "Delivered")),
        ({}, "UnknownFormat", (False, "UnknownFormat")),
        ({}, None, (False, "NotDelivered")),
        ({}, "nonsense", (False, "NotDelivered")),
        ({"network_config": OFF}, None, (False, "SwitchedOff")),
        ({"user_data_ref": None}, None, (False, "NoUserData")),
        ({"ports": [a_port()]}, None, (True, "SingleNIC")),
    ],
)
def test_the_condition_is_known_from_the_server_itself(
    fields: Any, noted: str | None, expected: tuple[bool, str]
) -> None:
    metadata = {METADATA_KEY: noted} if noted else {}
    server = a_server(**{"ports": [a_port(), a_port()], "user_data_ref": SECRET, **fields})

    found = told(server, seen(*PORTS, the_nova_server(metadata=metadata)))

    assert found is not None
    assert found[:2] == expected


def test_the_condition_names_the_format_that_nothing_could_be_added_to_and_those_that_are_known() -> None:
    metadata = {METADATA_KEY: "UnknownFormat", FORMAT_KEY: "Ignition 4.0.0"}

    found = told(a_server_with_two_nics(), seen(*PORTS, the_nova_server(metadata=metadata)))

    assert found is not None
    assert "Ignition's of version 2.1 to 2.4 or 3.x, but of format Ignition 4.0.0;" in found[2]


def test_the_condition_names_the_nics() -> None:
    found = told(a_server_with_two_nics(), seen(*PORTS, the_nova_server(metadata={METADATA_KEY: "Delivered"})))

    assert found is not None
    assert found[2].endswith("first: worker-0-0 (10.6.0.10, 2001:db8::a), worker-0-1 (10.9.0.11)")


def test_nothing_is_told_before_there_is_a_server() -> None:
    assert told(a_server_with_two_nics(), seen(*PORTS)) is None


def test_secrets_stay_sealed() -> None:
    assert "cloud-config" not in repr(user_data(a_server_with_two_nics(), seen(*PORTS)))
