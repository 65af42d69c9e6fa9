# SPDX-License-Identifier: Apache-2.0
"""`pycapo lab bench`: however it ends, what was found is shown and nothing is left running."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pycapo.cli import bench as door
from pycapo.cli.lab import app
from pycapo.lab import places
from pycapo.lab.places import LabError, open_lab
from pycapo.lab.tally import Figures, Row, Work

ROW = Row(Work("cluster", 25), 20, 10)
ended: list[tuple[str, bool]] = []
work: list[Callable[[], object]] = []


class Bench:
    def __init__(self, _lab: object, _progress: object, figures: Figures) -> None:
        self.figures = figures

    def run(self) -> None:
        self.figures.rows.append(ROW)
        work[0]()


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lab is started; what would be measured is what a test says."""
    monkeypatch.setenv("PYCAPO_LABS", str(tmp_path / "labs"))
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(door, "Bench", Bench)
    monkeypatch.setattr(door.life, "up", lambda *_, **__: None)
    monkeypatch.setattr(door.life, "down", lambda lab, *, delete_state: ended.append((lab.name, delete_state)))
    monkeypatch.chdir(tmp_path)
    ended.clear()


def run(do: Callable[[], object], *arguments: str) -> Result:
    work[:] = [do]
    return CliRunner().invoke(app, ["bench", *arguments])


def fail() -> None:
    raise LabError("Machine x: not after 300 s (7 requests until then)")


@pytest.mark.parametrize(
    ("do", "why"),
    [
        (fail, "7 requests until then"),
        (lambda: signal.raise_signal(signal.SIGTERM), "interrupted"),
        (lambda: signal.raise_signal(signal.SIGINT), "interrupted"),
    ],
)
def test_what_ends_early_shows_its_rows_and_leaves_no_lab(do: Callable[[], object], why: str) -> None:
    result = run(do)

    assert (result.exit_code, ended) == (1, [("bench", True)])
    assert "cluster" in result.output
    assert "not finished, 1 rows so far: " in result.output
    assert why in result.output
    assert [row["work"] for row in json.loads(Path("build/bench.json").read_text())] == ["cluster"]


def test_a_run_whose_budgets_are_kept_ends_well() -> None:
    result = run(lambda: None)

    assert (result.exit_code, ended) == (0, [("bench", True)])


def test_a_lab_that_was_there_is_not_forgotten() -> None:
    open_lab("bench")

    run(lambda: None)

    assert ended == [("bench", False)]


def test_a_lab_may_be_kept() -> None:
    run(fail, "--keep")

    assert not ended
