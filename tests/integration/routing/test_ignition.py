# SPDX-License-Identifier: Apache-2.0
"""A guest that Ignition itself set up answers on every NIC, as one that cloud-init gave its boothook does.

Cluster API's bootstrap data ─► ours added ─► Ignition ─► files, presets ─► systemctl preset-all ─► the service, as enabled
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import real_ignition
from guest_system import facts
from neutron_like import NeutronLike, address6, floating_ip, only
from pycapo.plan.guest_files import guest_file
from pycapo.plan.user_data import extended, format_of
from real_ignition import Refused

PROGRAMS = (
    *("sh", "ip", "nft", "awk", "grep", "sed", "sort", "uniq", "comm", "cat", "cmp", "head", "tail", "tr", "gzip"),
    *("mv", "rm", "cp", "mkdir", "touch", "flock", "sleep", "chmod", "mount"),
)
BOOT = """
mount -t tmpfs none /opt && mount -t tmpfs none /etc && mount -t tmpfs none /run || exit 1
cp -R "$0"/. / || exit 1
echo 'ALSO="ens*"' >/etc/pycapo/nic-routes.conf
unit=/etc/systemd/system/multi-user.target.wants/pycapo-nic-routes.service
sed -n 's/^ExecStartPre=-//p' "$unit" | sh
exec sh -c "$(sed -n 's/^ExecStart=//p' "$unit")"
"""
VERSIONS = ["2.3.0", "3.0.0", "3.1.0", "3.2.0", "3.3.0"]
OURS = "pycapo-nic-routes.service"
OWN = {
    "etc/pycapo/nic-routes.facts": facts(),
    "etc/systemd/networkd.conf.d/pycapo.conf": guest_file("networkd.conf"),
    "etc/NetworkManager/conf.d/pycapo.conf": guest_file("network-manager.conf"),
    f"etc/systemd/system/{OURS}": guest_file(OURS),
}
"""Files that are ours, besides the script, which versions write in different forms."""
RESULTS = {"etc/.ignition-result.json"}
OTHER = {
    "name": "other.service",
    "enabled": True,
    "contents": "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
}


def bootstrap_data(version: str) -> Any:
    """What the kubeadm bootstrap provider writes, of another version where one is wanted."""
    document = json.loads(real_ignition.kubeadm_data())
    if version.startswith("2."):
        return document
    files = [{**file, "filesystem": None} for file in document["storage"]["files"]]
    plain = [{key: value for key, value in file.items() if value is not None} for file in files]
    return {"ignition": {"version": version}, "storage": {"files": plain}, "systemd": document["systemd"]}


def sent(document: Any) -> bytes:
    content = json.dumps(document).encode()
    assert format_of(content, named="ignition") == "ignition"
    return extended(content, "ignition", facts=facts())


def written(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", ["2.3.0", "3.3.0"])
def test_a_guest_of_ignition_answers_on_every_nic(
    networks: Callable[..., NeutronLike], tmp_path: Path, version: str
) -> None:
    root = tmp_path / "files"
    real_ignition.of_version(version).install(sent(bootstrap_data(version)), root)
    started = real_ignition.enabled(root)
    world = networks()
    for number in (1, 2, 3):
        world.address(number, metric=100 + number)
    every = sorted([floating_ip(number) for number in (1, 2, 3)] + [address6(number) for number in (1, 2, 3)])

    before = world.reached(every)
    world.start("vm", "env", f"PATH={only(tmp_path / 'bin', PROGRAMS)}", "sh", "-c", BOOT, str(root))

    assert started == ["kubeadm.service", OURS]
    assert before != every
    assert world.reached_soon(every) == every


@pytest.mark.parametrize("version", VERSIONS)
def test_ignition_writes_ours_and_what_the_bootstrap_provider_wants_as_it_does_without_ours(
    tmp_path: Path, version: str
) -> None:
    ignition, document = real_ignition.of_version(version), bootstrap_data(version)
    for name, content in (("plain", json.dumps(document).encode()), ("ours", sent(document))):
        ignition.install(content, tmp_path / name)

    plain, ours = written(tmp_path / "plain"), written(tmp_path / "ours")

    presets = "etc/systemd/system-preset/20-ignition.preset"
    assert "etc/kubeadm.sh" in plain
    assert set(ours.pop(presets).splitlines()) == {*plain.pop(presets).splitlines(), f"enable {OURS}".encode()}
    assert {name: ours.pop(name) for name in plain if name not in RESULTS}.items() <= plain.items()
    assert set(ours) - RESULTS == {"opt/pycapo/nic-routes", *OWN}
    assert {name: ours[name].decode() for name in OWN} == OWN


@pytest.mark.parametrize("version", VERSIONS)
def test_a_document_that_another_one_replaces_does_not_take_ours_along(tmp_path: Path, version: str) -> None:
    document = bootstrap_data(version)
    other = {"ignition": {"version": version}, "systemd": {"units": [OTHER]}}
    document["ignition"]["config"] = {"replace": {"source": f"data:,{quote(json.dumps(other))}"}}

    real_ignition.of_version(version).install(sent(document), tmp_path)

    assert real_ignition.enabled(tmp_path) == ["other.service", OURS]
    assert not (tmp_path / "etc/kubeadm.sh").exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_ignition_does_not_take_is_refused_by_the_same_command(tmp_path: Path, version: str) -> None:
    ignition = real_ignition.of_version(version)
    broken = bootstrap_data(version)
    broken["storage"]["files"].append({"filesystem": "root", "path": "relative"})

    with pytest.raises(Refused):
        ignition.install(sent(broken), tmp_path)
    with pytest.raises(Refused):
        ignition.install(sent({"ignition": {"version": "3.99.0"}}), tmp_path)


def test_ignition_2_does_not_unpack_what_a_document_holds(tmp_path: Path) -> None:
    """Why it is given nothing to unpack: a guest would not get through its first boot."""
    document = json.loads(sent(bootstrap_data("2.3.0")))
    document["storage"]["files"][-1]["contents"]["compression"] = "gzip"

    with pytest.raises(Refused, match="compression is not supported"):
        real_ignition.of_version("2.3.0").install(json.dumps(document).encode(), tmp_path)


@pytest.mark.parametrize("version", ["3.0.0", "3.3.0", "3.4.0", "3.5.0"])
def test_the_validator_of_newer_versions_takes_the_document_and_refuses_a_broken_one(version: str) -> None:
    broken = bootstrap_data(version)
    broken["storage"]["files"].append({"path": "relative"})

    real_ignition.validate(sent(bootstrap_data(version)))
    with pytest.raises(Refused):
        real_ignition.validate(sent(broken))
    with pytest.raises(Refused):
        real_ignition.validate(sent({"ignition": {"version": "3.99.0"}}))
