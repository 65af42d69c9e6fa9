# SPDX-License-Identifier: Apache-2.0
"""A controller: one life, its queue, its workers, and what makes it look again.

    the kind itself changed ──┐
    a watched kind changed  ──┼──> queue ──> worker ──> turn ──> Settled: resync, Again: later, Failed: backoff
    resync, with jitter     ──┘

Rule: a worker never waits for anything but its queue; waiting is an Again.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic

import msgspec
import structlog

from pycapo.kube import metrics
from pycapo.kube.kube import Kube
from pycapo.kube.life import Again, Failed, Gone, Life, Outcome, Settled, turn
from pycapo.kube.meta import K, Kind, ObjectKey, key_of
from pycapo.kube.queue import Queue

log = structlog.get_logger(__name__)
RESYNC_SECONDS = 600.0


class Watch(msgspec.Struct, frozen=True):
    """Another kind whose changes concern a controller: `keys` names the objects to look at again.

    `changed(old, new)` may leave out changes that do not matter; an `optional` kind may be missing.
    """

    kind: type[Any]
    keys: Callable[[Any], Iterable[ObjectKey]]
    changed: Callable[[Any, Any], bool] | None = None
    optional: bool = False


def wish_changed(old: Kind | None, new: Kind | None) -> bool:
    """Tell whether more than status, version and finalizers differ."""
    if old is None or new is None:
        return True
    a, b = old.metadata, new.metadata
    return bool(
        (a.generation, a.uid, a.labels, a.annotations, a.deletion_timestamp)
        != (b.generation, b.uid, b.labels, b.annotations, b.deletion_timestamp)
        or a.owner_references != b.owner_references
    )


class Controller(Generic[K]):
    """Runs one life over all objects of its kind with a bounded number of workers."""

    def __init__(
        self, life: Life[K], *, workers: int = 4, watches: Sequence[Watch] = (), resync: float = RESYNC_SECONDS
    ) -> None:
        self.life = life
        self.name = life.kind.plural
        self.watches = watches
        self.watch_filter = ""  # only objects whose label cluster.x-k8s.io/watch-filter has this value, when set
        self.queue: Queue[ObjectKey] = Queue(self.name)
        self._workers = workers
        self._resync = resync
        self._threads: list[threading.Thread] = []

    def attach(self, kube: Kube) -> None:
        """Hear the changes of our kind and of the watched ones; keys gather until `start`."""
        own = kube.cache(self.life.kind)

        def ours(old: K | None, new: K | None) -> None:
            obj = new if new is not None else old
            if obj is not None and wish_changed(old, new):
                # The first list is no news: what changes while it is worked through goes first.
                self.queue.add(key_of(obj), low=old is None and not own.synced.is_set())

        own.subscribe(ours)
        for watch in self.watches:
            kube.cache(watch.kind).subscribe(self._listener(watch))

    def _listener(self, watch: Watch) -> Callable[[Any, Any], None]:
        def heard(old: Any, new: Any) -> None:
            if watch.changed is not None and old is not None and new is not None and not watch.changed(old, new):
                return
            keys = {key for obj in (old, new) if obj is not None for key in watch.keys(obj)}
            for key in keys:
                self.queue.add(key)

        return heard

    def start(self, kube: Kube) -> None:
        """Start the workers; all objects are looked at, for another may have acted on them before."""
        for obj in kube.list(self.life.kind):
            self.queue.add(key_of(obj), low=True)
        self.queue.open()
        self._threads = []
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, args=(kube,), name=f"{self.name}-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        """Take no new turn until `start`; those that run may finish."""
        self.queue.close()

    def join(self, deadline: float) -> bool:
        """Wait for the workers until a monotonic time; tell whether all have ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, kube: Kube) -> None:
        while (key := self.queue.take()) is not None:
            with metrics.ACTIVE_WORKERS.labels(self.name).track_inprogress():
                self.work(key, kube)

    def work(self, key: ObjectKey, kube: Kube) -> Outcome:
        """Take one turn of a key that was taken from the queue, and give the key back."""
        begun = time.monotonic()
        structlog.contextvars.bind_contextvars(kind=self.life.kind.kind, namespace=key.namespace, name=key.name)
        try:
            outcome = turn(key, self.life, kube, watch_filter=self.watch_filter)
        except Exception as error:
            log.exception("turn ended in a fault of the runtime")
            outcome = Failed(str(error))
        finally:
            structlog.contextvars.unbind_contextvars("kind", "namespace", "name")
        metrics.TURNS.labels(self.name, type(outcome).__name__.lower()).inc()
        metrics.TURN_SECONDS.labels(self.name).observe(time.monotonic() - begun)
        self._schedule(key, outcome)
        self.queue.done(key)
        return outcome

    def _schedule(self, key: ObjectKey, outcome: Outcome) -> None:
        match outcome:
            case Failed(after=None):
                self.queue.retry(key)
                return
            case Failed(after=float(after)) | Again(after=after):
                self.queue.add(key, after=max(after, 0.01))
            case Settled():
                self.queue.add(key, after=self._resync * random.uniform(0.9, 1.1), low=True)
            case Gone():
                pass
        self.queue.forget(key)
