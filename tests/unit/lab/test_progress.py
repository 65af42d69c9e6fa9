# SPDX-License-Identifier: Apache-2.0
"""Work is told where it is read: plain lines in a log."""

from rich.console import Console

from pycapo.lab.progress import Progress


def test_a_log_has_a_line_when_work_begins_at_each_tenth_and_when_it_ends() -> None:
    console = Console(force_terminal=False, width=100)
    with console.capture() as captured, Progress(console) as progress, progress.step("build") as tell:
        for share in (0.04, 0.1, 0.15, 0.33, 1.2):
            tell(share)

    said = [line.split(" (")[0] for line in captured.get().splitlines()]
    assert said == ["... build", "... build: 10 %", "... build: 33 %", "... build: 99 %", "done   build"]


def test_work_that_fails_is_told_as_such() -> None:
    console = Console(force_terminal=False)
    try:
        with console.capture() as captured, Progress(console).step("build"):
            raise OSError
    except OSError:
        pass

    assert captured.get().splitlines()[-1].startswith("failed build")
