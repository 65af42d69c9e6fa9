# SPDX-License-Identifier: Apache-2.0
"""Answers of every service: refusals become one family of errors, whatever envelope their words came in."""

import json
from typing import Any

import msgspec
import pytest

from pycapo.cloud import errors
from pycapo.cloud.answers import decode, failure, has_next, message_of, read
from pycapo.cloud.errors import CloudError
from pycapo.model.kinds import Kind
from pycapo.model.records import Network


def refused(status: int, body: Any = None, **headers: str) -> CloudError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failure(status, content, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (400, errors.BadRequest),
        (401, errors.LoginFailed),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.GiveUp),
        (409, errors.InUse),
        (423, errors.InUse),
        (429, errors.Busy),
        (500, errors.RetryNow),
        (501, errors.GiveUp),
        (502, errors.RetryNow),
        (503, errors.Busy),
        (504, errors.RetryNow),
    ],
)
def test_a_status_alone_says_what_family_an_error_is_of(status: int, family: type[CloudError]) -> None:
    error = refused(status, {"message": "no"})

    assert type(error) is family
    assert error.status == status


def test_an_address_that_is_taken_is_told_apart_and_named() -> None:
    message = "IP address 10.6.0.9 already allocated in subnet 1b5e"
    error = refused(409, {"NeutronError": {"type": "IpAddressAlreadyAllocated", "message": message, "detail": ""}})

    assert isinstance(error, errors.AddressTaken)
    assert error.place == ("1b5e", "10.6.0.9")
    assert errors.AddressTaken("Address in use").place is None


QUOTAS = [
    (403, {"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, but already used 10"}}),
    (403, {"forbidden": {"code": 403, "message": "Quota exceeded, too many server groups."}}),
    (409, {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['security_group']."}}),
    (409, {"NeutronError": {"type": "OverQuota", "message": "Quota exceeded for resources: ['floatingip']."}}),
    (403, {"faultcode": "Client", "faultstring": "Quota has been met for resources: member"}),
    (413, {"overLimit": {"code": 413, "message": "VolumeLimitExceeded: Maximum number of volumes allowed (10)"}}),
    (413, {"overLimit": {"code": 413, "message": "Requested volume or snapshot exceeds allowed gigabytes quota."}}),
]


@pytest.mark.parametrize(("status", "body"), QUOTAS)
def test_a_used_up_quota_is_told_apart_from_a_policy_and_from_a_conflict(status: int, body: Any) -> None:
    error = refused(status, body)

    assert (type(error), error.reason) == (errors.QuotaExceeded, "QuotaExceeded")
    assert error.retry_after == 60


def test_too_many_requests_as_nova_used_to_say_it_are_no_quota() -> None:
    error = refused(413, {"overLimit": {"message": "This request was rate-limited."}}, retry_after="9")

    assert (type(error), error.retry_after) == (errors.Busy, 9.0)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid volume: Volume status must be available or error, but current status is: in-use.",
        "Cannot 'detach_interface' instance 1 while it is in vm_state building",
        "Cannot 'delete' instance 1 while it is in task_state deleting",
        "Load Balancer lb is immutable and cannot be updated.",
    ],
)
def test_a_bad_request_that_will_be_right_in_a_moment_is_waited_for(message: str) -> None:
    error = refused(400, {"badRequest": {"message": message}})

    assert isinstance(error, errors.InUse)
    assert error.retry_after == 5


@pytest.mark.parametrize(
    ("status", "text", "wait"),
    [(429, "17", 17.0), (503, "30", 30.0), (429, None, 5.0), (503, None, 5.0), (429, "Wed, 21 Oct 2026 07:28:00", 5.0)],
)
def test_a_busy_service_says_when_to_come_back_or_gets_a_moment(status: int, text: str | None, wait: float) -> None:
    error = refused(status, {}, **({"retry_after": text} if text else {}))

    assert error.retry_after == wait


