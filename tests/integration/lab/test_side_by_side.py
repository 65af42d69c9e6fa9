# SPDX-License-Identifier: Apache-2.0
"""Two labs on one machine: neither touches the other, and one that is taken down leaves nothing behind."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab_traces import traces
from pycapo.lab import cloud_database, cloud_services, life, process
from pycapo.lab.cloud_bootstrap import TENANT, connect, write_clouds
from pycapo.lab.cloud_config import CloudOptions, Site, write_configuration
from pycapo.lab.cloud_install import installed
from pycapo.lab.cloud_template import corrections, furnish
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, find_lab, open_lab
from pycapo.lab.progress import quiet

pytestmark = [pytest.mark.apiserver, pytest.mark.openstack]


@dataclass(frozen=True)
class Second:
    """A lab beside that of all tests: a management cluster, MariaDB and Keystone. `before` are the pids of the other."""

    lab: Lab
    before: dict[str, int | None]


def pids(lab: Lab) -> dict[str, int | None]:
    return {name: process.pid(lab, name) for name in process.names(lab)}


def start_keystone(lab: Lab) -> None:
    site = Site(lab, installed(quiet()), CloudOptions())
    furnish(site, quiet())
    write_configuration(site)
    write_clouds(lab)
    cloud_database.start(lab, statements=corrections(site))
    cloud_services.start(site, ["keystone"])
    cloud_services.wait(site, ["keystone"])


@pytest.fixture(scope="module")
def second(lab: Lab) -> Iterator[Second]:
    before = pids(lab)
    made = open_lab(f"{lab.name}-second")
    try:
        life.up(made, life.Options(None, controller=False), (), progress=quiet())
        start_keystone(made)
        yield Second(made, before)
    finally:
        if find_lab(made.name):
            life.down(made, delete_state=True)


def test_labs_share_no_port_folder_or_network(lab: Lab, second: Second) -> None:
    assert not set(lab.ports.values()) & set(second.lab.ports.values())
    assert lab.network_index != second.lab.network_index
    assert lab.root not in (second.lab.root, *second.lab.root.parents)


def test_starting_a_lab_leaves_the_processes_of_another_alone(lab: Lab, second: Second) -> None:
    assert pids(lab) == second.before
    assert not set(pids(lab).values()) & set(pids(second.lab).values())


def test_an_object_of_one_lab_is_unknown_to_the_other(lab: Lab, second: Second) -> None:
    name = "only-in-the-second"
    KubeAPI(second.lab).apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}])

    found = [KubeAPI(it).request("GET", f"api/v1/namespaces/{name}", absent={}) for it in (lab, second.lab)]

    assert [bool(it) for it in found] == [False, True]


def test_each_lab_has_a_catalog_of_its_own(lab: Lab, second: Second) -> None:
    catalogs = [connect(it, TENANT).session.get_endpoint(service_type="network") for it in (lab, second.lab)]

    assert catalogs == [lab.url("neutron"), second.lab.url("neutron")]


def test_a_lab_that_is_taken_down_leaves_nothing_and_the_other_runs_on(lab: Lab, second: Second) -> None:
    assert traces(second.lab)

    life.down(second.lab, delete_state=True)

    assert not traces(second.lab)
    assert not second.lab.root.exists()
    assert pids(lab) == second.before
    assert [row.name for row in life.status(lab) if not row.healthy] == []
