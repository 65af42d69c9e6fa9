# SPDX-License-Identifier: Apache-2.0
"""A guest whose files Ignition wrote answers on every NIC, as one that cloud-init gave its boothook does."""

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guest_system import facts
from neutron_like import NeutronLike, address6, floating_ip
from pycapo.plan.user_data import extended

PROGRAMS = (
    *("sh", "ip", "nft", "awk", "grep", "sed", "sort", "uniq", "comm", "cat", "cmp", "head", "tail", "tr"),
    *("mv", "rm", "cp", "mkdir", "touch", "flock", "sleep", "chmod"),
)
FIRST_BOOT = """
mount -t tmpfs none /opt && mount -t tmpfs none /etc && mount -t tmpfs none /run || exit 1
cp -R "$0"/. / || exit 1
echo 'ALSO="ens*"' >/etc/pycapo/nic-routes.conf
/opt/pycapo/nic-routes sync
"""


def write(document: Any, place: Path) -> None:
    """The files of a document below a place, as Ignition writes them at first boot."""
    for file in document["storage"]["files"]:
        source = file["contents"]["source"].removeprefix("data:;base64,")
        path = place / file["path"].lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.decompress(base64.b64decode(source)))
        path.chmod(file["mode"])


@pytest.mark.parametrize("version", ["2.3.0", "3.4.0"])
def test_a_guest_of_ignition_answers_on_every_nic(
    networks: Callable[..., NeutronLike], tmp_path: Path, version: str
) -> None:
    world = networks()
    for number in (1, 2, 3):
        world.address(number, metric=100 + number)
    every = sorted([floating_ip(number) for number in (1, 2, 3)] + [address6(number) for number in (1, 2, 3)])
    sent = extended(json.dumps({"ignition": {"version": version}}).encode(), "ignition", facts=facts())
    write(json.loads(sent), tmp_path / "files")

    before = world.reached(every)
    world.boot(FIRST_BOOT, tmp_path / "files", programs=PROGRAMS, fake={}, calls=tmp_path / "calls")

    assert before != every
    assert world.reached_soon(every) == every
