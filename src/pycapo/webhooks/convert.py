# SPDX-License-Identifier: Apache-2.0
"""ConversionReview v1: all objects in the version that the API server wants, or one failure that says why.

Rule: of metadata only labels and annotations can change; the API server refuses anything else.
"""

from collections.abc import Callable
from typing import Any

import structlog

from pycapo.webhooks.review import request_of

log = structlog.get_logger(__name__)

API_VERSION = "apiextensions.k8s.io/v1"

Json = dict[str, Any]
Convert = Callable[[Json, str], Json]


class NotConverted(Exception):
    """An object that could not be converted; the message names it and says why."""


def answer(review: Json, convert: Convert) -> Json:
    """Return the ConversionReview that answers another one; `convert` takes an object and the apiVersion wanted."""
    request = request_of(review, "ConversionReview")
    return {"apiVersion": API_VERSION, "kind": "ConversionReview", "response": _response(request, convert)}


def _response(request: Json, convert: Convert) -> Json:
    desired = request.get("desiredAPIVersion", "")
    try:
        converted = [_converted(found, desired, convert) for found in request.get("objects") or ()]
    except NotConverted as error:
        return {"uid": request["uid"], "result": {"status": "Failure", "message": str(error)}}
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}


def _converted(found: Json, desired: str, convert: Convert) -> Json:
    """Return one object in the desired version with the metadata that it had."""
    if found.get("apiVersion") == desired:
        return found
    metadata = dict(found.get("metadata") or {})
    try:
        result = convert(found, desired)
    except Exception as error:  # whatever it is, the API server must learn which object and why
        name = "/".join(filter(None, (metadata.get("namespace"), metadata.get("name"))))
        log.exception("object not converted", kind=found.get("kind"), object=name, desired=desired)
        told = f"{found.get('kind')} {name} from {found.get('apiVersion')} to {desired}: {error}"
        raise NotConverted(told) from error
    changed = result.get("metadata") or {}
    kept = {key: value for key, value in metadata.items() if key not in ("labels", "annotations")}
    free = {key: changed[key] for key in ("labels", "annotations") if changed.get(key)}
    return {**result, "apiVersion": desired, "kind": found["kind"], "metadata": {**kept, **free}}
