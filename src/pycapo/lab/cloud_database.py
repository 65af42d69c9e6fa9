# SPDX-License-Identifier: Apache-2.0
"""The lab's MariaDB: a server of its own on loopback, with all databases in the lab's folder.

Rule: what has to be true of the data before services start (accounts, addresses of this lab) is SQL which the server
runs while it starts, before anyone can connect.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pycapo.lab import process
from pycapo.lab.cloud_config import ADDRESS, DATABASES, PASSWORD
from pycapo.lab.cloud_install import find_program
from pycapo.lab.places import Lab, LabError, write

NAME = "mariadb"
# Nothing of a lab has to outlive a crash of the machine: no flush at commit. One file for all tables: a thousand
# files less to make, and to copy for every new lab.
SETTINGS = (
    *("--innodb-flush-log-at-trx-commit=0", "--innodb-file-per-table=0", "--innodb-doublewrite=0"),
    *("--innodb-buffer-pool-size=192M", "--innodb-log-file-size=48M", "--max-connections=600"),
    *("--performance-schema=OFF", "--skip-log-bin", "--skip-name-resolve", "--skip-symbolic-links"),
    *("--character-set-server=utf8mb3", "--lower-case-table-names=0"),
)


def create(lab: Lab) -> None:
    """Make an empty data folder."""
    data = _data(lab)
    if (data / "mysql").exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    command = [_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db", *_user()]
    command.append("--auth-root-authentication-method=normal")
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if answer.returncode:
        raise LabError(f"MariaDB's data cannot be made in {data}:\n{answer.stderr[-2000:]}{answer.stdout[-2000:]}")


def start(lab: Lab, *, statements: Sequence[str] = ()) -> None:
    """Start the server and wait until it answers; `statements` are run before it does."""
    first = lab.conf("mariadb", "first.sql")
    write(first, "\n".join(f"{statement};" for statement in (*_accounts(), *statements)) + "\n")
    data = _data(lab)
    command = [_program("mariadbd"), "--no-defaults", f"--datadir={data}", *_user(), *SETTINGS]
    # A socket relative to the data folder: the path of a lab may be longer than a socket's name can be.
    where = [f"--bind-address={ADDRESS}", f"--port={lab.ports['sql']}", "--socket=socket", f"--init-file={first}"]
    process.start(lab, NAME, [*command, *where])
    process.wait_until(lab, lambda: _answers(lab), watching=[NAME], seconds=60, what="MariaDB")


def stop(lab: Lab) -> None:
    """Stop the server; it writes down what it holds first."""
    process.stop(lab, NAME, seconds=60)


def _data(lab: Lab) -> Path:
    return lab.root / "db"


def _program(name: str) -> str:
    found = find_program(name)
    if found is None:
        raise LabError(f"{name} of MariaDB is not installed")
    return str(found)


def _user() -> list[str]:
    return ["--user=root"] if os.geteuid() == 0 else []


def _accounts() -> list[str]:
    """Return the SQL that makes the one account of the services and their databases, where they are missing."""
    account = f"'lab'@'{ADDRESS}'"
    return [
        f"create user if not exists {account} identified by '{PASSWORD}'",
        f"grant all on *.* to {account}",
        *(f"create database if not exists {name} character set utf8mb3" for name in DATABASES),
    ]


def _answers(lab: Lab) -> bool:
    try:
        with socket.create_connection((ADDRESS, lab.ports["sql"]), timeout=1) as connection:
            return bool(connection.recv(1))
    except OSError:
        return False
