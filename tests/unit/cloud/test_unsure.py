# SPDX-License-Identifier: Apache-2.0
"""Creations of unknown outcome: their mark waits a while, nobody else does."""

import pytest

from pycapo.cloud.errors import BadRequest, Busy, CloudError, QuotaExceeded, RetryNow, Unanswered
from pycapo.cloud.unsure import Unsure
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark

MARK, OTHER = Mark("abcdefabcdef", "port-0"), Mark("abcdefabcdef", "port-1")


class Creations:
    """Creations of ports at a clock of their own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.unsure = Unsure(clock=lambda: self.now)

    def fail(self, error: Exception, *marks: Mark | None) -> None:
        with pytest.raises(type(error)), self.unsure.creating(Kind.PORT, marks or (MARK,)):
            raise error

    def blocked(self, *marks: Mark | None, kind: Kind = Kind.PORT) -> float | None:
        try:
            with self.unsure.creating(kind, marks or (MARK,)):
                return None
        except Busy as busy:
            return busy.retry_after


@pytest.mark.parametrize(
    "error", [Unanswered("cut off"), RetryNow("proxy", status=502), RetryNow("proxy", status=504), RetryNow("garbage")]
)
def test_what_may_still_be_at_work_is_not_asked_for_again(error: CloudError) -> None:
    creations = Creations()
    creations.fail(error)

    assert creations.blocked() == 10.0


@pytest.mark.parametrize(
    "error",
    [
        RetryNow("broke", status=500),
        Busy("later", status=503, retry_after=1),
        Busy("too many", status=429, retry_after=1),
        BadRequest("no", status=400),
        QuotaExceeded("full", status=409),
        KeyError("an accident"),
    ],
)
def test_what_surely_came_to_its_end_may_be_asked_for_again_at_once(error: Exception) -> None:
    creations = Creations()
    creations.fail(error)

    assert creations.blocked() is None


def test_an_absence_is_believed_after_a_while() -> None:
    creations = Creations()
    creations.fail(Unanswered("cut off"))

    creations.now = 26.0
    assert creations.blocked() == 4.0
    creations.now = 30.0
    assert creations.blocked() is None


def test_other_marks_and_other_kinds_do_not_wait() -> None:
    creations = Creations()
    creations.fail(Unanswered("cut off"))

    assert creations.blocked(OTHER) is None
    assert creations.blocked(MARK, kind=Kind.TRUNK) is None


def test_one_of_many_in_a_request_is_enough_to_wait() -> None:
    creations = Creations()
    creations.fail(Unanswered("cut off"), MARK, None)

    assert creations.blocked(OTHER, None) is None
    assert creations.blocked(OTHER, MARK) == 10.0


def test_what_carries_no_mark_is_never_waited_for() -> None:
    creations = Creations()
    creations.fail(Unanswered("cut off"), None)

    assert creations.blocked(None) is None


def test_a_wait_does_not_make_itself_longer() -> None:
    creations = Creations()
    creations.fail(Unanswered("cut off"))
    creations.now = 29.0
    creations.blocked()

    creations.now = 30.0
    assert creations.blocked() is None
