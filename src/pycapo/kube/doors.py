# SPDX-License-Identifier: Apache-2.0
"""HTTP doors in threads: /healthz and /readyz for the kubelet, /metrics for Prometheus, and any other ASGI app.

Rule: a door listens on loopback unless its address says otherwise, and never outlives its owner.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp


def health_routes(not_ready: Callable[[], Sequence[str]]) -> list[Route]:
    """Return /healthz (the process answers) and /readyz (503 with what is missing)."""

    def healthz(request: Request) -> Response:
        return PlainTextResponse("ok")

    def readyz(request: Request) -> Response:
        missing = not_ready()
        text = f"waiting for: {', '.join(missing)}" if missing else "ok"
        return PlainTextResponse(text, status_code=503 if missing else 200)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


def metrics_routes() -> list[Route]:
    """Return /metrics in Prometheus' text format."""

    def metrics(request: Request) -> Response:
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return [Route("/metrics", metrics)]


def application(*routes: Route) -> ASGIApp:
    """Return an app that serves the routes."""
    return Starlette(routes=list(routes))


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[v6]:port` or `:port` (all addresses)."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        raise ValueError(f"address {address!r}: expected host:port")
    return host.strip("[]") or "0.0.0.0", int(port)


class Door:
    """One listening address with one app (OSError when it is taken); TLS when `tls` names certificate and key files."""

    def __init__(self, app: ASGIApp, address: str = "127.0.0.1:0", *, tls: tuple[Path, Path] | None = None) -> None:
        certificate, key = tls or (None, None)
        config = uvicorn.Config(
            app,
            ssl_certfile=certificate,
            ssl_keyfile=str(key) if key else None,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
        )
        host, port = split_address(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Bound here, so that a port that is taken is an OSError of the caller and not the end of a thread.
        self._socket = socket.create_server((host, port), family=family)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"door-{port}", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on; for port 0 the one that was given."""
        found: int = self._socket.getsockname()[1]
        return found

    def open(self) -> None:
        """Begin to answer; what arrives until then waits."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; answers under way get a few seconds."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._socket.close()
