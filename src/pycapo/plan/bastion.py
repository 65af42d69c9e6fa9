# SPDX-License-Identifier: Apache-2.0
"""The bastion: an OpenStackServer in the bastion's security group, and a floating IP that leads to it.

    asked for     -> server -> runs -> floating IP on its first port -> ready
    spec changed  -> server deleted -> server
    not asked for -> floating IP and server deleted

Rule: the server's own life makes and deletes what is in OpenStack; here it is only asked for, and its address cared for.
"""

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from pycapo.api.capi import CLUSTER_NAME_LABEL, WATCH_FILTER_LABEL, Machine, MachineSpec
from pycapo.api.cluster import BastionStatus, OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import ObjectMeta, OwnerReference
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.model import names
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP, Network
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan import roles
from pycapo.plan.asked import Asked
from pycapo.plan.machine import network_waits, server_spec

CONDITION = "BastionReady"
PATH = "spec.bastion.floatingIP"
SPEC_ANNOTATION = "infrastructure.cluster.x-k8s.io/bastion-hash"
"""What the bastion was made from; a bastion without it was made by another controller and is not made again."""


class Act(StrEnum):
    """What is done to the server object."""

    MAKE = "make"
    DELETE = "delete"


def bastion_server(cluster: OpenStackCluster, name: str) -> OpenStackServer:
    """The server of a cluster's bastion, complete."""
    meta, bastion = cluster.metadata, cluster.spec.bastion
    assert bastion is not None
    assert bastion.spec is not None
    machine = OpenStackMachine(metadata=ObjectMeta(name=names.bastion(name)), spec=bastion.spec)
    made_by = Machine(spec=MachineSpec(cluster_name=name, failure_domain=bastion.availability_zone))
    spec = server_spec(machine, _in_its_group(cluster), made_by)
    made_from = msgspec.structs.replace(spec, networks=None)  # a wider subnet pool is no other bastion
    owner = OwnerReference(
        api_version=cluster.api_version, kind=cluster.kind, name=meta.name, uid=meta.uid or "", controller=True
    )
    filtered = (meta.labels or {}).get(WATCH_FILTER_LABEL)
    return OpenStackServer(
        metadata=ObjectMeta(
            name=names.bastion(name),
            namespace=meta.namespace,
            labels={CLUSTER_NAME_LABEL: name, **({WATCH_FILTER_LABEL: filtered} if filtered else {})},
            annotations={
                SPEC_ANNOTATION: hashlib.sha256(msgspec.json.encode(made_from, order="sorted")).hexdigest()[:16]
            },
            owner_references=[owner],
        ),
        spec=spec,
    )


def _in_its_group(cluster: OpenStackCluster) -> OpenStackCluster:
    """The cluster as a bastion sees it: the group of its role is the bastion's."""
    status = cluster.status
    if status is None:
        return cluster
    status = msgspec.structs.replace(status, worker_security_group=status.bastion_security_group)
    return msgspec.structs.replace(cluster, status=status)


def belongs(server: OpenStackServer, cluster: OpenStackCluster) -> bool:
    """Whether a server is the cluster's bastion, and not a namesake."""
    owners = server.metadata.owner_references or ()
    return any(owner.kind == cluster.kind and owner.name == cluster.metadata.name for owner in owners)


def plan_bastion(
    asked: Asked, cluster: OpenStackCluster, seen: Seen, server: OpenStackServer | None
) -> tuple[Plan, Act | None]:
    """What is done about the bastion's address, what is waited for, and what is done to the server object."""
    if server is not None and not belongs(server, cluster):
        message = f"OpenStackServer {server.metadata.name} exists and is not the cluster's bastion"
        return _wait("NameTaken", message) if asked.has_bastion else Plan(), None
    if not asked.has_bastion:
        return _leaving(seen, server)
    missing = _missing(asked, cluster)
    if missing:
        return _wait("WaitingForNetwork", missing), None
    if server is None:
        return _wait("Creating", "the bastion server is being made"), Act.MAKE
    if server.metadata.deletion_timestamp:
        return _wait("Deleting", "the bastion server of before is being deleted"), None
    if _changed(server, bastion_server(cluster, asked.name)):
        return _wait("Updating", "the spec of the bastion changed: its server is made anew"), Act.DELETE
    if not (server.status and server.status.ready):
        return _wait("WaitingForServer", _state(server)), None
    return _address(asked, seen, server), None


def _wait(reason: str, message: str) -> Plan:
    """Changes of the server object wake the cluster; so nothing is looked at in vain."""
    return Plan(waits=(Wait(condition=CONDITION, reason=reason, message=message, path="spec.bastion", after=None),))


