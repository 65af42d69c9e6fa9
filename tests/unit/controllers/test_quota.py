# SPDX-License-Identifier: Apache-2.0
"""Machines that do not fit into Nova's quota: nothing is made for them, what is missing is told, and they go on by themselves."""

import pytest

from machine_stage import Stage
from memory_cloud import MemoryCloud, a_memory_cloud
from pycapo.controllers.quota import HELD, MANY, Shares, sharing
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Flavor
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Key, Plan

PLANNED = Plan(steps=(Create(key=Key(Kind.SERVER, "server"), mark=Mark("a", "server"), body={}, why="make it"),))


def told(stage: Stage, name: str) -> tuple[str, str, str]:
    return stage.told(stage.machine(name), "InstanceReady")


def test_a_machine_that_does_not_fit_has_no_port_and_tells_what_is_missing() -> None:
    stage = Stage()
    stage.cloud.world.compute_quota = {"cores": 2, "ram": 99999}
    before = stage.count(Kind.PORT)

    for number in range(4):
        stage.add(f"worker-{number}")
    stage.settle()

    assert stage.count(Kind.SERVER) == {Kind.SERVER: 2}
    assert stage.count(Kind.PORT)[Kind.PORT] - before[Kind.PORT] == 2
    short = "spec.flavor: the project's quota is short by 1 cores (1 needed, 0 of 2 left)"
    assert [told(stage, f"worker-{number}")[1:] for number in (2, 3)] == 2 * [("QuotaExceeded", short)]
    assert ("Warning", "QuotaExceeded", short) in stage.kube.events()


def test_machines_go_on_when_there_is_room() -> None:
    stage = Stage()
    stage.cloud.world.compute_quota = {"instances": 1}
    for number in range(2):
        stage.add(f"worker-{number}")
    stage.settle()

    stage.cloud.world.compute_quota = {"instances": 2}
    stage.settle()

    assert [told(stage, f"worker-{number}")[0] for number in range(2)] == ["True", "True"]


def test_room_that_a_deleted_machine_leaves_is_used() -> None:
    stage = Stage()
    stage.cloud.world.compute_quota = {"instances": 1}
    stage.add("worker-0")
    stage.settle()

    stage.delete("worker-0")
    stage.settle()
    stage.add("worker-1")
    stage.settle()

    assert told(stage, "worker-1")[0] == "True"


def test_many_machines_cost_one_reading_and_settled_ones_none() -> None:
    stage = Stage()
    stage.cloud.world.compute_quota = {"instances": 20}
    for number in range(5):
        stage.add(f"worker-{number}")

    stage.settle()
    stage.settle()

    assert stage.cloud.readings == 1


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("memory_cloud.time.monotonic", clock)
    return clock


def a_cloud() -> MemoryCloud:
    cloud = a_memory_cloud()
    cloud.world.compute_quota = {"cores": 4}
    return cloud


def a_picture(owner: str) -> Seen:
    return Seen(owner=owner, found={"spec.flavor": (Flavor(id="f", vcpus=2, ram=1),)})


def used(shares: Shares, cloud: MemoryCloud, owner: str = "b") -> int:
    return shares.look(cloud, a_picture(owner)).room["cores"].used


def test_a_server_that_is_about_to_be_made_counts_for_others_and_not_for_itself(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.take(cloud, a_picture("a"), PLANNED)

    assert (used(shares, cloud, "b"), used(shares, cloud, "a")) == (2, 0)


def test_a_server_that_was_made_counts_until_nova_counts_it(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.take(cloud, a_picture("a"), PLANNED)
    with sharing(shares, "a"):
        clock.now = 1.0
    assert used(shares, cloud) == 2

    clock.now = 2.0
    cloud.room(anew=True)

    assert used(shares, cloud) == 0


def test_a_server_that_was_refused_counts_no_more(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.take(cloud, a_picture("a"), PLANNED)

    with pytest.raises(ValueError, match="no"), sharing(shares, "a"):
        raise ValueError("no")

    assert used(shares, cloud) == 0


def test_a_server_of_which_nothing_is_heard_counts_for_a_while(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.take(cloud, a_picture("a"), PLANNED)
    assert used(shares, cloud) == 2

    clock.now = HELD + 1

    assert used(shares, cloud) == 0


def test_a_plan_that_makes_no_server_takes_nothing(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()

    shares.take(cloud, a_picture("a"), Plan())

    assert used(shares, cloud) == 0


def test_projects_do_not_share(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.take(cloud, a_picture("a"), PLANNED)

    assert used(shares, cloud.restarted(project_id="other")) == 0


def test_quotas_are_read_anew_once_many_servers_are_younger_than_the_reading(clock: Clock) -> None:
    shares, cloud = Shares(clock), a_cloud()
    shares.look(cloud, a_picture("b"))
    for number in range(MANY + 1):
        shares.take(cloud, a_picture(str(number)), PLANNED)
        shares.made(str(number))
    clock.now = 1.0
    cloud.world.compute_quota = {"cores": 4000}

    for _ in range(3):
        shares.look(cloud, a_picture("b"))

    assert cloud.readings == 2
