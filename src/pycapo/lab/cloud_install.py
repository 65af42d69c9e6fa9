# SPDX-License-Identifier: Apache-2.0
"""What the lab's OpenStack is installed from: an environment of pinned, hashed packages, and MariaDB of the system.

Rule: an environment is made beside its place and moved there when complete, so what is in its place is whole; its
name holds the hash of the lock, so another lock is another environment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pycapo.lab.command import run
from pycapo.lab.places import LabError, cache, locked
from pycapo.lab.progress import Progress

SIMULATION = Path(__file__).parent / "labsim"
LOCK = SIMULATION / "requirements.lock"
MARIADB_PACKAGES = ("mariadb-server-core", "mariadb-client-core")


def installed(progress: Progress) -> Path:
    """Return the environment of the lab's OpenStack, making it and installing MariaDB where they are missing."""
    if not find_program("mariadbd"):
        with progress.step("install MariaDB"):
            _install_mariadb()
    place = environment()
    if (place / "bin" / "python").exists():
        return place
    with locked(place.with_suffix(".lock")):
        if not (place / "bin" / "python").exists():
            with progress.step("install OpenStack's services from PyPI (once, about a minute)"):
                _install_packages(place)
    return place


def environment() -> Path:
    """Return where the environment of the present lock is, or would be."""
    return cache() / f"openstack-{lock_hash()}"


def lock_hash() -> str:
    """Return what tells environments apart: the lock and the Python that it is installed for."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return hashlib.sha256(LOCK.read_bytes() + version.encode()).hexdigest()[:12]


def find_program(name: str) -> Path | None:
    """Return a program of the system; servers are often outside of an ordinary user's PATH."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    return Path(found) if found else None


def find_uv() -> list[str]:
    """Return the command that runs uv: of PATH, of this Python, or one in the cache, installed there when missing."""
    if found := shutil.which("uv") or next(map(str, cache().glob("uv-*/bin/uv")), None):
        return [found]
    if _runs([sys.executable, "-m", "uv", "--version"]):
        return [sys.executable, "-m", "uv"]
    folder = cache() / "uv"
    command = folder / "bin" / "uv"
    with locked(folder.with_suffix(".lock")):
        if not command.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _run([sys.executable, "-m", "venv", str(folder)], "make an environment for uv")
            _run([str(folder / "bin" / "pip"), "install", "--quiet", "uv"], "install uv")
    return [str(command)]


def _install_packages(place: Path) -> None:
    uv = find_uv()
    building = place.with_name(f"{place.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    # Relocatable: its scripts find their Python beside them, so that it can be moved when it is whole.
    _run([*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(building)], "make an environment")
    python = str(building / "bin" / "python")
    install = ["pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", str(LOCK)]
    _run([*uv, *install], "install OpenStack's services")
    _compile(building, place)
    building.rename(place)


def _compile(building: Path, place: Path) -> None:
    """Compile what services load (not their tests, which are most of it), for the place where it will be."""
    paths = ["-s", str(building), "-p", str(place)]
    command = [str(building / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", "-x", "/tests/", *paths]
    # Some packages bring templates that look like Python; what cannot be compiled is no reason to stop.
    run([*command, str(building / "lib")], seconds=900)


def _install_mariadb() -> None:
    packages = " ".join(MARIADB_PACKAGES)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise LabError(
            f"MariaDB's server is not installed; as root: apt-get install --no-install-recommends {packages}"
        )
    with locked(cache() / "apt.lock"):
        if find_program("mariadbd"):
            return
        install = ["apt-get", "install", "--yes", "--no-install-recommends", *MARIADB_PACKAGES]
        if not _runs(install):
            _run(["apt-get", "update"], "look for packages")
            _run(install, "install MariaDB")


def _runs(command: Sequence[str]) -> bool:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return run(command, env=environ, seconds=900).returncode == 0


def _run(command: Sequence[str], what: str) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    answer = run(command, env=environ, seconds=1800)
    if answer.returncode:
        tail = "\n".join((answer.stderr or answer.stdout).splitlines()[-15:])
        raise LabError(f"cannot {what} ({' '.join(command[:4])} ...):\n{tail}")
