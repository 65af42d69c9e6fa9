# SPDX-License-Identifier: Apache-2.0
"""What of a lab can be seen on the machine: processes, ports it listens on, mounts. Nothing of it may outlive `down`."""

import os
from collections.abc import Iterator
from pathlib import Path

from pycapo.lab.places import Lab

_LISTEN = "0A"
_LITTLE_ENDIAN_BYTE = 2  # hexadecimal digits


def traces(lab: Lab) -> list[str]:
    """Each trace of a lab in words, to be read by whoever has to find out where it came from."""
    return [*_processes(lab.root), *_listeners(lab), *_mounts(lab.root)]


def _processes(root: Path) -> Iterator[str]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid() and str(root) in _seen(path):
            yield f"process {path.name}: {_text(path / 'cmdline')[:200]}"


def _seen(path: Path) -> str:
    """What names the lab in a process of it; a shell that merely points at the lab is none."""
    environ = (word for word in _text(path / "environ").split() if word.startswith("LABSIM_ROOT="))
    return " ".join((_text(path / "cmdline"), *environ))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _listeners(lab: Lab) -> Iterator[str]:
    """Ports of the lab's block on any address, and any port in its loopback network."""
    network = (127, 100 + lab.network_index)
    for address, port in _sockets("tcp"):
        if port in lab.ports.values() or address[:2] == network:
            yield f"listens on {'.'.join(map(str, address))}:{port}"
    for _, port in _sockets("tcp6"):
        if port in lab.ports.values():
            yield f"listens on [..]:{port}"


def _sockets(kind: str) -> Iterator[tuple[tuple[int, ...], int]]:
    for line in Path("/proc/net", kind).read_text().splitlines()[1:]:
        _, local, _, state = line.split()[:4]
        address, _, port = local.partition(":")
        if state == _LISTEN:
            step = _LITTLE_ENDIAN_BYTE
            octets = tuple(int(address[at : at + step], 16) for at in range(0, 8, step))
            yield tuple(reversed(octets)), int(port, 16)


def _mounts(root: Path) -> Iterator[str]:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1].startswith(f"{root}/"):
            yield f"mount {line}"
