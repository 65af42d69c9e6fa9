# SPDX-License-Identifier: Apache-2.0
"""What a cluster asks for, and which of its resources are there already.

Rule: a resource is the cluster's by its mark. What the Go provider made carries none: it is taken over only when it has the
name that the Go provider gave and its id stands in the cluster's status.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from pycapo.api.cluster import APIServer, APIServerLoadBalancer, OpenStackCluster, OpenStackClusterSpec
from pycapo.api.recorded import recorded_ids
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark, parse_mark
from pycapo.model.records import Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Key, Step, Update

R = TypeVar("R", bound=Record)

DEFAULT_PORT = 6443
TAGS = "standard-attr-tag"
"""The Neutron extension without which its resources have no tags."""
_BALANCING = frozenset({Kind.LOAD_BALANCER, Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR})


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's wish: its spec, the Cluster's key for names, the owner for marks.

    `recorded` are the ids in its status; `visitors` the addresses of the bastion, which may always reach the API server.
    """

    spec: OpenStackClusterSpec
    namespace: str
    name: str
    owner: str
    recorded: frozenset[str] = frozenset()
    visitors: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The name of the network, the subnet and the router."""
        return names.cluster_network(self.namespace, self.name)

    @property
    def description(self) -> str:
        """What people read at a resource."""
        return f"Cluster API cluster {self.namespace}/{self.name}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The user's tags for everything."""
        return tuple(self.spec.tags or ())

    @property
    def api_server(self) -> APIServer:
        """How the API server is to be reached; all defaults when the spec says nothing."""
        return self.spec.api_server or APIServer()

    @property
    def balancer(self) -> APIServerLoadBalancer | None:
        """The load balancer, if one is asked for."""
        wanted = self.api_server.managed_load_balancer
        return wanted if wanted is not None and wanted.enabled else None

    @property
    def endpoint_host(self) -> str | None:
        """The host of an endpoint that is set already."""
        endpoint = self.spec.control_plane_endpoint
        return endpoint.host if endpoint is not None and endpoint.host and endpoint.port else None

    @property
    def api_port(self) -> int:
        """The port of the API server: that of a set endpoint, else the one asked for, else 6443."""
        endpoint = self.spec.control_plane_endpoint
        if endpoint is not None and endpoint.host and endpoint.port:
            return endpoint.port
        return self.api_server.port or DEFAULT_PORT

    @property
    def has_bastion(self) -> bool:
        """Whether a bastion is asked for."""
        return self.spec.bastion is not None and self.spec.bastion.enabled

    def mark(self, role: str) -> Mark:
        """The mark of a resource of this cluster."""
        return Mark(owner=self.owner, role=role)


def asked_of(cluster: OpenStackCluster, *, name: str, owner: str) -> Asked:
    """The wish of an OpenStackCluster that belongs to the Cluster of this name."""
    return Asked(
        spec=cluster.spec,
        namespace=cluster.metadata.namespace or "",
        name=name,
        owner=owner,
        recorded=recorded_ids(cluster),
        visitors=_visitors(cluster),
    )


def _visitors(cluster: OpenStackCluster) -> tuple[str, ...]:
    bastion = cluster.status.bastion if cluster.status else None
    return tuple(address for address in (bastion.floating_ip, bastion.ip) if address) if bastion else ()


def kept(
    asked: Asked, seen: Seen, key: Key, record: type[R], *, belongs: Callable[[R], bool] | None = None
) -> tuple[R | None, tuple[Step, ...]]:
    """The resource that plays a role, if there is one, and what it takes to mark it and give it the user's tags.

    `belongs` tells of an unmarked resource with the right name whether it is the cluster's; by default its id is recorded.
    """
    there = seen.one(key.kind, key.role, record) or _left_behind(asked, seen, key, record, belongs)
    if there is None:
        return None, ()
    foreign = there.mark is None
    wanted = [*asked.tags, asked.mark(key.role).tag] if foreign else list(asked.tags)
    body: dict[str, object] = {}
    if key.kind not in _BALANCING and TAGS not in seen.extensions:
        body = {"description": asked.mark(key.role).described(there.description or "")} if foreign else {}
    elif foreign or set(asked.tags) != {tag for tag in there.tags if parse_mark(tag) is None}:
        body = {"tags": wanted}
    if not body:
        return there, ()
    why = f"take over {key.kind} {there.name}" if foreign else f"give {key.kind} {there.name} the tags of spec.tags"
    return there, (Update(kind=key.kind, id=there.id, body=body, why=why, path="spec.tags"),)


def _left_behind(asked: Asked, seen: Seen, key: Key, record: type[R], belongs: Callable[[R], bool] | None) -> R | None:
    """What the Go provider made for this role."""
    mine = belongs or (lambda item: item.id in asked.recorded)
    named = [item for item in seen.named.get(key.kind, ()) if isinstance(item, record)]
    title = _name(asked, key)
    fitting = [item for item in named if item.mark is None and title in (None, item.name) and mine(item)]
    return min(fitting, key=lambda item: item.id, default=None)


def _name(asked: Asked, key: Key) -> str | None:
    """The name that the Go provider gives to what plays a role; floating IPs have none."""
    last = key.role.rpartition("-")[2]
    match key.kind:
        case Kind.SECURITY_GROUP:
            return names.security_group(asked.namespace, asked.name, last)
        case Kind.LOAD_BALANCER:
            return names.load_balancer(asked.namespace, asked.name)
        case Kind.LISTENER | Kind.POOL | Kind.HEALTH_MONITOR:
            return names.load_balancer_part(asked.namespace, asked.name, int(last))
        case Kind.FLOATING_IP:
            return None
    return asked.title
