# SPDX-License-Identifier: Apache-2.0
"""What the lab says while it works: one line for each piece of work, with the seconds it took.

Rule: on a terminal lines of work under way spin and count; elsewhere each is one plain line when it begins and ends.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_PLAIN_STEP = 10  # percent between two lines


class Progress:
    """Reports work of several threads; use as a context manager around all of it."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=self.console, transient=True)
        self._lock = threading.Lock()

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self._bars.stop()

    @contextmanager
    def step(self, what: str) -> Iterator[Callable[[float], None]]:
        """Show that `what` is under way while the block runs, and how long it took when it ends.

        The block gets a function which it may tell what share of the work is done, from 0 to 1.
        """
        began = time.monotonic()
        task = self._bars.add_task(what) if self.console.is_terminal else None
        if task is None:
            self.note(f"... {what}")
        sign = "failed"
        try:
            yield self._teller(what, task)
            sign = "done"
        finally:
            if task is not None:
                self._bars.remove_task(task)
            self.note(f"{sign:6} {what} ({time.monotonic() - began:.1f} s)")

    def _teller(self, what: str, task: TaskID | None) -> Callable[[float], None]:
        told = 0

        def tell(share: float) -> None:
            nonlocal told
            percent = min(99, int(share * 100))
            if task is not None:
                self._bars.update(task, description=f"{what}: {percent} %")
            elif percent >= told + _PLAIN_STEP:
                told = percent
                self.note(f"... {what}: {percent} %")

        return tell

    def note(self, text: str) -> None:
        """Print one line."""
        with self._lock:
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def quiet() -> Progress:
    """Return a progress that prints nothing."""
    return Progress(Console(quiet=True))
