# SPDX-License-Identifier: Apache-2.0
"""HTTP to one API server, with credentials that are read again when they are refused.

    request -> 401 -> kubeconfig and token file are read again -> the same request once more
            -> refused connection -> the same, at most every few seconds (the server or its CA may have moved)

Rule: every request has a timeout, every failure is a KubeError, nothing of a body is logged.
"""

import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
import msgspec
import structlog
import yaml
from lightkube.config import client_adapter
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from pycapo.kube import metrics
from pycapo.kube.errors import KubeError, Unauthorized, Unreachable, refusal

log = structlog.get_logger(__name__)
_RELOAD_EVERY = 5.0
_CONTENT_TYPE = {"PATCH": "application/merge-patch+json"}
Params = Mapping[str, str]


class Lines(Protocol):
    """An open stream of lines that another thread may cut off."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines as they come."""
        ...

    def cut(self) -> None:
        """End the stream; safe from any thread."""
        ...


class Transport(Protocol):
    """What the typed client needs of HTTP; tests have one without a network."""

    def request(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, timeout: float | None = None
    ) -> bytes:
        """Return the body of a successful answer, else raise a KubeError; `timeout` in seconds for the usual one."""
        ...

    def stream(self, path: str, *, params: Params, idle: float) -> contextlib.AbstractContextManager[Lines]:
        """Open a stream of lines that fails when nothing comes for `idle` seconds."""
        ...


class NoCredentials(ConfigError):
    """There is nothing to log in to an API server with; the message says where was looked."""


def load_config() -> SingleConfig:
    """Read the credentials: $KUBECONFIG, else the pod's service account, else ~/.kube/config. Raises NoCredentials."""
    named = os.environ.get("KUBECONFIG")
    where = named or "the pod's service account and ~/.kube/config"
    try:
        config = (KubeConfig.from_file(named) if named else KubeConfig.from_env()).get()
    except (ConfigError, OSError, RuntimeError, LookupError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise NoCredentials(
            f"credentials of an API server were looked for in {where}: {type(error).__name__} {error}"
        ) from error
    if config is None:
        raise NoCredentials(f"credentials of an API server were looked for in {where}: no context was found")
    return config


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open(config: SingleConfig, timeout: float) -> httpx2.Client:
    # A proxy of the environment is never meant for loopback (Go's clients have the same exception).
    trust = not _is_loopback(config.cluster.server)
    return client_adapter.Client(config, client_adapter.ConnectionParams(httpx2.Timeout(timeout), trust_env=trust))


class _HttpLines:
    def __init__(self, response: httpx2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._response.iter_raw():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines

    def cut(self) -> None:
        stream = self._response.extensions.get("network_stream")
        connection = stream.get_extra_info("socket") if stream else None
        if connection is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                # not SSLSocket.shutdown: that one takes the TLS state away from the thread that is reading
                socket.socket.shutdown(connection, socket.SHUT_RDWR)


class Session:
    """A Transport over TLS, as the kubeconfig says."""

    def __init__(self, load: Callable[[], SingleConfig] = load_config, *, timeout: float = 30.0) -> None:
        self._load = load
        self._timeout = timeout
        self._lock = threading.Lock()
        self._loaded = time.monotonic()
        self._client = _open(load(), timeout)

    def request(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, timeout: float | None = None
    ) -> bytes:
        """Return the body of a successful answer, else raise a KubeError; `timeout` in seconds for the usual one."""
        try:
            return self._request(method, path, params=params, body=body, timeout=timeout or self._timeout)
        except Unauthorized:
            self._reload(0.0)
        except Unreachable:
            if not self._reload(_RELOAD_EVERY) or method != "GET":
                raise
        return self._request(method, path, params=params, body=body, timeout=timeout or self._timeout)

    def _request(self, method: str, path: str, *, params: Params | None, body: Any, timeout: float) -> bytes:
        content = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": _CONTENT_TYPE.get(method, "application/json")} if content else {}
        try:
            response = self._client.request(
                method, path, params=params, content=content, headers=headers, timeout=timeout
            )
        except (httpx2.HTTPError, OSError, ConfigError) as error:
            raise _unreachable(method, path, error) from error
        metrics.REQUESTS.labels(method, str(response.status_code)).inc()
        if response.is_success:
            return response.content
        raise _refused(response, f"{method} {path}")

    @contextlib.contextmanager
    def stream(self, path: str, *, params: Params, idle: float) -> Iterator[Lines]:
        """Open a stream of lines that fails when nothing comes for `idle` seconds."""
        try:
            with self._client.stream(
                "GET",
                path,
                params=params,
                headers={"Accept-Encoding": "identity"},
                timeout=httpx2.Timeout(self._timeout, read=idle),
            ) as response:
                metrics.REQUESTS.labels("WATCH", str(response.status_code)).inc()
                if not response.is_success:
                    response.read()
                    raise _refused(response, f"watch {path}")
                yield _HttpLines(response)
        except Unauthorized:
            self._reload(0.0)
            raise
        except (httpx2.HTTPError, OSError, ConfigError) as error:
            self._reload(_RELOAD_EVERY)
            raise _unreachable("watch", path, error) from error

    def _reload(self, every: float) -> bool:
        """Read the credentials again unless that was done less than `every` seconds ago; tell whether it was done."""
        with self._lock:
            if time.monotonic() - self._loaded < every:
                return False
            self._loaded = time.monotonic()
            try:
                # The old client is not closed: other threads may be reading from it; it ends with its last stream.
                self._client = _open(self._load(), self._timeout)
            except (ConfigError, OSError, KeyError, ValueError) as error:
                log.warning("the kubeconfig cannot be read again", error=str(error))
            return True


def _unreachable(method: str, path: str, error: Exception) -> Unreachable:
    metrics.REQUESTS.labels(method.upper(), "<error>").inc()
    return Unreachable(f"{method} {path}: {type(error).__name__}: {error}")


def _refused(response: httpx2.Response, asked: str) -> KubeError:
    wait = response.headers.get("Retry-After", "")
    return refusal(
        response.content,
        status=response.status_code,
        retry_after=float(wait) if wait.isdigit() else None,
        asked=asked,
    )
