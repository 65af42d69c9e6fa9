# SPDX-License-Identifier: Apache-2.0
"""The HTTPS server of the webhooks, in a thread of its own.

Rule: `start` returns when requests are answered or raises; `stop` returns when nothing runs any more.
"""

import socket
import threading
import time
from pathlib import Path

import uvicorn

from pycapo.webhooks.certificates import Certificates
from pycapo.webhooks.convert import Convert
from pycapo.webhooks.endpoints import Observe, application, observe_nothing
from pycapo.webhooks.tls import USUAL, Limit

# The API server keeps idle connections for 90 s; who closes first must be the one that sends requests.
KEEP_ALIVE = 120
GRACE = 5
START_TIMEOUT = 10.0


class ServerNotStarted(Exception):
    """The server did not come up; the message says why."""


class WebhookServer:
    """Serves the webhooks over TLS with `tls.crt` and `tls.key` of a folder, which may change at any time."""

    def __init__(
        self,
        address: tuple[str, int],
        cert_dir: Path,
        *,
        convert: Convert,
        observe: Observe = observe_nothing,
        tls: Limit = USUAL,
    ) -> None:
        self._address = address
        self._cert_dir, self._tls = cert_dir, tls
        self._application = application(convert, observe)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Bind and serve; raises CertificateMissing, OSError (address in use) or ServerNotStarted."""
        certificates = Certificates(self._cert_dir, limit=self._tls)
        listener = socket.create_server(self._address, family=_family(self._address[0]), backlog=256)
        self._address = (self._address[0], listener.getsockname()[1])
        self._server = server = uvicorn.Server(self._config())
        server.config.load()
        server.config.ssl = certificates.context()
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="webhooks", daemon=True)
        self._thread.start()
        self._wait()

    def stop(self) -> None:
        """Answer what was asked already, then end; does nothing when not started."""
        server, thread = self._server, self._thread
        if server is not None and thread is not None:
            server.should_exit = True
            thread.join(GRACE + 2)
        self._server = self._thread = None

    def ready(self) -> bool:
        """Tell whether requests are answered."""
        return (
            self._server is not None and self._server.started and self._thread is not None and self._thread.is_alive()
        )

    @property
    def port(self) -> int:
        """The TCP port that is listened on: after `start` the real one, also when 0 was asked for."""
        return self._address[1]

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._application,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=GRACE,
        )

    def _wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        while not self.ready():
            if self._thread is None or not self._thread.is_alive() or time.monotonic() > end:
                self.stop()
                raise ServerNotStarted(f"the webhook server did not start on {self._address} within {START_TIMEOUT} s")
            time.sleep(0.01)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
