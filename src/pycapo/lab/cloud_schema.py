# SPDX-License-Identifier: Apache-2.0
"""The tables of the lab's OpenStack, made by the migrations of each service, several services at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pycapo.lab.cloud_config import PASSWORD, REGION, Site
from pycapo.lab.cloud_services import environment
from pycapo.lab.command import run
from pycapo.lab.places import LabError

WORKERS = 3


def migrate(site: Site) -> None:
    """Make all tables, Keystone's keys and administrator, and Nova's cells."""
    lines = [_neutron(site), _nova(site), _keystone(site), _cinder(site), _octavia(site), _glance(site)]
    with ThreadPoolExecutor(WORKERS) as pool:
        for line in [pool.submit(_run_all, site, commands) for commands in lines]:
            line.result()


Command = list[str]


def _keystone(site: Site) -> list[Command]:
    manage = ["keystone-manage", "--config-file", _conf(site, "keystone")]
    endpoint = f"{site.lab.url('keystone')}/v3"
    owner = ["--keystone-user", str(os.geteuid()), "--keystone-group", str(os.getegid())]
    urls = [part for kind in ("public", "internal", "admin") for part in (f"--bootstrap-{kind}-url", endpoint)]
    return [
        [*manage, "db_sync"],
        [*manage, "fernet_setup", *owner],
        [*manage, "credential_setup", *owner],
        [*manage, "bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION, *urls],
    ]


def _nova(site: Site) -> list[Command]:
    manage = ["nova-manage", "--config-file", _conf(site, "nova")]
    return [
        [*manage, "api_db", "sync"],
        [*manage, "cell_v2", "map_cell0", "--database_connection", site.sql("nova_cell0")],
        [*manage, "db", "sync"],
        [*manage, "cell_v2", "create_cell", "--name", "cell1"],
    ]


def _neutron(site: Site) -> list[Command]:
    return [["neutron-db-manage", "--config-file", _conf(site, "neutron"), "upgrade", "heads"]]


def _cinder(site: Site) -> list[Command]:
    return [["cinder-manage", "--config-file", _conf(site, "cinder"), "db", "sync"]]


def _octavia(site: Site) -> list[Command]:
    return [["octavia-db-manage", "--config-file", _conf(site, "octavia"), "upgrade", "head"]]


def _glance(site: Site) -> list[Command]:
    return [
        ["glance-manage", "--config-file", str(site.lab.conf("glance", "glance-api.conf")), "db_sync"],
        ["placement-manage", "--config-file", _conf(site, "placement"), "db", "sync"],
    ]


def _conf(site: Site, service: str) -> str:
    return str(site.lab.conf(service, f"{service}.conf"))


def _run_all(site: Site, commands: Sequence[Command]) -> None:
    for command in commands:
        _run(site, command)


def _run(site: Site, command: Command) -> None:
    binary = site.environment / "bin" / command[0]
    log = site.lab.log(f"{command[0]}.log")
    with log.open("ab") as output:
        arguments = [str(binary), *command[1:]]
        environ = {**os.environ, **environment(site)}
        answer = run(arguments, output=output, env=environ, cwd=site.lab.root, seconds=600)
    if answer.returncode:
        raise LabError(f"{' '.join(command)} failed; end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
