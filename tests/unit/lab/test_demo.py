# SPDX-License-Identifier: Apache-2.0
"""What a demo remembers, reaches and draws at its end."""

from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from pycapo.lab import demo_record
from pycapo.lab.cloud_inventory import Snapshot
from pycapo.lab.cloud_log import Request
from pycapo.lab.cluster_view import Condition, Machine, View
from pycapo.lab.demo import milestones
from pycapo.lab.demo_record import Record
from pycapo.lab.demo_report import duration_table, inventory_table, request_table
from pycapo.lab.places import Lab, LabError
from pycapo.lab.topology import Topology, tree

RECORD = Record({"networks": {}}, mark=7, began=100.0)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab("test", tmp_path, {}, 1)


def printed(thing: RenderableType) -> list[str]:
    console = Console(width=150, color_system=None)
    with console.capture() as captured:
        console.print(thing)
    return [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in captured.get().splitlines()]


def request(method: str, service: str, status: int = 200) -> Request:
    return Request(0.0, service, method, "/", "", status, 0.1, "pycapo/1")


def test_a_record_is_found_again_until_it_is_forgotten(lab: Lab) -> None:
    demo_record.save(lab, RECORD)
    found = demo_record.load(lab)
    demo_record.forget(lab)

    assert (found, demo_record.load(lab)) == (RECORD, None)


def test_a_broken_record_is_named_with_its_file(lab: Lab) -> None:
    (lab.root / "demo.json").write_text("{")

    with pytest.raises(LabError, match=r"demo\.json"):
        demo_record.load(lab)


def test_the_first_time_that_something_is_reached_counts() -> None:
    assert RECORD.reached("a", 103.0).reached("a", 109.0).milestones == {"a": 3.0}


def test_milestones_are_what_the_view_shows() -> None:
    machines = (Machine("a", "worker", "Running", node="a"), Machine("b", "worker", "Pending"))
    conditions = {"NetworkReady": Condition("True"), "APIEndpointReady": Condition("False")}

    reached = milestones(View(exists=True, wanted=2, conditions=conditions, machines=machines))

    assert reached == ["NetworkReady", "machine 1 of 2 Running"]


def test_requests_are_counted_by_service_and_in_all() -> None:
    requests = [request("GET", "nova"), request("POST", "nova", 500), request("GET", "neutron")]

    lines = printed(request_table(requests))

    assert {"neutron 1 0 1 0", "nova 1 1 2 1", "total 2 1 3 1"} <= set(lines)


def test_durations_are_listed_as_they_came() -> None:
    lines = [line for line in printed(duration_table({"late": 9.4, "early": 2.0})) if line.endswith(" s")]

    assert lines == ["early 2 s", "late 9 s"]


def test_the_inventory_names_each_kind_that_differs() -> None:
    before, now = Snapshot({"ports": {"a": ""}, "networks": {}}), Snapshot({"ports": {"b": ""}, "networks": {}})

    lines = printed(inventory_table(before, {"ports": 5, "networks": 1}, now))

    assert {"networks 0 1 0 same", "ports 1 5 1 DIFFERS"} <= set(lines)


NET = {"id": "n", "name": "net"}
PORT = {"id": "p", "name": "m-0", "device_id": "s", "fixed_ips": [{"ip_address": "10.6.0.7"}]}
POOL = {"id": "o", "lb_algorithm": "ROUND_ROBIN", "members": [{"id": "e"}]}
FOUND = Topology(
    networks=[NET],
    subnets=[{"id": "u", "cidr": "10.6.0.0/24", "gateway_ip": "10.6.0.1"}],
    routers=[{**NET, "name": "r", "external_gateway_info": {"external_fixed_ips": [{"ip_address": "127.1.0.2"}]}}],
    ports=[PORT],
    addresses=[{"id": "f", "port_id": "v", "floating_ip_address": "127.1.0.3"}],
    groups=[{"id": "g", "name": "workers", "security_group_rules": [{}, {}]}],
    balancers=[
        {"id": "b", "name": "lb", "provisioning_status": "ACTIVE", "vip_address": "10.6.0.2", "vip_port_id": "v"}
    ],
    listeners=[
        {"id": "l", "protocol": "TCP", "protocol_port": 6443, "default_pool_id": "o", "loadbalancers": [{"id": "b"}]}
    ],
    pools=[POOL],
    members=[{"id": "e", "name": "m", "address": "10.6.0.7", "protocol_port": 6443}],
    servers=[{"id": "s", "name": "m", "status": "ACTIVE", "OS-EXT-AZ:availability_zone": "az1"}],
)


def test_the_tree_shows_every_resource_below_what_it_belongs_to() -> None:
    lines = [line.lstrip("├─└ ") for line in printed(tree("demo", FOUND, external="public"))]

    assert lines[:9] == [
        *("cluster demo", "network net n", "subnet 10.6.0.0/24, gateway 10.6.0.1 u", "router r n"),
        *(
            "to public as 127.1.0.2",
            "security groups",
            "workers g, 2 rules",
            "load balancer lb b, ACTIVE",
            "VIP 10.6.0.2",
        ),
    ]
    assert lines[9:] == [
        *("floating IP 127.1.0.3 of public f", "listener TCP 6443 l", "pool ROUND_ROBIN o", "member 10.6.0.7:6443 m"),
        *("servers", "m s, ACTIVE, az1, host ?", "port m-0 10.6.0.7 p"),
    ]


def test_a_cluster_without_anything_is_a_tree_all_the_same() -> None:
    assert len(printed(tree("demo", Topology(), external="public"))) == 3
