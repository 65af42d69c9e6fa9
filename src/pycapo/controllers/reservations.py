# SPDX-License-Identifier: Apache-2.0
"""What servers that are made at the same moment are about to take, so that no two of them ask for the same.

Rule: a plan is decided and what it takes is noted under one lock. This saves refusals and nothing else: it is lost with the
process, and that nothing is given twice is OpenStack's word.
"""

import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from pycapo.cloud.errors import AddressTaken
from pycapo.plan.references import Place

T = TypeVar("T", bound=Hashable)

HELD = 60.0
"""Seconds that something stays noted whose taker never says how it went."""

SEEN_BY = 10.0
"""Seconds after which everybody's picture shows what was taken."""

REFUSED = 60.0
"""Seconds that something is not tried again after it was refused, held by somebody whom the picture does not show."""


AT_ONCE = 0.5
"""Seconds until another address is tried."""


class Reservations(Generic[T]):
    """Things by who is about to take them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[T, tuple[str, float]] = {}

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Around looking at what others take and taking something oneself."""
        with self._lock:
            now = self._clock()
            self._held = {thing: held for thing, held in self._held.items() if held[1] > now}
            yield

    def of_others(self, owner: str) -> frozenset[T]:
        """What others are about to take, and what was refused; asked while deciding."""
        return frozenset(thing for thing, (holder, _) in self._held.items() if holder != owner)

    def take(self, owner: str, things: Collection[T]) -> None:
        """Note what an owner is about to take; called while deciding."""
        until = self._clock() + HELD
        self._held.update(dict.fromkeys(things, (owner, until)))

    def taken(self, owner: str) -> None:
        """An owner has what it was about to take: the picture shows it soon."""
        self._keep(owner, SEEN_BY)

    def let_go(self, owner: str) -> None:
        """An owner did not get what it was about to take."""
        self._keep(owner, 0.0)

    def refuse(self, thing: T) -> None:
        """OpenStack does not give it to anybody."""
        with self._lock:
            self._held[thing] = ("", self._clock() + REFUSED)

    def _keep(self, owner: str, seconds: float) -> None:
        with self._lock:
            now = self._clock()
            mine = {thing: (owner, now + seconds) for thing, (holder, _) in self._held.items() if holder == owner}
            self._held = {thing: it for thing, it in {**self._held, **mine}.items() if it[1] > now}


@contextmanager
def taking(reservations: Reservations[Place], owner: str, places: Collection[Place]) -> Iterator[None]:
    """Around the requests by which an owner takes addresses; one that Neutron refuses is not tried again for a while."""
    try:
        yield
    except BaseException as error:
        reservations.let_go(owner)
        if isinstance(error, AddressTaken) and error.place and error.place in places:
            reservations.refuse(error.place)
            error.retry_after = AT_ONCE
        raise
    reservations.taken(owner)
