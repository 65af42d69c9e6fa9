# SPDX-License-Identifier: Apache-2.0
"""Leader election on a Lease, with the semantics of client-go, so that both can contend for one name.

    held by us, or free, or not renewed for leaseDuration by OUR clock since we saw it change -> take it or renew it
    no renewal for renewDeadline -> lost ── all turns have ended ──> contend for it again

Rule: no write begins after renewDeadline, and another may take over only after leaseDuration; whoever lost the Lease may win it
again, but not before everything that acted under the old one has ended.
"""

import contextlib
import datetime
import os
import random
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from pycapo.kube import metrics
from pycapo.kube.client import Client
from pycapo.kube.errors import AlreadyExists, Conflict, KubeError, NotFound, NotLeading
from pycapo.kube.meta import Wire
from pycapo.kube.session import Lines, Params, Transport

log = structlog.get_logger(__name__)


class Terms(msgspec.Struct, frozen=True):
    """The times of an election in seconds; the defaults are client-go's."""

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


def _micro_time() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _identity() -> str:
    return f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


class Fence:
    """A Transport that reads always but writes only while `allowed` says so, so that who lost the Lease changes nothing."""

    def __init__(self, transport: Transport, allowed: Callable[[], bool]) -> None:
        self._transport = transport
        self._allowed = allowed

    def request(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, timeout: float | None = None
    ) -> bytes:
        """Pass the request on; raises NotLeading for a write that is not allowed."""
        if method != "GET" and not self._allowed():
            raise NotLeading(f"{method} {path}: not sent, this process does not hold the Lease")
        return self._transport.request(method, path, params=params, body=body, timeout=timeout)

    def stream(self, path: str, *, params: Params, idle: float) -> contextlib.AbstractContextManager[Lines]:
        """Pass the watch on."""
        return self._transport.stream(path, params=params, idle=idle)


class Election:
    """Contends for the Lease namespace/name: `acquire` blocks, `holds` tells whether it is ours; once lost, `acquire` again."""

    def __init__(
        self, client: Client, namespace: str, *, name: str, terms: Terms | None = None, identity: str = ""
    ) -> None:
        self.identity = identity or _identity()
        self.name = name
        self._terms = terms or Terms()
        self._transport = client.transport
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._ours = threading.Event()
        self._end = threading.Event()  # of the thread that renews
        self._renewed = 0.0
        self._seen: tuple[Wire, float] = ({}, 0.0)  # the Lease's spec and when we saw it change
        self._thread: threading.Thread | None = None

    def acquire(self, stop: threading.Event) -> bool:
        """Wait until the Lease is ours, then keep renewing it in a thread; False when stopped before."""
        metrics.LEADER.labels(self.name).set(0)
        self._halt()
        while not stop.is_set():
            if self._attempt():
                self._ours.set()
                log.info("leading", lease=self.name, identity=self.identity)
                metrics.LEADER.labels(self.name).set(1)
                self._end = threading.Event()
                self._thread = threading.Thread(target=self._keep, args=(self._end,), name="lease", daemon=True)
                self._thread.start()
                return True
            stop.wait(self._terms.retry * random.uniform(1.0, 2.2))
        return False

    def release(self) -> None:
        """Give the Lease up so that another need not wait; call when nothing acts any more."""
        ours = self.holds()
        self._halt()
        if ours:
            self._quietly(self._give_up)
        metrics.LEADER.labels(self.name).set(0)

    def holds(self) -> bool:
        """Tell whether the Lease is ours; by the clock, so that a hanging request hides nothing."""
        return self._ours.is_set() and time.monotonic() - self._renewed <= self._terms.renew

    def _halt(self) -> None:
        self._ours.clear()
        self._end.set()
        if self._thread is not None:
            self._thread.join(self._terms.renew)

    def _keep(self, end: threading.Event) -> None:
        while not end.wait(self._terms.retry) and self.holds():
            if not self._attempt() and self._held_by_other():
                break
        if not end.is_set():
            self._ours.clear()
            holder = self._seen[0].get("holderIdentity", "") if self._held_by_other() else ""
            log.error("the Lease is lost", lease=self.name, identity=self.identity, holder=holder)
            metrics.LEADER.labels(self.name).set(0)

    def _held_by_other(self) -> bool:
        return self._seen[0].get("holderIdentity", "") not in ("", self.identity)

    def _attempt(self) -> bool:
        begun = time.monotonic()
        done = self._quietly(self._take_or_renew)
        if done:
            self._renewed = max(self._renewed, begun)  # an answer to an old request may come late
        return done

    def _quietly(self, act: Callable[[], bool]) -> bool:
        try:
            return act()
        except (Conflict, AlreadyExists):
            return False
        except (KubeError, msgspec.MsgspecError) as error:
            log.warning("the Lease cannot be reached", lease=self.name, error=str(error))
            return False

    def _take_or_renew(self) -> bool:
        lease = self._read()
        if lease is None:
            metadata = {"name": self.name}
            body = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": metadata,
                "spec": self._spec({}),
            }
            self._send("POST", self._collection, body)
            return True
        spec = lease.get("spec") or {}
        if spec != self._seen[0]:
            self._seen = (spec, time.monotonic())
        fresh = time.monotonic() - self._seen[1] < float(spec.get("leaseDurationSeconds") or self._terms.lease)
        if self._held_by_other() and fresh:
            return False
        self._write(lease, self._spec(spec))
        return True

    def _spec(self, old: Wire) -> Wire:
        mine = old.get("holderIdentity") == self.identity
        return {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, int(self._terms.lease)),
            "acquireTime": old["acquireTime"] if mine and "acquireTime" in old else _micro_time(),
            "renewTime": _micro_time(),
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if mine or not old else 1),
        }

    def _give_up(self) -> bool:
        lease = self._read()
        if lease is None or lease.get("spec", {}).get("holderIdentity") != self.identity:
            return False
        self._write(
            lease, {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _micro_time()}
        )
        return True

    def _read(self) -> Wire | None:
        try:
            found: Wire = msgspec.json.decode(self._send("GET", f"{self._collection}/{self.name}"))
        except NotFound:
            return None
        return found

    def _write(self, lease: Wire, spec: Wire) -> None:
        """Replace the Lease; its resourceVersion in the body lets only one of several contenders through."""
        self._send("PUT", f"{self._collection}/{self.name}", {**lease, "spec": spec})
        self._seen = (spec, time.monotonic())

    def _send(self, method: str, path: str, body: Wire | None = None) -> bytes:
        # One request that hangs must leave time for another before the Lease is lost.
        return self._transport.request(method, path, body=body, timeout=self._terms.renew / 2)