def _leaving(seen: Seen, server: OpenStackServer | None) -> tuple[Plan, Act | None]:
    steps = tuple(
        Delete(kind=Kind.FLOATING_IP, id=item.id, why=f"delete floating IP {item.floating_ip_address} of the bastion")
        for item in seen.all(Kind.FLOATING_IP, FloatingIP)
        if item.mark and item.mark.role == roles.BASTION_ADDRESS
    )
    if server is None:
        return Plan(steps=steps), None
    plan = Plan(steps=steps) + _wait("Deleting", "the bastion server is being deleted")
    return plan, None if server.metadata.deletion_timestamp else Act.DELETE


def _missing(asked: Asked, cluster: OpenStackCluster) -> str:
    """What has to be there before the bastion's server can be asked for."""
    status = cluster.status
    if status is None or status.network is None:
        return "the cluster network is not known yet"
    if asked.spec.managed_security_groups is not None and status.bastion_security_group is None:
        return "the security group of the bastion is not known yet"
    if asked.spec.bastion is None or asked.spec.bastion.spec is None:
        return "spec.bastion.spec is missing"
    waits = network_waits(OpenStackMachine(metadata=ObjectMeta(name=""), spec=asked.spec.bastion.spec), cluster)
    return next((wait.told for wait in waits), "")


def _changed(server: OpenStackServer, wanted: OpenStackServer) -> bool:
    made_from = (server.metadata.annotations or {}).get(SPEC_ANNOTATION)
    return made_from is not None and made_from != (wanted.metadata.annotations or {})[SPEC_ANNOTATION]


def _state(server: OpenStackServer) -> str:
    """Why the server is not ready, in its own words."""
    conditions = (server.status.conditions if server.status else None) or ()
    told = next((it.message for it in conditions if it.status == "False" and it.message), "")
    return f"the bastion server is not ready: {told}" if told else "the bastion server is not ready"


def _address(asked: Asked, seen: Seen, server: OpenStackServer) -> Plan:
    """A floating IP that leads to the first port of the server; none for a cluster without external network."""
    external = next((item for item in seen.found.get("spec.externalNetwork", ()) if isinstance(item, Network)), None)
    port = _port(server)
    if external is None or port is None or asked.spec.enable_external_network is False:
        return Plan()
    there = floating_ip(asked, seen)
    if there is None:
        return Plan(steps=(_creation(asked, external, port),))
    if there.port_id == port:
        return Plan()
    why = f"point floating IP {there.floating_ip_address} at the bastion"
    return Plan(steps=(Update(kind=Kind.FLOATING_IP, id=there.id, body={"port_id": port}, why=why, path=PATH),))


def _port(server: OpenStackServer) -> str | None:
    resources = server.status.resources if server.status else None
    return next((port.id for port in (resources.ports if resources else None) or ()), None)


def floating_ip(asked: Asked, seen: Seen) -> FloatingIP | None:
    """The floating IP of the bastion: the one the spec names, else ours."""
    wanted = asked.spec.bastion.floating_ip if asked.spec.bastion else None
    if wanted:
        found = (item for item in seen.found.get(PATH, ()) if isinstance(item, FloatingIP))
        return next((item for item in found if item.floating_ip_address == wanted), None)
    return seen.one(Kind.FLOATING_IP, roles.BASTION_ADDRESS, FloatingIP)


def _creation(asked: Asked, external: Network, port: str) -> Step:
    wanted = asked.spec.bastion.floating_ip if asked.spec.bastion else None
    body: dict[str, Any] = {
        "floating_network_id": external.id,
        "port_id": port,
        "description": asked.description,
        "tags": list(asked.tags),
        **({"floating_ip_address": wanted} if wanted else {}),
    }
    mark = asked.mark(roles.BASTION_ADDRESS)
    key = Key(Kind.FLOATING_IP, roles.BASTION_ADDRESS)
    return Create(key=key, body=body, mark=mark, why="make a floating IP for the bastion", path=PATH)


def bastion_status(asked: Asked, seen: Seen, server: OpenStackServer | None) -> BastionStatus | None:
    """What a cluster's status says of its bastion."""
    if server is None or server.status is None or not asked.has_bastion:
        return None
    address = floating_ip(asked, seen)
    inside = [item.address for item in server.status.addresses or () if item.type == "InternalIP"]
    return BastionStatus(
        id=server.status.instance_id,
        name=server.metadata.name,
        ssh_key_name=server.spec.ssh_key_name or None,
        state=server.status.instance_state,
        ip=next(iter(inside), None),
        floating_ip=address.floating_ip_address if address and address.port_id == _port(server) else None,
    )
