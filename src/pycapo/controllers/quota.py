# SPDX-License-Identifier: Apache-2.0
"""What is left of quotas when servers that are made at the same moment have what they are about to take.

Rule: this saves refusals and tells in time; it is lost with the process, and that no quota is passed is Nova's word.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from pycapo.cloud.cloud import Cloud
from pycapo.model.kinds import Kind
from pycapo.model.records import Room
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Plan
from pycapo.plan.quota import Needs, deducted, missing, needs

MANY = 50
"""Servers younger than the reading after which quotas are read anew: all of them are gone through for each that is to be made."""

HELD = 120.0
"""Seconds for which a server counts that is about to be made and of which nothing more is heard."""


@dataclass(slots=True)
class _Share:
    """What a server takes: since when, and when Nova had made it."""

    project: str
    wanted: Needs
    since: float
    made: float | None = None

    def counts(self, room: Room, now: float) -> bool:
        """Whether Nova's own count does not have it yet."""
        return now - self.since < HELD if self.made is None else self.made >= room.at


class Shares:
    """The servers that are about to be made, and those that are younger than the reading of the quotas."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._shares: dict[str, _Share] = {}
        self._readings: dict[str, Room] = {}

    def look(self, cloud: Cloud, seen: Seen) -> Seen:
        """The same with the quotas as others leave them; they are read anew where the server does not seem to fit."""
        wanted = needs(seen)
        if not wanted:
            return seen
        self._readings[cloud.project_id] = cloud.room(anew=len(self._shares) > MANY)
        seen = self.left(cloud, seen)
        if missing(seen.room, wanted):
            self._readings[cloud.project_id] = cloud.room(anew=True)
        return self.left(cloud, seen)

    def left(self, cloud: Cloud, seen: Seen) -> Seen:
        """The same from what was read before: costs no request."""
        room = self._readings.get(cloud.project_id)
        if room is None or not needs(seen):
            return seen
        with self._lock:
            others = self._others(cloud.project_id, room, but=seen.owner)
        return msgspec.structs.replace(seen, room=deducted(room.quotas, others))

    def take(self, cloud: Cloud, seen: Seen, plan: Plan) -> None:
        """Note what a server takes that is made by this plan; one that is not made takes nothing."""
        if any(isinstance(step, Create) and step.key.kind is Kind.SERVER for step in plan.steps):
            with self._lock:
                self._shares[seen.owner] = _Share(cloud.project_id, needs(seen), self._clock())

    def made(self, owner: str) -> None:
        """What was planned for a server has been done."""
        with self._lock:
            share = self._shares.get(owner)
            if share and share.made is None:
                share.made = self._clock()

    def let_go(self, owner: str) -> None:
        """It was not done."""
        with self._lock:
            self._shares.pop(owner, None)

    def _others(self, project: str, room: Room, *, but: str) -> list[Needs]:
        now = self._clock()
        gone = [id for id, it in self._shares.items() if it.project == project and not it.counts(room, now)]
        for id in gone:
            del self._shares[id]
        return [it.wanted for id, it in self._shares.items() if it.project == project and id != but]


@contextmanager
def sharing(shares: Shares, owner: str) -> Iterator[None]:
    """Around the requests that make a server."""
    try:
        yield
    except BaseException:
        shares.let_go(owner)
        raise
    shares.made(owner)
