# SPDX-License-Identifier: Apache-2.0
"""The data that every new lab starts from: a cloud migrated and furnished once, then copied and put right.

Rule: a template is built as a lab of its own beside its place and moved there when complete; its name holds the hash
of everything that it was made by.

    packages + our code -> a lab in the cache -> migrate -> furnish -> stop -> template
    template -> copy -> SQL that replaces ports, folders and the loopback network -> a lab's own data
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pycapo.lab import cloud_bootstrap, cloud_database, cloud_schema, cloud_services, process
from pycapo.lab.cloud_bootstrap import loopback_prefix
from pycapo.lab.cloud_config import ADDRESS, CloudOptions, Site, write_configuration
from pycapo.lab.cloud_install import lock_hash
from pycapo.lab.places import Lab, cache, locked, write
from pycapo.lab.progress import Progress

PARTS = ("db", "state")
ORIGIN = "origin.json"
# What the data follow from; configuration is rendered anew for each lab.
SOURCES = ("cloud_bootstrap.py", "cloud_schema.py", "cloud_template.py", "labsim/compute.py")


def furnish(site: Site, progress: Progress) -> None:
    """Give a lab its data, from the template, when it has none."""
    lab = site.lab
    origin = lab.root / ORIGIN
    if origin.exists():
        return
    template = prepare(site, progress)
    for part in PARTS:
        shutil.rmtree(lab.root / part, ignore_errors=True)
        shutil.copytree(template / part, lab.root / part)
    # Last: a copy that was cut short is made anew.
    write(origin, (template / ORIGIN).read_text())


def corrections(site: Site) -> list[str]:
    """Return the SQL that makes copied data those of this lab, with the options it has now; it may be run again."""
    origin = json.loads((site.lab.root / ORIGIN).read_text())
    return [*_addresses(site.lab, origin), *_options(site.options)]


def describe(lab: Lab) -> dict[str, Any]:
    """Return what of a lab is written into its data."""
    return {"ports": dict(lab.ports), "root": str(lab.root), "prefix": loopback_prefix(lab)}


def _addresses(lab: Lab, origin: Mapping[str, Any]) -> list[str]:
    statements = []
    for service in cloud_services.MODULES:
        old, new = f"{ADDRESS}:{origin['ports'][service]}/", f"{ADDRESS}:{lab.ports[service]}/"
        # A path may be empty, so the end of the URL is compared with a slash put behind it.
        value = f"trim(trailing '/' from replace(concat(url, '/'), '{old}', '{new}'))"
        statements.append(f"update keystone.endpoint set url = {value} where concat(url, '/') like '%{old}%'")
    old, new = f"{ADDRESS}:{origin['ports']['sql']}/", f"{ADDRESS}:{lab.ports['sql']}/"
    statements += [
        _replacement("nova_api.cell_mappings", "database_connection", old, new),
        _replacement("glance.image_locations", "value", f"{origin['root']}/", f"{lab.root}/"),
    ]
    for table, column in NETWORK_COLUMNS:
        statements.append(_replacement(table, column, origin["prefix"], loopback_prefix(lab)))
    return statements


NETWORK_COLUMNS = (
    ("neutron.subnets", "cidr"),
    ("neutron.subnets", "gateway_ip"),
    ("neutron.ipallocationpools", "first_ip"),
    ("neutron.ipallocationpools", "last_ip"),
    ("neutron.ipamallocationpools", "first_ip"),
    ("neutron.ipamallocationpools", "last_ip"),
)


def _options(options: CloudOptions) -> list[str]:
    offered = int(options.octavia)
    fresh = "update {0}.services set {1} where deleted = 0"
    return [
        f"update keystone.service set enabled = {offered} where type = 'load-balancer'",
        # The hosts start with the service that reads this; until each has reported, the last report is too old.
        fresh.format("nova", "last_seen_up = utc_timestamp(), updated_at = utc_timestamp()"),
    ]


def _replacement(table: str, column: str, old: str, new: str) -> str:
    return f"update {table} set {column} = replace({column}, '{old}', '{new}') where {column} like '%{old}%'"


def prepare(site: Site, progress: Progress) -> Path:
    """Return the folder of the template; it is made with this lab's ports when it is missing."""
    place = cache() / f"openstack-data-{_hash()}"
    if (place / ORIGIN).exists():
        return place
    with locked(place.with_suffix(".lock")):
        if not (place / ORIGIN).exists():
            _build(site, place, progress)
    return place


def _build(site: Site, place: Path, progress: Progress) -> None:
    """Build the template with the lab's own ports, which are free as long as the lab has no data."""
    building = replace(site, lab=replace(site.lab, root=place.with_name(f"{place.name}.building")))
    building = replace(building, options=CloudOptions())
    _stop(building.lab)  # the rest of a build that was cut short
    shutil.rmtree(building.lab.root, ignore_errors=True)
    try:
        _make(building, progress)
    finally:
        _stop(building.lab)
    shutil.rmtree(place, ignore_errors=True)
    for part in PARTS:
        shutil.move(building.lab.root / part, place / part)
    write(place / ORIGIN, json.dumps(describe(building.lab)))
    shutil.rmtree(building.lab.root)


def _make(site: Site, progress: Progress) -> None:
    write_configuration(site)
    with progress.step("make the template: databases and tables (once)"):
        cloud_database.create(site.lab)
        cloud_database.start(site.lab)
        cloud_schema.migrate(site)
    needed = cloud_services.services(site)
    with progress.step("make the template: users, flavors, zones, networks (once)"):
        cloud_services.start(site, ["keystone"])
        cloud_services.wait(site, ["keystone"])
        cloud_bootstrap.make_identities(site)
        cloud_services.start(site, needed)
        cloud_services.wait(site, needed)
        check = partial(_has_computes, site)
        process.wait_until(site.lab, check, watching=["nova"], seconds=60, what="the compute hosts")
        cloud_bootstrap.make_offers(site)


def _has_computes(site: Site) -> bool:
    return len(cloud_bootstrap.computes_up(site.lab)) >= site.options.computes


def _stop(lab: Lab) -> None:
    cloud_services.stop(lab)
    cloud_database.stop(lab)


def _hash() -> str:
    digest = hashlib.sha256(lock_hash().encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]
