# SPDX-License-Identifier: Apache-2.0
"""Builds the lab's programs once, from pinned Go modules, into the cache.

    go.mod, go.sum, our sources -> build folder -> one `go build` of all that is missing -> cache/bin/<key>/<program>

Rule: a name in cache/bin is complete, so whatever interrupts a build, the next one continues where it ended.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from pycapo.lab.command import run
from pycapo.lab.go_toolchain import Go, find_go
from pycapo.lab.places import Lab, LabError, cache, locked
from pycapo.lab.programs import (
    CLUSTER_API,
    ETCD,
    IN_CLUSTER_IPAM,
    KUBERNETES,
    MANAGERS,
    PROGRAMS,
    ROOT,
    VARIABLES,
    Manager,
    Program,
    digest,
)
from pycapo.lab.progress import Progress
from pycapo.lab.sources import fit

INVENTORY = "clusterctl.json"
# How to ask a program that somebody else installed for its version, and the one that is wanted.
_ASK = {
    "etcd": (("--version",), ETCD),
    "kube-apiserver": (("--version",), KUBERNETES),
    "kubectl": (("version", "--client"), KUBERNETES),
    "clusterctl": (("version", "--output", "short"), CLUSTER_API),
}
_SPACE = 1 << 30


@dataclass(frozen=True, slots=True)
class Built:
    """What the lab runs: programs by name, and the folder of the manifests rendered from Cluster API's module."""

    programs: Mapping[str, Path]
    manifests: Path

    def link(self, lab: Lab) -> Path:
        """Make the lab's own bin folder, with a link to every program, and return it."""
        folder = lab.folder("bin")
        for name, target in self.programs.items():
            link = folder / name
            if not link.is_symlink() or link.readlink() != target:
                link.unlink(missing_ok=True)
                link.symlink_to(target)
        return folder


def place(program: Program) -> Path:
    """Return where a built program is kept."""
    return cache() / "bin" / program.key / program.name


def find(program: Program) -> Path | None:
    """Return a program that is there already: built before, or installed by somebody in the wanted version."""
    if (built := place(program)).exists():
        return built
    return next((path for path in _installed(program.name) if _has_wanted_version(program.name, path)), None)


def missing(programs: Iterable[Program] = PROGRAMS) -> list[Program]:
    """Return the programs that have to be built, in order."""
    return [program for program in programs if find(program) is None]


def build(progress: Progress) -> Built:
    """Return all programs and manifests, building what is missing."""
    with locked(cache() / "bin" / ".lock"):
        wanted = missing()
        if wanted or not _manifests().exists():
            _build(wanted, progress)
        programs = {program.name: find(program) or place(program) for program in PROGRAMS}
        return Built(programs, _manifests())


def prune() -> None:
    """Delete Go's caches below our own cache; a later version builds from nothing again."""
    for name in ("gocache", "gomod", "build"):
        shutil.rmtree(cache() / name, ignore_errors=True)


def _build(wanted: Sequence[Program], progress: Progress) -> None:
    if shutil.disk_usage(cache()).free < _SPACE:
        raise LabError(f"less than 1 GiB is free below {cache()}: set PYCAPO_CACHE to another disk")
    go = find_go(progress)
    with progress.step("download Go modules"):
        folder = _module_root(go)
        packages = go.packages([program.package for program in PROGRAMS], folder=folder)
    if wanted:
        with progress.step(f"build {', '.join(program.name for program in wanted)}") as tell:
            _compile(go, wanted, folder, lambda compiled: tell(compiled / len(packages)))
    _render(go, folder, progress)


def _compile(go: Go, wanted: Sequence[Program], folder: Path, tell: Callable[[int], None]) -> None:
    """Build programs with one command, which knows best what can be done side by side."""
    partial = Path(tempfile.mkdtemp(dir=cache() / "bin", prefix=".building."))
    flags = " ".join(("-s -w", *(f"-X {variable}" for variable in VARIABLES)))
    try:
        go.build([program.package for program in wanted], folder=folder, target=partial, flags=flags, tell=tell)
        for program in wanted:
            place(program).parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial / program.name, place(program))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _module_root(go: Go) -> Path:
    """Return a writable copy of the Go module, which also holds the main packages of Cluster API's managers."""
    folder = cache() / "build" / digest(*ROOT.rglob("*"))
    shutil.copytree(ROOT, folder, dirs_exist_ok=True)
    for manager in (*MANAGERS, IN_CLUSTER_IPAM):
        fit(manager, _unpacked(go, folder, manager), folder / manager.name)
    return folder


def _unpacked(go: Go, folder: Path, manager: Manager) -> Path:
    """Return the unpacked module of a manager: sources and manifests."""
    answer = go.run("mod", "download", "-json", f"{manager.module}@{manager.version}", folder=folder)
    return Path(json.loads(answer)["Dir"])


def _manifests() -> Path:
    return cache() / "bin" / _named("capi-core").key / "manifests"


def _named(name: str) -> Program:
    return next(program for program in PROGRAMS if program.name == name)


def _render(go: Go, folder: Path, progress: Progress) -> None:
    """Render the managers' manifests once, as JSON, which loads far quicker than YAML."""
    target = _manifests()
    if target.exists():
        return
    kubectl = find(_named("kubectl"))
    with progress.step("render the manifests of Cluster API"):
        modules = {manager: _unpacked(go, folder, manager) for manager in (*MANAGERS, IN_CLUSTER_IPAM)}
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent, prefix=".manifests."))
        sources = {it.manifests: module / it.source / "config/default" for it, module in modules.items()}
        for name, source in {**sources, INVENTORY: modules[MANAGERS[0]] / "cmd/clusterctl/config/crd"}.items():
            command = [str(kubectl), "kustomize", str(source)]
            rendered = run(command)
            if rendered.returncode:
                raise LabError(f"kubectl kustomize {source}: {rendered.stderr.strip()}")
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            documents = [document for document in yaml.load_all(rendered.stdout, loader) if document]
            (partial / name).write_text(json.dumps(documents))
        os.replace(partial, target)


def _installed(name: str) -> Iterable[Path]:
    if name not in _ASK:
        return
    for folder in (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH")):
        if folder and (path := shutil.which(name, path=folder)):
            yield Path(path)


def _has_wanted_version(name: str, path: Path) -> bool:
    question, wanted = _ASK[name]
    try:
        answer = subprocess.run([path, *question], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.search(rf"(?<![\d.]){re.escape(wanted.removeprefix('v'))}(?![\d.-])", answer.stdout) is not None
