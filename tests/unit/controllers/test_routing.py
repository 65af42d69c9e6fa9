# SPDX-License-Identifier: Apache-2.0
"""Machines with several NICs, through real turns: what Nova is sent, what is told, and what it costs."""

import base64
from collections import Counter
from typing import Any

import pytest

from builders import NAMESPACE
from machine_stage import Stage
from pycapo.api.machine import NetworkConfig, OpenStackMachine
from pycapo.api.ports import PortOpts
from pycapo.api.references import NetworkParam
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model.kinds import Kind
from pycapo.plan.routes import POLICY_ROUTING


class Listening(Stage):
    """A stage with a second network that notes the user data of every server that is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        (network,) = self.cloud.create(Kind.NETWORK, [{"name": "storage"}], marks=[None])
        self.cloud.create(
            Kind.SUBNET, [{"network_id": network.id, "cidr": "10.9.0.0/24", "gateway_ip": "10.9.0.1"}], marks=[None]
        )
        self.second = PortOpts(network=NetworkParam(id=network.id))
        self.sent: list[str] = []
        create = self.cloud.create

        def listen(kind: Kind, bodies: Any, **rest: Any) -> Any:
            self.sent += [base64.b64decode(it["user_data"]).decode() for it in bodies if "user_data" in it]
            return create(kind, bodies, **rest)

        monkeypatch.setattr(self.cloud, "create", listen)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Listening:
    return Listening(monkeypatch)


def test_a_machine_with_two_nics_is_born_with_routes_for_both(stage: Listening) -> None:
    stage.add("worker-0", PortOpts(), stage.second)
    stage.settle()

    (sent,) = stage.sent
    addresses = [it.address for it in stage.machine("worker-0").status.addresses or () if it.type == "InternalIP"]
    status, reason, message = stage.told(stage.machine("worker-0"), POLICY_ROUTING)
    assert len(addresses) == 2
    assert all(f" {address}/24 " in sent and address in message for address in addresses)
    assert " 10.9.0.1\n" in sent
    assert (status, reason) == ("True", "Delivered")
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


@pytest.mark.parametrize(
    ("ports", "config", "told"),
    [(1, None, ("True", "SingleNIC")), (2, NetworkConfig(policy_routing=False), ("False", "SwitchedOff"))],
)
def test_a_machine_without_routes_says_why_and_is_ready_all_the_same(
    stage: Listening, ports: int, config: NetworkConfig | None, told: tuple[str, str]
) -> None:
    stage.add("worker-0", *[PortOpts(), stage.second][:ports], network_config=config)
    stage.settle()

    machine = stage.machine("worker-0")
    assert stage.sent == ["#cloud-config\n"]
    assert stage.told(machine, POLICY_ROUTING)[:2] == told
    assert stage.told(machine, "Ready")[0] == "True"


def test_the_format_that_the_bootstrap_provider_names_is_believed(stage: Listening) -> None:
    stage.add("worker-0", PortOpts(), stage.second)
    stage.kube.has_secret(NAMESPACE, "boot", {"value": b"#cloud-config\n", "format": b"talos"})
    stage.settle()

    assert stage.sent == ["#cloud-config\n"]
    assert stage.told(stage.machine("worker-0"), POLICY_ROUTING)[:2] == ("False", "UnknownFormat")


def test_a_version_of_ignition_that_is_not_known_is_named_and_its_data_go_as_they_came(stage: Listening) -> None:
    data = b'{"ignition": {"version": "4.0.0"}}'
    stage.add("worker-0", PortOpts(), stage.second)
    stage.kube.has_secret(NAMESPACE, "boot", {"value": data, "format": b"ignition"})
    stage.settle()

    told = stage.told(stage.machine("worker-0"), POLICY_ROUTING)
    assert stage.sent == [data.decode()]
    assert told[:2] == ("False", "UnknownFormat")
    assert "but of format Ignition 4.0.0" in told[2]


def test_what_is_told_is_found_again_when_status_was_lost(stage: Listening) -> None:
    stage.add("worker-0", PortOpts(), stage.second)
    stage.settle()
    before = stage.told(stage.machine("worker-0"), POLICY_ROUTING)

    stage.lose_status("worker-0")
    stage.turn(OpenStackServer, "worker-0")
    stage.turn(OpenStackMachine, "worker-0")

    assert before[1] == "Delivered"
    assert stage.told(stage.machine("worker-0"), POLICY_ROUTING) == before


def test_subnets_that_the_picture_shows_are_not_asked_for(stage: Listening) -> None:
    before = Counter(stage.cloud.calls)

    stage.add("worker-0", PortOpts(), stage.second)
    stage.settle()

    asked = stage.cloud.calls - before
    assert len(stage.sent) == 1
    assert asked[("find", Kind.SUBNET)] == 0
    assert (asked[("create", Kind.PORT)], asked[("create", Kind.SERVER)]) == (1, 1)
