# SPDX-License-Identifier: Apache-2.0
"""Logs: one JSON line each, secrets masked, tracebacks without variables."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from pycapo.kube import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_json_with_time_level_and_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")

    with structlog.contextvars.bound_contextvars(kind="Boat"):
        structlog.get_logger("boats").info("sails up", sails=2)

    (line,) = lines(capsys)
    assert line.pop("timestamp")
    assert line == {"event": "sails up", "level": "info", "logger": "boats", "kind": "Boat", "sails": 2}


def test_libraries_log_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")

    logging.getLogger("library").warning("%d sails", 3)

    assert lines(capsys)[0]["event"] == "3 sails"


@pytest.mark.parametrize(
    "name", ["password", "token", "user_data", "clouds_secret", "Authorization", "application_credential_secret"]
)
def test_secrets_are_masked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")

    structlog.get_logger().warning("login", **{name: "hunter2"})

    assert "hunter2" not in capsys.readouterr().err


def test_the_name_of_a_secret_is_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")

    structlog.get_logger().warning("login", secret_name="clouds")

    assert lines(capsys)[0]["secret_name"] == "clouds"


def test_a_traceback_shows_no_variables(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json")

    def broken() -> None:
        hidden = "hunter2"
        raise ValueError(len(hidden))

    try:
        broken()
    except ValueError:
        structlog.get_logger().exception("failed")

    (line,) = lines(capsys)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in json.dumps(line)


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text", level="warning")

    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud", sails=2)

    text = capsys.readouterr().err
    assert "loud" in text
    assert "sails" in text
    assert "quiet" not in text
