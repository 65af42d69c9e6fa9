# SPDX-License-Identifier: Apache-2.0
"""Commands are waited for, and end with all that they started when nobody waits any more."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pycapo.lab import command
from pycapo.lab.interruption import interrupted
from pycapo.lab.places import LabError


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    interrupted.clear()
    yield
    interrupted.clear()


def processes(word: str) -> list[str]:
    found = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [path.name for path in found if word in words(path)]


def words(path: Path) -> list[str]:
    try:
        return (path / "cmdline").read_text().split("\0")
    except OSError:
        return []


def test_what_a_command_prints_and_how_it_ended_is_known() -> None:
    answer = command.run(["sh", "-c", "echo out; echo complaint >&2; exit 3"])

    assert (answer.returncode, answer.stdout, answer.stderr) == (3, "out\n", "complaint\n")


def test_a_command_may_print_into_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        answer = command.run(["sh", "-c", "echo out; echo complaint >&2"], output=log, cwd=tmp_path)

    assert (answer.stdout, (tmp_path / "log").read_text()) == ("", "out\ncomplaint\n")


def test_a_command_is_run_in_the_environment_that_it_is_given() -> None:
    assert command.run(["/usr/bin/env"], env={"ONLY": "this"}).stdout == "ONLY=this\n"


def test_what_takes_too_long_ends_with_all_that_it_started() -> None:
    mark = f"30{os.getpid()}"

    with pytest.raises(LabError, match=r"not after 0\.1 s"):
        command.run(["sh", "-c", f"sleep {mark} & wait"], seconds=0.1)

    assert not processes(mark)


def test_an_interruption_ends_the_command_of_another_thread() -> None:
    mark, told = f"31{os.getpid()}", []

    def work() -> None:
        with pytest.raises(LabError, match="interrupted") as raised:
            command.run(["sleep", mark])
        told.append(str(raised.value))

    thread = threading.Thread(target=work)
    thread.start()
    while not processes(mark):
        time.sleep(0.01)
    interrupted.set()
    thread.join()

    assert (len(told), processes(mark)) == (1, [])
