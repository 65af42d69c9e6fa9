# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with OpenStack, as one family.

    CloudError
    ├── RetryNow      the cloud is busy or broken for the moment      429, 5xx, no answer
    │   ├── Busy          429 / 503, says when to come back (Retry-After)
    │   └── Unanswered    no answer: the work may or may not have been done
    ├── WaitFor       right, but not yet                              409 (in use, pending), locked
    │   ├── NotLeading  we do not hold the Lease: nothing was sent
    │   └── InUse
    │       └── AddressTaken   409: another port has the address
    └── GiveUp        wrong until somebody changes something          400, 401, 403, 404, no quota
        ├── BadRequest
        ├── LoginFailed
        ├── Forbidden
        ├── NotFound
        └── QuotaExceeded

Every error carries a `reason` (CamelCase, for conditions), a `message` for people and `retry_after` (seconds, None: back off).
"""

import re

ALREADY_ALLOCATED = re.compile(r"IP address (\S+) already allocated in subnet ([^\s.]+)", re.IGNORECASE)


class CloudError(Exception):
    """An OpenStack call that did not do what was asked.

    `path` is the field of the spec that asked for it, where known; `request_id` finds the call in the cloud's own logs.
    """

    reason = "CloudError"
    retry_after: float | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str = "",
        path: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.request_id = request_id
        self.path = path
        if retry_after is not None:
            self.retry_after = retry_after

    def __str__(self) -> str:
        told = f"{self.path}: {self.message}" if self.path else self.message
        return f"{told} (request {self.request_id})" if self.request_id else told


class RetryNow(CloudError):
    """The cloud failed; the same call may succeed soon."""

    reason = "CloudUnavailable"


class Busy(RetryNow):
    """The cloud asks to come back later (429, 503 with Retry-After)."""

    reason = "CloudBusy"


class Unanswered(RetryNow):
    """No answer came; whether the work was done must be looked up before it is asked again."""

    reason = "CloudUnanswered"


class WaitFor(CloudError):
    """Right, but something else has to end first."""

    reason = "Waiting"
    retry_after = 5.0


class NotLeading(WaitFor):
    """The Lease is not ours (any more): nothing was sent, whoever leads does the work."""

    reason = "NotLeading"


class InUse(WaitFor):
    """409: the resource is in use, locked or in transition."""

    reason = "InUse"


class AddressTaken(InUse):
    """409: the address of a port that was asked for belongs to another one; `place` is its subnet's id and the address."""

    reason = "AddressTaken"
    retry_after = 30.0

    @property
    def place(self) -> tuple[str, str] | None:
        """The id of the subnet and the address, as far as Neutron names them."""
        found = ALREADY_ALLOCATED.search(self.message)
        return (found[2], found[1]) if found else None


class GiveUp(CloudError):
    """Wrong until a person changes the spec, the credentials or the cloud; looked at again only now and then."""

    reason = "Refused"
    retry_after = 60.0


class BadRequest(GiveUp):
    """400: the cloud does not accept the values."""

    reason = "BadRequest"


class LoginFailed(GiveUp):
    """Credentials are missing, unusable or refused."""

    reason = "AuthenticationFailed"


class Forbidden(GiveUp):
    """403: the cloud's policy does not allow it."""

    reason = "Forbidden"


class NotFound(GiveUp):
    """404: what was named does not exist (any more)."""

    reason = "NotFound"


class QuotaExceeded(GiveUp):
    """The project's quota is used up."""

    reason = "QuotaExceeded"
