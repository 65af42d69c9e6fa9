# SPDX-License-Identifier: Apache-2.0
"""The webhook server over real TLS on loopback."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pycapo.webhooks import endpoints
from pycapo.webhooks.certificates import CertificateMissing
from pycapo.webhooks.server import WebhookServer
from serving_certificate import write_certificate

VALIDATE_POOL = "/validate-infrastructure-cluster-x-k8s-io-v1alpha1-openstackfloatingippool"


def convert(found: dict[str, Any], desired: str) -> dict[str, Any]:
    return {**found, "apiVersion": desired}


class Asker:
    """Asks a server over TLS and checks its certificate."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder
        self.observed: list[tuple[str, int]] = []

    def ask(self, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, data, {"Connection": "close"} | (headers or {}))
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def served_name(self) -> str:
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        with context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), 10), server_hostname="127.0.0.1"
        ) as tls:
            certificate = tls.getpeercert()
        assert certificate is not None
        return str(certificate["subject"][0][0][1])


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    write_certificate(tmp_path)
    found = Asker(0, tmp_path)
    server = WebhookServer(
        ("127.0.0.1", 0), tmp_path, convert=convert, observe=lambda path, code, _s: found.observed.append((path, code))
    )
    server.start()
    found.port = server.port
    yield found
    server.stop()


def test_the_server_is_healthy(asker: Asker) -> None:
    assert asker.ask("/healthz") == (200, "ok")


def test_a_review_is_answered_by_the_rules_of_its_kind(asker: Asker) -> None:
    request = {"uid": "u", "object": {"spec": {"preAllocatedFloatingIPs": ["x"]}}}

    status, text = asker.ask(VALIDATE_POOL, {"kind": "AdmissionReview", "request": request})

    assert status == 200
    assert json.loads(text)["response"]["status"]["details"]["causes"][0]["field"] == "spec.preAllocatedFloatingIPs[0]"


def test_a_conversion_is_answered_by_the_given_function(asker: Asker) -> None:
    objects = [{"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "a"}}]
    request = {"uid": "u", "desiredAPIVersion": "g/v2", "objects": objects}

    status, text = asker.ask("/convert", {"kind": "ConversionReview", "request": request})

    assert status == 200
    assert json.loads(text)["response"]["convertedObjects"][0]["apiVersion"] == "g/v2"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("/convert", b"{", 400), ("/convert", {"kind": "Pod"}, 400), ("/nothing", {}, 404), ("/convert", None, 405)],
)
def test_what_an_api_server_would_not_send_is_a_client_error(asker: Asker, path: str, body: Any, status: int) -> None:
    assert asker.ask(path, body)[0] == status


def test_a_body_beyond_the_limit_is_refused_unread(asker: Asker) -> None:
    length = str(endpoints.REVIEW_LIMIT + 1)

    assert asker.ask(VALIDATE_POOL, b"", {"Content-Length": length})[0] == 413


def test_a_body_that_does_not_say_its_length_is_refused_when_it_is_too_long(asker: Asker) -> None:
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (endpoints.REVIEW_LIMIT + 1, b" " * (endpoints.REVIEW_LIMIT + 1))

    assert asker.ask(VALIDATE_POOL, body, {"Transfer-Encoding": "chunked"})[0] == 413


def test_every_answer_is_observed(asker: Asker) -> None:
    asker.ask("/convert", b"{")

    assert asker.observed == [("/convert", 400)]


def test_a_renewed_certificate_serves_the_next_connection(asker: Asker) -> None:
    before = asker.served_name()

    write_certificate(asker.folder, name="renewed")

    assert (before, asker.served_name()) == ("webhooks", "renewed")


def test_a_certificate_that_cannot_be_read_leaves_the_last_one_in_use(asker: Asker) -> None:
    good = (asker.folder / "tls.crt").read_text()
    (asker.folder / "tls.key").write_text("half a")

    trusted = asker.folder / "trusted"
    trusted.mkdir()
    (trusted / "tls.crt").write_text(good)
    assert Asker(asker.port, trusted).served_name() == "webhooks"


def test_no_certificate_is_an_error_that_names_the_files(tmp_path: Path) -> None:
    with pytest.raises(CertificateMissing, match=r"tls\.crt and .*tls\.key"):
        WebhookServer(("127.0.0.1", 0), tmp_path, convert=convert).start()


def test_a_port_in_use_is_an_error_at_once(asker: Asker, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in use"):
        WebhookServer(("127.0.0.1", asker.port), tmp_path, convert=convert).start()


def test_a_stopped_server_is_not_ready_and_its_port_is_free(tmp_path: Path) -> None:
    write_certificate(tmp_path)
    server = WebhookServer(("127.0.0.1", 0), tmp_path, convert=convert)
    server.start()
    assert server.ready()

    server.stop()

    assert not server.ready()
    socket.create_server(("127.0.0.1", server.port)).close()


def test_a_failure_inside_is_told_and_the_server_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(body: Any, by: Any) -> dict[str, Any]:
        raise KeyError("lost")

    monkeypatch.setattr(endpoints.convert, "answer", fail)
    write_certificate(tmp_path)
    server = WebhookServer(("127.0.0.1", 0), tmp_path, convert=convert)
    server.start()
    asker = Asker(server.port, tmp_path)

    assert asker.ask("/convert", {})[0] == 500
    assert asker.ask("/healthz")[0] == 200
    server.stop()
