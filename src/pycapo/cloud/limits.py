# SPDX-License-Identifier: Apache-2.0
"""The manners of a client: how many requests a second and how many at once one cloud gets from us.

Rule: a worker waits here for less than a second; whoever would wait longer is told to come back (`Busy`), and nobody sleeps.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pycapo.cloud.errors import Busy

_LONGEST_WAIT = 1.0  # seconds that a worker may be kept
_NEARLY = 1e-6  # what adding up fractions may be off by


class Limits:
    """A token bucket of `rate` requests a second with `burst` in stock, and at most `at_once` requests on their way."""

    def __init__(
        self,
        *,
        rate: float = 20.0,
        burst: int = 40,
        at_once: int = 16,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._cost = 1.0 / rate
        self._stock = burst * self._cost
        self._full_at = clock()  # when the bucket will be full again
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around one request; raises Busy where the wait would be long."""
        wait = self._reserve()
        if wait > 0:
            self._sleep(wait)
        if not self._places.acquire(timeout=_LONGEST_WAIT):
            raise Busy("Too many requests to this cloud are on their way", retry_after=_LONGEST_WAIT)
        try:
            yield
        finally:
            self._places.release()

    def _reserve(self) -> float:
        """Take a token and return the seconds until it is there."""
        with self._lock:
            now = self._clock()
            full_at = max(self._full_at, now) + self._cost
            wait = full_at - now - self._stock
            if wait > _LONGEST_WAIT - _NEARLY:
                raise Busy(f"The limit of {1 / self._cost:g} requests a second is reached", retry_after=wait)
            self._full_at = full_at
            return max(0.0, wait)
