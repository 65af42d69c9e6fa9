# SPDX-License-Identifier: Apache-2.0
"""The process: feeds, then (as leader) controllers, until a signal or the loss of the Lease.

    feeds start ──> caches synced ──> Lease ours ──> controllers run ──> SIGTERM / Lease lost
                                                                            └─> finish turns ──> release ──> feeds stop

Rule: a kind that is only watched `optional`ly may be missing; nothing but a signal or the Lease ends it.
"""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
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
LOST = 1


class Manager:
    """Runs controllers over one namespace (empty: all) of an API server; `run` blocks and returns the exit code."""

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

    def run(self) -> int:
        """Run until stopped (0) or until the Lease is lost (1); call it in the main thread to hear signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._signalled)
        self.kube.recorder.start()
        for feed in self._feeds:
            feed.start()
        code = self._lead() if self._synced() else 0
        for feed in self._feeds:
            feed.stop()
        self.kube.recorder.stop()
        log.info("ended", code=code)
        return code

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

    def _lead(self) -> int:
        if self._election is not None and not self._election.acquire(self.stopping):
            return 0
        self.leading.set()
        for controller in self._controllers:
            controller.start(self.kube)
        lost = self._wait()
        drained = self._drain(self._rest(lost))
        if self._election is not None and drained:
            # A turn that still runs holds the Lease until it expires: nobody may act beside it.
            self._election.release()
        return LOST if lost else 0

    def _wait(self) -> bool:
        """Wait for the end; tell whether the Lease was lost."""
        while not self.stopping.wait(0.2):
            if self._election is not None and self._election.lost():
                return True
        return False

    def _rest(self, lost: bool) -> float:
        """Return the seconds that turns have to finish: after a loss what is left of the old lease."""
        return DRAIN_SECONDS if not lost or self._election is None else self._election.grace

    def _drain(self, seconds: float) -> bool:
        for controller in self._controllers:
            controller.close()
        deadline = time.monotonic() + seconds
        ended = [controller.join(deadline) for controller in self._controllers]
        if not all(ended):
            log.warning("turns did not finish in time", seconds=seconds)
        self.leading.clear()
        return all(ended)
