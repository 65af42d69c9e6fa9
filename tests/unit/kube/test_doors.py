# SPDX-License-Identifier: Apache-2.0
"""Doors: health, readiness and metrics over HTTP on loopback."""

from collections.abc import Iterator

import httpx2
import pytest

from pycapo.kube import metrics
from pycapo.kube.doors import Door, application, health_routes, metrics_routes, split_address

missing: list[str] = []


@pytest.fixture
def url() -> Iterator[str]:
    door = Door(application(*health_routes(lambda: missing), *metrics_routes()), "127.0.0.1:0")
    door.open()
    yield f"http://127.0.0.1:{door.port}"
    door.close()


def get(url: str) -> httpx2.Response:
    return httpx2.get(url, trust_env=False)


def test_a_process_that_answers_is_healthy(url: str) -> None:
    assert get(f"{url}/healthz").status_code == 200


def test_a_process_is_ready_when_nothing_is_missing_and_else_says_what_is(url: str) -> None:
    before = get(f"{url}/readyz")
    missing.append("Boat")
    after = get(f"{url}/readyz")
    missing.clear()

    assert (before.status_code, after.status_code, after.text) == (200, 503, "waiting for: Boat")


def test_metrics_are_in_the_text_format_under_the_names_of_controller_runtime(url: str) -> None:
    metrics.QUEUE_DEPTH.labels("boats").set(3)

    text = get(f"{url}/metrics").text

    assert 'workqueue_depth{name="boats"} 3.0' in text


def test_a_port_that_is_taken_is_an_error(url: str) -> None:
    with pytest.raises(OSError, match="in use"):
        Door(application(), url.removeprefix("http://"))


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), (":8443", ("0.0.0.0", 8443)), ("[::1]:80", ("::1", 80))],
)
def test_addresses_are_written_as_in_go(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize("address", ["", "localhost", "host:port"])
def test_an_address_without_a_port_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        split_address(address)
