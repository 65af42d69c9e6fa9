# SPDX-License-Identifier: Apache-2.0
"""Ownership: the mark by which pycapo knows again what it made.

A mark names the owner (an id that is generated once and kept in an annotation of the owning Kubernetes object, so that it
survives `clusterctl move`) and the role that the resource plays for it. It is written in the very request that creates the
resource: as a tag where the service takes tags on creation, as Nova or Cinder metadata, else as the end of the description.

Law: names are for people. What carries no mark of ours is never changed and never deleted. What somebody made and lets us use
carries a mark that says so (`pycapo-use:`): it is ours to use and to give back, never to delete.
"""

import functools
import re
import secrets
from collections.abc import Iterable, Mapping

import msgspec

OWNER_ANNOTATION = "infrastructure.cluster.x-k8s.io/openstack-owner"
METADATA_KEY = "pycapo-mark"
DESCRIPTION_LENGTH = 255
"""Characters that Neutron, Octavia and Cinder take as a description."""
_TAG = re.compile(r"^pycapo(-use)?:([a-z0-9]{12}):([A-Za-z0-9._-]+)$")
_DESCRIPTION = re.compile(r"\[(pycapo:[^\]\s]+)\]$")


class Mark(msgspec.Struct, frozen=True):
    """Who owns a resource (`owner`, 12 lower-case letters or digits) and what it is to its owner (`role`).

    `borrowed` is what the owner only uses: it was there before and stays."""

    owner: str
    role: str
    borrowed: bool = False

    @property
    def tag(self) -> str:
        """The mark as a Neutron, Octavia or Nova tag."""
        return f"pycapo{'-use' if self.borrowed else ''}:{self.owner}:{self.role}"

    def described(self, description: str) -> str:
        """The description with the mark at its end, for services that take no tags on creation; what is too long loses words."""
        mark = f" [{self.tag}]"
        return (shortened(description, DESCRIPTION_LENGTH - len(mark)) + mark).strip()


def shortened(text: str, most: int = DESCRIPTION_LENGTH) -> str:
    """The text as far as `most` characters hold it; an ellipsis shows that there was more."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def new_owner() -> str:
    """A fresh owner id; 60 random bits, so that two management clusters in one project never share one."""
    return secrets.token_hex(6)


@functools.lru_cache(maxsize=1 << 16)
def parse_mark(text: str) -> Mark | None:
    """The mark that a tag spells, if it is one of ours."""
    match = _TAG.match(text)
    return Mark(owner=match[2], role=match[3], borrowed=match[1] is not None) if match else None


def find_marks(tags: Iterable[str]) -> tuple[Mark, ...]:
    """Every mark among tags."""
    return tuple(mark for mark in map(parse_mark, tags) if mark)


def undescribed(description: str) -> str:
    """A description without the mark at its end."""
    return _DESCRIPTION.sub("", description).rstrip()


def find_mark(
    *, tags: Iterable[str] = (), description: str | None = None, metadata: Mapping[str, str] | None = None
) -> Mark | None:
    """The mark that a resource carries in its metadata, its tags or at the end of its description."""
    spelled = [(metadata or {}).get(METADATA_KEY, ""), *tags]
    described = _DESCRIPTION.search(description or "")
    if described:
        spelled.append(described[1])
    return next((mark for mark in map(parse_mark, spelled) if mark), None)
