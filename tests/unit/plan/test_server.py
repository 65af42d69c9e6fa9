# SPDX-License-Identifier: Apache-2.0
"""A server's life as a plan: checked, made once, told, taken away."""

import pytest

from machines import OWNER, SECRET, USER_DATA, a_port, a_server, seen_of, the_nova_server, the_port
from pycapo.api.machine import (
    SchedulerHintAdditionalProperty,
    SchedulerHintAdditionalValue,
    ServerMetadata,
)
from pycapo.api.ports import PortStatus
from pycapo.api.references import ImageParam, ResourceReference, ServerGroupFilter, ServerGroupParam
from pycapo.api.v1alpha1 import OpenStackServerStatus, ServerResources
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark
from pycapo.model.records import Fault, Flavor, Image, Port, Record, Server, ServerGroup, Trunk
from pycapo.model.steps import Create, Delete, Key, Plan, Sealed, Update
from pycapo.plan.server import freshness, plan_server, retire_server
from pycapo.plan.user_data import USER_DATA_LIMIT


def made(plan: Plan, kind: Kind) -> Create:
    (step,) = [step for step in plan.steps if isinstance(step, Create) and step.key.kind is kind]
    return step


def test_a_new_server_is_made_on_its_new_ports_in_one_plan() -> None:
    plan = plan_server(a_server(), seen_of())

    assert [step.key for step in plan.steps if isinstance(step, Create)] == [
        Key(Kind.PORT, "port-0"),
        Key(Kind.SERVER, "server"),
    ]
    assert made(plan, Kind.SERVER).body["networks"] == [{"port": Key(Kind.PORT, "port-0")}]
    assert [(wait.reason, wait.after) for wait in plan.waits] == [("InstanceNotReady", 2.5)]


def test_everything_that_is_made_carries_the_mark_of_its_owner() -> None:
    plan = plan_server(a_server(a_port(), a_port(), trunk=True), seen_of())

    assert all(isinstance(step, Create) and step.mark == Mark(OWNER, step.key.role) for step in plan.steps)


def test_the_body_says_what_the_spec_says() -> None:
    server = a_server(
        ssh_key_name="key",
        availability_zone="az1",
        config_drive=True,
        tags=["a"],
        server_metadata=[ServerMetadata(key="team", value="blue")],
    )

    body = made(plan_server(server, seen_of()), Kind.SERVER).body

    assert body == {
        "name": "worker-0",
        "flavorRef": "flavor-1",
        "imageRef": "image-1",
        "networks": [{"port": Key(Kind.PORT, "port-0")}],
        "key_name": "key",
        "availability_zone": "az1",
        "config_drive": True,
        "tags": ["a"],
        "metadata": {"team": "blue"},
    }


def test_scheduler_hints_keep_their_types_and_the_server_group_is_one_of_them() -> None:
    hints = [
        SchedulerHintAdditionalProperty(name="fast", value=SchedulerHintAdditionalValue(type="Bool", bool_=False)),
        SchedulerHintAdditionalProperty(name="rack", value=SchedulerHintAdditionalValue(type="Number", number=3)),
    ]
    group = ServerGroupParam(filter=ServerGroupFilter(name="spread"))
    server = a_server(scheduler_hint_additional_properties=hints, server_group=group)

    plan = plan_server(server, seen_of(found={"spec.serverGroup": (ServerGroup(id="group-1"),)}))

    assert made(plan, Kind.SERVER).body["os:scheduler_hints"] == {"fast": False, "rack": 3, "group": "group-1"}


def test_user_data_are_sealed_in_the_step_and_never_printed() -> None:
    plan = plan_server(a_server(user_data_ref=SECRET), seen_of(user_data=USER_DATA))

    assert made(plan, Kind.SERVER).body["user_data"] is USER_DATA
    assert USER_DATA.value not in repr(plan)


def test_nothing_is_made_before_the_bootstrap_secret_is_there() -> None:
    plan = plan_server(a_server(user_data_ref=SECRET), seen_of())

    assert not plan.steps
    assert plan.waits[0].reason == "WaitingForBootstrapData"
    assert 'Secret "boot"' in plan.waits[0].told


def test_user_data_that_nova_would_refuse_are_told_with_how_much_they_are_too_long() -> None:
    data = Sealed("x" * (USER_DATA_LIMIT + 12))

    plan = plan_server(a_server(user_data_ref=SECRET), seen_of(user_data=data))

    assert not plan.steps
    assert "12 characters of base64 more than the 65535" in plan.waits[0].message


