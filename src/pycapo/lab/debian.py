# SPDX-License-Identifier: Apache-2.0
"""Programs of the system that the lab and its tests need: found, or installed where that is allowed, or only unpacked.

Rule: what is there is used as it is; one process installs while the others wait.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pycapo.lab.places import LabError, cache, locked

_SYSTEM = "/usr/sbin", "/sbin", "/usr/local/sbin"
_MERGED = "bin", "sbin", "lib", "lib32", "lib64"
"""Folders of packages that are links into /usr on a system."""


def find(program: str) -> str | None:
    """Return where a program is; servers are often outside of an ordinary user's PATH."""
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM]))


def need(programs: Mapping[str, str]) -> None:
    """Install the packages of the programs (package by program) that are missing; raises `LabError` where that is not possible."""
    if not (packages := _missing(programs)):
        return
    _may_install(packages)
    with locked(cache() / "apt.lock"):
        if packages := _missing(programs):
            _install(sorted(packages))


def unpacked(packages: Sequence[str]) -> Path:
    """Return a folder with the files of packages and of what they need and this machine lacks; none of them is installed."""
    names = hashlib.sha256(repr((sorted(packages), _release())).encode()).hexdigest()[:12]
    place = cache() / f"debian-{names}"
    if not place.exists():
        _may_install(packages)
        with locked(cache() / "apt.lock"):
            if not place.exists():
                _unpack(packages, place)
    return place


def _may_install(packages: Sequence[str] | set[str]) -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(
            f"programs are missing; as root: apt-get install --no-install-recommends {' '.join(sorted(packages))}"
        )


def _release() -> str:
    found = Path("/etc/os-release")
    return found.read_text() if found.exists() else ""


def _unpack(packages: Sequence[str], place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        archives, tree = Path(folder) / "archives", Path(folder) / "tree"
        (archives / "partial").mkdir(parents=True)
        _install(["--download-only", "-o", f"Dir::Cache::archives={archives}", *sorted(packages)])
        for name in ("usr", "etc", "var"):
            (tree / name).mkdir(parents=True)
        for archive in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", archive, tree], check=True, timeout=300)
        for name in _MERGED:
            if (tree / name).is_dir():
                subprocess.run(["cp", "-a", f"{tree}/{name}/.", f"{tree}/usr/{name}/"], check=True, timeout=300)
        tree.rename(place)


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
        ["apt-get", "-o", "DPkg::Lock::Timeout=600", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
