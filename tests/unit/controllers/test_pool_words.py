# SPDX-License-Identifier: Apache-2.0
"""A machine that waits for an address says why, in the words of the pool, whoever serves it."""

from typing import Any

import pytest

from builders import NAMESPACE
from machine_stage import Stage
from pycapo.api.capi import GlobalInClusterIPPool, InClusterIPPool, IPAddressClaim
from pycapo.api.meta import API_GROUP, TypedLocalObjectReference
from pycapo.api.ports import FixedIP, PortFloatingIP, PortOpts
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer
from pycapo.controllers.pool_address import watches
from pycapo.kube.meta import ObjectKey

FULL = {"ipAddresses": {"total": 2, "used": 2, "free": 0}}
SOME = {"ipAddresses": {"total": 2, "used": 1, "free": 1}}
OURS = TypedLocalObjectReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")


def from_pool(kind: str, group: str = "ipam.cluster.x-k8s.io") -> PortOpts:
    pool = TypedLocalObjectReference(api_group=group, kind=kind, name="nodes")
    return PortOpts(fixed_ips=[FixedIP(address_from=pool)])


def with_pool(kind: type[InClusterIPPool], status: dict[str, Any]) -> Stage:
    stage = Stage()
    namespace = {"namespace": NAMESPACE} if kind.namespaced else {}
    kinds = {"apiVersion": kind.api_version, "kind": kind.kind}
    stage.kube.server.put(kind.plural, {**kinds, "metadata": {"name": "nodes", **namespace}, "status": status})
    stage.add("worker-0", from_pool(kind.kind))
    stage.settle()
    return stage


def words(stage: Stage) -> str:
    message = stage.told(stage.machine("worker-0"), "InstanceReady")[2]
    return message.partition(" has no address yet")[2]


@pytest.mark.parametrize("kind", [InClusterIPPool, GlobalInClusterIPPool])
def test_an_exhausted_pool_is_told_on_the_machine(kind: type[InClusterIPPool]) -> None:
    assert words(with_pool(kind, FULL)) == ": all 2 addresses of the pool are in use"


@pytest.mark.parametrize("status", [SOME, {}])
def test_a_pool_that_has_some_is_waited_for_without_a_reason(status: dict[str, Any]) -> None:
    assert words(with_pool(InClusterIPPool, status)) == ""


def test_a_pool_that_is_not_there_is_told() -> None:
    stage = Stage()
    stage.add("worker-0", from_pool("InClusterIPPool"))
    stage.settle()

    assert words(stage) == ": no InClusterIPPool (ipam.cluster.x-k8s.io/v1alpha2) of that name was found"


def test_a_pool_of_an_unknown_kind_is_not_asked() -> None:
    stage = Stage()
    stage.add("worker-0", from_pool("Prefixes", "ipam.example"))
    stage.settle()

    assert len(stage.kube.list(IPAddressClaim)) == 1
    assert words(stage) == ""
    assert not [path for _, path in stage.kube.server.requests if "ipam.example" in path]


def full(stage: Stage) -> None:
    wanted = {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete", "maxIPs": 1}
    meta = {"namespace": NAMESPACE, "name": "public"}
    stage.kube.create(OpenStackFloatingIPPool.from_dict({"metadata": meta, "spec": wanted}))
    for name in ("first", "worker-0"):
        stage.add(name, PortOpts(floating_ip=PortFloatingIP(pool_ref=OURS)))
        stage.settle()


def test_the_limit_of_a_pool_of_floating_ips_is_told_on_the_machine_whose_port_waits() -> None:
    stage = Stage()
    full(stage)

    assert words(stage).startswith(": spec.maxIPs: 1 claims wait (worker-0-port-0-floating-ip)")


def test_what_a_pool_of_floating_ips_tells_wakes_the_servers_whose_ports_wait_for_it() -> None:
    stage = Stage()
    full(stage)
    (of_pool,) = (it for it in watches(stage.kube) if it.kind is OpenStackFloatingIPPool)
    pool = stage.kube.get(OpenStackFloatingIPPool, NAMESPACE, "public")
    assert pool is not None

    assert len(stage.kube.list(OpenStackServer)) == 2
    assert of_pool.keys(pool) == [ObjectKey(NAMESPACE, "worker-0")]
