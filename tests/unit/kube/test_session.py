# SPDX-License-Identifier: Apache-2.0
"""HTTP: refused credentials are read again, errors have types, streams can be cut off."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightkube.config.kubeconfig import KubeConfig

from pycapo.kube.errors import AlreadyExists, Conflict, Expired, Forbidden, KubeError, Unauthorized, Unreachable
from pycapo.kube.session import Lines, Session


class Handler(http.server.BaseHTTPRequestHandler):
    token = "good"
    answer: tuple[int, dict[str, Any]] = (200, {"ok": True})
    headers_out: dict[str, str] = {}
    delay = 0.0

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == f"Bearer {self.token}"
        status, body = self.answer if known else (401, {"kind": "Status", "reason": "Unauthorized", "message": "no"})
        if self.path.startswith("/stream") and known:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"a":1}\n{"b"')
            self.wfile.flush()
            time.sleep(0.05)
            self.wfile.write(b":2}\n")
            self.wfile.flush()
            time.sleep(3)
            return
        time.sleep(self.delay)
        self.send_response(status)
        content = json.dumps(body).encode()
        for name, value in {"Content-Length": str(len(content)), **self.headers_out}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def do_PATCH(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def handler() -> Iterator[tuple[type[Handler], str]]:
    class Mine(Handler):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    server.daemon_threads = True
    server.handle_error = lambda request, address: None  # type: ignore[method-assign] # a client that left early is what some tests are about
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield Mine, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def write_config(path: Path, url: str, **user: str) -> None:
    context = {"name": "c", "context": {"cluster": "c", "user": "u"}}
    document = {
        "current-context": "c",
        "contexts": [context],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(json.dumps(document))


def session_of(path: Path) -> Session:
    def load() -> Any:
        return KubeConfig.from_file(path).get()

    return Session(load, timeout=2.0)


@pytest.fixture
def session(tmp_path: Path, handler: tuple[type[Handler], str]) -> Session:
    write_config(tmp_path / "config", handler[1], token="good")
    return session_of(tmp_path / "config")


def test_a_new_token_in_the_kubeconfig_is_used_after_a_401(tmp_path: Path, handler: tuple[type[Handler], str]) -> None:
    write_config(tmp_path / "config", handler[1], token="old")
    session = session_of(tmp_path / "config")
    write_config(tmp_path / "config", handler[1], token="good")

    assert session.request("GET", "/x") == b'{"ok": true}'


def test_a_new_token_in_the_token_file_is_used_after_a_401(tmp_path: Path, handler: tuple[type[Handler], str]) -> None:
    (tmp_path / "token").write_text("good")
    write_config(tmp_path / "config", handler[1], tokenFile=str(tmp_path / "token"))
    session = session_of(tmp_path / "config")
    session.request("GET", "/x")

    handler[0].token = "next"
    (tmp_path / "token").write_text("next")

    assert session.request("PATCH", "/x", body={}) == b'{"ok": true}'


def test_a_token_that_stays_wrong_is_an_error_and_not_a_loop(
    tmp_path: Path, handler: tuple[type[Handler], str]
) -> None:
    write_config(tmp_path / "config", handler[1], token="wrong")

    with pytest.raises(Unauthorized):
        session_of(tmp_path / "config").request("GET", "/x")


def test_a_kubeconfig_that_is_gone_keeps_the_old_credentials(
    tmp_path: Path, handler: tuple[type[Handler], str], session: Session
) -> None:
    handler[0].token = "other"
    (tmp_path / "config").unlink()
    with pytest.raises(Unauthorized):
        session.request("GET", "/x")
    handler[0].token = "good"

    assert session.request("GET", "/x") == b'{"ok": true}'


@pytest.mark.parametrize(
    ("status", "reason", "family"),
    [
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Expired),
        (403, "Forbidden", Forbidden),
        (500, "InternalError", KubeError),
    ],
)
def test_refusals_have_types(
    handler: tuple[type[Handler], str], session: Session, status: int, reason: str, family: type[KubeError]
) -> None:
    handler[0].answer = (status, {"kind": "Status", "reason": reason, "message": "because"})

    with pytest.raises(family, match="GET /x: because") as caught:
        session.request("GET", "/x")

    assert (caught.value.status, caught.value.reason) == (status, reason)


def test_the_server_says_when_to_come_back(handler: tuple[type[Handler], str], session: Session) -> None:
    handler[0].answer = (429, {"message": "slow down"})
    handler[0].headers_out = {"Retry-After": "3"}

    with pytest.raises(KubeError) as caught:
        session.request("GET", "/x")

    assert caught.value.retry_after == 3


def test_a_refused_connection_is_unreachable(tmp_path: Path) -> None:
    write_config(tmp_path / "config", "http://127.0.0.1:9", token="good")

    with pytest.raises(Unreachable, match="GET /x"):
        session_of(tmp_path / "config").request("GET", "/x")


def test_lines_are_whole_whatever_the_chunks(session: Session) -> None:
    with session.stream("/stream", params={}, idle=2.0) as lines:
        found = iter(lines)

        assert [next(found), next(found)] == [b'{"a":1}', b'{"b":2}']


def test_a_silent_stream_fails_after_its_idle_time(session: Session) -> None:
    with pytest.raises(Unreachable, match="ReadTimeout"), session.stream("/stream", params={}, idle=0.3) as lines:
        list(lines)


def test_a_stream_is_cut_off_by_another_thread(session: Session) -> None:
    ended = threading.Event()

    def read() -> None:
        with contextlib.suppress(Unreachable), session.stream("/stream", params={}, idle=30.0) as lines:
            streams.append(lines)
            list(lines)
        ended.set()

    streams: list[Lines] = []
    threading.Thread(target=read, daemon=True).start()
    while not streams:
        time.sleep(0.01)
    streams[0].cut()

    assert ended.wait(2.0)


def test_a_request_may_have_a_shorter_time_than_the_others(
    handler: tuple[type[Handler], str], session: Session
) -> None:
    handler[0].delay = 1.0

    with pytest.raises(Unreachable, match="ReadTimeout"):
        session.request("PATCH", "/x", body={}, timeout=0.1)
