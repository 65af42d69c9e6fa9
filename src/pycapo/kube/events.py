# SPDX-License-Identifier: Apache-2.0
"""Events (core/v1) about objects: the same one again is counted in the first, not told anew.

Rule: an event never holds up or fails a turn; it is sent by a thread of its own and lost when that cannot.
"""

import queue
import threading
import time
import uuid
from typing import Any

import msgspec
import structlog

from pycapo.kube.client import Client
from pycapo.kube.conditions import now
from pycapo.kube.errors import KubeError, NotFound
from pycapo.kube.meta import Kind, Wire

log = structlog.get_logger(__name__)
QUIET_SECONDS = 60.0  # between two counts of the same event
_REMEMBERED = 1024
_MESSAGE_LENGTH = 1024  # limit of core/v1
_Sameness = tuple[str, str, str, str]


class _Told:
    """An event that was told: its name, how often it came, when it was last sent (monotonic seconds)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 1
        self.sent = time.monotonic()


class Recorder:
    """Sends events; `start` runs its thread, `flush` sends in the caller's."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._told: dict[_Sameness, _Told] = {}
        self._waiting: queue.Queue[tuple[str, str, Wire | None]] = queue.Queue(1000)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def tell(self, obj: Kind, type_: str, reason: str, message: str) -> None:
        """Tell an event, or count it when the same was told before (then at most once a minute)."""
        sameness = (obj.metadata.uid or "", type_, reason, message)
        namespace = obj.metadata.namespace or "default"
        with self._lock:
            told = self._told.pop(sameness, None)
            if told is None:
                told = self._told[sameness] = _Told(f"{obj.metadata.name}.{uuid.uuid4().hex[:16]}")
                body = self._body(obj, type_, reason, message)
                body["metadata"] = {"name": told.name, "namespace": namespace}
                self._send(namespace, "", body)
                while len(self._told) > _REMEMBERED:
                    del self._told[next(iter(self._told))]
                return
            self._told[sameness] = told  # newest last
            told.count += 1
            if time.monotonic() - told.sent >= QUIET_SECONDS:
                told.sent = time.monotonic()
                self._send(namespace, told.name, {"count": told.count, "lastTimestamp": now()})

    def _body(self, obj: Kind, type_: str, reason: str, message: str) -> dict[str, Any]:
        time_ = now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "involvedObject": {
                "apiVersion": obj.api_version,
                "kind": obj.kind,
                "namespace": obj.metadata.namespace or "",
                "name": obj.metadata.name,
                "uid": obj.metadata.uid or "",
                "resourceVersion": obj.metadata.resource_version or "",
            },
            "type": type_,
            "reason": reason,
            "message": message[:_MESSAGE_LENGTH],
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": time_,
            "lastTimestamp": time_,
            "count": 1,
        }

    def _send(self, namespace: str, name: str, body: Wire) -> None:
        try:
            self._waiting.put_nowait((namespace, name, body))
        except queue.Full:
            log.debug("too many events, one is lost")

    def start(self) -> None:
        """Send in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 3.0) -> None:
        """Send what waits, then end."""
        if self._thread is not None:
            self._waiting.put(("", "", None))
            self._thread.join(timeout)

    def flush(self) -> None:
        """Send what waits now."""
        while not self._waiting.empty():
            self._post(*self._waiting.get())

    def _run(self) -> None:
        while True:
            namespace, name, body = self._waiting.get()
            if body is None:
                return
            self._post(namespace, name, body)

    def _post(self, namespace: str, name: str, body: Wire | None) -> None:
        path = f"/api/v1/namespaces/{namespace}/events"
        try:
            if not name:
                self._client.transport.request("POST", path, body=body)
            else:
                self._client.transport.request("PATCH", f"{path}/{name}", body=body)
        except NotFound:
            with self._lock:  # it was garbage collected (events live an hour): the next one is told anew
                self._told = {sameness: told for sameness, told in self._told.items() if told.name != name}
        except (KubeError, msgspec.MsgspecError) as error:
            log.debug("event is lost", error=str(error))
