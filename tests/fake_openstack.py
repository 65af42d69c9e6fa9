# SPDX-License-Identifier: Apache-2.0
"""A tiny HTTP server on the loopback with canned OpenStack answers; it counts and keeps the requests."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import yaml


class Request(msgspec.Struct):
    """What was asked."""

    verb: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]

    @property
    def told(self) -> str:
        return f"{self.verb} {self.path}"


class Answer(msgspec.Struct):
    """What is answered; a body that is bytes is sent as it is, `hang_up` ends the connection without an answer."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = {}
    hang_up: bool = False


Rule = Answer | Callable[[Request], Answer]


class FakeOpenStack:
    """`answers` maps "GET /network/v2.0/ports" to an answer, a list of answers (the last one stays) or a function."""

    def __init__(self) -> None:
        self.answers: dict[str, Rule | list[Rule]] = {}
        self.requests: list[Request] = []
        self.password = "secret"
        self.token = 0
        self.services = {"network": "/network", "compute": "/compute/v2.1", "load-balancer": "/lb", "image": "/image"}
        self.regions = ["RegionOne"]
        self.url = ""

    @property
    def told(self) -> list[str]:
        """All requests but those to Keystone, without versions' query."""
        return [request.told for request in self.requests if not request.path.startswith("/identity")]

    def clouds_yaml(self, **auth: str) -> bytes:
        known = {
            "auth_url": f"{self.url}/identity",
            "username": "u",
            "password": self.password,
            "project_name": "p",
            **auth,
        }
        return yaml.safe_dump({"clouds": {"here": {"auth": known}}}).encode()

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        if request.told == "POST /identity/v3/auth/tokens":
            return self._token(request)
        if request.headers.get("x-auth-token") != f"token-{self.token}":
            return Answer(
                {"error": {"message": "The request you have made requires authentication.", "code": 401}}, 401
            )
        rule = self.answers.get(
            request.told, Answer({"NeutronError": {"message": f"no answer for {request.told}"}}, 404)
        )
        if isinstance(rule, list):
            rule = rule.pop(0) if len(rule) > 1 else rule[0]
        return rule if isinstance(rule, Answer) else rule(request)

    def _token(self, request: Request) -> Answer:
        if request.body["auth"]["identity"]["password"]["user"]["password"] != self.password:
            message = "The request you have made requires authentication."
            return Answer({"error": {"message": message, "code": 401, "title": "Unauthorized"}}, 401)
        self.token += 1
        catalog = [
            {
                "type": type,
                "name": type,
                "endpoints": [
                    {"interface": "public", "region": region, "region_id": region, "url": self.url + path}
                    for region in self.regions
                ],
            }
            for type, path in self.services.items()
        ]
        token = {
            "catalog": catalog,
            "project": {"id": "project-1", "name": "p", "domain": {"id": "default", "name": "Default"}},
            "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
            "expires_at": "2999-01-01T00:00:00.000000Z",
            "issued_at": "2026-01-01T00:00:00.000000Z",
            "methods": ["password"],
            "roles": [],
        }
        return Answer({"token": token}, 201, {"X-Subject-Token": f"token-{self.token}"})


@contextmanager
def fake_openstack() -> Iterator[FakeOpenStack]:
    """A server for the time of a test."""
    fake = FakeOpenStack()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(content) if content else None
            answer = fake.answer(Request(self.command, parts.path, parse_qs(parts.query), body, headers))
            if answer.hang_up:
                self.close_connection = True
                return
            sent = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
