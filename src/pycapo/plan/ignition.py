# SPDX-License-Identifier: Apache-2.0
"""Ignition's documents with the guest's part of policy routing: some files and a unit more.

    a document                          ->  the same with our entries beside its own
    one that another one is to replace  ->  a document of ours that takes it in, as nothing else of it would be left

Rule: no path and no unit is named twice, because Ignition refuses that; what the document says of it has the last word.
"""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

from pycapo.plan.guest_files import guest_file

SUPPORTED = "2.1 to 2.4 or 3.x"
"""Versions of Ignition's specification that we can add to; in 2.0 units are enabled in another way."""

Document = dict[str, Any]

_SUPPORTED = re.compile(r"(2\.[1-4]|3\.\d+)\.\d+(-experimental)?")
_NAMED = re.compile(r"[\w.+-]{1,40}")
_ODD = ", whose storage.files or systemd.units are no lists of objects"
_LISTS = ("storage", "files"), ("systemd", "units")


def version_of(content: bytes) -> str:
    """The version that data of Ignition say they have, whether we know it or not; empty if they are none."""
    try:
        version = json.loads(content)["ignition"]["version"]
    except (ValueError, TypeError, KeyError):
        return ""
    return version if isinstance(version, str) and _NAMED.fullmatch(version) else ""


def described(content: bytes) -> str:
    """What is known of data that we cannot add to; empty if they are not Ignition's."""
    version = version_of(content)
    return f"Ignition {version}{_ODD if _SUPPORTED.fullmatch(version) else ''}" if version else ""


def is_supported(content: bytes) -> bool:
    """Whether the data are a document that we can add to."""
    if not _SUPPORTED.fullmatch(version_of(content)):
        return False
    document = json.loads(content)
    return all(_entries(document, *names) is not None for names in _LISTS)


def with_routes(content: bytes, *, facts: str) -> bytes:
    """The document with the guest's part; `facts` are lines of MAC, address with prefix, gateway."""
    document, version = json.loads(content), version_of(content)
    old = version.startswith("2.")
    if _is_replaced(document):
        taken_in = {"append" if old else "merge": [{"source": _url(content)}]}
        document = {"ignition": {"version": version, "config": taken_in}}
    unit = {
        "name": "pycapo-nic-routes.service",
        "enabled": True,
        "contents": guest_file("pycapo-nic-routes.service"),
    }
    own = list(_old_files(facts) if old else _files(facts)), [unit]
    for (section, part), key, entries in zip(_LISTS, ("path", "name"), own, strict=True):
        there = _entries(document, section, part) or []
        document[section] = {**(document.get(section) or {}), part: _joined(there, entries, key)}
    return json.dumps(document, separators=(",", ":")).encode()


def _entries(document: Document, section: str, part: str) -> list[Document] | None:
    """A list of the document, empty if it has none; None if it is of a shape that Ignition does not take either."""
    inside = document.get(section) or {}
    found = (inside.get(part) or []) if isinstance(inside, dict) else None
    return found if isinstance(found, list) and all(isinstance(entry, dict) for entry in found) else None


def _is_replaced(document: Document) -> bool:
    config = document["ignition"].get("config")
    replacing = config.get("replace") if isinstance(config, dict) else None
    return isinstance(replacing, dict) and bool(replacing.get("source"))


def _joined(there: list[Document], own: list[Document], key: str) -> list[Document]:
    ours = {entry[key]: entry for entry in own}
    kept = [{**ours.pop(str(entry.get(key)), {}), **entry} for entry in there]
    return [*kept, *ours.values()]


def _files(facts: str) -> Iterator[Document]:
    """The files as version 3 takes them, which asks whether to write over what is there."""
    for path, text, mode in _texts(facts):
        contents = {"source": _url(gzip.compress(text.encode(), 9, mtime=0)), "compression": "gzip"}
        yield {"overwrite": True, "path": path, "mode": mode, "contents": contents}


def _old_files(facts: str) -> Iterator[Document]:
    """The files as version 2 takes them: it names the file system, and unpacks nothing that is in the document itself."""
    for path, text, mode in _texts(facts):
        plain = text.encode()
        if mode == 0o755:  # a script, which can unpack itself
            plain = guest_file("unpack.sh").encode() + gzip.compress(plain, 9, mtime=0)
        yield {"filesystem": "root", "path": path, "mode": mode, "contents": {"source": _url(plain)}}


def _texts(facts: str) -> Iterator[tuple[str, str, int]]:
    """Paths, texts and modes; those of a network manager that an image does not have are of no effect."""
    yield "/opt/pycapo/nic-routes", guest_file("nic-routes.sh"), 0o755
    yield "/etc/pycapo/nic-routes.facts", facts, 0o644
    yield "/etc/systemd/networkd.conf.d/pycapo.conf", guest_file("networkd.conf"), 0o644
    yield "/etc/NetworkManager/conf.d/pycapo.conf", guest_file("network-manager.conf"), 0o644


def _url(content: bytes) -> str:
    return f"data:;base64,{base64.b64encode(content).decode()}"
