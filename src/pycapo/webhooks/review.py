# SPDX-License-Identifier: Apache-2.0
"""AdmissionReview v1: from a request of the API server to the answer of the rules.

Rule: nothing is decided here; the rules of api/ decide, and their problems are told as the API server tells its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pycapo.api.rules import legacy
from pycapo.api.rules.kinds import Rules
from pycapo.api.rules.problem import Problem

API_VERSION = "admission.k8s.io/v1"
DRY_RUN_OF_TOPOLOGY = "topology.cluster.x-k8s.io/dry-run"

Json = dict[str, Any]


class BadReview(ValueError):
    """The request is not what an API server sends; the message says what is missing."""


def answer(review: Json, rules: Rules) -> Json:
    """Return the AdmissionReview that answers another one by the rules of a kind; raises BadReview."""
    request = request_of(review, "AdmissionReview")
    found, before = request.get("object"), request.get("oldObject")
    response: Json = {"uid": request["uid"], "allowed": True}
    if found:
        problems = rules.review(found, before, dry_run=_is_topology_dry_run(request))
        warnings = [*rules.advise(found)]
        if _sent_as(request) == legacy.VERSION:
            known = legacy.check(before) if before else ()
            problems += [problem for problem in legacy.check(found) if problem not in known]
            warnings += legacy.advise(found)
        if warnings:
            response["warnings"] = warnings
        if problems:
            response |= {"allowed": False, "status": _refusal(request, problems)}
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}


def request_of(review: object, kind: str) -> Json:
    """Return the request of a review of that kind; raises BadReview when it has none."""
    request = review.get("request") if isinstance(review, dict) and review.get("kind") == kind else None
    if not isinstance(request, dict) or not request.get("uid"):
        raise BadReview(f"wanted: {kind} with a request that has a uid, found something else")
    return request


def _is_topology_dry_run(request: Json) -> bool:
    """Tell whether Cluster API's topology controller only asks what a change would do."""
    annotations = (request["object"].get("metadata") or {}).get("annotations") or {}
    return bool(request.get("dryRun")) and DRY_RUN_OF_TOPOLOGY in annotations


def _sent_as(request: Json) -> str | None:
    """Return the version in which the user wrote the object."""
    sent: str | None = (request.get("requestKind") or {}).get("version")
    return sent


def _refusal(request: Json, problems: Sequence[Problem]) -> Json:
    """Return the Status (422 Invalid) that lists the problems, worded as `apierrors.NewInvalid` words it."""
    kind: Mapping[str, str] = request.get("kind") or {}
    metadata = request["object"].get("metadata") or {}
    name = request.get("name") or metadata.get("name") or metadata.get("generateName") or ""
    told = str(problems[0]) if len(problems) == 1 else f"[{', '.join(map(str, problems))}]"
    group_kind = f"{kind.get('kind', '')}.{kind.get('group', '')}"
    return {
        "status": "Failure",
        "code": 422,
        "reason": "Invalid",
        "message": f'{group_kind} "{name}" is invalid: {told}{_version_note(request)}',
        "details": {
            "name": name,
            "group": kind.get("group", ""),
            "kind": kind.get("kind", ""),
            "causes": [{"reason": p.fault.reason, "message": p.body, "field": p.path} for p in problems],
        },
    }


def _version_note(request: Json) -> str:
    """Return a note when the paths are not those of the version that the user wrote."""
    seen, asked = (request.get("kind") or {}).get("version"), _sent_as(request)
    if not asked or asked == seen:
        return ""
    renamed = ", whose networks are ports there" if asked == legacy.VERSION else ""
    return f" (fields are named as in {seen}; the object was sent as {asked}{renamed})"
