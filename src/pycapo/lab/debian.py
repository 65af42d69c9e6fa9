# SPDX-License-Identifier: Apache-2.0
"""Programs of the system that the lab and its tests need: found, or installed where that is allowed.

Rule: what is there is used as it is; one process installs while the others wait.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping

from pycapo.lab.places import LabError, cache, locked

_SYSTEM = "/usr/sbin", "/sbin", "/usr/local/sbin"


def find(program: str) -> str | None:
    """Return where a program is; servers are often outside of an ordinary user's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM]))


def need(programs: Mapping[str, str]) -> None:
    """Install the packages of the programs (package by program) that are missing; raises `LabError` where that is not possible."""
    if not (packages := _missing(programs)):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(
            f"programs are missing; as root: apt-get install --no-install-recommends {' '.join(sorted(packages))}"
        )
    with locked(cache() / "apt.lock"):
        if packages := _missing(programs):
            _install(sorted(packages))


def _missing(programs: Mapping[str, str]) -> set[str]:
    return {package for program, package in programs.items() if not find(program)}


def _install(packages: list[str]) -> None:
    install = ["install", "--yes", "--no-install-recommends", *packages]
    if _apt(install).returncode == 0:
        return
    _apt(["update"])
    answer = _apt(install)
    if answer.returncode:
        tail = "\n".join((answer.stderr or answer.stdout).splitlines()[-15:])
        raise LabError(f"cannot install {' '.join(packages)}:\n{tail}")


def _apt(arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(
        ["apt-get", *arguments], env=environ, capture_output=True, text=True, check=False, timeout=900
    )
