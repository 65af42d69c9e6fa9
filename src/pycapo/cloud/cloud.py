# SPDX-License-Identifier: Apache-2.0
"""The port to OpenStack: what pycapo needs of a cloud, in nine verbs.

Two things implement it: `cloud.openstack.OpenStack` over the real APIs and the hand-written memory cloud of the unit tests.
One `Cloud` is one project in one region with one set of credentials; everything that uses the same shares one instance, its
picture and its limits. All verbs may be called from several threads. All raise `CloudError`.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Record, Room, Zone

R = TypeVar("R", bound=Record)


class Picture(Protocol):
    """The shared picture of a project at one moment."""

    def all(self, kind: Kind) -> Sequence[Record]:
        """Every resource of the kind in the project, in no particular order."""

    def owned(self, kind: Kind, owner: str) -> tuple[Record, ...]:
        """The resources of the kind that carry the owner's mark (indexed: costs nothing however many there are)."""

    def where(self, kind: Kind, field: str, value: str) -> tuple[Record, ...]:
        """Networks by "tags" (one of them), subnets by "network_id", ports and floating IPs by "address", these by "port_id"."""

    def get(self, kind: Kind, id: str) -> Record | None:
        """One resource by id (indexed)."""


class Cloud(Protocol):
    """One project of one OpenStack region."""

    project_id: str
    region: str

    def look(self, kinds: Collection[Kind], *, max_age: float = 300.0) -> Picture:
        """The picture with these kinds no older than `max_age` seconds.

        Lists only what is too old, once for all callers (single flight). Own writes are in it at once. After a write whose
        outcome is unknown, or one that was refused because the picture was wrong, the kind is listed again whatever its age:
        so an absence in the picture can be believed and nothing is made twice.
        """

    def find(self, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
        """What matches the service's own list filters ({"id": ..}, {"name": ..}, {"tags": "a,b"}, ...), also outside the project
        (shared and external networks, public images, flavors). Kept for a minute, an empty answer for a few seconds."""

    def extensions(self, needed: Collection[str] = ()) -> frozenset[str]:
        """Aliases of the Neutron extensions; kept for long.

        While one of the `needed` is missing, they are read again every few minutes."""

    def services(self, needed: Collection[str] = ()) -> frozenset[str]:
        """Service types of the catalog (network, compute, image, block-storage, load-balancer, ...).

        While one of the `needed` is missing, the catalog is read again every few minutes."""

    def zones(self) -> tuple[Zone, ...]:
        """Nova's availability zones; kept for minutes."""

    def room(self, *, anew: bool = False) -> Room:
        """Nova's quotas; kept for minutes, read `anew` where they seem to be too small. Those that cannot be read are none."""

    def create(
        self,
        kind: Kind,
        bodies: Sequence[Mapping[str, Any]],
        *,
        marks: Sequence[Mark | None],
        parent: str | None = None,
    ) -> tuple[Record, ...]:
        """Make resources, several at once only for kinds in `BULK`; returns them in the order asked for.

        The mark goes into the creating request itself (tag, metadata or description)."""

    def update(self, kind: Kind, id: str, body: Mapping[str, Any], *, parent: str | None = None) -> Record:
        """Change fields; `tags`, where the service has a call of its own for them, included. Our mark stays whatever `tags` say."""

    def delete(self, kind: Kind, id: str, *, parent: str | None = None, body: Mapping[str, Any] | None = None) -> None:
        """Remove a resource; one that is gone already counts as removed."""


BULK = frozenset({Kind.PORT, Kind.SECURITY_GROUP_RULE})
"""Kinds of which one request makes many."""
