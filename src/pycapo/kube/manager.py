# SPDX-License-Identifier: Apache-2.0
"""The process: feeds, then (as leader) controllers, until a signal.

    feeds start ──> caches synced ──> Lease ours ──> controllers run ── SIGTERM ──> finish turns ──> release ──> feeds stop
                                         ^                └── Lease lost ──> finish turns ──┐
                                         └──────────────── forget what was seen ────────────┘

Rule: a kind that is only watched `optional`ly may be missing; nothing but a signal ends it. Of two terms of one process never
two turns run at a time.
"""

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

import structlog

from pycapo.kube.cache import Index
from pycapo.kube.controller import Controller
from pycapo.kube.kube import Kube
from pycapo.kube.leader import Election
from pycapo.kube.watch import Feed

log = structlog.get_logger(__name__)
DRAIN_SECONDS = 25.0  # below the 30 s that Kubernetes gives a pod
_SAY_EVERY = 10.0


class Manager:
    """Runs controllers over one namespace (empty: all) of an API server; `run` blocks.

    `forget`, where set, is called between two terms as leader: what was known from before may have been changed by another."""

    def __init__(
        self,
        kube: Kube,
        controllers: Sequence[Controller[Any]],
        *,
        namespace: str = "",
        election: Election | None = None,
        indexes: Mapping[type[Any], Mapping[str, Index]] | None = None,
    ) -> None:
        self.kube = kube
        self.stopping = threading.Event()
        self.leading = threading.Event()
        self.forget: Callable[[], None] | None = None
        self._controllers = controllers
        self._election = election
        for kind, functions in (indexes or {}).items():
            kube.cache(kind, functions)
        for controller in controllers:
            controller.attach(kube)
        optional = self._optional()
        self._feeds = [
            Feed(kube.client, cache, namespace=namespace, optional=cache.kind in optional) for cache in kube.caches
        ]

    def _optional(self) -> set[type[Any]]:
        """Return the kinds that every watch of them calls optional."""
        watches = [watch for controller in self._controllers for watch in controller.watches]
        needed = {watch.kind for watch in watches if not watch.optional}
        own = {controller.life.kind for controller in self._controllers}
        return {watch.kind for watch in watches} - needed - own

    def ready(self) -> list[str]:
        """Return the kinds whose caches are not synced yet; empty when ready."""
        return [feed.cache.kind.kind for feed in self._feeds if not feed.cache.synced.is_set()]

    def stop(self) -> None:
        """Ask the manager to end; safe from any thread and from a signal handler."""
        self.stopping.set()

    def run(self) -> None:
        """Run until stopped; call it in the main thread to hear signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._signalled)
        self.kube.recorder.start()
        for feed in self._feeds:
            feed.start()
        if self._synced():
            self._lead()
        for feed in self._feeds:
            feed.stop()
        self.kube.recorder.stop()
        log.info("ended")

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.stopping.set()

    def _synced(self) -> bool:
        """Wait for the caches; say now and then for which."""
        say = time.monotonic() + _SAY_EVERY
        while missing := self.ready():
            if self.stopping.wait(0.05):
                return False
            if time.monotonic() > say:
                log.info("waiting for the first lists", kinds=missing)
                say = time.monotonic() + _SAY_EVERY
        log.info("caches are synced", objects={cache.kind.kind: len(cache) for cache in self.kube.caches})
        return not self.stopping.is_set()

    def _lead(self) -> None:
        """Act whenever the Lease is ours; one that was lost is contended for again."""
        while self._election is None or self._election.acquire(self.stopping):
            self._act()
            if self.stopping.is_set():
                return
            if self.forget is not None:
                self.forget()

    def _act(self) -> None:
        """One term: controllers run until the end or the loss of the Lease, and until their turns have ended."""
        self.leading.set()
        for controller in self._controllers:
            controller.start(self.kube)
        self._wait()
        self.leading.clear()
        for controller in self._controllers:
            controller.close()
        if self._drained() and self._election is not None and self.stopping.is_set():
            # A turn that still runs holds the Lease until it expires: nobody may act beside it.
            self.kube.recorder.flush()
            self._election.release()

    def _wait(self) -> None:
        while not self.stopping.wait(0.2):
            if self._election is not None and not self._election.holds():
                return

    def _drained(self) -> bool:
        """Wait for the turns that run: after a loss for as long as they take, else as long as a pod has."""
        say = time.monotonic() + _SAY_EVERY
        while not self.stopping.is_set() and not self._ended(0.2):
            if time.monotonic() > say:
                log.warning("the Lease is lost, and turns that began under it still run")
                say = time.monotonic() + _SAY_EVERY
        if self._ended(DRAIN_SECONDS):
            return True
        log.warning("turns did not finish in time", seconds=DRAIN_SECONDS)
        return False

    def _ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        return all(controller.join(deadline) for controller in self._controllers)
