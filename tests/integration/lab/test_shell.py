# SPDX-License-Identifier: Apache-2.0
"""What `pycapo lab env` prints makes the lab's tools work in a shell, as whom it says."""

import os
import subprocess
import sys

import pytest

from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, IMAGE
from pycapo.lab.places import Lab

pytestmark = pytest.mark.openstack
PYCAPO = f'{sys.executable} -c "from pycapo.cli.main import app; app()"'


def shell(lab: Lab, line: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    """A shell with nothing but the system's PATH evaluates the exports and runs a line."""
    # The environment of this Python must not help: a user's shell has none of it.
    environ = {"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"]}
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "PYCAPO_LABS", "PYCAPO_CACHE") if name in os.environ}
    exports = subprocess.run(
        f"{PYCAPO} lab env --name {lab.name} {' '.join(flags)}",
        shell=True, text=True, capture_output=True, check=True, env=environ | kept,
    ).stdout  # fmt: skip
    return subprocess.run(
        ["/bin/sh", "-c", f"{exports}\n{line}"], env=environ, capture_output=True, text=True, check=False, timeout=120
    )


def test_openstack_works_as_an_ordinary_tenant(lab: Lab) -> None:
    said = shell(lab, "openstack network list -f value -c Name && openstack server list --all-projects")

    assert EXTERNAL_NETWORK in said.stdout.split()
    assert (said.returncode, "403" in said.stderr) == (1, True)


def test_openstack_knows_load_balancers(lab: Lab) -> None:
    said = shell(lab, "openstack loadbalancer list")

    assert (said.returncode, said.stderr) == (0, "")


def test_openstack_works_as_an_administrator_when_asked(lab: Lab) -> None:
    said = shell(lab, "openstack image list -f value -c Name && openstack hypervisor list -f value", "--admin")

    assert (said.returncode, said.stdout.split()[0]) == (0, IMAGE)


@pytest.mark.parametrize("line", ["kubectl get openstackclusters -A", "clusterctl version -o short"])
def test_the_management_clusters_tools_work(lab: Lab, line: str) -> None:
    said = shell(lab, line)

    assert said.returncode == 0, said.stderr
