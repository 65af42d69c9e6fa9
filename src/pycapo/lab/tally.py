# SPDX-License-Identifier: Apache-2.0
"""What the bench makes of requests: rows of work with their budget, and the same as JSON.

Rule: every request of the product is in exactly one row. What happens once a process (a login, the extensions) has a row
of its own, for it would otherwise be held against whatever work came first.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from pycapo.lab.cloud_log import Request, count
from pycapo.lab.meter import Usage

PAGE = 500
"""How many resources the product asks for with one page of a list."""
ONCE = frozenset({("neutron", "/v2.0/extensions"), ("nova", "/v2.1/limits")})
"""What a process asks for once, besides logging in; quotas again after ten minutes in which servers are made."""
_UNPAGED = frozenset({"/v2.1/os-availability-zone"})


@dataclass(frozen=True, slots=True)
class Work:
    """Some work: its budget and the Go provider's figure, both in requests for each of `batch` objects."""

    name: str
    budget: float
    peer: str = ""
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """Work that was done: its requests and writes for each object of its batch, and how many seconds all of it took."""

    work: Work
    requests: float
    writes: float
    seconds: float = 0.0
    asked: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    @property
    def kept(self) -> bool:
        """Whether the budget was kept."""
        return self.requests <= self.work.budget


@dataclass(slots=True)
class Figures:
    """What a run of the bench has found so far: rows, and what the controller used."""

    rows: list[Row] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


def row(work: Work, requests: Iterable[Request], *, seconds: float = 0.0) -> Row:
    """Return the row of some work from its requests."""
    mine = list(requests)
    writes = sum(request.writes for request in mine)
    return Row(work, round(len(mine) / work.batch, 2), round(writes / work.batch, 2), seconds, count(mine))


def once_a_process(request: Request) -> bool:
    """Tell whether a request is a login or learns what the cloud can."""
    return request.service == "keystone" or (request.service, request.path) in ONCE


def lists(request: Request) -> bool:
    """Tell whether a request reads a page of a list that fills the shared picture."""
    fields = {part.partition("=")[0] for part in request.query.split("&")}
    whole = request.path in _UNPAGED
    return not request.writes and (whole or "limit" in fields) and not fields & {"name", "id"}


def picture_budget(requests: Iterable[Request], largest: int) -> int:
    """Return how many pages one refresh may read: for each kind that is listed those of the largest kind.

    Members are listed pool by pool, so each path is a kind of its own.
    """
    return len({(request.service, request.path) for request in requests}) * ceil(max(largest, 1) / PAGE)


def broken(rows: Sequence[Row]) -> list[Row]:
    """Return the rows whose budget was not kept."""
    return [row for row in rows if not row.kept]


def write_json(rows: Sequence[Row], path: Path) -> None:
    """Write a list of {work, requests, writes, budget}; the folder is made when it is missing."""
    document = [
        {"work": row.work.name, "requests": row.requests, "writes": row.writes, "budget": row.work.budget}
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
