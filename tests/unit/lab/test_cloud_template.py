# SPDX-License-Identifier: Apache-2.0
"""A new lab's data are a copy of the template, put right by SQL: ports, folders, the loopback network, the options."""

import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from pycapo.lab import cloud_template
from pycapo.lab.cloud_bootstrap import all_clouds_file, clouds_file, loopback_prefix, write_clouds
from pycapo.lab.cloud_config import CloudOptions, Site
from pycapo.lab.places import PORT_NAMES, Lab


def a_lab(root: Path, number: int) -> Lab:
    ports = {name: 20000 + 40 * number + offset for offset, name in enumerate(PORT_NAMES)}
    return Lab(f"lab{number}", root / f"lab{number}", MappingProxyType(ports), number)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A lab whose data were copied from a template that another lab made."""
    lab = a_lab(tmp_path, 7)
    lab.folder()
    (lab.root / cloud_template.ORIGIN).write_text(json.dumps(cloud_template.describe(a_lab(tmp_path, 3))))
    return Site(lab, Path("/environment"), CloudOptions())


def test_every_service_gets_its_own_port_into_the_catalog(site: Site, tmp_path: Path) -> None:
    text = "\n".join(cloud_template.corrections(site))

    for service in ("keystone", "placement", "glance", "nova", "neutron", "cinder", "octavia", "sql"):
        old, new = a_lab(tmp_path, 3).ports[service], site.lab.ports[service]
        assert f"'127.0.0.1:{old}/', '127.0.0.1:{new}/'" in text


def test_floating_ips_move_to_the_labs_own_loopback_network(site: Site) -> None:
    moved = [line for line in cloud_template.corrections(site) if "'127.103.', '127.107.'" in line]

    assert len(moved) == len(cloud_template.NETWORK_COLUMNS)


def test_images_are_found_in_the_labs_own_folder(site: Site, tmp_path: Path) -> None:
    text = "\n".join(cloud_template.corrections(site))

    assert f"replace(value, '{tmp_path}/lab3/', '{tmp_path}/lab7/')" in text


@pytest.mark.parametrize(("octavia", "enabled"), [(True, 1), (False, 0)])
def test_a_lab_without_load_balancers_does_not_offer_them(site: Site, octavia: bool, enabled: int) -> None:
    wanted = Site(site.lab, site.environment, CloudOptions(octavia=octavia))

    statement = f"update keystone.service set enabled = {enabled} where type = 'load-balancer'"

    assert statement in cloud_template.corrections(wanted)


def test_statements_fit_on_a_line_each(site: Site) -> None:
    """MariaDB takes each line of the file that it starts with for a statement."""
    assert not [text for text in cloud_template.corrections(site) if "\n" in text or ";" in text]


@pytest.mark.parametrize(
    ("file", "names"), [(clouds_file, ["pycapo"]), (all_clouds_file, ["pycapo", "other", "admin"])]
)
def test_a_users_clouds_are_one_tenant_and_the_labs_are_all(
    site: Site, file: Callable[[Lab], Path], names: list[str]
) -> None:
    write_clouds(site.lab)

    path = file(site.lab)

    clouds = yaml.safe_load(path.read_text())["clouds"]
    assert (list(clouds), path.stat().st_mode & 0o077) == (names, 0)
    assert {entry["auth"]["auth_url"] for entry in clouds.values()} == {f"{site.lab.url('keystone')}/v3"}


def test_two_labs_have_loopback_networks_apart(tmp_path: Path) -> None:
    assert {loopback_prefix(a_lab(tmp_path, number)) for number in (1, 150)} == {"127.101.", "127.250."}
