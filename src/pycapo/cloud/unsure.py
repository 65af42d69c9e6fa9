# SPDX-License-Identifier: Apache-2.0
"""Creations that nobody knows the end of: a request that timed out may still be at work behind a proxy.

Rule: what may still come is not asked for again until it had time to come and to be seen; only its own mark waits, nobody else.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from pycapo.cloud.errors import Busy, RetryNow
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark

_GRACE = 30.0  # seconds
_AT_WORK = frozenset({None, 502, 504})
"""What a broken connection (no status) or a proxy answers while the service behind it may go on."""


class Unsure:
    """The marks of creations that may still come, each with the time from which its absence is believed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[tuple[Kind, Mark], float] = {}

    @contextmanager
    def creating(self, kind: Kind, marks: Iterable[Mark | None]) -> Iterator[None]:
        """Around a creation; raises Busy while an earlier one of the same mark may still come."""
        keys = [(kind, mark) for mark in marks if mark]
        self._check(keys)
        try:
            yield
        except RetryNow as error:
            if error.status in _AT_WORK and not isinstance(error, Busy):
                with self._lock:
                    self._until.update(dict.fromkeys(keys, self._clock() + _GRACE))
            raise

    def _check(self, keys: Iterable[tuple[Kind, Mark]]) -> None:
        now = self._clock()
        with self._lock:
            self._until = {key: until for key, until in self._until.items() if until > now}
            wait = max((self._until.get(key, now) - now for key in keys), default=0.0)
        if wait > 0:
            message = "An earlier request for it was not answered and may still be at work; it is looked for first"
            raise Busy(message, retry_after=min(wait, 10.0), status=503)
