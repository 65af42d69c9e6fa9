# SPDX-License-Identifier: Apache-2.0
"""The lab's OpenStack is installed from pinned and hashed packages, found again by what it was made of."""

import re
from pathlib import Path

import pytest

from pycapo.lab import cloud_install

LINES = cloud_install.LOCK.read_text().splitlines()


def test_every_package_is_pinned_and_hashed() -> None:
    packages = [number for number, line in enumerate(LINES) if line and not line.startswith((" ", "#"))]

    for number in packages:
        assert re.match(r"[a-z0-9-]+==\S+ \\$", LINES[number]), LINES[number]
        assert LINES[number + 1].strip().startswith("--hash=sha256:")


def test_the_lock_names_no_place_to_get_packages_from() -> None:
    assert not [line for line in LINES if "://" in line]


def test_all_services_are_in_the_lock() -> None:
    names = {line.split("==")[0] for line in LINES if "==" in line}

    assert {"keystone", "openstack-placement", "glance", "nova", "neutron", "cinder", "octavia"} <= names


def test_another_lock_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cloud_install.environment()
    other = tmp_path / "requirements.lock"
    other.write_text("nova==1 --hash=sha256:0\n")
    monkeypatch.setattr(cloud_install, "LOCK", other)

    assert cloud_install.environment() != before


def test_a_uv_of_the_cache_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv-1" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.touch()
    monkeypatch.setenv("PYCAPO_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert cloud_install.find_uv() == [str(uv)]
