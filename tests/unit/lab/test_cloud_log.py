# SPDX-License-Identifier: Apache-2.0
"""The access log: requests are told apart by who asked, and counted by what was asked."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from pycapo.lab.cloud_log import PRODUCT, AccessLog, Request, count
from pycapo.lab.places import Lab

ID = "1ec21120-bf05-4522-8024-91dbabeec220"


def a_request(method: str = "GET", path: str = "/v2.0/ports", agent: str = "pycapo/0.1") -> Request:
    return Request(1.0, "neutron", method, path, "", 200, 0.1, agent)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab("a", tmp_path, MappingProxyType({}), 1)


def asked(lab: Lab, *requests: Request, rest: str = "") -> None:
    names = Request.__slots__
    lines = [json.dumps({name: getattr(request, name) for name in names}) + "\n" for request in requests]
    with lab.log("access.jsonl").open("a") as log:
        log.write("".join(lines) + rest)


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (f"/v2.0/ports/{ID}", "/v2.0/ports/{id}"),
        (f"/v2.1/servers/{ID}/os-interface/{ID}", "/v2.1/servers/{id}/os-interface/{id}"),
        (f"/v3/{ID.replace('-', '')}/volumes", "/v3/{id}/volumes"),
        ("/v2.1/flavors/detail", "/v2.1/flavors/detail"),
        ("/v2.1/os-aggregates/12", "/v2.1/os-aggregates/{id}"),
    ],
)
def test_requests_that_differ_by_id_are_of_one_kind(path: str, template: str) -> None:
    assert a_request(path=path).template == template


def test_requests_are_counted_by_service_method_and_kind() -> None:
    counted = count([a_request(path=f"/v2.0/ports/{ID}"), a_request(path=f"/v2.0/ports/{ID}"), a_request("POST")])

    assert counted == {("neutron", "GET", "/v2.0/ports/{id}"): 2, ("neutron", "POST", "/v2.0/ports"): 1}


def test_the_products_requests_are_told_from_those_of_the_services(lab: Lab) -> None:
    asked(lab, a_request(), a_request(agent="nova-api keystoneauth1"), a_request(agent="lab-of-pycapo/1"))

    assert AccessLog(lab).read(agent=PRODUCT) == [a_request()]


def test_a_mark_leaves_out_what_was_before(lab: Lab) -> None:
    asked(lab, a_request("POST"))
    mark = AccessLog(lab).mark()
    asked(lab, a_request("DELETE"))

    assert [request.method for request in AccessLog(lab).read(mark)] == ["DELETE"]


def test_a_line_that_is_being_written_is_left_for_later(lab: Lab) -> None:
    asked(lab, a_request(), rest='{"time": 1')

    assert AccessLog(lab).read() == [a_request()]


def test_a_lab_that_was_never_asked_has_an_empty_log(lab: Lab) -> None:
    assert (AccessLog(lab).mark(), AccessLog(lab).read()) == (0, [])


@pytest.mark.parametrize(("method", "writes"), [("GET", False), ("HEAD", False), ("PUT", True), ("DELETE", True)])
def test_what_may_change_something_is_a_write(method: str, writes: bool) -> None:
    assert a_request(method).writes is writes
