# SPDX-License-Identifier: Apache-2.0
"""Commands that the lab waits for: compilers, installers, migrations.

Rule: none outlives an interruption, so that nothing goes on building for somebody who has left.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from pycapo.lab.interruption import interrupted
from pycapo.lab.places import LabError

Answer = subprocess.CompletedProcess[str]


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 3600,
    output: IO[bytes] | None = None,
) -> Answer:
    """Run a command to its end and return how it ended, with what it printed unless that went to `output`.

    `env` is the whole environment. Raises LabError when it takes longer than `seconds` or when the lab is interrupted.
    """
    words = [str(word) for word in argv]
    channels = (subprocess.PIPE, subprocess.PIPE) if output is None else (output, subprocess.STDOUT)
    child = subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=channels[0],
        stderr=channels[1],
        text=True,
        start_new_session=True,  # so that it can be ended with all that it started
    )
    try:
        printed, complaints = _wait(child, words, seconds)
    finally:
        _end(child)
    return subprocess.CompletedProcess(words, child.returncode, printed or "", complaints or "")


def _wait(child: "subprocess.Popen[str]", words: Sequence[str], seconds: float) -> tuple[str, str]:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=0.5)
        if interrupted.is_set():
            raise LabError(f"{' '.join(words[:3])} ...: interrupted")
        if time.monotonic() > deadline:
            raise LabError(f"{' '.join(words[:3])} ...: not after {seconds:g} s")


def _end(child: "subprocess.Popen[str]") -> None:
    for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, None)):
        if child.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with suppress(subprocess.TimeoutExpired):
            child.communicate(timeout=patience)
