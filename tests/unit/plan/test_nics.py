# SPDX-License-Identifier: Apache-2.0
"""The NICs of attachments: known again by what cannot change of them, plugged in, unplugged, and left alone in between."""

from typing import Any

import msgspec
import pytest

from machines import NETWORK, OWNER, SUBNET, a_port, a_server, seen_of, the_nova_server, the_port
from pycapo.api.ports import AddressPair, AddressRange, FixedIP, PortBody, PortFloatingIP, PortOpts, Subport
from pycapo.api.references import NetworkFilter, NetworkParam, SecurityGroupParam
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, Record, Server, Subnet
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Update
from pycapo.plan.asking import nics_wanted
from pycapo.plan.attaching import plan_nics
from pycapo.plan.nic_roles import fingerprint
from pycapo.plan.nics import (
    Wish,
    attachment_of,
    hold_back,
    is_trunk,
    nic_entries,
    nics_wished,
)
from pycapo.plan.plugging import is_child

ID = "bbbbbbbbbbbb"


def a_wish(*ports: PortOpts) -> Wish:
    return Wish(id=ID, name="extra", written=ports, completed=ports)


def the_nic(place: int, *ports: PortOpts, **fields: Any) -> tuple[Kind, Port]:
    """The port that was made for an entry of a wish, plugged in."""
    entry = list(nic_entries(a_wish(*ports), a_server()))[place]
    known = {
        "id": f"nic-{place}",
        "name": entry.name,
        "description": "Port of server worker-0",
        "network_id": NETWORK,
        "tags": (Mark(OWNER, entry.role).tag,),
        "device_id": "nova-1",
    }
    return Kind.PORT, Port(**{**known, **fields})


def planned(wish: Wish, *records: tuple[Kind, Record], **fields: Any) -> Plan:
    seen = running(*records, **fields)
    return plan_nics(wish, a_server(), seen, record=seen.one(Kind.SERVER, "server", Server))


def running(*records: tuple[Kind, Record], status: str = "ACTIVE", **fields: Any) -> Seen:
    return seen_of(the_port(), the_nova_server(status, **fields), *records)


@pytest.mark.parametrize(
    ("port", "known"),
    [(a_port(), "aca8cc158a"), (a_port(security_groups=[], fixed_ips=[FixedIP(ip_address="10.6.0.9")]), "3e5dd84af5")],
)
def test_a_fingerprint_is_the_same_in_all_versions(port: PortOpts, known: str) -> None:
    """It is in the marks of ports: another one would have every NIC unplugged."""
    assert fingerprint(port) == known


@pytest.mark.parametrize(
    "fields",
    [
        {"tags": ["a"]},
        {"description": "x"},
        {"name_suffix": "x"},
        {"admin_state_up": False},
        {"allowed_address_pairs": [AddressPair(ip_address="10.0.0.1")]},
        {"default_security_groups": True},
    ],
    ids=lambda it: next(iter(it)),
)
def test_what_neutron_changes_in_place_is_not_in_the_fingerprint(fields: dict[str, Any]) -> None:
    assert fingerprint(a_port(**fields)) == fingerprint(a_port())


@pytest.mark.parametrize(
    "fields",
    [
        {"network": NetworkParam(id="other")},
        {"mac_address": "fa:16:3e:00:00:01"},
        {"vnic_type": "direct"},
        {"fixed_ips": [FixedIP(ip_address="10.6.0.9")]},
        {"security_groups": []},
    ],
    ids=lambda it: next(iter(it)),
)
def test_what_neutron_cannot_change_makes_another_nic(fields: dict[str, Any]) -> None:
    assert fingerprint(a_port(**fields)) != fingerprint(a_port())


def test_other_groups_are_the_same_nic() -> None:
    groups = [a_port(security_groups=[SecurityGroupParam(id=id)]) for id in ("a", "b")]

    assert fingerprint(groups[0]) == fingerprint(groups[1])


def test_entries_that_are_alike_are_counted() -> None:
    first, second = nic_entries(a_wish(a_port(), a_port()), a_server())

    assert (first.role[:-1], first.role[-1], second.role[-1]) == (second.role[:-1], "0", "1")
    assert attachment_of(first.role) == ID
    assert attachment_of("port-0") is None


