# SPDX-License-Identifier: Apache-2.0
"""Where a lab lives: its folders, its ports, and its loopback network.

Rule: every lab of one user, whatever its cache folder, owns a block of ports and a loopback network that no other lab
of that user has; it keeps both for as long as its state exists, running or not.
"""

import fcntl
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

_CAPI_PORTS = [
    f"capi_{manager}_{use}"
    for manager in ("core", "bootstrap", "controlplane")
    for use in ("webhook", "health", "diagnostics")
]
PORT_NAMES = (
    *("apiserver", "etcd", "etcd_peer", "controllers"),
    *_CAPI_PORTS,
    *("pycapo_webhook", "pycapo_metrics", "pycapo_health"),
    *("keystone", "placement", "glance", "nova", "neutron", "cinder", "octavia", "sql"),
    *(f"spare_{number}" for number in range(10)),
    "workload_health",
    *(f"in_cluster_ipam_{use}" for use in ("webhook", "health", "diagnostics")),
)
# Below 32768: in the ephemeral range an outgoing connection of another process may hold a port when its owner starts.
FIRST_PORT, PORTS_PER_LAB = 20000, 40
# A lab's floating IPs are 127.<100 + network_index>.x.y, so the index ends where the octet does.
NETWORK_INDEXES = range(1, 151)


class LabError(Exception):
    """Something that stops the lab; its message says what happened and what to do about it."""


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab: its state folder, its TCP ports by name, and the number of its loopback network (1..150)."""

    name: str
    root: Path
    ports: Mapping[str, int]
    network_index: int

    def folder(self, *parts: str) -> Path:
        """Return a folder below the lab's root and make it, readable by its owner only."""
        path = self.root.joinpath(*parts)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.folder("log") / process

    def pid(self, process: str) -> Path:
        """Return the pid file of a process."""
        return self.folder("pid") / process

    def conf(self, *parts: str) -> Path:
        """Return a configuration file of the lab; the folder above it exists."""
        return self.folder("conf", *parts[:-1]) / parts[-1]

    @property
    def pki(self) -> Path:
        """The folder of certificates and keys."""
        return self.folder("pki")

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.root / "kubeconfig"

    def url(self, port: str, *, scheme: str = "http") -> str:
        """Return the loopback URL of a named port, without a final slash."""
        return f"{scheme}://127.0.0.1:{self.ports[port]}"


def cache() -> Path:
    """Return the folder for what is made once and used by all labs ($PYCAPO_CACHE, else ~/.cache/pycapo)."""
    return Path(os.environ.get("PYCAPO_CACHE") or Path.home() / ".cache" / "pycapo").absolute()


def labs() -> Path:
    """Return the folder that holds the state of all labs ($PYCAPO_LABS, else `labs` in the cache)."""
    return Path(os.environ.get("PYCAPO_LABS") or cache() / "labs").absolute()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs; waits for another holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old or the new content, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    os.chmod(file.name, mode)
    os.replace(file.name, path)


def open_lab(name: str) -> Lab:
    """Return the lab of that name and claim ports and a loopback network for it when it is new."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise LabError(f"lab name {name!r}: 1 to 32 lower-case letters, digits and hyphens are wanted")
    root = labs() / name
    with locked(_register().with_suffix(".lock")):
        if known := _load(root):
            _claim(root, known.network_index)  # the register may have been lost; the lab itself is what counts
            return known
        index = _free_index()
        lab = Lab(name, root, MappingProxyType(_block(index)), index)
        document = {"name": name, "network_index": index, "ports": dict(lab.ports)}
        write(root / "lab.json", json.dumps(document, indent=1) + "\n")
        _claim(root, index)
        return lab


def find_lab(name: str) -> Lab | None:
    """Return the lab of that name, or None when it has no state."""
    return _load(labs() / name)


def forget_lab(lab: Lab) -> None:
    """Delete the state of a lab (which must not run) and give its ports back."""
    with locked(_register().with_suffix(".lock")):
        shutil.rmtree(lab.root, ignore_errors=False)
        write(_register(), json.dumps({root: n for root, n in _claims().items() if root != str(lab.root)}))


def _load(root: Path) -> Lab | None:
    try:
        document = json.loads((root / "lab.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabError(
            f"{root / 'lab.json'} is not readable ({error}); delete the folder {root} to start anew"
        ) from error
    ports = {**_block(document["network_index"]), **document["ports"]}  # a newer version may know more names
    return Lab(document["name"], root, MappingProxyType(ports), document["network_index"])


def _block(index: int) -> dict[str, int]:
    first = FIRST_PORT + PORTS_PER_LAB * index
    return {name: first + offset for offset, name in enumerate(PORT_NAMES)}


def _register() -> Path:
    # Not in the cache: labs of several caches share the ports of one machine.
    return Path(tempfile.gettempdir()) / f"pycapo-labs-{os.getuid()}.json"


def _claims() -> dict[str, int]:
    """Return state folder -> network index for all labs which still have state."""
    try:
        claims: dict[str, int] = json.loads(_register().read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {root: index for root, index in claims.items() if (Path(root) / "lab.json").exists()}


def _claim(root: Path, index: int) -> None:
    claims = _claims()
    if claims.get(str(root)) != index:
        write(_register(), json.dumps({**claims, str(root): index}))


def _free_index() -> int:
    taken = set(_claims().values())
    for index in NETWORK_INDEXES:
        if index not in taken and all(map(_free, _block(index).values())):
            return index
    raise LabError(
        f"no block of free ports from {FIRST_PORT} for another lab; remove a lab with `pycapo lab down --delete-state`"
    )


def _free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))  # all addresses: some managers listen on every one
        except OSError:
            return False
    return True
