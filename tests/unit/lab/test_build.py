# SPDX-License-Identifier: Apache-2.0
"""What would be built is known without building: pinned roots, what is there already, what others installed."""

import re
import shutil
from pathlib import Path

import pytest

from pycapo.lab import build, places, programs
from pycapo.lab.build import Built, find, missing, place
from pycapo.lab.go_toolchain import Go, is_wanted
from pycapo.lab.places import Lab, LabError
from pycapo.lab.programs import CLUSTER_API, ETCD, IN_CLUSTER_IPAM, KUBERNETES, PROGRAMS, ROOT

BY_NAME = {program.name: program for program in PROGRAMS}


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty cache, and nothing that anybody installed."""
    monkeypatch.setenv("PYCAPO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", "/nonexistent")


def installed(folder: Path, name: str, answer: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_from_nothing_everything_is_built() -> None:
    assert [program.name for program in missing()] == [program.name for program in PROGRAMS]


def test_what_was_built_is_not_built_again() -> None:
    etcd = BY_NAME["etcd"]
    place(etcd).parent.mkdir(parents=True)
    place(etcd).touch()

    assert etcd not in missing()
    assert find(etcd) == place(etcd)


def test_a_build_that_was_cut_short_is_not_taken_for_a_program() -> None:
    etcd = BY_NAME["etcd"]
    place(etcd).parent.mkdir(parents=True)
    place(etcd).with_name(".etcd.part").touch()

    assert find(etcd) is None


def test_an_installed_program_of_the_wanted_version_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = installed(tmp_path, "kube-apiserver", f"Kubernetes {KUBERNETES}")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))

    assert find(BY_NAME["kube-apiserver"]) == path


@pytest.mark.parametrize("answer", ["Client Version: v1.36.30", "Client Version: v1.28.3", "v1.36.3-rc.0", ""])
def test_an_installed_program_of_another_version_is_not(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "kubectl", answer)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find(BY_NAME["kubectl"]) is None


def test_every_module_that_is_required_has_its_checksum() -> None:
    module = (ROOT / "go.mod").read_text()
    replaced = dict(re.findall(r"^\t(\S+) => \S+ (\S+)$", module, re.M))
    required = re.findall(r"^\t([^\s]+\.[^\s]+) (v[^\s]+)(?: // indirect)?$", module, re.M)
    sums = (ROOT / "go.sum").read_text()

    lacking = [name for name, version in required if f"{name} {replaced.get(name, version)}/go.mod " not in sums]

    assert required
    assert not lacking


@pytest.mark.parametrize(
    "line",
    [
        f"k8s.io/kubernetes {KUBERNETES}",
        f"go.etcd.io/etcd/server/v3 {ETCD}",
        f"sigs.k8s.io/cluster-api {CLUSTER_API}",
        f"sigs.k8s.io/cluster-api/test {CLUSTER_API}",
    ],
)
def test_the_module_requires_the_versions_that_the_lab_says_it_runs(line: str) -> None:
    assert f"\t{line}\n" in (ROOT / "go.mod").read_text()


def test_a_manager_of_another_module_has_its_checksum_and_needs_no_requirement() -> None:
    wanted = f"{IN_CLUSTER_IPAM.module} {IN_CLUSTER_IPAM.version}"

    assert f"{wanted} h1:" in (ROOT / "go.sum").read_text()
    assert wanted not in (ROOT / "go.mod").read_text()


def test_kubernetes_libraries_are_those_of_one_release() -> None:
    libraries = re.findall(r"^\tk8s\.io/\S+ => \S+ (\S+)$", (ROOT / "go.mod").read_text(), re.M)

    assert set(libraries) == {KUBERNETES.replace("v1.", "v0.")}


def test_a_program_is_found_under_its_name_where_go_puts_it() -> None:
    assert [program.package.split("/")[-1] for program in PROGRAMS] == [program.name for program in PROGRAMS]


def test_a_change_of_our_own_sources_builds_that_program_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT, tmp_path / "go")
    monkeypatch.setattr(programs, "ROOT", tmp_path / "go")
    before = {program.name: program.key for program in PROGRAMS}
    (tmp_path / "go" / "workload" / "main.go").write_text("package main")

    assert [program.name for program in PROGRAMS if program.key != before[program.name]] == ["workload"]


@pytest.mark.parametrize("file", ["go.mod", "go.sum"])
def test_other_versions_of_modules_build_everything(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT, tmp_path / "go")
    monkeypatch.setattr(programs, "ROOT", tmp_path / "go")
    before = [program.key for program in PROGRAMS]
    (tmp_path / "go" / file).write_text("")

    assert not set(before) & {program.key for program in PROGRAMS}


@pytest.mark.parametrize(
    ("version", "wanted"),
    [("go version go1.26.8 linux/amd64", True), ("go1.27rc1", True), ("go version go1.25.9 linux", False), ("", False)],
)
def test_an_older_go_is_not_used(version: str, wanted: bool) -> None:
    assert is_wanted(version) is wanted


def a_go(folder: Path, script: str) -> Go:
    command = folder / "go"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return Go(command)


def test_a_build_tells_how_many_packages_were_begun(tmp_path: Path) -> None:
    told: list[int] = []
    go = a_go(tmp_path, "echo one >&2; echo two >&2; exec /bin/sleep 1.5")

    go.build(["./etcd"], folder=tmp_path, target=tmp_path, flags="", tell=told.append)

    assert told[-1] == 2


def test_a_build_that_fails_says_what_the_compiler_said(tmp_path: Path) -> None:
    go = a_go(tmp_path, "echo 'main.go:3: undefined: x' >&2; exit 1")

    with pytest.raises(LabError, match=r"main\.go:3: undefined: x"):
        go.build(["./etcd"], folder=tmp_path, target=tmp_path, flags="", tell=lambda _: None)


def test_the_lab_links_to_programs_and_follows_a_new_version(tmp_path: Path) -> None:
    lab = Lab("test", tmp_path, {}, 1)
    Built({"kubectl": tmp_path / "old"}, tmp_path).link(lab)

    folder = Built({"kubectl": tmp_path / "new"}, tmp_path).link(lab)

    assert (folder / "kubectl").readlink() == tmp_path / "new"


def test_pruning_keeps_the_programs() -> None:
    for name in ("gocache", "gomod", "bin"):
        (places.cache() / name).mkdir(parents=True)

    build.prune()

    assert [path.name for path in places.cache().iterdir()] == ["bin"]
