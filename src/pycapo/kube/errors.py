# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between us and the API server.

    KubeError ── NotFound ── AlreadyExists ── Conflict ── Expired ── Unauthorized ── Forbidden ── Invalid ── Unreachable
             └─ NotLeading

Rule: each has `reason`, `message` and `retry_after` (seconds, or None for the usual backoff), never a body or a header.
"""

from typing import Any

import msgspec


class KubeError(Exception):
    """The API server refused a request; `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason or type(self).__name__
        self.retry_after = retry_after


class NotFound(KubeError):
    """The object or its whole kind does not exist."""


class AlreadyExists(KubeError):
    """An object of this name exists."""


class Conflict(KubeError):
    """Someone else wrote first, or the uid in a precondition is another one."""


class Expired(KubeError):
    """The resource version is too old to watch or page from: list again."""


class Unauthorized(KubeError):
    """The credentials are not (or no longer) accepted."""


class Forbidden(KubeError):
    """Our role lacks a rule."""


class Invalid(KubeError):
    """The object breaks its schema or a webhook's rule."""


class Unreachable(KubeError):
    """No answer: refused, timed out or cut off; the request may have been carried out."""


class NotLeading(KubeError):
    """The Lease is not ours (any more): nothing was sent."""


_BY_STATUS: dict[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""
    code: int = 0
    details: dict[str, Any] | None = None


def refusal(body: bytes, *, status: int = 0, retry_after: float | None = None, asked: str = "") -> KubeError:
    """Return the error that a Status body (meta/v1) describes; `asked` names the request."""
    try:
        told = msgspec.json.decode(body, type=_Status)
    except msgspec.DecodeError:
        told = _Status(message=f"HTTP {status}")
    status = status or told.code
    family = AlreadyExists if told.reason == "AlreadyExists" else _BY_STATUS.get(status, KubeError)
    wait = retry_after if retry_after is not None else (told.details or {}).get("retryAfterSeconds")
    message = f"{asked}: {told.message}" if asked else told.message
    return family(message, status=status, reason=told.reason, retry_after=wait)
