# SPDX-License-Identifier: Apache-2.0
"""The processes of the lab's OpenStack: what each is started with, and when it is ready.

Rule: a service is ready when it answers a request, which it does only after everything in its process has started.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from pycapo.lab import process
from pycapo.lab.cloud_config import ADDRESS, Site
from pycapo.lab.cloud_install import SIMULATION
from pycapo.lab.places import Lab, write

MODULES = {
    "keystone": "keystone.wsgi.api",
    "placement": "placement.wsgi.api",
    "glance": "glance.wsgi.api",
    "neutron": "neutron.wsgi.api",
    "nova": "labsim.nova_whole",
    "cinder": "labsim.cinder_whole",
    "octavia": "labsim.octavia_whole",
}
# What services look up by name of an installed package, as they would if the lab's drivers were installed.
ENTRY_POINTS = """\
[neutron.ml2.mechanism_drivers]
labsim = labsim.switching:LabMechanismDriver
[octavia.network.drivers]
labsim = labsim.balancer:LabNetworkDriver
"""


def services(site: Site) -> list[str]:
    """Return the names of the services that this lab has, in the order to start them."""
    return [name for name in MODULES if name != "octavia" or site.options.octavia]


def start(site: Site, names: Iterable[str]) -> None:
    """Start services without waiting for them."""
    environ = environment(site)
    python = site.environment / "bin" / "python"
    for name in names:
        address = f"{ADDRESS}:{site.lab.ports[name]}"
        command = [str(python), "-m", "labsim.serve", name, MODULES[name], address, *_arguments(site, name)]
        process.start(site.lab, name, command, env=environ, cwd=site.lab.root)


def wait(site: Site, names: Iterable[str], *, seconds: float = 180) -> None:
    """Return when all of these services answer."""
    for name in names:
        check = partial(answers, site.lab, name)
        process.wait_until(site.lab, check, watching=[name], seconds=seconds, what=name)


def answers(lab: Lab, name: str) -> bool:
    """Tell whether a service answers requests, whatever it says."""
    request = urllib.request.Request(f"{lab.url(name)}/", headers={"User-Agent": "pycapo-lab"})
    try:
        with urllib.request.urlopen(request, timeout=30):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def stop(lab: Lab) -> None:
    """Stop all services that run, the ones which others need last."""
    for name in reversed(MODULES):
        process.stop(lab, name, seconds=15)


def environment(site: Site) -> dict[str, str]:
    """Return the environment variables of every program of the site."""
    conf = site.lab.root / "conf"
    return {
        "PYTHONPATH": str(_import_folder(site.lab)),
        "PYTHONWARNINGS": "ignore",
        "PYTHONNODEBUGRANGES": "1",  # a tenth less memory, and a quicker start
        "LABSIM_ROOT": str(site.lab.root),
        "LABSIM_COMPUTES": str(site.options.computes),
        "OS_KEYSTONE_CONFIG_DIR": str(conf / "keystone"),
        "OS_PLACEMENT_CONFIG_DIR": str(conf / "placement"),
        "OS_GLANCE_CONFIG_DIR": str(conf / "glance"),
        "OS_NOVA_CONFIG_DIR": str(conf / "nova"),
        # Nova takes the first file for that of its pipeline, whatever the configuration says.
        "OS_NOVA_CONFIG_FILES": f"{site.etc('nova', 'api-paste.ini')};nova.conf",
        "OS_NEUTRON_CONFIG_DIR": str(conf / "neutron"),
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf",
    }


def _arguments(site: Site, name: str) -> list[str]:
    """Return the command line of the services that take their configuration from it."""
    if name in ("cinder", "octavia"):
        return ["--config-file", str(site.lab.conf(name, f"{name}.conf"))]
    return []


def _import_folder(lab: Lab) -> Path:
    """Return a folder that lets services import `labsim` and nothing else of ours."""
    folder = lab.folder("conf", "python")
    link = folder / "labsim"
    if not link.is_symlink() or link.readlink() != SIMULATION:
        link.unlink(missing_ok=True)
        link.symlink_to(SIMULATION)
    metadata = folder / "labsim-1.dist-info"
    write(metadata / "METADATA", "Metadata-Version: 2.1\nName: labsim\nVersion: 1\n")
    write(metadata / "entry_points.txt", ENTRY_POINTS)
    return folder
