# SPDX-License-Identifier: Apache-2.0
"""Knobs by which the lab's cloud fails when asked: single requests, and the drivers that stand in for hardware.

Rule: a fault lasts as long as its `with` block; leaving the block ends it, and what hangs because of it goes on.

    with faults.answer("nova", "POST", "/servers$", status=500, after=True, times=1):
        ...  # the first server is made, and whoever asked is told that it failed
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pycapo.lab.cloud_log import AccessLog
from pycapo.lab.places import Lab, locked, write

Rule = dict[str, Any]


class Faults:
    """The faults of one lab; several may be in force, the first that matches strikes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._path = lab.folder("faults") / "rules.json"

    @contextmanager
    def answer(self, service: str, method: str | None, path: str, *, status: int, **options: Any) -> Iterator[str]:
        """Answer matching requests with a status and yield the fault's id, by which the access log knows it.

        `path` and `agent` are regular expressions. Options: `after=True` lets the work be done first, `times` strikes
        so often (default: always), `skip` lets so many pass before, `retry_after` seconds, `hang` seconds before it
        answers, `message`, `content` (the whole answer, for JSON), `agent` (default: pycapo's own requests only).
        """
        with self._in_force(_request_rule(service, method, path, {"status": status, **options})) as number:
            yield number

    @contextmanager
    def hang(self, service: str, method: str | None, path: str, *, seconds: float, **options: Any) -> Iterator[str]:
        """Let matching requests wait, before their work or with `after=True` behind it; then they are answered."""
        with self._in_force(_request_rule(service, method, path, {"hang": seconds, **options})) as number:
            yield number

    @contextmanager
    def drop(self, service: str, method: str | None, path: str, **options: Any) -> Iterator[str]:
        """Close the connection of matching requests without an answer."""
        with self._in_force(_request_rule(service, method, path, {"drop": True, **options})) as number:
            yield number

    @contextmanager
    def spawn_fail(self, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let hypervisors fail to start servers of a matching name; with every host failing they go to ERROR."""
        with self._in_force(_driver_rule("spawn-fail", name=name, host=host, **options)) as number:
            yield number

    @contextmanager
    def spawn_abort(self, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let hypervisors give servers up without another host being tried."""
        with self._in_force(_driver_rule("spawn-abort", name=name, host=host, **options)) as number:
            yield number

    @contextmanager
    def spawn_hang(self, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let servers stay in BUILD until the block ends."""
        with self._in_force(_driver_rule("spawn-hang", name=name, host=host, **options)) as number:
            yield number

    @contextmanager
    def spawn_delay(self, seconds: float, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let servers take so long to become ACTIVE."""
        rule = _driver_rule("spawn-delay", name=name, host=host, seconds=seconds, **options)
        with self._in_force(rule) as number:
            yield number

    @contextmanager
    def bind_fail(self, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let no host bind ports of a matching name; their servers go to ERROR."""
        with self._in_force(_driver_rule("bind-fail", name=name, host=host, **options)) as number:
            yield number

    @contextmanager
    def port_down(self, *, name: str = "", host: str = "", **options: Any) -> Iterator[str]:
        """Let ports of a matching name be bound but never become ACTIVE."""
        with self._in_force(_driver_rule("bind-down", name=name, host=host, **options)) as number:
            yield number

    @contextmanager
    def volume_fail(self, *, name: str = "", **options: Any) -> Iterator[str]:
        """Let volumes of a matching name go to `error`."""
        with self._in_force(_driver_rule("volume-fail", name=name, **options)) as number:
            yield number

    def strikes(self, number: str) -> int:
        """Return how many requests a fault of requests has struck."""
        return sum(1 for request in AccessLog(self._lab).read() if request.fault == number)

    def clear(self) -> None:
        """End all faults."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _in_force(self, rule: Rule) -> Iterator[str]:
        self._change(lambda rules: [*rules, rule])
        try:
            yield rule["id"]
        finally:
            self._change(lambda rules: [other for other in rules if other["id"] != rule["id"]])

    def _change(self, change: Any) -> None:
        with locked(self._path.with_suffix(".lock")):
            rules = json.loads(self._path.read_text()) if self._path.exists() else []
            if wanted := change(rules):
                write(self._path, json.dumps(wanted, indent=1))
            else:
                self.clear()


def _request_rule(service: str, method: str | None, path: str, options: dict[str, Any]) -> Rule:
    matching: Rule = {key: options.pop(key) for key in ("agent", "times", "skip") if key in options}
    where = {"service": service, "method": method, "path": path}
    return {"id": _number(), **where, "agent": "^pycapo/", **matching, "action": options}


def _driver_rule(driver: str, **options: Any) -> Rule:
    return {"id": _number(), "driver": driver, **options}


def _number() -> str:
    return uuid.uuid4().hex[:12]
