# SPDX-License-Identifier: Apache-2.0
"""AdmissionReview: what the API server asks and is told."""

from typing import Any

import pytest

from pycapo.api.rules.kinds import rules_of
from pycapo.webhooks import review

Json = dict[str, Any]
MACHINE = rules_of("OpenStackMachine")


def a_review(found: Json | None, before: Json | None = None, **more: Any) -> Json:
    kind = {"group": "infrastructure.cluster.x-k8s.io", "version": "v1beta2", "kind": "OpenStackMachine"}
    request = {"uid": "u", "kind": kind, "requestKind": kind, "name": "m", "object": found, "oldObject": before}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | more}


def with_mac(text: str) -> Json:
    return {"metadata": {"name": "m"}, "spec": {"ports": [{"macAddress": text}]}}


def test_what_is_right_is_allowed_with_the_uid_of_the_request() -> None:
    answer = review.answer(a_review({"spec": {}}), MACHINE)

    assert answer["response"] == {"uid": "u", "allowed": True}
    assert answer["apiVersion"] == "admission.k8s.io/v1"


def test_a_refusal_is_a_status_as_kubectl_prints_it() -> None:
    status = review.answer(a_review(with_mac("x")), MACHINE)["response"]["status"]

    body = 'Invalid value: "x": is no MAC address; write one such as fa:16:3e:00:00:01'
    group = "infrastructure.cluster.x-k8s.io"
    assert (status["code"], status["reason"]) == (422, "Invalid")
    assert status["message"] == f'OpenStackMachine.{group} "m" is invalid: spec.ports[0].macAddress: {body}'
    cause = {"reason": "FieldValueInvalid", "message": body, "field": "spec.ports[0].macAddress"}
    assert status["details"] == {"name": "m", "group": group, "kind": "OpenStackMachine", "causes": [cause]}


def test_several_problems_are_one_list() -> None:
    found = {"spec": {"ports": [{"macAddress": "x"}, {"macAddress": "y"}]}}

    status = review.answer(a_review(found), MACHINE)["response"]["status"]

    assert "is invalid: [spec.ports[0].macAddress: " in status["message"]
    assert len(status["details"]["causes"]) == 2


def test_a_user_of_another_version_is_told_whose_names_the_fields_have() -> None:
    asked = a_review(with_mac("x"), requestKind={"version": "v1beta1"})

    message = review.answer(asked, MACHINE)["response"]["status"]["message"]

    assert message.endswith("(fields are named as in v1beta2; the object was sent as v1beta1)")


WITHOUT_IMAGE = {"kind": "OpenStackMachine", "spec": {"flavor": {"filter": {"name": "a"}}}}
AS_V1ALPHA3 = {"requestKind": {"version": "v1alpha3"}}


def test_what_a_v1alpha3_object_lacks_is_refused_only_when_it_was_sent_as_such() -> None:
    assert review.answer(a_review(WITHOUT_IMAGE), MACHINE)["response"]["allowed"]
    response = review.answer(a_review(WITHOUT_IMAGE, **AS_V1ALPHA3), MACHINE)["response"]

    assert [cause["field"] for cause in response["status"]["details"]["causes"]] == ["spec.image"]
    assert response["status"]["message"].endswith("the object was sent as v1alpha3, whose networks are ports there)")


def test_an_update_of_a_v1alpha3_object_is_asked_only_for_what_it_makes_worse() -> None:
    labelled = {**WITHOUT_IMAGE, "metadata": {"labels": {"a": "b"}}}

    assert review.answer(a_review(labelled, WITHOUT_IMAGE, **AS_V1ALPHA3), MACHINE)["response"]["allowed"]


def test_what_v1alpha3_says_in_vain_is_a_warning() -> None:
    kept = '[{"path": ["spec", "userDataSecret"], "seen": "absent", "value": {"name": "a"}}]'
    annotations = {"infrastructure.cluster.x-k8s.io/kept-for-v1alpha3": kept}
    found = {"metadata": {"annotations": annotations}, "spec": {"flavor": {"id": "1"}, "image": {"id": "2"}}}

    assert "warnings" not in review.answer(a_review(found), MACHINE)["response"]
    (warning,) = review.answer(a_review(found, **AS_V1ALPHA3), MACHINE)["response"]["warnings"]
    assert warning.startswith("spec.userDataSecret: has no effect")


def test_a_deletion_is_allowed() -> None:
    assert review.answer(a_review(None, with_mac("x")), MACHINE)["response"]["allowed"]


@pytest.mark.parametrize(
    ("dry_run", "annotation", "allowed"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_only_a_dry_run_of_the_topology_controller_passes_a_changed_template(
    dry_run: bool, annotation: bool, allowed: bool
) -> None:
    annotations = {"topology.cluster.x-k8s.io/dry-run": ""} if annotation else {}
    old, new = ({"spec": {"template": {"spec": {"flavor": {"id": id_}}}}} for id_ in "12")

    asked = a_review({**new, "metadata": {"annotations": annotations}}, old, dryRun=dry_run)

    assert review.answer(asked, rules_of("OpenStackMachineTemplate"))["response"]["allowed"] is allowed


def test_advice_is_a_warning_and_refuses_nothing() -> None:
    found = {"spec": {"template": {"spec": {"ports": [{"macAddress": "fa:16:3e:00:00:01"}]}}}}

    response = review.answer(a_review(found), rules_of("OpenStackMachineTemplate"))["response"]

    assert response["allowed"]
    assert "every machine of this template" in response["warnings"][0]


@pytest.mark.parametrize("body", [None, [], {}, {"kind": "AdmissionReview"}, {"kind": "Pod", "request": {"uid": "u"}}])
def test_what_is_no_review_is_said_so(body: Any) -> None:
    with pytest.raises(review.BadReview, match="wanted: AdmissionReview"):
        review.answer(body, MACHINE)
