# SPDX-License-Identifier: Apache-2.0
"""`pycapo lab`: what it prints for a shell, and what it says when there is no such lab."""

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pycapo.cli.lab import app
from pycapo.lab import life, places
from pycapo.lab.places import LabError, open_lab
from pycapo.lab.progress import Progress


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the labs of each test in a folder of its own, one whose name a shell must quote."""
    monkeypatch.setenv("PYCAPO_LABS", str(tmp_path / "my labs"))
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))


def test_a_shell_can_evaluate_the_environment() -> None:
    lab = open_lab("one")
    printed = CliRunner().invoke(app, ["env", "--name", "one"]).stdout

    script = f'{printed}\necho "$KUBECONFIG|$OS_CLIENT_CONFIG_FILE|$OS_CLOUD|${{PATH%%:*}}"'
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()

    assert said == f"{lab.root}/kubeconfig|{lab.root}/clouds.yaml|pycapo|{lab.root}/bin"


def test_the_administrator_has_a_file_of_their_own() -> None:
    lab = open_lab("one")

    printed = CliRunner().invoke(app, ["env", "--name", "one", "--admin"]).stdout

    assert f"OS_CLIENT_CONFIG_FILE='{lab.root}/all-clouds.yaml'" in printed
    assert "OS_CLOUD=admin" in printed


@pytest.mark.parametrize("command", [["status"], ["env"], ["logs", "etcd"]])
def test_a_lab_that_does_not_exist_is_named_with_what_to_do(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--name", "none"])

    assert result.exit_code == 1
    assert "pycapo lab up --name none" in result.output


def test_a_build_that_fails_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_progress: Progress) -> None:
        raise LabError("no Go module proxy is reachable")

    monkeypatch.setattr(life, "prepare", fail)

    result = CliRunner().invoke(app, ["build"])

    assert result.exit_code == 1
    assert "no Go module proxy is reachable\nWhat is done is kept" in result.output


def test_taking_down_what_does_not_exist_is_no_error() -> None:
    assert CliRunner().invoke(app, ["down", "--name", "none"]).exit_code == 0


def test_a_log_that_does_not_exist_is_answered_with_those_that_do() -> None:
    open_lab("one").log("etcd").write_text("line\n")

    result = CliRunner().invoke(app, ["logs", "nova", "--name", "one"])

    assert result.exit_code == 1
    assert "no log of 'nova'; it has etcd" in result.output


def test_the_end_of_a_log_is_printed() -> None:
    open_lab("one").log("etcd").write_text("a\nb\nc\n")

    assert CliRunner().invoke(app, ["logs", "etcd", "--name", "one", "--lines", "2"]).stdout == "b\nc\n"


def test_a_lab_that_was_never_started_shows_nothing_running() -> None:
    open_lab("one")

    result = CliRunner().invoke(app, ["status", "--name", "one"])

    assert (result.exit_code, result.stdout.strip()) == (0, "nothing runs in lab one")


def test_deleting_the_state_of_a_lab_leaves_nothing_of_it() -> None:
    lab = open_lab("one")

    result = CliRunner().invoke(app, ["down", "--name", "one", "--delete-state"])

    assert result.exit_code == 0
    assert not lab.root.exists()
