# SPDX-License-Identifier: Apache-2.0
"""Garbage at the webhooks: the API server gets an answer that names the object, or a refusal, and never silence."""

from typing import Any

import pytest

from pycapo.api.conversion import convert
from pycapo.webhooks.convert import answer
from pycapo.webhooks.review import BadReview

GROUP = "infrastructure.cluster.x-k8s.io"
OLD, NEW = f"{GROUP}/v1beta1", f"{GROUP}/v1beta2"


def converted(*objects: Any, desired: str = NEW) -> Any:
    request = {"uid": "u-1", "desiredAPIVersion": desired, "objects": list(objects)}
    return answer({"kind": "ConversionReview", "request": request}, convert)["response"]


@pytest.mark.parametrize(
    "found",
    [
        {"apiVersion": OLD},
        {"apiVersion": OLD, "kind": "OpenStackRouter", "metadata": {"name": "x"}},
        {"apiVersion": OLD, "kind": "OpenStackMachine", "metadata": {"name": "x"}, "spec": 7},
        {"apiVersion": OLD, "kind": "OpenStackMachine", "metadata": {"name": "x"}, "spec": {"ports": "many"}},
        {"apiVersion": OLD, "kind": "OpenStackCluster", "metadata": {"name": "x"}, "spec": []},
        {"apiVersion": "other/v1", "kind": "OpenStackCluster", "metadata": {"name": "x"}},
    ],
)
def test_an_object_that_cannot_be_converted_is_a_failure_with_its_name(found: dict[str, Any]) -> None:
    response = converted(found)

    assert response["uid"] == "u-1"
    assert response["result"]["status"] == "Failure"
    assert found.get("metadata", {}).get("name", "") in response["result"]["message"]
    assert "convertedObjects" not in response


def test_one_that_fails_among_many_fails_all_for_a_list_must_be_whole() -> None:
    fine = {"apiVersion": NEW, "kind": "OpenStackCluster", "metadata": {"name": "fine"}, "spec": {}}
    wrong = {"apiVersion": OLD, "kind": "OpenStackMachine", "metadata": {"name": "wrong"}, "spec": 7}

    response = converted(fine, wrong)

    assert response["result"]["status"] == "Failure"
    assert "wrong" in response["result"]["message"]


def test_what_has_the_version_already_comes_back_as_it_was() -> None:
    found = {"apiVersion": NEW, "kind": "OpenStackCluster", "metadata": {"name": "x"}, "spec": {"unheardOf": 1}}

    assert converted(found)["convertedObjects"] == [found]


def test_no_objects_are_converted_to_no_objects() -> None:
    assert converted() == {"uid": "u-1", "result": {"status": "Success"}, "convertedObjects": []}


def test_a_version_that_nobody_serves_is_a_failure() -> None:
    found = {"apiVersion": OLD, "kind": "OpenStackCluster", "metadata": {"name": "x"}, "spec": {}}

    assert converted(found, desired=f"{GROUP}/v1beta9")["result"]["status"] == "Failure"


@pytest.mark.parametrize(
    "review",
    [
        {},
        {"kind": "ConversionReview"},
        {"kind": "ConversionReview", "request": {}},
        {"kind": "ConversionReview", "request": []},
        {"kind": "AdmissionReview", "request": {"uid": "u"}},
    ],
)
def test_what_is_no_review_is_told_what_was_wanted(review: dict[str, Any]) -> None:
    with pytest.raises(BadReview, match="wanted: ConversionReview"):
        answer(review, convert)