@pytest.mark.parametrize(
    ("path", "found", "told"),
    [
        ("spec.image", (), 'spec.image: no image matches name "ubuntu"'),
        ("spec.flavor", (), 'spec.flavor: no flavor matches name "m1.small"'),
        (
            "spec.image",
            (Image(id="i1", name="ubuntu"), Image(id="i2", name="ubuntu")),
            'spec.image: 2 images match name "ubuntu" (ids i1, i2)',
        ),
    ],
)
def test_a_reference_that_is_not_exactly_one_names_field_wish_and_candidates(
    path: str, found: tuple[Record, ...], told: str
) -> None:
    plan = plan_server(a_server(), seen_of(found={path: found}))

    assert not plan.steps
    assert [wait.told for wait in plan.waits] == [told]


def test_a_flavor_id_goes_before_a_flavor_name() -> None:
    plan = plan_server(a_server(flavor_id="f9"), seen_of(found={"spec.flavorID": (Flavor(id="f9"),)}))

    assert made(plan, Kind.SERVER).body["flavorRef"] == "f9"


def test_an_image_object_is_waited_for_and_then_used() -> None:
    server = a_server(image=ImageParam(image_ref=ResourceReference(name="noble")))

    before = plan_server(server, seen_of())
    after = plan_server(server, seen_of(found={"spec.image.imageRef": (Image(id="image-9"),)}))

    assert 'spec.image.imageRef: no available Image object "noble"' in before.waits[0].told
    assert made(after, Kind.SERVER).body["imageRef"] == "image-9"


def test_a_port_that_exists_already_is_used_and_not_made_again() -> None:
    plan = plan_server(a_server(a_port(), a_port()), seen_of(the_port(0)))

    assert [step.key.role for step in plan.steps if isinstance(step, Create)] == ["port-1", "server"]
    assert made(plan, Kind.SERVER).body["networks"] == [{"port": "port-0"}, {"port": Key(Kind.PORT, "port-1")}]


@pytest.mark.parametrize(
    ("status", "reason", "after"),
    [
        ("BUILD", "InstanceNotReady", 2.5),
        ("", "InstanceNotReady", 2.5),
        ("SHUTOFF", "InstanceNotReady", 60.0),
        ("ERROR", "InstanceStateError", 60.0),
        ("DELETED", "InstanceDeleted", None),
    ],
)
def test_a_server_that_is_not_active_is_told_and_left_alone(status: str, reason: str, after: float | None) -> None:
    plan = plan_server(a_server(), seen_of(the_port(), the_nova_server(status)))

    assert plan.steps == ()
    assert [(wait.reason, wait.after) for wait in plan.waits] == [(reason, after)]


def test_an_active_server_with_its_ports_is_settled() -> None:
    assert plan_server(a_server(), seen_of(the_port(), the_nova_server())).settled


def test_the_fault_of_nova_is_told_in_its_own_words() -> None:
    fault = Fault(500, "No valid host was found.")

    plan = plan_server(a_server(), seen_of(the_port(), the_nova_server("ERROR", fault=fault)))

    assert plan.waits[0].message == "server nova-1 is in ERROR: No valid host was found."


def test_a_server_that_somebody_deleted_is_told_and_never_made_again() -> None:
    server = a_server(status=OpenStackServerStatus(instance_id="nova-1"))

    plan = plan_server(server, seen_of(the_port()))

    assert (plan.steps, plan.waits[0].reason) == ((), "InstanceDeleted")


def test_a_lost_port_of_a_living_server_is_made_and_plugged_in_again() -> None:
    plan = plan_server(a_server(a_port(), a_port()), seen_of(the_port(0), the_nova_server()))

    made, plugged = plan.steps
    assert isinstance(made, Create)
    assert isinstance(plugged, Create)
    assert (made.mark, made.path) == (Mark(OWNER, "port-1"), "spec.ports[1]")
    assert (plugged.parent, plugged.body) == ("nova-1", {"port_id": made.key})
    assert plan.waits == ()


def test_tags_that_neutron_did_not_get_are_added_to_those_that_are_there() -> None:
    _, port = the_port()

    plan = plan_server(a_server(tags=["blue"]), seen_of((Kind.PORT, port), the_nova_server()))

    (step,) = plan.steps
    assert isinstance(step, Update)
    assert (step.id, step.body) == ("port-0", {"tags": [*port.tags, "blue"]})


