# SPDX-License-Identifier: Apache-2.0
"""Reading answers: bodies into records, refusals into our family of errors with OpenStack's own words.

Rule: what a person reads is the service's text, whatever envelope it came in, never a page of HTML and never a status alone.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pycapo.cloud import errors
from pycapo.cloud.errors import CloudError
from pycapo.model.kinds import Kind

T = TypeVar("T")

_BUSY = 5.0  # seconds to wait when a busy service does not say how long
_QUOTA = re.compile(r"quota|LimitExceeded|maximum number of volumes", re.IGNORECASE)
_NOT_YET = re.compile(
    r"status must be|is immutable|while it is in (vm|task)_state|pool has existing allocations", re.IGNORECASE
)
_MARKUP = re.compile(r"<(script|style|head).*?</\1>|<[^>]+>", re.DOTALL | re.IGNORECASE)
_LONGEST = 400  # characters of a text that is no JSON
_BY_STATUS: Mapping[int, type[CloudError]] = {
    400: errors.BadRequest,
    401: errors.LoginFailed,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.InUse,
    423: errors.InUse,
    429: errors.Busy,
    503: errors.Busy,
}


def decode(content: bytes, envelope: str, as_type: type[T], kind: Kind) -> T:
    """What is in an envelope of an answer; raises CloudError where it is not what the API promises."""
    inside = read(content, dict[str, msgspec.Raw], kind)
    if envelope not in inside:
        raise errors.RetryNow(f'The answer about a {kind} could not be read: it has no "{envelope}"')
    return read(inside[envelope], as_type, kind)


def read(content: bytes | msgspec.Raw, as_type: type[T], kind: Kind) -> T:
    """An answer without an envelope; raises CloudError where it is not what the API promises."""
    try:
        return msgspec.json.decode(content, type=as_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.RetryNow(f"The answer about a {kind} could not be read: {error!r}") from error


def has_next(content: bytes, envelope: str) -> bool:
    """Whether a list says that there is another page (`<envelope>_links`, Glance: `next`)."""
    inside = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    if "next" in inside:
        return True
    links = inside.get(f"{envelope}_links")
    return links is not None and b'"next"' in bytes(links)


def failure(status: int, content: bytes, headers: Mapping[str, str]) -> CloudError:
    """The error that an answer with a status of 400 and more means."""
    message = message_of(content) or f"HTTP status {status} without a text"
    request_id = headers.get("x-openstack-request-id") or headers.get("x-compute-request-id") or ""
    wait = _seconds(headers.get("retry-after"))
    family = _family(status, message, wait)
    if family is errors.Busy and wait is None:
        wait = _BUSY
    return family(message, status=status, request_id=request_id, retry_after=wait)


def _family(status: int, message: str, wait: float | None) -> type[CloudError]:
    if status == 413:
        return errors.Busy if wait is not None and not _QUOTA.search(message) else errors.QuotaExceeded
    if status in (403, 409) and _QUOTA.search(message):
        return errors.QuotaExceeded
    if status == 409 and errors.ALREADY_ALLOCATED.search(message):
        return errors.AddressTaken
    if status == 400 and _NOT_YET.search(message):
        return errors.InUse
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return errors.RetryNow if status >= 500 and status != 501 else errors.GiveUp


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; a date is answered with the default."""
    if text is None:
        return None
    return float(text) if text.strip().isdigit() else _BUSY


def message_of(content: bytes) -> str:
    """The service's own text: NeutronError.message, badRequest.message, faultstring, error.message, or the bare text."""
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = _MARKUP.sub(" ", content.decode("utf-8", "replace"))
        return " ".join(text.split())[:_LONGEST]
    return " ".join(_message_in(body).split())


def _message_in(body: Any) -> str:
    if not isinstance(body, Mapping):
        return str(body)
    for name in ("message", "faultstring", "title", "detail"):
        if isinstance(body.get(name), str) and body[name]:
            return str(body[name])
    if isinstance(body.get("errors"), list) and body["errors"]:
        return _message_in(body["errors"][0])
    inner = next((value for value in body.values() if isinstance(value, Mapping)), None)
    if inner is not None:
        return _message_in(inner)
    return next((str(value) for value in body.values() if isinstance(value, str)), "")
