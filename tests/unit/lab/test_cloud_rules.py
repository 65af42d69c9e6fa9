# SPDX-License-Identifier: Apache-2.0
"""Faults: what a test asks for is written as rules, and the services strike as the rules say."""

import io
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pycapo.lab.cloud_faults import Faults
from pycapo.lab.labsim.doors import AccessLog as Door
from pycapo.lab.labsim.doors import Faults as FaultyDoor
from pycapo.lab.labsim.rules import Rules
from pycapo.lab.places import Lab

AGENT = "pycapo/0.1"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab("a", tmp_path, MappingProxyType({}), 1)


@pytest.fixture
def rules(lab: Lab) -> Rules:
    return Rules(lab.root / "faults" / "rules.json")


class Service:
    """A service which counts what it has done, behind the lab's doors."""

    def __init__(self, lab: Lab, rules: Rules) -> None:
        self.done = 0
        self.status = ""
        self.headers: dict[str, str] = {}
        lab.folder("log")
        self.door = Door(FaultyDoor(self.work, "nova", rules), "nova", lab.log("access.jsonl"))

    def work(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.done += 1
        environ["HTTP_X_PROJECT_ID"] = "project"
        start("200 OK", [("X-Openstack-Request-Id", "req-1")])
        return [b"done"]

    def ask(self, method: str, path: str, agent: str = AGENT) -> bytes:
        def start(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            self.status, self.headers = status, dict(headers)

        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_USER_AGENT": agent, "wsgi.input": io.BytesIO()}
        return b"".join(self.door(environ, start))


@pytest.fixture
def service(lab: Lab, rules: Rules) -> Service:
    return Service(lab, rules)


def test_without_faults_the_service_answers(service: Service) -> None:
    assert service.ask("GET", "/servers") == b"done"
    assert service.status == "200 OK"


def test_a_fault_before_the_work_leaves_it_undone(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("nova", "POST", "/servers$", status=503, retry_after=2):
        service.ask("POST", "/servers")

    assert (service.status, service.headers["Retry-After"]) == ("503 Service Unavailable", "2")
    assert service.done == 0


def test_a_fault_may_say_the_whole_answer(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("nova", "GET", "/servers$", status=200, content={"servers": []}):
        answer = service.ask("GET", "/servers")

    assert (service.status[:3], json.loads(answer), service.done) == ("200", {"servers": []}, 0)


def test_a_fault_after_the_work_hides_that_it_was_done(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("nova", "POST", "/servers$", status=500, after=True):
        service.ask("POST", "/servers")

    assert (service.status, service.done) == ("500 Internal Server Error", 1)


def test_a_fault_ends_with_its_block(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("nova", "GET", "/servers", status=500):
        service.ask("GET", "/servers")
    assert service.status.startswith("500")

    service.ask("GET", "/servers")

    assert service.status == "200 OK"
    assert not (lab.root / "faults" / "rules.json").exists()


def test_a_fault_strikes_as_often_as_it_was_asked_to(lab: Lab, service: Service) -> None:
    answers = []
    with Faults(lab).answer("nova", "GET", "/servers", status=429, skip=1, times=2) as number:
        for _ in range(4):
            service.ask("GET", "/servers")
            answers.append(service.status[:3])

    assert answers == ["200", "429", "429", "200"]
    assert Faults(lab).strikes(number) == 2


@pytest.mark.parametrize(
    ("method", "path", "agent"),
    [("GET", "/servers", AGENT), ("POST", "/servers/1/action", AGENT), ("POST", "/servers", "nova-api keystoneauth1")],
)
def test_what_does_not_match_passes(lab: Lab, service: Service, method: str, path: str, agent: str) -> None:
    with Faults(lab).answer("nova", "POST", "/servers$", status=500):
        service.ask(method, path, agent)

    assert service.status == "200 OK"


def test_a_fault_of_another_service_passes(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("neutron", "GET", "", status=500):
        service.ask("GET", "/servers")

    assert service.done == 1


def test_a_hanging_request_is_answered_when_the_time_is_up(lab: Lab, service: Service) -> None:
    with Faults(lab).hang("nova", "GET", "/servers", seconds=0.01, after=True):
        assert service.ask("GET", "/servers") == b"done"


def test_the_log_knows_the_fault_that_struck(lab: Lab, service: Service) -> None:
    with Faults(lab).answer("nova", "GET", "/servers", status=500) as number:
        service.ask("GET", "/servers")
    service.ask("GET", "/flavors")

    lines = [json.loads(line) for line in lab.log("access.jsonl").read_text().splitlines()]

    assert [(line["status"], line["fault"], line["project"]) for line in lines] == [
        (500, number, None),
        (200, None, "project"),
    ]


def test_drivers_fail_for_the_names_that_they_were_told(lab: Lab, rules: Rules) -> None:
    with Faults(lab).spawn_fail(name="^worker-"):
        assert rules.driver("spawn-fail", "compute-1", "worker-1")
        assert rules.driver("spawn-fail", "compute-1", "master-1") is None
        assert rules.driver("spawn-hang", "compute-1", "worker-1") is None

    assert rules.driver("spawn-fail", "compute-1", "worker-1") is None


def test_what_hangs_goes_on_when_its_fault_has_ended(lab: Lab, rules: Rules) -> None:
    with Faults(lab).spawn_hang():
        rule = rules.driver("spawn-hang", "compute-1", "a")
        assert rules.holds(rule)

    assert not rules.holds(rule)


def test_of_several_faults_each_ends_on_its_own(lab: Lab, rules: Rules) -> None:
    faults = Faults(lab)
    with faults.bind_fail():
        with faults.port_down():
            pass
        assert rules.driver("bind-down", "compute-1") is None
        assert rules.driver("bind-fail", "compute-1")
