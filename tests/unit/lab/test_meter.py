# SPDX-License-Identifier: Apache-2.0
"""What a process has used, read from the kernel's files."""

import os
from pathlib import Path

from pycapo.lab.meter import Usage, usage


def a_process(proc: Path) -> None:
    (proc / "7").mkdir()
    numbers = " ".join(str(number) for number in range(3, 53))
    (proc / "7" / "stat").write_text(f"7 (a (strange) name) {numbers}\n")
    (proc / "7" / "status").write_text("Name:\tpycapo\nVmPeak:\t  900 kB\nVmHWM:\t  100 kB\nVmRSS:\t 50 kB\n")


def test_processor_seconds_and_peak_memory_are_the_kernels(tmp_path: Path) -> None:
    a_process(tmp_path)

    # Fields 14 and 15 of stat are user and system time.
    assert usage(7, tmp_path) == Usage((14 + 15) / os.sysconf("SC_CLK_TCK"), 100 * 1024)


def test_a_process_that_is_gone_has_used_nothing(tmp_path: Path) -> None:
    assert usage(8, tmp_path) == Usage()


def test_a_running_process_holds_memory() -> None:
    assert usage(os.getpid()).peak > 1 << 20


def test_processes_in_a_row_add_their_time_and_share_the_peak() -> None:
    assert Usage(1.0, 300) + Usage(2.0, 200) == Usage(3.0, 300)
