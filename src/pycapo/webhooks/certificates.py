# SPDX-License-Identifier: Apache-2.0
"""The serving certificate of the webhooks: read from a folder, and read again when it changes.

Rule: a renewed certificate serves the next handshake; one that cannot be read leaves the last good one in use.
"""

import ssl
import threading
from pathlib import Path

import structlog

from pycapo.webhooks.tls import USUAL, Limit

log = structlog.get_logger(__name__)

Stamp = tuple[tuple[int, int], ...]


class CertificateMissing(Exception):
    """There is no certificate to serve with; the message names the files that were looked for."""


class Certificates:
    """`tls.crt` and `tls.key` of a folder, such as a mounted Secret of type kubernetes.io/tls."""

    def __init__(self, folder: Path, *, limit: Limit = USUAL) -> None:
        self._limit = limit
        self._files = (folder / "tls.crt", folder / "tls.key")
        self._lock = threading.Lock()
        self._stamp, self._current = self._first()

    def context(self) -> ssl.SSLContext:
        """Return a context for a listener; it takes the newest certificate at each handshake."""
        return self._current

    def renew(self) -> ssl.SSLContext:
        """Return the context of the files as they are now, or the last good one."""
        with self._lock:
            try:
                stamp = self._stat()
                if stamp != self._stamp:
                    self._current, self._stamp = self._load(), stamp
                    log.info("serving certificate renewed", file=str(self._files[0]))
            except (OSError, ssl.SSLError) as error:
                log.warning("serving certificate not readable, the last one stays in use", error=str(error))
            return self._current

    def _first(self) -> tuple[Stamp, ssl.SSLContext]:
        try:
            return self._stat(), self._load()
        except (OSError, ssl.SSLError) as error:
            names = " and ".join(map(str, self._files))
            raise CertificateMissing(f"webhooks need a certificate and its key in {names}: {error}") from error

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._limit(context)
        context.load_cert_chain(*self._files)
        # Called at every handshake, also of clients that name no server.
        context.sni_callback = lambda connection, _name, _context: self._choose(connection)
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket) -> None:
        connection.context = self.renew()

    def _stat(self) -> Stamp:
        return tuple((status.st_ino, status.st_mtime_ns) for status in (file.stat() for file in self._files))
