# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: it lists its doors without opening them, and opens the one that is called."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pycapo.cli.main import DOORS, app, opened

HEAVY = "openstack", "keystoneauth1", "lightkube", "uvicorn", "pycapo.lab", "pycapo.controllers"


@pytest.mark.parametrize("name", DOORS)
def test_a_door_is_listed_with_its_own_words(name: str) -> None:
    assert (opened(name).help or "").splitlines()[0] == DOORS[name]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_and_version_import_nothing_that_takes_long(arguments: list[str]) -> None:
    program = (
        f"import sys; from pycapo.cli.main import app; app({arguments}, standalone_mode=False); print(*sys.modules)"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert not [name for name in told.stdout.splitlines()[-1].split() if name in HEAVY]


@pytest.mark.parametrize(
    ("arguments", "word"), [(["run", "--help"], "--leader-elect"), (["lab", "up", "--help"], "--without-octavia")]
)
def test_a_door_that_is_called_is_opened(arguments: list[str], word: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})

    assert result.exit_code == 0
    assert word in result.output


def test_a_door_that_is_spelled_wrong_is_told_with_the_right_one() -> None:
    result = CliRunner().invoke(app, ["runn"])

    assert result.exit_code == 2
    assert "'run'" in result.output
