# SPDX-License-Identifier: Apache-2.0
"""What a process of the lab has used: processor seconds and the most memory it held, as the kernel counts them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds (user and system) and peak resident bytes of one process or of several in a row."""

    seconds: float = 0.0
    peak: int = 0

    def __add__(self, later: Usage) -> Usage:
        """Return the usage of a process and of the one that followed it."""
        return Usage(self.seconds + later.seconds, max(self.peak, later.peak))


def usage(pid: int, proc: Path = _PROC) -> Usage:
    """Return what a process has used since it started; nothing for one that is gone."""
    try:
        stat = (proc / str(pid) / "stat").read_text()
        status = (proc / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return Usage()
    user, system = stat[stat.rindex(")") + 2 :].split()[11:13]
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), "0")
    return Usage((int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), int(peak) * 1024)
