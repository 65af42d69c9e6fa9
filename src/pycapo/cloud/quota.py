# SPDX-License-Identifier: Apache-2.0
"""Nova's quotas of the project: read once for many servers, and again when they seem to be too small.

Rule: a quota is looked at to tell of it in time; where it cannot be read, Nova's refusal tells.
"""

import time
from collections.abc import Callable

import msgspec

from pycapo.cloud.answers import read
from pycapo.cloud.errors import GiveUp
from pycapo.cloud.kept import Kept
from pycapo.cloud.rest import COMPUTE
from pycapo.cloud.wire import Ask, Wire
from pycapo.model.kinds import Kind
from pycapo.model.records import Quota, Room

KEPT = 600.0
"""Seconds for which a reading is good while there seems to be room."""

ANEW = 5.0
"""Seconds that a reading has to be old before it is doubted: many servers may wait for the same quota."""


class _Absolute(msgspec.Struct, rename="camel"):
    max_total_instances: int = -1
    total_instances_used: int = 0
    max_total_cores: int = -1
    total_cores_used: int = 0
    max_total_ram_size: int = msgspec.field(default=-1, name="maxTotalRAMSize")
    total_ram_used: int = msgspec.field(default=0, name="totalRAMUsed")


class _Limits(msgspec.Struct):
    absolute: _Absolute


class _Answer(msgspec.Struct):
    limits: _Limits


class Rooms:
    """The last reading of one project's quotas."""

    def __init__(self, wire: Wire, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire, self._clock = wire, clock
        self._kept: Kept[Room] = Kept(lambda _: KEPT, clock=clock)

    def read(self, *, anew: bool) -> Room:
        """The quotas; `anew` unless they were read a moment ago."""
        room = self._kept.get("", self._fetch)
        if not anew or self._clock() - room.at < ANEW:
            return room
        self._kept.forget(lambda _: True)
        return self._kept.get("", self._fetch)

    def _fetch(self) -> Room:
        at = self._clock()
        ask = Ask(verb="GET", service=COMPUTE, path="/limits", kind=Kind.SERVER)
        try:
            told = read(self._wire.request(ask), _Answer, Kind.SERVER).limits.absolute
        except GiveUp:  # a policy may keep it from us
            return Room(at)
        quotas = {
            "instances": Quota(told.max_total_instances, told.total_instances_used),
            "cores": Quota(told.max_total_cores, told.total_cores_used),
            "ram": Quota(told.max_total_ram_size, told.total_ram_used),
        }
        return Room(at, {name: quota for name, quota in quotas.items() if quota.limit >= 0})
