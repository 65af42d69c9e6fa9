# SPDX-License-Identifier: Apache-2.0
"""Answers that are kept for a while, each fetched by one caller while the others wait for it."""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")
_MOST = 2000  # entries, after which what has run out is thrown away


class _Entry(Generic[V]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value: V | None = None
        self.until = float("-inf")


class Kept(Generic[V]):
    """Values by key; `keep` tells for how many seconds a value stays good."""

    def __init__(self, keep: Callable[[V], float], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._keep, self._clock = keep, clock
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry[V]] = {}

    def get(self, key: Hashable, fetch: Callable[[], V]) -> V:
        """The value of a key, fetched unless it is still good. What `fetch` raises is not kept."""
        with self._lock:
            if len(self._entries) > _MOST:
                now = self._clock()
                self._entries = {known: entry for known, entry in self._entries.items() if entry.until > now}
            entry = self._entries.setdefault(key, _Entry())
        with entry.lock:
            if entry.value is None or self._clock() >= entry.until:
                entry.value = fetch()
                entry.until = self._clock() + self._keep(entry.value)
            return entry.value

    def forget(self, gone: Callable[[Hashable], bool]) -> None:
        """Drop the keys for which `gone` is true; a fetch that is on its way is not kept either."""
        with self._lock:
            self._entries = {key: entry for key, entry in self._entries.items() if not gone(key)}
