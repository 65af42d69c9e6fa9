# SPDX-License-Identifier: Apache-2.0
"""The lab's OpenStack is configured from its ports, folders and options alone."""

import configparser
from pathlib import Path
from types import MappingProxyType

import pytest

from pycapo.lab import cloud_config
from pycapo.lab.cloud_config import CloudOptions, Ini, Site
from pycapo.lab.places import PORT_NAMES, Lab


def a_site(root: Path, **options: bool) -> Site:
    ports = MappingProxyType({name: 20100 + number for number, name in enumerate(PORT_NAMES)})
    return Site(Lab("a", root, ports, 2), Path("/environment"), CloudOptions(**options))


def all_of(site: Site) -> dict[str, Ini]:
    return {path: service(site) for path, service in cloud_config.FILES.items()}


def test_a_list_becomes_one_line_for_each_value() -> None:
    text = cloud_config.render({"pci": {"alias": ["one", "two"], "off": False, "empty": ""}})

    assert text == "[pci]\nalias = one\nalias = two\noff = False\nempty =\n"


@pytest.mark.parametrize("path", sorted(cloud_config.FILES))
def test_what_is_written_is_read_back(path: str, tmp_path: Path) -> None:
    cloud_config.write_configuration(a_site(tmp_path))
    parser = configparser.RawConfigParser(default_section="none")

    parser.read(tmp_path / "conf" / path)

    assert parser.sections() == list(cloud_config.FILES[path](a_site(tmp_path)))


def test_nothing_listens_or_is_looked_for_beyond_loopback(tmp_path: Path) -> None:
    for path, ini in all_of(a_site(tmp_path)).items():
        urls = [word for word in cloud_config.render(ini).split() if "://" in word and "file:" not in word]

        assert [url for url in urls if "127.0.0.1" not in url and url != "fake://"] == [], path


def test_each_lab_has_databases_of_its_own(tmp_path: Path) -> None:
    site = a_site(tmp_path)

    assert f":{site.lab.ports['sql']}/nova_api?" in str(cloud_config.nova(site)["api_database"]["connection"])


def test_volume_back_ends_have_no_section_that_means_something_else(tmp_path: Path) -> None:
    """A back end named `nova` would lose its driver to the settings by which Cinder reaches Nova."""
    ini = cloud_config.cinder(a_site(tmp_path))

    backends = str(ini["DEFAULT"]["enabled_backends"]).split(",")

    assert [ini[name]["backend_availability_zone"] for name in backends] == ["nova", "az1", "az2"]
    assert all("volume_driver" in ini[name] for name in backends)


def test_a_lab_without_trunk_loads_no_trunk_plugin() -> None:
    assert "trunk" in cloud_config.neutron_plugins(CloudOptions())
    assert "trunk" not in cloud_config.neutron_plugins(CloudOptions(trunk=False))


def test_a_lab_of_an_older_cloud_takes_no_tags_while_making() -> None:
    driver = "tag_ports_during_bulk_creation"

    assert driver in cloud_config.neutron_extension_drivers(CloudOptions())
    assert driver not in cloud_config.neutron_extension_drivers(CloudOptions(tag_creation=False))


def test_small_quotas_hold_no_cluster(tmp_path: Path) -> None:
    site = a_site(tmp_path, small_quotas=True)

    assert cloud_config.neutron(site)["quotas"]["quota_router"] == 2
    assert cloud_config.nova(site)["quota"]["instances"] == 3
    assert cloud_config.octavia(site)["quotas"]["default_load_balancer"] == 1
    assert cloud_config.cinder(site)["DEFAULT"]["quota_volumes"] == 2


def test_every_compute_host_is_in_one_zone() -> None:
    hosts = [host for zone in cloud_config.ZONES.values() for host in zone]

    assert sorted(hosts) == [f"compute-{number}" for number in range(1, CloudOptions().computes + 1)]
    assert len(cloud_config.ZONES) == 2
