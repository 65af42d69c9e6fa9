# SPDX-License-Identifier: Apache-2.0
"""Documents of Ignition keep what they say; ours comes beside it, in the form that each version takes."""

import base64
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pycapo.plan.guest_files import guest_file
from pycapo.plan.ignition import described, is_supported, with_routes
from pycapo.plan.user_data import encoded_size

FACTS = "fa:16:3e:00:00:01 10.0.1.11/24 10.0.1.1\nfa:16:3e:00:00:02 2001:db8:2::12/64 -\n"
OLD = {"ignition": {"version": "2.3.0"}, "storage": {"files": [{"path": "/a"}]}, "passwd": {"users": []}}
NEW = {"ignition": {"version": "3.4.0"}, "systemd": {"units": [{"name": "kubeadm.service"}]}}
SCRIPT = "/opt/pycapo/nic-routes"
UNIT = {
    "name": "pycapo-nic-routes.service",
    "enabled": True,
    "contents": guest_file("pycapo-nic-routes.service"),
}


def sent(document: Any) -> Any:
    """The document after ours was added."""
    content = json.dumps(document).encode()
    assert is_supported(content)
    return json.loads(with_routes(content, facts=FACTS))


def data(source: str) -> bytes:
    """What a data URL holds."""
    return base64.b64decode(source.removeprefix("data:;base64,"))


def files(document: Any) -> dict[str, bytes]:
    """What Ignition writes for the entries that have contents, by path; spec 2 has no compression of data URLs."""
    written = {}
    for entry in document["storage"]["files"]:
        if contents := entry.get("contents"):
            plain = data(contents["source"])
            written[entry["path"]] = gzip.decompress(plain) if contents.get("compression") == "gzip" else plain
    return written


@pytest.mark.parametrize(
    ("document", "placed"), [(OLD, {"filesystem": "root"}), (NEW, {"overwrite": True})], ids=["2.3", "3.4"]
)
def test_an_ignition_document_gets_files_and_a_unit_and_keeps_the_rest(document: Any, placed: dict[str, Any]) -> None:
    after = sent(document)

    assert files(after)["/etc/pycapo/nic-routes.facts"].decode() == FACTS
    assert files(after)["/etc/systemd/networkd.conf.d/pycapo.conf"].decode() == guest_file("networkd.conf")
    assert files(after)["/etc/NetworkManager/conf.d/pycapo.conf"].decode() == guest_file("network-manager.conf")
    assert all(placed.items() <= added.items() for added in after["storage"]["files"][-4:])
    assert [added["mode"] for added in after["storage"]["files"][-4:]] == [0o755, 0o644, 0o644, 0o644]
    assert after["systemd"]["units"].pop() == UNIT
    after["storage"]["files"] = after["storage"]["files"][:-4]
    assert after == {"storage": {"files": []}, "systemd": {"units": []}, **document}


def test_version_3_unpacks_the_script_itself() -> None:
    assert files(sent(NEW))[SCRIPT].decode() == guest_file("nic-routes.sh")


def test_version_2_is_given_nothing_to_unpack_because_it_does_not_do_that_with_data() -> None:
    assert not [it for it in sent(OLD)["storage"]["files"] if "compression" in it.get("contents", {})]


def test_the_script_of_version_2_unpacks_itself_when_it_is_run_and_goes_on_as_what_it_was(tmp_path: Path) -> None:
    script = tmp_path / "nic-routes"
    script.write_bytes(files(sent(OLD))[SCRIPT])

    runs = [subprocess.run(["sh", script, "no such"], capture_output=True, text=True, check=False) for _ in "12"]

    assert script.read_text() == guest_file("nic-routes.sh")
    assert script.stat().st_mode & 0o777 == 0o755
    assert [(run.returncode, run.stderr.split()[0]) for run in runs] == [(2, "usage:")] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["nic-routes"]


def test_a_script_that_cannot_be_unpacked_fails_and_stays_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "nic-routes"
    whole = files(sent(OLD))[SCRIPT]
    script.write_bytes(whole[:-100])

    done = subprocess.run(["sh", script, "sync"], capture_output=True, check=False)

    assert done.returncode == 1
    assert script.read_bytes() == whole[:-100]


@pytest.mark.parametrize("document", [OLD, NEW], ids=["2.3", "3.4"])
def test_what_is_added_is_less_than_a_quarter_of_what_nova_takes(document: Any) -> None:
    plain = json.dumps(document).encode()

    assert encoded_size(with_routes(plain, facts=FACTS)) - encoded_size(plain) < 16_000


@pytest.mark.parametrize("version", ["2.3.0", "3.3.0"])
def test_what_the_document_says_of_our_own_files_and_unit_has_the_last_word_and_nothing_is_named_twice(
    version: str,
) -> None:
    own = {"path": "/etc/NetworkManager/conf.d/pycapo.conf", "mode": 0o600}
    dropin = {"name": UNIT["name"], "dropins": [{"name": "10-mine.conf", "contents": "[Service]\n"}]}

    after = sent({"ignition": {"version": version}, "storage": {"files": [own]}, "systemd": {"units": [dropin]}})

    paths = [it["path"] for it in after["storage"]["files"]]
    assert len(paths) == len(set(paths)) == 4
    assert own.items() <= after["storage"]["files"][0].items()
    assert after["storage"]["files"][0]["contents"]
    assert after["systemd"]["units"] == [{**UNIT, **dropin}]


@pytest.mark.parametrize(("version", "takes_in"), [("2.3.0", "append"), ("3.2.0", "merge")])
def test_a_document_that_another_one_is_to_replace_is_taken_in_to_the_last_byte(version: str, takes_in: str) -> None:
    replace = {"source": "https://example.com/other.ign"}
    content = json.dumps({"ignition": {"version": version, "config": {"replace": replace}}}, indent=1).encode()

    after = json.loads(with_routes(content, facts=FACTS))

    (reference,) = after["ignition"]["config"].pop(takes_in)
    assert after["ignition"] == {"version": version, "config": {}}
    assert data(reference["source"]) == content
    assert SCRIPT in files(after)
    assert after["systemd"]["units"] == [UNIT]


@pytest.mark.parametrize(
    "config",
    [None, {}, {"replace": None}, {"replace": {"verification": {}}}, {"merge": [{"source": "https://example.com/"}]}],
)
def test_a_document_that_stays_is_kept_as_it_is(config: Any) -> None:
    assert sent({"ignition": {"version": "3.2.0", "config": config}})["ignition"]["config"] == config


def test_lists_may_be_left_out_in_every_way_that_ignition_knows() -> None:
    for storage in ({}, None, {"files": None}, {"files": [], "links": [{"path": "/l"}]}):
        after = sent({"ignition": {"version": "3.2.0"}, "storage": storage, "systemd": None})

        assert len(after["storage"]["files"]) == 4
        assert after["storage"].get("links") == (storage or {}).get("links")


@pytest.mark.parametrize("storage", [[], [1], "x", {"files": {"path": "/a"}}, {"files": ["/a"]}])
def test_a_document_of_a_shape_that_ignition_does_not_take_is_not_touched(storage: Any) -> None:
    content = json.dumps({"ignition": {"version": "3.2.0"}, "storage": storage or [1]}).encode()

    assert not is_supported(content)
    assert described(content).startswith("Ignition 3.2.0, whose storage.files")
