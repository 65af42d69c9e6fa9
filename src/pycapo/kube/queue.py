# SPDX-License-Identifier: Apache-2.0
"""The work queue of a controller: each key at most once, and never with two workers at a time.

    add ──> later (heap by due time) ──> ready: normal, then low ──> take ──> active ──> done
                                                  ^── added again while active ────────────┘

Rule: of several delays of a key the earliest wins; a failure's delay doubles up to a limit, with jitter.
"""

import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pycapo.kube import metrics

T = TypeVar("T", bound=Hashable)


class Queue(Generic[T]):
    """A deduplicating queue with delays, two priorities and backoff; safe for many threads."""

    def __init__(
        self, name: str, *, first: float = 0.5, most: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._first = first
        self._most = most
        self._clock = clock
        self._changed = threading.Condition()
        self._ready: tuple[deque[T], deque[T]] = (deque(), deque())  # normal, low
        self._since: dict[T, tuple[float, bool]] = {}  # ready keys: since when, and whether low
        self._due: dict[T, tuple[float, bool]] = {}  # delayed keys
        self._heap: list[tuple[float, int, T]] = []
        self._order = 0
        self._active: set[T] = set()
        self._again: dict[T, bool] = {}  # added while active: whether low
        self._failures: dict[T, int] = {}
        self._closed = False
        self._depth = metrics.QUEUE_DEPTH.labels(name)
        self._adds = metrics.QUEUE_ADDS.labels(name)
        self._waits = metrics.QUEUE_WAIT.labels(name)

    def __len__(self) -> int:
        return len(self._since)

    def add(self, key: T, *, after: float = 0.0, low: bool = False) -> None:
        """Ask for a turn of a key now or after some seconds; `low` is for what is not urgent."""
        with self._changed:
            self._adds.inc()
            if after > 0:
                self._delay(key, self._clock() + after, low)
            else:
                self._now(key, low)
            self._changed.notify()

    def retry(self, key: T) -> float:
        """Ask for a turn after the key's backoff; return the delay."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
        metrics.QUEUE_RETRIES.labels(self.name).inc()
        delay = min(self._most, self._first * 2.0 ** min(failures, 32)) * random.uniform(0.75, 1.0)
        self.add(key, after=delay)
        return delay

    def forget(self, key: T) -> None:
        """The key did well: its next failure waits shortly again."""
        with self._changed:
            self._failures.pop(key, None)

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for a key and return it; None when closed or when nothing came in time. Call `done` after it."""
        end = None if timeout is None else self._clock() + timeout
        with self._changed:
            while True:
                if self._closed:
                    return None
                self._mature()
                key = self._pop()
                if key is not None:
                    return key
                wait = self._wait(end)
                if wait is not None and wait <= 0:
                    return None
                self._changed.wait(wait)

    def done(self, key: T) -> None:
        """The turn of a key is over; it comes again when it was added meanwhile."""
        with self._changed:
            self._active.discard(key)
            low = self._again.pop(key, None)
            if low is not None:
                self._now(key, low)
            self._changed.notify()

    def close(self) -> None:
        """Give out nothing until `open`; workers get None, keys gather."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def open(self) -> None:
        """Give out keys (again)."""
        with self._changed:
            self._closed = False

    def idle(self) -> bool:
        """Tell whether nothing is ready or active (delayed keys do not count)."""
        with self._changed:
            self._mature()
            return not self._since and not self._active

    def _now(self, key: T, low: bool) -> None:
        self._due.pop(key, None)
        if key in self._active:
            self._again[key] = low and self._again.get(key, True)
            return
        since, was_low = self._since.get(key, (self._clock(), True))
        if key in self._since and (low or not was_low):
            return
        # A low key that is asked for normally moves up; its place in the low row is skipped later.
        self._since[key] = (since, low)
        self._ready[low].append(key)
        self._depth.set(len(self._since))

    def _delay(self, key: T, due: float, low: bool) -> None:
        if key in self._since or key in self._again or (key in self._due and self._due[key][0] <= due):
            return
        self._due[key] = (due, low)
        self._order += 1
        heapq.heappush(self._heap, (due, self._order, key))

    def _mature(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if key in self._due and self._due[key][0] == due:
                self._now(key, self._due[key][1])

    def _pop(self) -> T | None:
        for low, row in enumerate(self._ready):
            while row:
                key = row.popleft()
                since, is_low = self._since.get(key, (0.0, None))
                if is_low is not bool(low):
                    continue
                del self._since[key]
                self._active.add(key)
                self._depth.set(len(self._since))
                self._waits.observe(self._clock() - since)
                return key
        return None

    def _wait(self, end: float | None) -> float | None:
        """Return the seconds until something may be ready, None when only a notification can help."""
        times = [time_ for time_ in (end, self._heap[0][0] if self._heap else None) if time_ is not None]
        return min(times) - self._clock() if times else None
