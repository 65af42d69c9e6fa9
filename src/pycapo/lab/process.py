# SPDX-License-Identifier: Apache-2.0
"""Processes of a lab: each in a session of its own, known by pid file, written to its own log.

Rule: a process is known by its pid *and* the moment it started, so a recycled pid is never taken for it nor killed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pycapo.lab.interruption import interrupted
from pycapo.lab.places import Lab, LabError, write

__all__ = ["LabError", "alive", "log_tail", "memory", "names", "pid", "start", "stop", "wait_until"]

# Popen objects of this interpreter's own children: polling them reaps those that ended.
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True, slots=True)
class _Seen:
    """One line of /proc: what is needed to tell processes apart."""

    pid: int
    session: int
    started: str
    zombie: bool


def start(
    lab: Lab,
    name: str,
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Start a process that outlives us and return its pid; one that runs already is left alone.

    `env` is added to the environment. The log of the run before is kept as `<name>.previous`.
    """
    if (running := pid(lab, name)) is not None:
        return running
    stop(lab, name)  # orphans of a leader that crashed would hold its ports
    log = lab.log(name)
    if log.exists():
        log.replace(log.with_name(f"{name}.previous"))
    try:
        with log.open("wb") as output:
            child = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
    except OSError as error:
        raise LabError(f"{name}: cannot start {argv[0]}: {error}") from error
    _children[child.pid] = child
    seen = _look(child.pid)
    write(lab.pid(name), f"{child.pid} {seen.started if seen else '-'} {_boot()}\n")
    return child.pid


def stop(lab: Lab, name: str, *, seconds: float = 10) -> None:
    """End a process and its whole session: TERM, wait, KILL; returns when nothing of it is left."""
    leader = _recorded(lab, name)
    if leader is None:
        return
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 10)):
        for member in _members(*leader):
            _signal(member, number)
        deadline = time.monotonic() + patience
        while _members(*leader) and time.monotonic() < deadline:
            time.sleep(0.05)
    if left := _members(*leader):
        raise LabError(f"{name}: processes {left} did not end after SIGKILL")
    lab.pid(name).unlink(missing_ok=True)


def pid(lab: Lab, name: str) -> int | None:
    """Return the pid of a running process, or None."""
    recorded = _recorded(lab, name)
    if recorded is None:
        return None
    seen = _look(recorded[0])
    return recorded[0] if seen and seen.started == recorded[1] and not seen.zombie else None


def alive(lab: Lab, name: str) -> bool:
    """Tell whether the process runs."""
    return pid(lab, name) is not None


def names(lab: Lab) -> list[str]:
    """Return the names of all processes that were started and not stopped, running or crashed, oldest first."""
    files = [path for path in (lab.root / "pid").glob("*") if not path.name.startswith(".")]
    return [path.name for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]


def memory(lab: Lab, name: str) -> int:
    """Return the resident bytes of a process and all of its session."""
    recorded = _recorded(lab, name)
    return sum(map(_resident, _members(*recorded))) if recorded else 0


def log_tail(lab: Lab, name: str, *, lines: int = 15) -> str:
    """Return the last lines of a process's log (at most 16 KiB), without a final newline."""
    try:
        with lab.log(name).open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(0, size - 16384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def wait_until(
    lab: Lab, check: Callable[[], bool], *, watching: Sequence[str] = (), seconds: float = 60, what: str
) -> None:
    """Return when `check` is true; raise with the log's tail when a watched process ended or time is up."""
    deadline = time.monotonic() + seconds
    while not check():
        for name in watching:
            if not alive(lab, name):
                raise LabError(f"{what}: process {name} ended; end of {lab.log(name)}:\n{log_tail(lab, name)}")
        if interrupted.is_set():
            raise LabError(f"{what}: interrupted")
        if time.monotonic() > deadline:
            tails = "".join(f"\nend of {lab.log(name)}:\n{log_tail(lab, name)}" for name in watching)
            raise LabError(f"{what}: not after {seconds:g} s{tails}")
        time.sleep(0.1)


def _boot() -> str:
    # Start times count from the boot, so they identify a process only together with it.
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _recorded(lab: Lab, name: str) -> tuple[int, str] | None:
    """Return pid and start time from the pid file; None when there is none or it is from before a reboot."""
    try:
        number, started, boot = (lab.root / "pid" / name).read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return (int(number), started) if boot == _boot() else None


def _look(number: int) -> _Seen | None:
    if number in _children and _children[number].poll() is not None:
        del _children[number]
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat[stat.rindex(")") + 2 :].split()  # the name before it may hold spaces and brackets
    return _Seen(pid=number, session=int(fields[3]), started=fields[19], zombie=fields[0] in "ZX")


def _members(leader: int, started: str) -> list[int]:
    """Return the pids of the living processes in the session of a leader, which itself may be gone."""
    seen = _look(leader)
    if seen is not None and seen.started != started:
        return []  # a recycled pid; the kernel gives none away while a session of that number lives
    others = (_look(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit())
    return [other.pid for other in others if other and other.session == leader and not other.zombie]


def _signal(number: int, which: signal.Signals) -> None:
    try:
        os.kill(number, which)
    except ProcessLookupError:
        return


def _resident(number: int) -> int:
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
