# SPDX-License-Identifier: Apache-2.0
"""ConversionReview: all objects or one failure."""

from typing import Any

from pycapo.webhooks import convert

Json = dict[str, Any]
V1, V2 = "g/v1", "g/v2"


def a_review(*objects: Json, desired: str = V2) -> Json:
    return {"kind": "ConversionReview", "request": {"uid": "u", "desiredAPIVersion": desired, "objects": list(objects)}}


def an_object(name: str, **metadata: Any) -> Json:
    return {"apiVersion": V1, "kind": "K", "metadata": {"name": name, "uid": "1", **metadata}, "spec": {}}


def renamed(found: Json, desired: str) -> Json:
    """Convert, and change metadata in allowed and forbidden ways."""
    metadata = {"name": "other", "labels": {"new": "yes"}, "annotations": {"kept": "v1"}}
    return {"apiVersion": desired, "metadata": metadata, "spec": {"seen": found["apiVersion"]}}


def response(review: Json, by: convert.Convert = renamed) -> Json:
    return convert.answer(review, by)["response"]


def test_every_object_is_converted_in_its_place() -> None:
    found = response(a_review(an_object("a"), an_object("b")))

    assert found["uid"] == "u"
    assert found["result"] == {"status": "Success"}
    assert [one["metadata"]["name"] for one in found["convertedObjects"]] == ["a", "b"]
    assert {one["apiVersion"] for one in found["convertedObjects"]} == {V2}


def test_of_metadata_only_labels_and_annotations_change() -> None:
    (found,) = response(a_review(an_object("a", labels={"old": "yes"}, generation=3)))["convertedObjects"]

    expected = {"name": "a", "uid": "1", "generation": 3, "labels": {"new": "yes"}, "annotations": {"kept": "v1"}}
    assert found["metadata"] == expected


def test_an_object_of_the_wanted_version_stays_as_it_is() -> None:
    found = an_object("a")

    assert response(a_review(found, desired=V1))["convertedObjects"] == [found]


def test_one_failure_fails_the_request_and_names_the_object() -> None:
    def fail(found: Json, desired: str) -> Json:
        if found["metadata"]["name"] == "b":
            raise ValueError("spec.flavor: no such field")
        return renamed(found, desired)

    found = response(a_review(an_object("a"), an_object("b", namespace="n")), fail)

    assert "convertedObjects" not in found
    assert found["result"]["status"] == "Failure"
    assert found["result"]["message"] == "K n/b from g/v1 to g/v2: spec.flavor: no such field"
