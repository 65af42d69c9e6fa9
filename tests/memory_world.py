# SPDX-License-Identifier: Apache-2.0
"""The truth of the memory cloud: every resource of every project, and what changes by itself."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from pycapo.cloud.errors import BadRequest, NotFound
from pycapo.cloud.rest import TABLE
from pycapo.model.kinds import Kind
from pycapo.model.records import Fault, Flavor, Record, Zone

R = TypeVar("R", bound=Record)

NEUTRON = frozenset(
    {
        *(
            "subnet_allocation",
            "router",
            "security-group",
            "standard-attr-tag",
            "port-security",
            "trunk",
            "trunk-details",
            "qos",
            "binding",
        ),
        *("allowed-address-pairs", "dns-integration", "extra_dhcp_opt", "port-hints", "uplink-status-propagation"),
        *("net-mtu-writable", "provider"),
    }
)


class World:
    """All records by kind and id, with knobs; `passing` holds what becomes of a resource after some lists of its kind."""

    def __init__(self) -> None:
        self.records: dict[Kind, dict[str, Record]] = {kind: {} for kind in Kind}
        self.passing: dict[tuple[Kind, str], tuple[int, Callable[[], None]]] = {}
        self.counts: Counter[Kind] = Counter()
        self.extensions = NEUTRON | {"tag-ports-during-bulk-creation"}
        self.zones: tuple[Zone, ...] = (Zone("az1"), Zone("az2"))
        self.services = frozenset({"network", "compute", "image", "block-storage", "load-balancer"})
        self.quota: dict[Kind, int] = {}
        self.flavors: dict[str, Flavor] = {}  # by server
        self.compute_quota: dict[str, int] = {}  # instances, cores, ram (MiB)
        self.build_looks = self.removal_looks = self.balancer_looks = self.volume_looks = 1
        self.unplug_looks = 0
        self.server_fault: Fault | None = None

    def new_id(self, kind: Kind) -> str:
        """A fresh readable id: port-1, port-2, ..."""
        self.counts[kind] += 1
        return f"{kind.replace(' ', '-').lower()}-{self.counts[kind]}"

    def make(self, kind: Kind, fields: Mapping[str, Any], *, project: str) -> Record:
        """Put a record made of wire fields; raises BadRequest where a value has the wrong type."""
        id = str(fields.get("id") or self.new_id(kind))
        try:
            record = msgspec.convert({**fields, "id": id, "project_id": project}, TABLE[kind].record)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{kind}: {error}", status=400) from error
        self.records[kind][id] = record
        return record

    def change(self, kind: Kind, id: str, fields: Mapping[str, Any]) -> Record:
        """Replace wire fields of a record; None as a field the service does not know is dropped by its type."""
        before = msgspec.to_builtins(self.get(kind, id))
        return self.make(kind, {**before, **fields}, project=before.get("project_id", ""))

    def add(self, kind: Kind, record: R) -> R:
        """Put a record as it is, as though somebody else had made it."""
        self.records[kind][record.id] = record
        return record

    def get(self, kind: Kind, id: str) -> Any:
        """A record; raises NotFound."""
        if id not in self.records[kind]:
            raise NotFound(f"{kind.capitalize()} {id} could not be found.", status=404)
        return self.records[kind][id]

    def all(self, kind: Kind, record: type[R]) -> Iterator[R]:
        """Every record of a kind, in all projects; may be changed meanwhile."""
        yield from [item for item in self.records[kind].values() if isinstance(item, record)]

    def drop(self, kind: Kind, id: str) -> None:
        """Take a record away."""
        self.records[kind].pop(id, None)
        self.passing.pop((kind, id), None)

    def later(self, kind: Kind, id: str, looks: int, then: Callable[[], None]) -> None:
        """Let something happen to a resource after `looks` lists that still show it as it is."""
        self.passing[kind, id] = (looks, then)

    def pass_look(self, kind: Kind) -> None:
        """One list of a kind begins: what is due happens."""
        for (which, id), (looks, then) in list(self.passing.items()):
            if which is not kind:
                continue
            if looks > 0:
                self.passing[which, id] = (looks - 1, then)
            else:
                del self.passing[which, id]
                then()
