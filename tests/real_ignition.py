# SPDX-License-Identifier: Apache-2.0
"""Ignition itself: what writes the files and units of a document below a folder, as it does in a guest, or refuses it.

    3.0 to 3.3  Debian's Ignition
    2.3         Flatcar's last Ignition that understands it, which is compiled without disks, other clouds, and what takes C
    3.4, 3.5    Ignition's validator, compiled
    documents   what Cluster API's own code makes for the kubeadm bootstrap provider

Rule: where a source is cut it has to look as expected; what reads, checks, fetches and writes is never touched.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from guest_system import PACKAGES
from pycapo.lab.debian import find, unpacked
from pycapo.lab.go_toolchain import Go, find_go
from pycapo.lab.places import cache, locked
from pycapo.lab.programs import ROOT, digest
from pycapo.lab.progress import Progress

FLATCAR = "github.com/flatcar/ignition@v0.36.2", "h1:xGHgScUe0P4Fkprjqv7L2CE58emiQgP833OCCn9z2v4="
UPSTREAM = "github.com/coreos/ignition/v2@v2.24.0", "h1:TVcsSWiYvhXihD8Mss3CTRuKaNZM2OIfpoKiudIhrKo="
SOURCES = Path(__file__).with_name("ignition")

_CUTS = {
    "internal/main.go": [(r'\t_ "[^"\n]*/stages/disks"\n', 1)],
    "internal/oem/oem.go": [
        (r'\t"[^"\n]*/providers/(azure|ec2|vmware)"\n', 3),
        (r"\tconfigs\.Register\(Config\{\n[^}]*\b(azure|ec2|vmware)\.[^}]*\}\)\n", 3),
    ],
    "internal/resource/url.go": [
        (r'\t"(github\.com/aws/[^"\n]*|context)"\n', 7),
        (r'\tcase "s3":\n[^\n]*\n', 1),
        (r"\tAWSSession \*session\.Session\n", 1),
        (r"func \(f \*Fetcher\) [fF]etchFromS3\w*\(.*?\n\}\n", 2),
    ],
}
"""What is taken out of Flatcar's Ignition, and how often it is there."""
_IN_C = {
    "internal/exec/util/blkid": None,
    "internal/exec/util/user_group_lookup": "users.go",
    "internal/authorized_keys_d/as_user/as_user": "as_user.go",
}
"""Sources with C in them, and what takes their place."""


class Refused(Exception):
    """Ignition does not take a document, and what it says of it."""


@dataclass(frozen=True, slots=True)
class Ignition:
    """An Ignition of some line, as a command."""

    command: Path
    flags: tuple[str, ...]

    def install(self, document: bytes, root: Path) -> None:
        """Do what happens at the first boot of a guest whose file system is below `root`."""
        for path, text in _SYSTEM.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "config.ign").write_bytes(document)
            (place / "setfiles").write_text(_SETFILES)
            (place / "setfiles").chmod(0o755)
            for stage in ("fetch", "files"):
                self._run(stage, root, place)

    def _run(self, stage: str, root: Path, place: Path) -> None:
        wanted = (f"--stage={stage}", f"--root={root}", f"--config-cache={place}/ignition.json", "--log-to-stdout")
        flags = [flag.format(place=place) for flag in self.flags]
        path = f"{place}:{os.environ['PATH']}"
        environ = {**os.environ, "IGNITION_CONFIG_FILE": f"{place}/config.ign", "PATH": path}
        line = [self.command, *wanted, *flags]
        done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            said = [it for it in done.stdout.splitlines() if it.startswith(("CRITICAL", "ERROR", "WARNING"))]
            raise Refused(f"{stage}: {said or done.stderr}")


_SYSTEM = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
    "etc/selinux/config": "SELINUXTYPE=targeted\n",
}
"""What Ignition finds in the file system of a guest."""
_SETFILES = "#!/bin/sh\nexec cat >/dev/null\n"
"""What labels the files on a system with SELinux, which guests in tests are not."""


