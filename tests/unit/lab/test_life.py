# SPDX-License-Identifier: Apache-2.0
"""What all labs share is made beforehand, in ports that are given back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pycapo.lab import life, places
from pycapo.lab.places import Lab, LabError, labs
from pycapo.lab.progress import quiet


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYCAPO_LABS", str(tmp_path / "labs"))
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))


def prepare(monkeypatch: pytest.MonkeyPatch, *, programs: Callable[[], object]) -> list[Lab]:
    used: list[Lab] = []
    monkeypatch.setattr(life, "build", lambda _progress: programs())
    monkeypatch.setattr(life.openstack, "prepare", lambda lab, _progress: used.append(lab))
    life.prepare(quiet())
    return used


def test_programs_and_openstack_are_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[bool] = []

    used = prepare(monkeypatch, programs=lambda: built.append(True))

    assert (built, len(used)) == ([True], 1)
    assert not list(labs().iterdir())


def test_a_failure_is_told_and_its_ports_are_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise LabError("no compiler")

    with pytest.raises(LabError, match="no compiler"):
        prepare(monkeypatch, programs=fail)

    assert not list(labs().iterdir())
