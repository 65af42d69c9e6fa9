# SPDX-License-Identifier: Apache-2.0
"""The guest's disk: a Debian cloud image made with debootstrap from the mirror that this machine's apt uses.

Rule: it is made once for each content of its recipe (`image/` and this file) and never written to; guests run on throw-away layers.
"""

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pycapo.lab.places import LabError, cache, locked

RECIPE = Path(__file__).with_name("image")
_FORMAT = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)|$(CODENAME)|$(SUITE)"
_SIZE = "2G"  # of the file system; the file is sparse


@dataclass(frozen=True, slots=True)
class Image:
    """A disk with one ext4 file system and no boot loader, and the kernel that boots it."""

    disk: Path
    kernel: Path
    initial: Path


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where Debian comes from."""

    site: str
    release: str


def image() -> Image:
    """Return the image; makes it when there is none of this recipe."""
    mirror = _mirror()
    folder = cache() / "guest-images" / _key(mirror.release)
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            _make(folder, mirror)
    return Image(folder / "disk", folder / "vmlinuz", folder / "initrd")


def _key(release: str) -> str:
    """What the image is made of, as a name."""
    parts = [release.encode(), Path(__file__).read_bytes()]
    parts += [path.name.encode() + path.read_bytes() for path in sorted(RECIPE.iterdir())]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _mirror() -> Mirror:
    """The first of apt's sources that has Debian itself, not its updates."""
    told = _run("apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages")
    for line in told.splitlines():
        origin, label, component, site, codename, _ = line.split("|")
        if (origin, label, component) == ("Debian", "Debian", "main") and "-" not in codename:
            return Mirror(site, codename)
    raise LabError(f"no source of Debian's main component among those of apt (apt-get update?), found:\n{told}")


def _make(folder: Path, mirror: Mirror) -> None:
    """Make the image beside its place, then move it there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="new-", ignore_cleanup_errors=True) as place:
        root, made = Path(place) / "root", Path(place) / "made"
        _run("debootstrap", "--variant=minbase", "--include=ca-certificates", mirror.release, str(root), mirror.site)
        _furnish(root)
        made.mkdir()
        for name in ("vmlinuz", "initrd"):
            shutil.copy(next((root / "boot").glob(f"{name}*")), made / name)
        _run("mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1", "-d", str(root), str(made / "disk"), _SIZE)
        made.rename(folder)


def _furnish(root: Path) -> None:
    """Install what a cloud image has, as apt does it on this machine: debootstrap's own order breaks some packages."""
    asked = _run("apt-config", "dump", "Acquire")
    (root / "etc/apt/apt.conf.d/90-acquire").write_text(asked)
    for name in ("finish.sh", "packages"):
        shutil.copy(RECIPE / name, root / name)
    shutil.copy(RECIPE / "as-kind.sh", root / "sbin" / "as-kind")
    with _mounted(root):
        _run("chroot", str(root), "/bin/sh", "/finish.sh")


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    """/proc in the new root while the block runs."""
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    try:
        yield
    finally:
        _run("umount", str(root / "proc"))


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise LabError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
    return done.stdout
