# SPDX-License-Identifier: Apache-2.0
"""Labs keep what is theirs: folders, ports, loopback networks."""

import json
import socket
from pathlib import Path

import pytest

from pycapo.lab import places
from pycapo.lab.places import LabError, find_lab, forget_lab, open_lab, write


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches, labs and the register of claims of each test in a folder of its own."""
    monkeypatch.setenv("PYCAPO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PYCAPO_LABS", raising=False)
    monkeypatch.setattr(places.tempfile, "gettempdir", lambda: str(tmp_path))


def test_two_labs_share_no_port_and_no_network() -> None:
    one, other = open_lab("one"), open_lab("other")

    assert not set(one.ports.values()) & set(other.ports.values())
    assert one.network_index != other.network_index


def test_labs_of_two_caches_share_no_port_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = open_lab("same")
    monkeypatch.setenv("PYCAPO_CACHE", str(tmp_path / "another"))

    other = open_lab("same")

    assert one.root != other.root
    assert not set(one.ports.values()) & set(other.ports.values())


def test_a_lab_keeps_its_ports_when_it_is_opened_again() -> None:
    assert open_lab("kept") == open_lab("kept") == find_lab("kept")


def test_ports_lie_below_the_ephemeral_range_and_networks_fit_an_octet() -> None:
    lab = open_lab("low")

    assert max(lab.ports.values()) < 32768
    assert 100 + max(places.NETWORK_INDEXES) <= 255
    assert places.FIRST_PORT + places.PORTS_PER_LAB * (max(places.NETWORK_INDEXES) + 1) < 32768
    assert len(lab.ports) == len(set(lab.ports.values())) <= places.PORTS_PER_LAB


def test_a_block_with_a_port_in_use_is_passed_over() -> None:
    first = open_lab("first")
    forget_lab(first)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", first.ports["nova"]))
        busy.listen()

        assert open_lab("second").network_index != first.network_index


def test_a_forgotten_lab_gives_its_ports_to_the_next_one() -> None:
    gone = open_lab("gone")

    forget_lab(gone)

    assert find_lab("gone") is None
    assert open_lab("next").network_index == gone.network_index


def test_a_lab_whose_claim_was_lost_claims_its_ports_again(tmp_path: Path) -> None:
    kept = open_lab("kept")
    next(tmp_path.glob("pycapo-labs-*.json")).unlink()

    open_lab("kept")

    assert open_lab("next").network_index != kept.network_index


@pytest.mark.parametrize("name", ["", "UP", "a/b", "..", "-a", "a" * 40])
def test_a_name_that_is_no_folder_name_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="lab name"):
        open_lab(name)


def test_a_broken_record_names_the_folder_to_delete() -> None:
    lab = open_lab("broken")
    (lab.root / "lab.json").write_text("{")

    with pytest.raises(LabError, match=f"delete the folder {lab.root}"):
        open_lab("broken")


def test_a_lab_of_an_older_version_has_the_ports_that_came_later() -> None:
    lab = open_lab("old")
    record = json.loads((lab.root / "lab.json").read_text())
    del record["ports"]["workload_health"]
    (lab.root / "lab.json").write_text(json.dumps(record))

    assert open_lab("old").ports == lab.ports


def test_a_written_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "secret", "text")

    assert (tmp_path / "deep" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["secret"]