def a_server_of_the_go_provider() -> tuple[OpenStackServerStatus, dict[Kind, tuple[Record, ...]]]:
    noted = ServerResources(ports=[PortStatus(id="p0"), PortStatus(id="p1")])
    ports = tuple(Port(id=id, name=f"worker-0-{id}", network_id="net-1", tags=("keep",)) for id in ("p0", "p1"))
    trunk = Trunk(id="t1", port_id="p1")
    server = Server(id="nova-7", name="worker-0", status="ACTIVE", metadata={"team": "blue"})
    named = {Kind.SERVER: (server,), Kind.PORT: ports, Kind.TRUNK: (trunk,)}
    return OpenStackServerStatus(instance_id="nova-7", resources=noted), named


def test_what_the_go_provider_made_is_marked_and_keeps_what_it_has() -> None:
    status, named = a_server_of_the_go_provider()

    plan = plan_server(a_server(a_port(), a_port(), status=status), seen_of(named=named))

    assert [(step.kind, step.id, step.body) for step in plan.steps if isinstance(step, Update)] == [
        (Kind.SERVER, "nova-7", {"metadata": {"team": "blue", METADATA_KEY: f"pycapo:{OWNER}:server"}}),
        (Kind.PORT, "p0", {"tags": ["keep", f"pycapo:{OWNER}:port-0"]}),
        (Kind.PORT, "p1", {"tags": ["keep", f"pycapo:{OWNER}:port-1"]}),
        (Kind.TRUNK, "t1", {"tags": [f"pycapo:{OWNER}:trunk-1"]}),
    ]


def test_what_carries_no_mark_is_marked_before_it_is_deleted() -> None:
    status, named = a_server_of_the_go_provider()

    plan = retire_server(a_server(a_port(), a_port(), status=status), seen_of(named=named))

    assert plan.steps
    assert all(isinstance(step, Update) for step in plan.steps)


def test_ports_of_the_go_provider_are_told_apart_by_name_when_status_was_lost() -> None:
    named = {Kind.PORT: (Port(id="p9", name="worker-0-1", network_id="n"), Port(id="px", name="other", network_id="n"))}

    plan = plan_server(a_server(a_port(), a_port()), seen_of(named=named))

    assert [step.body for step in plan.steps if isinstance(step, Update)] == [{"tags": [f"pycapo:{OWNER}:port-1"]}]


def test_removal_deletes_the_server_first_and_then_waits() -> None:
    plan = retire_server(a_server(), seen_of(the_port(), the_nova_server()))

    assert [(step.kind, step.id) for step in plan.steps if isinstance(step, Delete)] == [(Kind.SERVER, "nova-1")]
    assert plan.waits[0].after == 2.0


def test_a_server_on_its_way_out_is_not_deleted_twice() -> None:
    plan = retire_server(a_server(), seen_of(the_port(), the_nova_server(task_state="deleting")))

    assert plan.steps == ()
    assert plan.waits


def test_removal_takes_trunks_before_their_ports() -> None:
    trunk = Trunk(id="t0", port_id="port-0", tags=(Mark(OWNER, "trunk-0").tag,))

    plan = retire_server(a_server(), seen_of(the_port(), (Kind.TRUNK, trunk)))

    assert [step.kind for step in plan.steps if isinstance(step, Delete)] == [Kind.TRUNK, Kind.PORT]


def test_removal_needs_neither_image_nor_flavor_nor_network() -> None:
    plan = retire_server(a_server(), seen_of(the_port(), found={"spec.image": (), "spec.flavor": ()}))

    assert [step.kind for step in plan.steps if isinstance(step, Delete)] == [Kind.PORT]
    assert not plan.waits


def test_removal_of_nothing_is_settled() -> None:
    assert retire_server(a_server(), seen_of()).settled


def test_only_trouble_makes_the_picture_younger() -> None:
    ages = [freshness(the_nova_server(status)[1]) for status in ("ACTIVE", "BUILD", "ERROR")]

    assert ages == [300.0, 300.0, 30.0]
    assert freshness(None) == 300.0
    assert freshness(None, noted=True) == 5.0
    assert freshness(None, noted=True, told="InstanceDeleted") == 300.0
