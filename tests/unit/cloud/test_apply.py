# SPDX-License-Identifier: Apache-2.0
"""Acting: steps in order, keys become ids, bulk kinds go out together, and a death anywhere leaves nothing unknown."""

from typing import Any

import pytest

from memory_cloud import Killed, a_memory_cloud
from pycapo.cloud.apply import apply
from pycapo.cloud.errors import QuotaExceeded, Unanswered
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.steps import Create, Delete, Key, Plan, Sealed, Step, Update

OWNER = "abcdefabcdef"
NETWORK, SUBNET = Key(Kind.NETWORK, "network"), Key(Kind.SUBNET, "subnet")


def making(kind: Kind, role: str, body: dict[str, Any], **more: Any) -> Create:
    return Create(key=Key(kind, role), body=body, why="", mark=Mark(OWNER, role), **more)


MAKING: tuple[Step, ...] = (
    making(Kind.NETWORK, "network", {"name": "net"}),
    making(Kind.SUBNET, "subnet", {"network_id": NETWORK, "cidr": "10.6.0.0/24"}),
    making(Kind.PORT, "port-0", {"network_id": NETWORK, "fixed_ips": [{"subnet_id": SUBNET}]}),
    making(Kind.PORT, "port-1", {"network_id": NETWORK}, path="spec.ports[1]"),
    making(
        Kind.SERVER,
        "server",
        {
            "name": "w",
            "flavorRef": "flavor-small",
            "networks": [{"port": Key(Kind.PORT, "port-0")}, {"port": Key(Kind.PORT, "port-1")}],
            "user_data": Sealed("c2VjcmV0"),
        },
    ),
)


def test_keys_become_ids_at_any_depth() -> None:
    cloud = a_memory_cloud()

    made = apply(Plan(steps=MAKING), cloud)

    assert {port.device_id for port in cloud.all(Kind.PORT)} == {made[Key(Kind.SERVER, "server")]}
    assert cloud.all(Kind.PORT)[0].fixed_ips[0].subnet_id == made[SUBNET]


def test_neighbouring_ports_are_one_request() -> None:
    cloud = a_memory_cloud()

    apply(Plan(steps=MAKING), cloud)

    assert cloud.calls["create", Kind.PORT] == 1
    assert cloud.writes == 4


def test_ports_with_something_between_them_are_two_requests() -> None:
    cloud = a_memory_cloud()
    steps = (*MAKING[:3], making(Kind.SECURITY_GROUP, "worker", {"name": "g"}), MAKING[3])

    apply(Plan(steps=steps), cloud)

    assert cloud.calls["create", Kind.PORT] == 2


def test_an_error_tells_the_field_and_how_far_it_came() -> None:
    cloud, done = a_memory_cloud(), []
    cloud.fail_next(Kind.PORT, "create", QuotaExceeded("no more ports"))
    steps = (*MAKING[:2], MAKING[3])

    with pytest.raises(QuotaExceeded) as raised:
        apply(Plan(steps=steps), cloud, done=done)

    assert str(raised.value) == "spec.ports[1]: no more ports"
    assert done == list(MAKING[:2])


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ("IP address 10.6.0.9 already allocated in subnet s", "b"),
        ("(rule:create_port and rule:create_port:binding:profile) is disallowed by policy", "c"),
        ("something went wrong", "a, b, c"),
    ],
)
def test_an_error_about_one_of_several_that_went_out_together_tells_its_field(message: str, path: str) -> None:
    cloud = a_memory_cloud()
    steps = (
        making(Kind.PORT, "port-0", {"network_id": "n", "name": "w"}, path="a"),
        making(Kind.PORT, "port-1", {"network_id": "n", "fixed_ips": [{"ip_address": "10.6.0.9"}]}, path="b"),
        making(Kind.PORT, "port-2", {"network_id": "n", "binding:profile": {"x": 1}}, path="c"),
    )
    cloud.fail_next(Kind.PORT, "create", QuotaExceeded(message))

    with pytest.raises(QuotaExceeded) as refused:
        apply(Plan(steps=steps), cloud)

    assert refused.value.path == path


def test_changes_and_removals_are_taken_too() -> None:
    cloud = a_memory_cloud()
    id = apply(Plan(steps=MAKING[:1]), cloud)[NETWORK]

    apply(Plan(steps=(Update(kind=Kind.NETWORK, id=id, body={"name": "new"}, why=""),)), cloud)
    assert cloud.all(Kind.NETWORK)[0].name == "new"

    apply(Plan(steps=(Delete(kind=Kind.NETWORK, id=id, why=""),)), cloud)
    assert cloud.all(Kind.NETWORK) == ()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_whoever_comes_after_a_death_sees_all_that_was_made(write: int, after: bool) -> None:
    cloud = a_memory_cloud()
    cloud.die_at(write, after=after)
    with pytest.raises(Killed):
        apply(Plan(steps=MAKING), cloud)

    picture = cloud.restarted().look(list(Kind))

    kinds = (Kind.NETWORK, Kind.SUBNET, Kind.PORT, Kind.SERVER)
    made = [record for kind in kinds for record in cloud.all(kind)]
    owned = [record for kind in kinds for record in picture.owned(kind, OWNER)]
    assert owned == made
    assert len(owned) == [0, 1, 2, 4, 5][write if after else write - 1]


def test_work_that_was_done_without_an_answer_is_seen_at_the_next_look() -> None:
    now = [0.0]
    cloud = a_memory_cloud(clock=lambda: now[0])
    cloud.look({Kind.NETWORK})
    cloud.fail_next(Kind.NETWORK, "create", Unanswered("timed out"), after=True)

    with pytest.raises(Unanswered):
        apply(Plan(steps=MAKING[:1]), cloud)

    assert len(cloud.look({Kind.NETWORK}).owned(Kind.NETWORK, OWNER)) == 1
