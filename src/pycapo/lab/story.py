# SPDX-License-Identifier: Apache-2.0
"""Tells how a cluster comes and goes while it does: a live picture on a terminal, elsewhere each change on one line.

Rule: a line is printed when an object says something new, once, with the seconds since the beginning.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pycapo.lab.cluster_view import Condition, Machine, View

_RECENT = 8
_STEPS = (
    *("OpenStackAuthenticationSucceeded", "NetworkReady", "RouterReady", "SecurityGroupsReady", "APIEndpointReady"),
    *("ControlPlaneInitialized", "ControlPlaneAvailable", "WorkersAvailable", "Available"),
)


class Story:
    """Tells one piece of work; use as a context manager around it."""

    def __init__(self, console: Console, *, began: float, title: str) -> None:
        self._console, self._began, self._title = console, began, title
        self._view: View | None = None
        self._recent: list[str] = []
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> Story:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def tell(self, view: View) -> None:
        """Show a view, or what is new in it."""
        seconds = time.time() - self._began
        lines = list(changes(self._view, view))
        self._view = view
        if self._live:
            self._recent = [*self._recent, *(f"{seconds:5.0f} s  {line}" for line in lines)][-_RECENT:]
            picture = render(view, self._recent, title=f"{self._title}, {seconds:.0f} s")
            self._live.update(picture, refresh=True)
            return
        for line in lines:
            self._console.print(f"{seconds:5.0f} s  {line}", markup=False, highlight=False, soft_wrap=True)


def changes(before: View | None, after: View) -> Iterator[str]:
    """Yield a line for everything that is new since an earlier view; for the first, all that is there."""
    old = before or View()
    if after.deleting and not old.deleting:
        yield "cluster is being deleted"
    seen = {event.uid for event in old.events}
    for event in after.events:
        if event.uid not in seen:
            yield f"{'WARNING' if event.warning else 'event'} {event.about}: {event.message}"
    for kind, condition in after.conditions.items():
        if _told(condition) != _told(old.conditions.get(kind)):
            yield f"cluster {kind}: {describe(condition)}"
    yield from _machine_changes(old, after)
    if old.exists and not after.exists:
        yield "cluster is gone"


def _machine_changes(old: View, after: View) -> Iterator[str]:
    known = {machine.name: machine for machine in old.machines}
    for machine in after.machines:
        if _place(machine) != _place(known.pop(machine.name, None)):
            yield f"machine {_place(machine)}"
    for name in known:
        yield f"machine {name}: gone"


def describe(condition: Condition) -> str:
    """Return a condition in words: its reason and message when it is not True."""
    if condition.good:
        return "True"
    text = ", ".join(part for part in (condition.reason, condition.message) if part)
    return f"{condition.status} ({text})" if text else condition.status


def diagnosis(view: View) -> list[str]:
    """Return what is not as wanted and what the objects say about it."""
    if not view.exists:
        return ["there is no cluster"]
    lines = [f"{kind}: {describe(value)}" for kind, value in view.conditions.items() if not value.good]
    if view.wanted and len(view.machines) != view.wanted:
        lines.append(f"machines: {view.wanted} are wanted, {len(view.machines)} exist")
    for machine in view.machines:
        if machine.phase != "Running" or view.deleting:
            lines.append(f"machine {_place(machine)}")
            lines.extend(f"    {trouble}" for trouble in machine.troubles)
    warnings = [event for event in view.events if event.warning][-5:]
    return [*lines, *(f"warning {event.about}: {event.message}" for event in warnings)]


def render(view: View, recent: Sequence[str], *, title: str) -> RenderableType:
    """Return the picture of a view with the last lines below it."""
    head = Text(title, style="bold")
    steps = Text()
    for step in _STEPS:
        good = view.conditions.get(step, Condition("Unknown")).good
        steps.append(f"{'✓' if good else '·'} {step}  ", style="green" if good else "dim")
    table = machine_table(view)
    news = Text("\n".join(recent), overflow="ellipsis", no_wrap=True)
    return Group(head, steps, table, news)


def machine_table(view: View) -> Table:
    """Return the machines as a table."""
    table = Table("machine", "role", "phase", "zone", "address", "node", box=None, header_style="dim")
    for machine in view.machines:
        phase = Text(machine.phase or "-", style="green" if machine.phase == "Running" else "yellow")
        row = (machine.zone or "-", machine.address or "-", machine.node or "-")
        table.add_row(machine.name, machine.role, phase, *row)
    return table


def _told(condition: Condition | None) -> tuple[str, str] | None:
    """Return what of a condition is news; Cluster API's messages about waiting change all the time."""
    return (condition.status, condition.reason) if condition else None


def _place(machine: Machine | None) -> str:
    if machine is None:
        return ""
    words = {"in": machine.zone, "at": machine.address}
    place = "".join(f" {word} {value}" for word, value in words.items() if value)
    node = ", has its node" if machine.node else ""
    return f"{machine.name}: {machine.phase or 'made'}{place}{node}"
