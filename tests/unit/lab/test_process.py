# SPDX-License-Identifier: Apache-2.0
"""Processes of a lab are started, found again, told from others and ended with all that they started."""

import subprocess
from pathlib import Path

import pytest

from pycapo.lab import process
from pycapo.lab.places import Lab, LabError

LONG = ["sleep", "60"]


@pytest.fixture
def lab(tmp_path: Path):
    made = Lab("test", tmp_path, {}, 1)
    yield made
    for name in process.names(made):
        process.stop(made, name, seconds=1)


def test_a_started_process_runs_until_it_is_stopped(lab: Lab) -> None:
    process.start(lab, "one", LONG)
    running = process.alive(lab, "one"), process.names(lab)

    process.stop(lab, "one")

    assert running == (True, ["one"])
    assert (process.alive(lab, "one"), process.names(lab)) == (False, [])


def test_a_process_that_runs_is_not_started_twice(lab: Lab) -> None:
    assert process.start(lab, "one", LONG) == process.start(lab, "one", LONG)


def test_stopping_takes_along_what_the_process_started(lab: Lab) -> None:
    process.start(lab, "parent", ["sh", "-c", "sleep 61 & echo $!; wait"])
    process.wait_until(lab, lambda: bool(process.log_tail(lab, "parent")), what="the child")
    child = Path("/proc") / process.log_tail(lab, "parent") / "cmdline"
    # Until it has become sleep it is a shell, or nothing at all for a moment.
    process.wait_until(lab, lambda: child.read_text() == "sleep\x0061\x00", what="the child as sleep")

    process.stop(lab, "parent")

    # An orphan that ended keeps its pid, without a command line, until somebody asks how it ended.
    assert not child.exists() or child.read_text() == ""


def test_what_does_not_heed_a_term_signal_is_killed(lab: Lab) -> None:
    process.start(lab, "deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"])
    process.wait_until(lab, lambda: process.log_tail(lab, "deaf") == "ready", what="the trap")

    process.stop(lab, "deaf", seconds=0.2)

    assert not process.alive(lab, "deaf")


def test_a_recycled_pid_is_neither_taken_for_the_process_nor_killed(lab: Lab) -> None:
    with subprocess.Popen(LONG, start_new_session=True) as stranger:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        lab.pid("old").write_text(f"{stranger.pid} 1 {boot}")

        found = process.alive(lab, "old")
        process.stop(lab, "old")

        assert (found, stranger.poll(), process.names(lab)) == (False, None, [])
        stranger.kill()


def test_a_pid_from_before_a_reboot_is_not_killed(lab: Lab) -> None:
    pid = process.start(lab, "one", LONG)
    kept = lab.pid("one").read_text()
    lab.pid("one").write_text(f"{pid} {kept.split()[1]} another-boot")

    process.stop(lab, "one")

    lab.pid("one").write_text(kept)
    assert process.alive(lab, "one")


def test_a_process_that_ended_is_named_with_the_end_of_its_log(lab: Lab) -> None:
    process.start(lab, "brief", ["sh", "-c", "echo no such table; exit 3"])

    with pytest.raises(LabError, match=r"the answer: process brief ended(.|\n)*no such table"):
        process.wait_until(lab, lambda: False, watching=["brief"], seconds=20, what="the answer")


def test_waiting_ends_when_time_is_up(lab: Lab) -> None:
    with pytest.raises(LabError, match="the answer: not after 0 s"):
        process.wait_until(lab, lambda: False, seconds=0, what="the answer")


def test_a_command_that_does_not_exist_is_named(lab: Lab) -> None:
    with pytest.raises(LabError, match="one: cannot start /no/such/command"):
        process.start(lab, "one", ["/no/such/command"])


def test_the_log_of_the_run_before_is_kept(lab: Lab) -> None:
    for word in ("first", "second"):
        process.start(lab, "one", ["echo", word])
        process.wait_until(lab, lambda: not process.alive(lab, "one"), what="its end")

    assert process.log_tail(lab, "one") == "second"
    assert lab.log("one.previous").read_text() == "first\n"


def test_memory_counts_a_running_process_and_nothing_else(lab: Lab) -> None:
    process.start(lab, "one", LONG)

    assert process.memory(lab, "one") > 0
    assert process.memory(lab, "none") == 0
