# SPDX-License-Identifier: Apache-2.0
"""What the bootstrap provider wrote comes out to the last byte; what the guest needs besides comes first."""

import base64
import email
import gzip
import json
import random
import subprocess
from email.message import Message

import pytest

from pycapo.plan.guest_files import guest_file
from pycapo.plan.user_data import USER_DATA_LIMIT, boothook, encoded_size, extended, format_of, named_format

FACTS = "fa:16:3e:00:00:01 10.0.1.11/24 10.0.1.1\nfa:16:3e:00:00:02 2001:db8:2::12/64 -\n"
KUBEADM = b"## template: jinja\n#cloud-config\n\nwrite_files:\n- path: /x\n  content: |\n    From here {{ ds.meta_data.name }}\n"


def parts(content: bytes) -> list[Message]:
    """The parts as cloud-init finds them: it unpacks, reads the text as a message and walks through it."""
    text = (gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content).decode()
    assert "mime-version:" in text[:4096].lower()
    return [part for part in email.message_from_string(text).walk() if not part.is_multipart()]


def payload(part: Message) -> bytes:
    found = part.get_payload(decode=True)
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (KUBEADM, "text/jinja2"),
        (b"#cloud-config\nruncmd: [date]\n", "text/cloud-config"),
        (b"#cloud-config\r\nruncmd: [date]\r\n\r\n", "text/cloud-config"),
        (b"#cloud-config\nmotd: gr\xc3\xbc\xc3\x9fe", "text/cloud-config"),
        (b"#!/bin/sh\ndate\n\n\n", "text/x-shellscript"),
        (b"#cloud-config-archive\n[]\n", "text/plain"),
        (b"#cloud-config\nlong: " + b"x" * 3000 + b"\n.\nFrom me\n", "text/cloud-config"),
    ],
)
def test_data_for_cloud_init_come_out_to_the_last_byte_after_our_boothook(content: bytes, type_: str) -> None:
    assert format_of(content) == format_of(content, named="cloud-config") == "cloud-init"

    first, second = parts(extended(content, "cloud-init", facts=FACTS))

    assert (first.get_content_type(), payload(first).decode()) == ("text/cloud-boothook", boothook(FACTS))
    assert (second.get_content_type(), payload(second)) == (type_, content)


def test_data_that_are_compressed_go_in_as_what_they_are() -> None:
    content = gzip.compress(KUBEADM, mtime=0)

    second = parts(extended(content, "cloud-init", facts=FACTS))[1]

    assert format_of(content) == "cloud-init"
    assert (second.get_content_type(), payload(second)) == ("text/jinja2", KUBEADM)


def test_a_multipart_of_the_bootstrap_provider_keeps_its_parts() -> None:
    head = b'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n\n'
    inner = head + b"--b\nContent-Type: text/cloud-config\n\n#cloud-config\n\n--b--\n"

    found = parts(extended(inner, "cloud-init", facts=FACTS))

    assert [part.get_content_type() for part in found] == ["text/cloud-boothook", "text/cloud-config"]
    assert payload(found[1]) == b"#cloud-config\n"


def test_the_same_data_make_the_same_user_data() -> None:
    assert extended(KUBEADM, "cloud-init", facts=FACTS) == extended(KUBEADM, "cloud-init", facts=FACTS)


def test_the_whole_is_compressed_only_where_nova_would_not_take_it_otherwise() -> None:
    large = KUBEADM + b"# the same again\n" * 3000

    whole = extended(large, "cloud-init", facts=FACTS)

    assert encoded_size(large) > USER_DATA_LIMIT > encoded_size(whole)
    assert payload(parts(whole)[1]) == large
    assert extended(KUBEADM, "cloud-init", facts=FACTS).startswith(b"Content-Type: multipart/mixed")


def test_forty_kilobytes_of_certificates_and_scripts_still_fit() -> None:
    noise = base64.encodebytes(random.Random(1).randbytes(26_000))

    assert encoded_size(extended(KUBEADM + noise, "cloud-init", facts=FACTS)) <= USER_DATA_LIMIT


@pytest.mark.parametrize("size", range(10))
def test_sizes_are_those_of_base64(size: int) -> None:
    assert encoded_size(b"x" * size) == len(base64.b64encode(b"x" * size))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", ""),
        (b"hello", ""),
        (b"\xff\xfe", ""),
        (gzip.compress(KUBEADM)[:-9], ""),
        (gzip.compress(KUBEADM + b" " * (1 << 23)), "cloud-config"),
        (b"\x1f\x8b and no more", ""),
        (b"{}", ""),
        (b'{"ignition": {"version": "1.0"}}', ""),
        (b'{"ignition": {"version": "2.0.0"}}', ""),
        (b'{"ignition": {"version": 3}}', "ignition"),
        (b"[]", "ignition"),
        (KUBEADM, "ignition"),
        (KUBEADM, "talos"),
    ],
)
def test_what_is_not_understood_is_not_touched(content: bytes, named: str) -> None:
    assert format_of(content, named=named) is None


@pytest.mark.parametrize("version", ["2.1.0", "2.3.0", "2.4.0-experimental", "3.0.0", "3.6.0", "3.12.0"])
def test_ignition_is_known_by_its_version(version: str) -> None:
    content = json.dumps({"ignition": {"version": version}}).encode()

    assert format_of(content) == format_of(content, named="ignition") == "ignition"


@pytest.mark.parametrize(
    ("content", "named", "told"),
    [
        (b'{"ignition": {"version": "4.0.0"}}', "ignition", "Ignition 4.0.0"),
        (b'{"ignition": {"version": "4.0.0"}}', "", "Ignition 4.0.0"),
        (b'{"ignition": {"version": "4.0.0\\n"}}', "ignition", ""),
        (b"{}", "ignition", ""),
        (b"machine: {}", "talos", "talos"),
        (b"nonsense", "cloud-config", ""),
        (b"nonsense", "", ""),
    ],
)
def test_a_format_that_we_do_not_know_is_named_as_well_as_can_be(content: bytes, named: str, told: str) -> None:
    assert format_of(content, named=named) is None
    assert named_format(content, named=named) == told


@pytest.mark.parametrize("name", ["boothook", "nic-routes.sh", "unpack.sh"])
def test_what_the_guest_runs_is_a_shell_script_without_mistakes_of_grammar(name: str) -> None:
    text = boothook(FACTS) if name == "boothook" else guest_file(name)

    done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "@" not in {line[:1] for line in text.splitlines()}
