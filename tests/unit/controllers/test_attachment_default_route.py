# SPDX-License-Identifier: Apache-2.0
"""The default route through a NIC of an attachment: guests that come later have it, those that run keep theirs, and it is told."""

import base64
from typing import Any

import pytest

from attachments import AttachmentStage, nic
from pycapo.api.machine import NetworkConfig
from pycapo.api.ports import PortOpts
from pycapo.model.kinds import Kind
from pycapo.plan.routes import DEFAULT_ROUTE

KEEPS = (
    "spec.ports[0].defaultRoute: the guest runs and keeps the default route that it was made with; "
    "a new machine has it here"
)


def route(stage: AttachmentStage) -> tuple[str, str, str]:
    return stage.told(stage.attachment(), DEFAULT_ROUTE)


class Birth(AttachmentStage):
    """A stage that notes what the guests of servers are given, by the name of the server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.given: dict[str, str] = {}
        create = self.cloud.create

        def listen(kind: Kind, bodies: Any, **rest: Any) -> Any:
            made = (it for it in bodies if "user_data" in it)
            self.given.update({it["name"]: base64.b64decode(it["user_data"]).decode() for it in made})
            return create(kind, bodies, **rest)

        monkeypatch.setattr(self.cloud, "create", listen)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Birth:
    return Birth(monkeypatch)


def macs(data: str) -> list[str]:
    """The MACs of the facts in user data, in their order."""
    lines = (line.split() for line in data.splitlines())
    return [words[0] for words in lines if len(words) == 3 and words[0].count(":") == 5]


def own(stage: AttachmentStage, name: str) -> Any:
    (port,) = [it for it in stage.cloud.all(Kind.PORT) if it.name == f"{name}-0"]
    return port


def test_a_guest_that_runs_keeps_its_default_route_and_it_is_told_while_the_nic_is_there() -> None:
    stage = AttachmentStage("worker-0")

    stage.attach(nic(default_route=True))

    assert route(stage) == ("False", "NotDelivered", f"worker-0: {KEEPS}")
    assert (stage.ready()[0], len(stage.nics("worker-0"))) == ("True", 1)
    writes = len(stage.kube.server.requests)
    stage.settle()
    assert [it for it in stage.kube.server.requests[writes:] if it[0] != "GET"] == []


def test_a_guest_that_comes_later_has_its_default_route_through_the_nic(stage: Birth) -> None:
    stage.attach(nic(default_route=True))
    stage.add("late")

    stage.settle()

    assert macs(stage.given["late"]) == [stage.nics("late")[0].mac_address, own(stage, "late").mac_address]
    assert route(stage)[:2] == ("True", "Delivered")
    assert stage.told(stage.machine("late"), "PolicyRoutingReady")[2].startswith(
        "delivered with the user data, the NIC of the default route first: late-extra-0 "
    )


def test_the_machine_s_own_word_on_the_default_route_counts(stage: Birth) -> None:
    stage.attach(nic(default_route=True))
    stage.add("late", PortOpts(default_route=True))

    stage.settle()

    assert macs(stage.given["late"]) == []
    assert (
        route(stage)[2] == "late: spec.ports[0].defaultRoute: spec.ports[0] of the machine itself has the default route"
    )


def test_of_two_attachments_the_first_by_name_has_the_default_route(stage: Birth) -> None:
    stage.attach(nic(default_route=True), name="a")
    stage.attach(nic("traffic", default_route=True), name="b")
    stage.add("late")

    stage.settle()

    assert stage.told(stage.attachment("a"), DEFAULT_ROUTE)[0] == "True"
    assert "was told to have it through another NIC" in stage.told(stage.attachment("b"), DEFAULT_ROUTE)[2]


def test_where_routes_are_switched_off_the_machine_comes_and_it_is_told(stage: Birth) -> None:
    stage.attach(nic(default_route=True))
    stage.add("late", network_config=NetworkConfig(policy_routing=False))

    stage.settle()

    assert stage.told(stage.machine("late"), "Ready")[0] == "True"
    assert "spec.networkConfig.policyRouting switches it off" in route(stage)[2]


def test_saying_it_later_keeps_the_nic_and_taking_it_back_ends_the_condition() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    before = [it.id for it in stage.nics()]

    stage.edit(nic(default_route=True))
    told = route(stage)
    stage.edit(nic())

    assert (told[0], route(stage)) == ("False", ("", "", ""))
    assert [it.id for it in stage.nics()] == before


def test_a_nic_that_cannot_be_had_keeps_no_machine_from_coming_with_a_default_route_of_its_own(stage: Birth) -> None:
    stage.attach(nic("nowhere", default_route=True))
    stage.add("late")

    stage.settle()

    assert stage.told(stage.machine("late"), "Ready")[0] == "True"
    assert macs(stage.given["late"]) == []
