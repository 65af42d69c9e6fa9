# SPDX-License-Identifier: Apache-2.0
"""User data of which a part is ours: what the bootstrap provider wrote, untouched, and before it what the guest needs besides.

    cloud-init  ->  multipart MIME: our boothook (runs before everything else, at each boot), then the data as they came
    Ignition    ->  the same document with some files and a unit more

Rule: what is not understood is not touched.
"""

import email
import gzip
import hashlib
import io
import zlib
from email.generator import BytesGenerator
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Literal

from pycapo.plan import ignition
from pycapo.plan.guest_files import guest_file

USER_DATA_LIMIT = 65_535
"""Characters of base64 that Nova takes as user data."""

Format = Literal["cloud-init", "ignition"]

_GZIP = b"\x1f\x8b"
_UNPACKED_LIMIT = 1 << 22  # bytes; a Secret holds a quarter of that
_TYPES = (
    ("## template: jinja", "jinja2"),
    ("#cloud-config\n", "cloud-config"),
    ("#cloud-config\r", "cloud-config"),
    ("#!", "x-shellscript"),
    ("#cloud-", "plain"),
    ("#include", "plain"),
    ("#part-handler", "plain"),
)
"""How cloud-init knows a text by its first line, and the subtype that says the same; in a plain part it looks by itself."""


def format_of(content: bytes, *, named: str = "") -> Format | None:
    """Which of the formats the data have; `named` is what the bootstrap provider calls it. None is one that we do not know."""
    if named == "ignition" or (not named and content.lstrip()[:1] == b"{"):
        return "ignition" if ignition.is_supported(content) else None
    if named not in ("", "cloud-config"):
        return None
    plain = _unpacked(content)
    return "cloud-init" if _is_multipart(plain) or _subtype(plain) else None


def named_format(content: bytes, *, named: str = "") -> str:
    """What is known of data whose format we do not know; empty if that is nothing."""
    described = ignition.described(content)
    return described or (named[:40] if named not in ("cloud-config", "ignition") else "")


def extended(content: bytes, format: Format, *, facts: str) -> bytes:
    """The data with the guest's part of policy routing; compressed where Nova would not take them otherwise."""
    if format == "ignition":
        return ignition.with_routes(content, facts=facts)
    whole = _multipart(_unpacked(content), boothook(facts))
    return whole if encoded_size(whole) <= USER_DATA_LIMIT else gzip.compress(whole, 9, mtime=0)


def encoded_size(content: bytes) -> int:
    """How many characters of base64 the data are."""
    return (len(content) + 2) // 3 * 4


def boothook(facts: str) -> str:
    """The script that cloud-init runs first at each boot; `facts` are lines of MAC, address with prefix, gateway."""
    parts = {
        "nic-routes": guest_file("nic-routes.sh"),
        "facts": facts,
        "service": guest_file("pycapo-nic-routes.service"),
        "network": guest_file("zzz-pycapo-hotplug.network"),
        "networkd": guest_file("networkd.conf"),
        "network-manager": guest_file("network-manager.conf"),
    }
    text = guest_file("boothook.sh")
    for name, part in parts.items():
        text = text.replace(f"@{name}@\n", part if part.endswith("\n") else f"{part}\n")
    return text


def _multipart(content: bytes, hook: str) -> bytes:
    boundary = f"pycapo-{hashlib.sha256(content).hexdigest()[:24]}"
    whole = MIMEMultipart(boundary=boundary)
    for name, part in (("pycapo-nic-routes", _text(hook, "cloud-boothook")), ("bootstrap", _part(content))):
        part.add_header("Content-Disposition", "attachment", filename=name)
        whole.attach(part)
    written = io.BytesIO()
    BytesGenerator(written, mangle_from_=False, maxheaderlen=0).flatten(whole)
    return written.getvalue()


def _part(content: bytes) -> Message:
    """The bootstrap provider's data as one part; a multipart of its own goes in whole."""
    if _is_multipart(content):
        return email.message_from_bytes(content)
    return _text(content.decode(), _subtype(content) or "plain")


def _text(text: str, subtype: str) -> MIMEText:
    """A part that reads back to the last byte: as it is where that is safe, because base64 cannot be compressed well."""
    plain = text.isascii() and "\r" not in text and "\0" not in text
    return MIMEText(text, subtype, "us-ascii" if plain else "utf-8")


def _unpacked(content: bytes) -> bytes:
    """The data without the compression that cloud-init would take off; nothing if they are broken or not of a sane size."""
    if not content.startswith(_GZIP):
        return content
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacking.decompress(content, _UNPACKED_LIMIT)
    except zlib.error:
        return b""
    return plain if unpacking.eof else b""


def _is_multipart(content: bytes) -> bool:
    head = content[:200].lower().lstrip()
    return head.startswith((b"content-type: multipart/", b"mime-version:"))


def _subtype(content: bytes) -> str | None:
    try:
        first = content.decode().lstrip().lower()
    except UnicodeDecodeError:
        return None
    return next((subtype for start, subtype in _TYPES if f"{first}\n".startswith(start)), None)
