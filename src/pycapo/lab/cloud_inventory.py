# SPDX-License-Identifier: Apache-2.0
"""Everything that a tenant has in the lab's cloud, counted resource by resource, to prove that nothing was leaked.

Rule: it looks as the administrator and from outside, so what a tenant may not list is not missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from openstack.connection import Connection

from pycapo.lab.cloud_bootstrap import TENANT, connect
from pycapo.lab.places import Lab

NETWORK_KINDS = (
    *("networks", "subnets", "routers", "ports", "floatingips", "security-groups", "security-group-rules"),
    *("trunks", "subnetpools", "address-scopes", "rbac-policies"),
)
BALANCER_KINDS = ("loadbalancers", "listeners", "pools", "healthmonitors", "l7policies")
DEFAULT_GROUP = "default"  # made by Neutron itself when a project first looks at its groups


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a project has: for each kind of resource, id -> name."""

    resources: Mapping[str, Mapping[str, str]]

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind, kinds without any left out."""
        return {kind: len(found) for kind, found in self.resources.items() if found}


@dataclass(frozen=True, slots=True)
class Difference:
    """What came and what went between two snapshots: for each kind, id -> name."""

    added: Mapping[str, Mapping[str, str]]
    removed: Mapping[str, Mapping[str, str]]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)

    def __str__(self) -> str:
        lines = [f"{sign} {kind} {id} {name!r}" for sign, kind, id, name in self._lines()]
        return "\n".join(lines) or "nothing differs"

    def _lines(self) -> list[tuple[str, str, str, str]]:
        sides = (("+", self.added), ("-", self.removed))
        return [
            (sign, kind, id, name)
            for sign, side in sides
            for kind, found in side.items()
            for id, name in sorted(found.items())
        ]


def snapshot(lab: Lab, *, project: str = TENANT) -> Snapshot:
    """Return what a project of the lab has now; servers and volumes in deletion are still there."""
    admin = connect(lab)
    identity: Any = admin.identity  # the SDK's type is a union with a version long gone
    number = identity.find_project(project, ignore_missing=False).id
    with ThreadPoolExecutor(4) as pool:
        parts = [pool.submit(look, admin, number) for look in (_networks, _computes, _volumes, _balancers)]
        keypairs = pool.submit(_keypairs, lab, project)
    found = {kind: values for part in parts for kind, values in part.result().items()}
    return Snapshot(MappingProxyType({**found, "keypairs": keypairs.result()}))


def difference(before: Snapshot, after: Snapshot) -> Difference:
    """Return what is in one snapshot and not in the other; kinds without a difference are left out."""
    return Difference(_missing(after, before), _missing(before, after))


def _missing(whole: Snapshot, part: Snapshot) -> dict[str, dict[str, str]]:
    missing = {
        kind: {id: name for id, name in found.items() if id not in part.resources.get(kind, {})}
        for kind, found in whole.resources.items()
    }
    return {kind: found for kind, found in missing.items() if found}


def _networks(admin: Connection, project: str) -> dict[str, dict[str, str]]:
    answers = {}
    for kind in NETWORK_KINDS:
        answer = admin.network.get(f"/{kind}", params={"project_id": project})
        if answer.status_code != 404:  # an extension that this lab lacks
            answers[kind] = _named(answer, kind.replace("-", "_"))
    default = {id for id, name in answers["security-groups"].items() if name == DEFAULT_GROUP}
    answers["security-groups"] = _without(answers["security-groups"], default)
    rules = admin.network.get("/security-group-rules", params={"project_id": project}).json()["security_group_rules"]
    own = {rule["id"] for rule in rules if rule["security_group_id"] in default}
    answers["security-group-rules"] = _without(answers["security-group-rules"], own)
    return answers


def _computes(admin: Connection, project: str) -> dict[str, dict[str, str]]:
    servers = admin.compute.get("/servers", params={"all_tenants": "1", "project_id": project})
    groups = admin.compute.get("/os-server-groups", params={"all_projects": "1"}, microversion="2.64")
    groups.raise_for_status()
    own = [group for group in groups.json()["server_groups"] if group["project_id"] == project]
    return {"servers": _named(servers, "servers"), "server-groups": {group["id"]: group["name"] for group in own}}


def _volumes(admin: Connection, project: str) -> dict[str, dict[str, str]]:
    query = {"all_tenants": "1", "project_id": project}
    kinds = ("volumes", "snapshots")
    return {kind: _named(admin.block_storage.get(f"/{kind}", params=query), kind) for kind in kinds}


def _balancers(admin: Connection, project: str) -> dict[str, dict[str, str]]:
    if not admin.has_service("load-balancer"):
        return {}
    found = {}
    for kind in BALANCER_KINDS:
        answer = admin.load_balancer.get(f"/lbaas/{kind}", params={"project_id": project})
        found[kind] = _named(answer, kind)
    for pool in found["pools"]:
        answer = admin.load_balancer.get(f"/lbaas/pools/{pool}/members")
        found.setdefault("members", {}).update(_named(answer, "members"))
    return found


def _keypairs(lab: Lab, user: str) -> dict[str, str]:
    answer = connect(lab, user).compute.get("/os-keypairs")
    answer.raise_for_status()
    return {pair["keypair"]["name"]: pair["keypair"]["name"] for pair in answer.json()["keypairs"]}


def _named(answer: Any, kind: str) -> dict[str, str]:
    answer.raise_for_status()
    return {item["id"]: item.get("name") or "" for item in answer.json()[kind]}


def _without(found: Mapping[str, str], ids: set[str]) -> dict[str, str]:
    return {id: name for id, name in found.items() if id not in ids}
