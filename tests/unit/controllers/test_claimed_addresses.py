# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines whose ports take addresses of IPAM pools, with a stand-in for the IPAM provider."""

from typing import Any

import pytest

from builders import NAMESPACE
from ipam import POOL, Provider
from machine_stage import Stage
from pycapo.api.capi import (
    IPAddressClaim,
    IPAddressClaimSpec,
    IPAddressClaimStatus,
    PoolReference,
)
from pycapo.api.meta import ObjectMeta
from pycapo.api.ports import FixedIP, PortOpts
from pycapo.kube import conditions
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind

NAME = "worker-0-port-0-0"


def from_pool(**fields: Any) -> PortOpts:
    return PortOpts(fixed_ips=[FixedIP(address_from=POOL, **fields)])


def internal(stage: Stage, name: str) -> list[str]:
    status = stage.machine(name).status
    return [it.address for it in (status and status.addresses) or () if it.type == "InternalIP"]


def told(stage: Stage, name: str = "worker-0") -> tuple[str, str]:
    return stage.told(stage.machine(name), "InstanceReady")[1:]


def test_a_machine_claims_an_address_uses_it_and_gives_it_back() -> None:
    stage = Stage()
    before, provider = stage.cloud.snapshot(), Provider(stage, "10.6.0.60")
    stage.add("worker-0", from_pool())
    stage.settle()
    assert told(stage) == (
        "WaitingForIPAMProvider",
        f"spec.ports[0].fixedIPs[0].addressFrom: IPAddressClaim {NAME} on InClusterIPPool nodes has no address yet: "
        "no InClusterIPPool (ipam.cluster.x-k8s.io/v1alpha2) of that name was found",
    )
    assert stage.cloud.snapshot() == before

    provider.settle()
    assert internal(stage, "worker-0") == ["10.6.0.60"]

    stage.delete("worker-0")
    provider.settle()

    assert (stage.kube.list(IPAddressClaim), provider.free) == ([], ["10.6.0.60"])
    assert stage.cloud.snapshot() == before


def test_a_claim_says_its_pool_its_cluster_and_its_owner() -> None:
    stage = Stage()
    stage.add("worker-0", from_pool())
    stage.settle()

    (claim,) = stage.kube.list(IPAddressClaim)
    (owner,) = claim.metadata.owner_references or ()
    assert claim.spec.pool_ref == PoolReference(api_group="ipam.cluster.x-k8s.io", kind="InClusterIPPool", name="nodes")
    assert claim.spec.cluster_name == "blue"
    assert (owner.kind, owner.name, owner.controller, owner.block_owner_deletion) == (
        "OpenStackServer",
        "worker-0",
        True,
        True,
    )


def test_machines_of_one_pool_have_one_address_each() -> None:
    stage = Stage()
    provider = Provider(stage, "10.6.0.60", "10.6.0.61")
    for name in ("worker-0", "worker-1", "worker-2"):
        stage.add(name, from_pool())
    provider.settle()
    assert sorted(internal(stage, "worker-0") + internal(stage, "worker-1")) == ["10.6.0.60", "10.6.0.61"]
    assert told(stage, "worker-2")[0] == "WaitingForIPAMProvider"

    stage.delete("worker-0")
    provider.settle()

    assert internal(stage, "worker-2") == ["10.6.0.60"]


@pytest.mark.parametrize(("address", "reason"), [("10.9.0.1", "AddressOutsideSubnet"), ("10.6.0.77", "AddressTaken")])
def test_an_address_of_a_pool_that_cannot_be_had_is_told(address: str, reason: str) -> None:
    stage = Stage()
    network = next(it.id for it in stage.cloud.all(Kind.NETWORK))
    taken = {"name": "db", "network_id": network, "fixed_ips": [{"ip_address": "10.6.0.77"}]}
    stage.cloud.create(Kind.PORT, [taken], marks=[None])
    stage.add("worker-0", from_pool())
    Provider(stage, address).settle()

    assert told(stage)[0] == reason
    assert told(stage)[1].startswith("spec.ports[0].fixedIPs[0].addressFrom: ")
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}


def test_what_the_provider_tells_of_a_claim_is_told() -> None:
    stage = Stage()
    stage.add("worker-0", from_pool())
    stage.settle()
    (claim,) = stage.kube.list(IPAddressClaim)
    after = copy_of(claim)
    after.status = IPAddressClaimStatus(conditions=[])
    conditions.mark(after, "Ready", status=False, reason="PoolNotReady", message="the pool is exhausted")
    stage.kube.patch_status(claim, after)
    stage.settle()

    assert told(stage)[1].endswith("has no address yet: the pool is exhausted")


def test_a_claim_of_somebody_else_is_neither_used_nor_deleted() -> None:
    stage = Stage()
    pool = PoolReference(api_group="ipam.cluster.x-k8s.io", kind="InClusterIPPool", name="nodes")
    meta = ObjectMeta(name=NAME, namespace=NAMESPACE)
    stage.kube.create(IPAddressClaim(metadata=meta, spec=IPAddressClaimSpec(pool_ref=pool)))
    stage.add("worker-0", from_pool())
    stage.settle()
    assert told(stage)[0] == "NameTaken"

    stage.delete("worker-0")
    stage.settle()

    assert [it.metadata.name for it in stage.kube.list(IPAddressClaim)] == [NAME]


def test_a_machine_stays_until_the_provider_has_let_its_claim_go() -> None:
    stage = Stage()
    provider = Provider(stage, "10.6.0.60")
    stage.add("worker-0", from_pool())
    provider.settle()
    stage.delete("worker-0")
    stage.settle()

    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}
    assert stage.told(stage.server("worker-0"), "InstanceReady")[2].startswith(f"IPAddressClaim {NAME}: ")


def test_a_moved_management_cluster_keeps_the_address_and_the_claim() -> None:
    stage = Stage()
    provider = Provider(stage, "10.6.0.60", "10.6.0.61")
    stage.add("worker-0", from_pool())
    provider.settle()
    stage.lose_status("worker-0")
    stage.restart()
    provider.settle()

    assert internal(stage, "worker-0") == ["10.6.0.60"]
    assert len(stage.kube.list(IPAddressClaim)) == 1
