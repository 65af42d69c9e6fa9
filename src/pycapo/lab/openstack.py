# SPDX-License-Identifier: Apache-2.0
"""The lab's OpenStack: real Keystone, Placement, Glance, Nova, Neutron, Cinder and Octavia on loopback.

Hardware is stood in for by the drivers of `labsim`: hypervisor, network agents, amphorae, storage. Everything above
is real: API, validation, policy, quota, scheduling, database.

Rule: `up` may be called on a lab in any state, and what runs already is left alone.
"""

from __future__ import annotations

from pathlib import Path

from pycapo.lab import cloud_database, cloud_services, process
from pycapo.lab.cloud_bootstrap import write_clouds
from pycapo.lab.cloud_config import CloudOptions, Site, write_configuration
from pycapo.lab.cloud_faults import Faults
from pycapo.lab.cloud_install import environment, installed
from pycapo.lab.cloud_template import corrections, furnish
from pycapo.lab.cloud_template import prepare as prepare_data
from pycapo.lab.places import Lab
from pycapo.lab.progress import Progress

__all__ = ["CloudOptions", "down", "faults", "prepare", "status", "up"]


def up(lab: Lab, options: CloudOptions, progress: Progress) -> None:
    """Bring the lab's OpenStack up and return when every service answers.

    The options count for services which do not run yet: take a lab down to change them.
    """
    site = Site(lab, installed(progress), options)
    write_clouds(lab)
    link_client(lab, site.environment)
    wanted = cloud_services.services(site)
    if all(process.alive(lab, name) for name in (cloud_database.NAME, *wanted)):
        cloud_services.wait(site, wanted)
        return
    furnish(site, progress)
    write_configuration(site)
    lab.folder("faults")
    if not process.alive(lab, cloud_database.NAME):
        with progress.step("start MariaDB"):
            cloud_database.start(lab, statements=corrections(site))
    with progress.step(f"start OpenStack ({', '.join(wanted)})"):
        cloud_services.start(site, wanted)
        cloud_services.wait(site, wanted)


def prepare(lab: Lab, progress: Progress) -> None:
    """Do what the first `up` of any lab would have to: install packages, make the data that labs start from."""
    prepare_data(Site(lab, installed(progress), CloudOptions()), progress)


def link_client(lab: Lab, environment: Path) -> None:
    """Put the command `openstack` beside the lab's other programs; its script finds its own Python."""
    link = lab.folder("bin") / "openstack"
    link.unlink(missing_ok=True)
    link.symlink_to(environment / "bin" / "openstack")


def down(lab: Lab) -> None:
    """End every process of the lab's OpenStack; its data stay and are there at the next `up`."""
    cloud_services.stop(lab)
    cloud_database.stop(lab)


def status(lab: Lab) -> dict[str, bool]:
    """Return for MariaDB and each service whether it runs; what was never started is not listed."""
    known = process.names(lab)
    return {name: process.alive(lab, name) for name in (cloud_database.NAME, *cloud_services.MODULES) if name in known}


def faults(lab: Lab) -> Faults:
    """Return the knobs by which the lab's cloud fails when asked."""
    return Faults(lab)


def is_installed() -> bool:
    """Tell whether the services' packages are in the cache."""
    return (environment() / "bin" / "python").exists()