@once
def of_version(version: str) -> Ignition:
    """The Ignition that understands a version of the specification."""
    if version.startswith("2."):
        return Ignition(programs() / "ignition", ("--oem=file",))
    command = unpacked(["ignition"]) / "usr/lib/dracut/modules.d/30ignition/ignition"
    return Ignition(command, ("--platform=file", "--state-file={place}/state", "--neednet={place}/neednet"))


def validate(document: bytes) -> None:
    """Have the validator of a newer Ignition look at a document of version 3."""
    line = [programs() / "validate", "-"]
    done = subprocess.run(line, input=document, capture_output=True, check=False, timeout=120)
    if done.returncode:
        raise Refused((done.stderr or done.stdout).decode())


def kubeadm_data(more: str = "") -> bytes:
    """Bootstrap data of a worker as the kubeadm bootstrap provider writes them: of version 2.3.0."""
    return subprocess.run([programs() / "kubeadm", more], capture_output=True, check=True, timeout=120).stdout


def enabled(root: Path) -> list[str]:
    """Have systemd enable what the presets say, as it does at the first boot, and return what it starts then."""
    systemctl, libraries = find("systemctl"), ""
    if not systemctl:
        place = unpacked(PACKAGES)
        folders = [*place.glob("usr/lib/*-linux-gnu"), *place.glob("usr/lib/*-linux-gnu/systemd")]
        systemctl, libraries = f"{place}/usr/bin/systemctl", ":".join(map(str, folders))
    environ = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    line = [systemctl, f"--root={root}", "preset-all"]
    subprocess.run(line, env=environ, capture_output=True, check=True, timeout=120)
    return sorted(path.name for path in (root / "etc/systemd/system/multi-user.target.wants").iterdir())


@once
def programs() -> Path:
    """The folder of what is compiled; done once for a machine."""
    target = (
        cache() / "bin" / f"ignition-{digest(ROOT / 'go.mod', ROOT / 'go.sum', Path(__file__), *SOURCES.iterdir())}"
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent / ".ignition.lock"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache(), prefix="ignition-") as folder:
                _build(find_go(Progress()), Path(folder))
                (Path(folder) / "bin").rename(target)
    return target


def _build(go: Go, place: Path) -> None:
    """Compile the programs into `place`/bin: bootstrap data in the lab's module, which has all that they are made of."""
    own = place / "own"
    (own / "kubeadm").mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        shutil.copy(ROOT / name, own)
    shutil.copy(SOURCES / "kubeadm.go", own / "kubeadm")
    old, new = (_source(go, own, *module) for module in (FLATCAR, UPSTREAM))
    _cut(old)
    for folder, package, name in (
        (own, "./kubeadm", "kubeadm"),
        (old, "./internal", "ignition"),
        (new, "./validate", "validate"),
    ):
        go.run("build", "-o", str(place / "bin" / name), package, folder=folder)


def _source(go: Go, own: Path, module: str, checksum: str) -> Path:
    """A copy of a module's source in which it can be compiled, with the versions that it names itself."""
    found = json.loads(go.run("mod", "download", "-json", module, folder=own))
    assert found["Sum"] == checksum, f"{module} is not what it was: {found['Sum']}"
    copy = own.parent / found["Path"].replace("/", "-")
    shutil.copytree(found["Dir"], copy)
    subprocess.run(["chmod", "-R", "u+w", copy], check=True, timeout=120)
    return copy


def _cut(source: Path) -> None:
    for name, cuts in _CUTS.items():
        _take_out(source / name, cuts)
    for name, own in _IN_C.items():
        for path in source.glob(f"{name}.*"):
            path.unlink()
        if own:
            shutil.copy(SOURCES / own, source / f"{name}.go")


def _take_out(path: Path, cuts: Sequence[tuple[str, int]]) -> None:
    text = path.read_text()
    for pattern, count in cuts:
        text, found = re.subn(pattern, "", text, flags=re.DOTALL)
        assert found == count, f"{path.name}: {pattern} is there {found} times"
    path.write_text(text)
