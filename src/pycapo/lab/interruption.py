# SPDX-License-Identifier: Apache-2.0
"""How the lab is told to end: SIGINT, SIGTERM and SIGHUP ask for the same, and every thread learns of it.

Rule: the first signal interrupts the work, later ones are not heeded, so that cleaning up is never cut short.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Whoever waits in another thread looks at it and gives up.
interrupted = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal to end into KeyboardInterrupt while the block runs; only for the main thread."""
    interrupted.clear()
    with _signals(_interrupt):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Heed no signal to end while the block runs, because it is what ends things."""
    with _signals(signal.SIG_IGN):
        yield


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    if not interrupted.is_set():
        interrupted.set()
        raise KeyboardInterrupt
