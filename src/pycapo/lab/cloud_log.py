# SPDX-License-Identifier: Apache-2.0
"""The access log of the lab's OpenStack: every request of everyone, and how they are counted.

Rule: the services among themselves ask a lot; who counts says whose requests (`agent`) he means.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pycapo.lab.places import Lab

PRODUCT = "pycapo/"  # how the User-Agent of pycapo's own requests begins
READS = frozenset({"GET", "HEAD", "OPTIONS"})
_ID = re.compile(r"/(?:[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}|\d+)(?=[/.]|$)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: when (seconds since 1970), what, of whom, and how it was answered within how many seconds."""

    time: float
    service: str
    method: str
    path: str
    query: str
    status: int
    seconds: float
    agent: str
    request: str | None = None
    project: str | None = None
    user: str | None = None
    fault: str | None = None

    @property
    def template(self) -> str:
        """The path with every id replaced by `{id}`."""
        return _ID.sub("/{id}", self.path)

    @property
    def writes(self) -> bool:
        """Whether the request could change something."""
        return self.method not in READS


class AccessLog:
    """The log of one lab."""

    def __init__(self, lab: Lab) -> None:
        self._path = lab.log("access.jsonl")

    def mark(self) -> int:
        """Return the present end of the log, to read from later."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def read(self, since: int = 0, *, agent: str = "") -> list[Request]:
        """Return the requests after a mark whose User-Agent begins with `agent`, in the order they were answered."""
        try:
            with self._path.open("rb") as log:
                log.seek(since)
                lines = log.read().splitlines(keepends=True)
        except FileNotFoundError:
            return []
        requests = (_request(json.loads(line)) for line in lines if line.endswith(b"\n"))
        return [request for request in requests if request.agent.startswith(agent)]


def count(requests: Iterable[Request]) -> Counter[tuple[str, str, str]]:
    """Return how often each (service, method, path template) was asked."""
    return Counter((request.service, request.method, request.template) for request in requests)


def _request(line: dict[str, Any]) -> Request:
    return Request(**line)