@pytest.mark.parametrize("header", ["x_openstack_request_id", "x_compute_request_id"])
def test_the_id_of_the_request_is_told_so_that_an_operator_can_find_it(header: str) -> None:
    error = refused(500, {"message": "oops"}, **{header: "req-7"})

    assert str(error) == "oops (request req-7)"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"NeutronError": {"type": "X", "message": "No more IP addresses.", "detail": ""}}, "No more IP addresses."),
        ({"conflictingRequest": {"code": 409, "message": "busy"}}, "busy"),
        ({"faultcode": "Server", "faultstring": "broken", "debuginfo": None}, "broken"),
        ({"error": {"code": 401, "title": "Unauthorized"}}, "Unauthorized"),
        ({"errors": [{"status": 400, "title": "Bad Request", "detail": "d"}]}, "Bad Request"),
        ({"errors": ["plain"]}, "plain"),
        ({"code": "503 Service Unavailable", "title": "Service Unavailable"}, "Service Unavailable"),
        ({"reason": "only this"}, "only this"),
        ({"message": "", "detail": "the details"}, "the details"),
        ({}, ""),
        ([], "[]"),
        ("just a text", "just a text"),
        ({"message": "two\n   lines"}, "two lines"),
    ],
)
def test_the_words_are_found_in_every_envelope(body: Any, told: str) -> None:
    assert message_of(json.dumps(body).encode()) == told


def test_a_page_of_a_proxy_is_read_without_its_markup_and_never_in_full() -> None:
    page = b"<html><head><title>x</title><style>p {}</style></head><body><h1>502</h1> Bad\nGateway" + b" ." * 900

    told = message_of(page)

    assert told.startswith("502 Bad Gateway . .")
    assert "<" not in told
    assert len(told) == 400


@pytest.mark.parametrize("content", [b"", b"   ", b"{}"])
def test_a_refusal_without_words_is_told_by_its_status(content: bytes) -> None:
    assert str(refused(500, content)) == "HTTP status 500 without a text"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'{"message": "\xff"}', b"{", b"null", b"[[[["])
def test_garbage_is_an_error_of_the_family_and_no_accident(content: bytes) -> None:
    assert type(refused(500, content)) is errors.RetryNow


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>hello</html>",
        b"{",
        b"[]",
        b"{}",
        b'{"network": null}',
        b'{"network": {"name": "without an id"}}',
        b'{"network": {"id": 7}}',
        b'{"network": {"id": "n", "name": "\xff"}}',
    ],
)
def test_an_answer_that_is_not_what_the_api_promises_may_be_better_next_time(content: bytes) -> None:
    with pytest.raises(errors.RetryNow, match="answer about a network could not be read"):
        decode(content, "network", Network, Kind.NETWORK)


def test_fields_that_nobody_knows_yet_are_no_error() -> None:
    content = b'{"network": {"id": "n", "future": {"a": [1]}}, "more": 1}'

    assert decode(content, "network", Network, Kind.NETWORK) == Network(id="n")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"[]", b'{"wrong": 1}'])
def test_an_answer_without_an_envelope_is_read_as_carefully(content: bytes) -> None:
    class Answer(msgspec.Struct):
        right: int

    with pytest.raises(errors.RetryNow, match="answer about a router"):
        read(content, Answer, Kind.ROUTER)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ({"ports": []}, False),
        ({"ports": [], "ports_links": []}, False),
        ({"ports": [], "ports_links": [{"rel": "previous", "href": "x"}]}, False),
        ({"ports": [], "ports_links": [{"rel": "next", "href": "x"}]}, True),
        ({"ports": [], "networks_links": [{"rel": "next", "href": "x"}]}, False),
        ({"images": [], "next": "/v2/images?marker=1"}, True),
    ],
)
def test_a_list_says_itself_whether_it_goes_on(body: dict[str, Any], more: bool) -> None:
    assert has_next(json.dumps(body).encode(), "ports") is more


@pytest.mark.parametrize(
    ("error", "reason", "wait"),
    [
        (errors.RetryNow, "CloudUnavailable", None),
        (errors.Busy, "CloudBusy", None),
        (errors.Unanswered, "CloudUnanswered", None),
        (errors.InUse, "InUse", 5.0),
        (errors.BadRequest, "BadRequest", 60.0),
        (errors.LoginFailed, "AuthenticationFailed", 60.0),
        (errors.Forbidden, "Forbidden", 60.0),
        (errors.NotFound, "NotFound", 60.0),
        (errors.QuotaExceeded, "QuotaExceeded", 60.0),
    ],
)
def test_every_error_has_a_reason_for_conditions_and_a_time_to_look_again(
    error: type[CloudError], reason: str, wait: float | None
) -> None:
    made = error("told", path="spec.flavor")

    assert (made.reason, made.retry_after, str(made)) == (reason, wait, "spec.flavor: told")