def test_a_missing_nic_is_made_and_plugged_in_one_after_the_other() -> None:
    made, plugged = planned(a_wish(a_port())).steps

    assert isinstance(made, Create)
    assert isinstance(plugged, Create)
    assert (made.body["name"], made.body["network_id"], made.path) == ("worker-0-extra-0", NETWORK, "spec.ports[0]")
    assert (plugged.parent, plugged.body) == ("nova-1", {"port_id": made.key})
    assert plugged.key == Key(Kind.SERVER_INTERFACE, made.key.role)


def test_a_nic_that_is_plugged_in_needs_nothing() -> None:
    assert planned(a_wish(a_port()), the_nic(0, a_port())).settled


def test_a_server_that_is_made_now_gets_its_port_and_is_told_to_be_built() -> None:
    plan = plan_nics(a_wish(a_port()), a_server(), seen_of(), record=None)

    assert [step.key.kind for step in plan.steps if isinstance(step, Create)] == [Kind.PORT]
    assert plan.waits[0].reason == "InstanceNotReady"


@pytest.mark.parametrize(("status", "task"), [("ACTIVE", "rebooting"), ("ERROR", None), ("SUSPENDED", None)])
def test_a_server_that_takes_no_port_now_is_waited_for(status: str, task: str | None) -> None:
    plan = planned(a_wish(a_port()), the_nic(0, a_port(), device_id=""), status=status, task_state=task)

    assert (plan.steps, plan.waits[0].reason) == ((), "InstanceNotReady")
    assert "nova-1 is " + status in plan.waits[0].message


@pytest.mark.parametrize("status", ["BUILD", "ERROR"])
def test_no_port_is_made_for_a_server_that_cannot_take_it(status: str) -> None:
    plan = planned(a_wish(a_port()), status=status)

    assert (plan.steps, plan.waits[0].reason) == ((), "InstanceNotReady")


def test_a_nic_that_somebody_plugged_in_elsewhere_is_left_alone() -> None:
    plan = planned(a_wish(a_port()), the_nic(0, a_port(), device_id="other"))

    assert (plan.steps, plan.waits[0].reason) == ((), "InUse")


def test_a_nic_that_nobody_asks_for_is_unplugged_and_then_deleted() -> None:
    plugged, free = the_nic(0, a_port()), the_nic(0, a_port(), device_id="")

    first, second = planned(a_wish(), plugged), planned(a_wish(), free)

    assert [(step.kind, step.id, step.parent) for step in first.steps if isinstance(step, Delete)] == [
        (Kind.SERVER_INTERFACE, "nic-0", "nova-1")
    ]
    assert first.waits[0].reason == "Unplugging"
    assert [(step.kind, step.id) for step in second.steps if isinstance(step, Delete)] == [(Kind.PORT, "nic-0")]


def test_a_nic_on_its_way_out_is_not_asked_for_twice() -> None:
    plan = planned(a_wish(), the_nic(0, a_port(), leaving=True))

    assert (plan.steps, plan.waits[0].reason) == ((), "Unplugging")


def test_the_old_nic_goes_before_the_new_one_comes() -> None:
    plan = planned(a_wish(a_port(mac_address="fa:16:3e:00:00:01")), the_nic(0, a_port()))

    assert all(isinstance(step, Delete) for step in plan.steps)


def test_what_replaces_a_nic_that_was_just_deleted_comes_at_once() -> None:
    """Nobody else wakes the server for it."""
    plan = planned(a_wish(a_port(mac_address="fa:16:3e:00:00:01")), the_nic(0, a_port(), device_id=""))

    assert [step.kind for step in plan.steps if isinstance(step, Delete)] == [Kind.PORT]
    assert plan.waits[0].after == 0.0


def test_nothing_is_waited_for_when_the_last_nic_is_deleted() -> None:
    assert planned(a_wish(), the_nic(0, a_port(), device_id="")).waits == ()


def test_what_differs_is_changed_in_one_request() -> None:
    port = a_port(security_groups=[SecurityGroupParam(id="sg-1")], tags=["gold"], admin_state_up=False)

    (step,) = planned(a_wish(port), the_nic(0, port, tags=(*the_nic(0, port)[1].tags, "old"))).steps

    assert isinstance(step, Update)
    assert step.body == {"admin_state_up": False, "security_groups": ["sg-1"], "tags": ["gold"]}
    assert step.path == "spec.ports[0]"


