# SPDX-License-Identifier: Apache-2.0
"""Programs of the system: found where they are, named with their packages where they cannot be installed."""

import os
from pathlib import Path

import pytest

from pycapo.lab.debian import find, need, unpacked
from pycapo.lab.places import LabError


def test_a_program_that_is_there_is_found_and_nothing_is_installed() -> None:
    assert find("sh") is not None

    need({"sh": "dash"})


def test_what_is_missing_is_named_to_who_may_not_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(LabError, match="apt-get install --no-install-recommends no-such-package"):
        need({"no-such-program": "no-such-package", "sh": "dash"})


def test_packages_that_are_only_to_be_unpacked_are_named_to_who_may_not_load_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PYCAPO_CACHE", str(tmp_path))

    with pytest.raises(LabError, match="apt-get install --no-install-recommends one two"):
        unpacked(["two", "one"])
