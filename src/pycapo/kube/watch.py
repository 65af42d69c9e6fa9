# SPDX-License-Identifier: Apache-2.0
"""Keeps one cache equal to the API server: list once, then watch from there, for ever.

    list ──> watch ──> (stream ends: watch again from the last version)
      ^        ├─ 410 ──> list
      │        ├─ nothing for `idle` seconds, refused, cut off, 401, 5xx ──> backoff, watch again
      └── 404 (the CRD is not there) ──> empty, look again later

Rule: no error ends it; only `stop` does.
"""

import random
import threading
import time
from typing import Generic

import msgspec
import structlog

from pycapo.kube import metrics
from pycapo.kube.cache import Cache
from pycapo.kube.client import Client, decode_or_skip
from pycapo.kube.errors import Expired, KubeError, NotFound, refusal
from pycapo.kube.meta import K, path_of
from pycapo.kube.session import Lines

log = structlog.get_logger(__name__)
IDLE_SECONDS = 150.0  # the API server sends a bookmark about once a minute
ABSENT_SECONDS = 30.0


class _Line(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _HeadMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Head(msgspec.Struct):
    metadata: _HeadMeta


_line = msgspec.json.Decoder(_Line)
_head = msgspec.json.Decoder(_Head)


class Backoff:
    """Delays that grow from `first` to `most` seconds, each with jitter."""

    def __init__(self, first: float = 0.5, most: float = 30.0) -> None:
        self._first = first
        self._most = most
        self.failures = 0

    def next(self) -> float:
        """Return the next delay, and count the failure."""
        delay = min(self._most, self._first * 2.0 ** min(self.failures, 32))
        self.failures += 1
        return delay * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Begin anew: it works again."""
        self.failures = 0


class Feed(Generic[K]):
    """A thread that feeds one cache; `optional` kinds count as synced (and empty) while their CRD is missing."""

    def __init__(self, client: Client, cache: Cache[K], *, namespace: str = "", optional: bool = False) -> None:
        self.cache = cache
        self._client = client
        self._namespace = namespace if cache.kind.namespaced else ""
        self._optional = optional
        self.version = ""  # to watch from; empty: list first
        self._stopped = threading.Event()
        self._lines: Lines | None = None
        self._backoff = Backoff()
        self._thread = threading.Thread(target=self.run, name=f"watch-{cache.kind.plural}", daemon=True)

    def start(self) -> None:
        """Begin in a thread of its own."""
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """End the watch and wait for its thread."""
        self._stopped.set()
        lines = self._lines
        if lines is not None:
            lines.cut()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    def run(self) -> None:
        """List and watch until stopped."""
        while not self._stopped.is_set():
            self._stopped.wait(self.step())

    def step(self) -> float:
        """List if needed and watch until the stream ends; return how long to wait before the next step."""
        begun = time.monotonic()
        try:
            if not self.version:
                self._list()
            self._follow()
        except Expired:
            self.version = ""
        except NotFound as error:
            return self._absent(error)
        except KubeError as error:
            if not self._stopped.is_set():
                self._note(error)
        except Exception:
            # A fault of ours in decoding or in a handler: begin from a whole list, and never end.
            self.version = ""
            log.exception("watch failed", kind=self.cache.kind.kind)
        # A stream that lasted is no failure, even when it ended badly.
        if time.monotonic() - begun > 10.0:
            self._backoff.reset()
        return self._backoff.next()

    def _list(self) -> None:
        objects, version = self._client.list(self.cache.kind, self._namespace)
        metrics.RELISTS.labels(self.cache.kind.kind).inc()
        self.cache.replace(objects, version)
        self.version = version

    def _follow(self) -> None:
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self.version,
            "timeoutSeconds": str(random.randint(300, 600)),
        }
        path = path_of(self.cache.kind, self._namespace)
        with self._client.transport.stream(path, params=params, idle=IDLE_SECONDS) as lines:
            self._lines = lines
            if self._backoff.failures > 1:
                log.info("watching again", kind=self.cache.kind.kind, version=self.version)
            for line in lines:
                if self._stopped.is_set():
                    return
                if line:
                    self._take(line)
                    self._backoff.reset()

    def _take(self, line: bytes) -> None:
        event = _line.decode(line)
        if event.type == "ERROR":
            raise refusal(bytes(event.object), asked=f"watch {self.cache.kind.plural}")
        version = _head.decode(event.object).metadata.resource_version
        if event.type == "BOOKMARK":
            self.cache.bookmark(version)
        else:
            obj = decode_or_skip(self.cache.kind, event.object)
            if obj is not None:
                self.cache.apply(event.type, obj)
        self.version = version

    def _absent(self, error: NotFound) -> float:
        """The kind is not served (yet): its cache is empty, and that is an answer when it is optional."""
        self.version = ""
        if self._optional or self.cache.synced.is_set():
            self.cache.replace([], "")
        if self._backoff.failures == 0:
            log.warning("kind is not served", kind=self.cache.kind.kind, error=error.message)
        self._backoff.next()
        return ABSENT_SECONDS * random.uniform(0.8, 1.2) if self._optional else min(self._backoff.next(), 10.0)

    def _note(self, error: KubeError) -> None:
        metrics.WATCH_FAILURES.labels(self.cache.kind.kind).inc()
        write = log.warning if self._backoff.failures in (0, 5) else log.debug
        write("watch ended", kind=self.cache.kind.kind, error=error.message)