def test_tags_of_others_stay_where_the_entry_has_none() -> None:
    nic = the_nic(0, a_port())[1]

    assert planned(a_wish(a_port()), (Kind.PORT, msgspec.structs.replace(nic, tags=(*nic.tags, "theirs")))).settled


def test_only_what_may_change_is_looked_up_for_a_nic_that_is_there() -> None:
    port = PortOpts(network=NetworkParam(filter=NetworkFilter(name="net")))

    there = nics_wanted(a_wish(port), a_server(), running(the_nic(0, port)))
    missing = nics_wanted(a_wish(port), a_server(), running())

    assert (dict(there), list(missing)) == ({}, ["spec.ports[0].network"])


def test_one_entry_that_cannot_be_does_not_keep_the_others() -> None:
    port = PortOpts(network=NetworkParam(filter=NetworkFilter(name="nowhere")))

    plan = planned(a_wish(port, a_port()))

    assert [wait.told for wait in plan.waits] == ['spec.ports[0].network: no network matches name "nowhere"']
    assert [step.path for step in plan.steps if isinstance(step, Create)] == ["spec.ports[1]"] * 2


def test_a_trunk_is_made_before_its_port_is_plugged_in() -> None:
    steps = planned(a_wish(a_port(trunk=True))).steps

    made, trunk, plugged = (step for step in steps if isinstance(step, Create))
    assert [step.key.kind for step in (made, trunk, plugged)] == [Kind.PORT, Kind.TRUNK, Kind.SERVER_INTERFACE]
    assert trunk.mark == made.mark == Mark(OWNER, made.key.role)
    assert (trunk.body["port_id"], plugged.body["port_id"]) == (made.key, made.key)


def test_the_role_of_a_trunk_says_so_and_its_ports_follow() -> None:
    trunk = a_port(subports=[Subport(segmentation_id=7, port=PortBody())])

    parent, child = (nic.entry for nic in nics_wished(a_wish(trunk), a_server()))

    assert parent.role.endswith("-t0")
    assert child.role.rpartition("-")[0] == parent.role
    assert (is_trunk(parent.role), is_child(parent.role)) == (True, False)
    assert (is_trunk(child.role), is_child(child.role)) == (False, True)
    assert len(Mark(OWNER, child.role).tag) <= 60  # what older Neutrons take


def test_a_floating_ip_and_the_default_route_are_not_in_the_fingerprint() -> None:
    assert fingerprint(a_port(floating_ip=PortFloatingIP(), default_route=True)) == fingerprint(a_port())


def test_a_nic_that_lost_its_trunk_is_unplugged_and_not_deleted() -> None:
    plan = planned(a_wish(a_port(trunk=True)), the_nic(0, a_port(trunk=True)))

    (step,) = plan.steps
    assert isinstance(step, Delete)
    assert (step.kind, plan.waits[0].reason) == (Kind.SERVER_INTERFACE, "Unplugging")


def test_an_entry_that_is_there_does_not_keep_a_range_from_being_used() -> None:
    """What its references mean is not looked up any more."""
    there = PortOpts(network=NetworkParam(filter=NetworkFilter(name="net")))
    new = a_port(fixed_ips=[FixedIP(range=AddressRange(start="10.6.0.5", end="10.6.0.6"))])
    subnet = Subnet(id=SUBNET, network_id=NETWORK, cidr="10.6.0.0/24")
    seen = msgspec.structs.replace(running(the_nic(0, there)), found={"spec.ports[1].network.subnets": (subnet,)})

    plan = plan_nics(a_wish(there, new), a_server(), seen, record=seen.one(Kind.SERVER, "server", Server))

    assert plan.waits == ()
    assert [it.body["fixed_ips"] for it in plan.steps if isinstance(it, Create) and it.key.kind is Kind.PORT] == [
        [{"subnet_id": SUBNET, "ip_address": "10.6.0.5"}]
    ]


def test_a_wish_is_held_back_unless_it_is_for_nothing() -> None:
    assert hold_back(a_wish(a_port())).held
    assert not hold_back(a_wish()).held
