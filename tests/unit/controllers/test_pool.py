# SPDX-License-Identifier: Apache-2.0
"""The whole life of floating IP pools: claims, addresses, servers that use them, and OpenStack as it was in the end."""

from typing import Any

import pytest

from builders import NAME, NAMESPACE, a_capi_cluster
from machine_stage import Stage
from memory_cloud import Killed
from pycapo.api.capi import (
    CLUSTER_NAME_LABEL,
    Cluster,
    IPAddress,
    IPAddressClaim,
    IPAddressClaimSpec,
    PoolReference,
)
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import API_GROUP, ObjectMeta, TypedLocalObjectReference
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer
from pycapo.kube.errors import Unreachable
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind
from pycapo.plan.claims import ADDRESS_FINALIZERS
from pycapo.plan.pool import POOL_READY
from pycapo.plan.pool_address import ADDRESS_READY

POOL = TypedLocalObjectReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")


def a_pool(name: str = "public", **spec: Any) -> OpenStackFloatingIPPool:
    wanted = {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete", **spec}
    return OpenStackFloatingIPPool.from_dict({"metadata": {"namespace": NAMESPACE, "name": name}, "spec": wanted})


def a_claim(name: str, **fields: Any) -> IPAddressClaim:
    reference = PoolReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")
    spec = IPAddressClaimSpec(pool_ref=reference, **fields)
    return IPAddressClaim(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec)


def staged(**spec: Any) -> Stage:
    stage = Stage()
    stage.kube.create(a_pool(**spec))
    stage.settle()
    return stage


def pool(stage: Stage) -> Any:
    return stage.kube.get(OpenStackFloatingIPPool, NAMESPACE, "public")


def address(stage: Stage, name: str) -> Any:
    return stage.kube.get(IPAddress, NAMESPACE, name)


def claim(stage: Stage, *names: str, **fields: Any) -> None:
    for name in names:
        stage.kube.create(a_claim(name, **fields))
    stage.settle()


def let_go(stage: Stage, name: str) -> None:
    stage.kube.delete(IPAddressClaim, NAMESPACE, name)
    stage.settle()


def floating(stage: Stage) -> list[str]:
    return sorted(item.floating_ip_address for item in stage.cloud.all(Kind.FLOATING_IP))


def pre_allocated(stage: Stage) -> str:
    """A floating IP that somebody made before."""
    (made,) = stage.cloud.create(Kind.FLOATING_IP, [{"floating_network_id": "public-id"}], marks=[None])
    return str(getattr(made, "floating_ip_address", ""))


def test_a_claim_gets_an_address_by_the_contract_and_gives_it_back() -> None:
    stage = staged()
    before = stage.cloud.snapshot()

    claim(stage, "a")

    given, wish = address(stage, "a"), stage.kube.get(IPAddressClaim, NAMESPACE, "a")
    assert wish is not None
    assert wish.to_dict()["status"]["addressRef"] == {"name": "a"}
    assert given.spec.address in floating(stage)
    assert (given.spec.prefix, given.spec.claim_ref.name, given.spec.pool_ref.name) == (32, "a", "public")
    assert given.metadata.finalizers == list(ADDRESS_FINALIZERS)
    owners = [(it.kind, it.controller, it.block_owner_deletion) for it in given.metadata.owner_references]
    assert owners == [("IPAddressClaim", True, True), ("OpenStackFloatingIPPool", False, True)]
    let_go(stage, "a")
    assert address(stage, "a") is None
    assert stage.cloud.snapshot() == before


def test_status_tells_what_is_claimed_what_is_free_and_on_which_network() -> None:
    stage = staged(reclaimPolicy="Retain")
    claim(stage, "a", "b")
    let_go(stage, "a")

    status = pool(stage).status

    assert status.claimed_ips == [address(stage, "b").spec.address]
    assert {*status.claimed_ips, *status.available_ips} <= {*floating(stage)}
    assert len(status.available_ips) == 1
    assert (status.floating_ip_network.id, status.floating_ip_network.name) == ("public-id", "public")
    assert stage.told(pool(stage), POOL_READY)[0] == "True"
    assert stage.told(pool(stage), "Ready")[0] == "True"


def test_what_is_retained_serves_the_next_claim_and_goes_with_the_pool() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.kube.create(a_pool(reclaimPolicy="Retain"))
    claim(stage, "a")
    first = address(stage, "a").spec.address
    let_go(stage, "a")

    claim(stage, "b")

    assert address(stage, "b").spec.address == first
    let_go(stage, "b")
    stage.kube.delete(OpenStackFloatingIPPool, NAMESPACE, "public")
    stage.settle()
    assert pool(stage) is None
    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_pre_allocated_addresses_are_given_first_and_never_deleted(policy: str) -> None:
    stage = Stage()
    mine = pre_allocated(stage)
    before = stage.cloud.snapshot()
    stage.kube.create(a_pool(preAllocatedFloatingIPs=[mine], reclaimPolicy=policy))

    claim(stage, "a", "b")

    assert mine in {address(stage, name).spec.address for name in ("a", "b")}
    for name in ("a", "b"):
        let_go(stage, name)
    stage.kube.delete(OpenStackFloatingIPPool, NAMESPACE, "public")
    stage.settle()
    assert stage.cloud.snapshot() == before


def test_no_more_than_max_ips_are_given_and_the_next_follows_when_one_comes_back() -> None:
    stage = staged(maxIPs=1)

    claim(stage, "a", "b")

    assert address(stage, "b") is None
    message = "spec.maxIPs: 1 claims wait (b): all 1 floating IPs are in use"
    assert stage.told(pool(stage), POOL_READY) == ("False", "MaxIPsReached", message)
    let_go(stage, "a")
    assert address(stage, "b") is not None
    assert stage.told(pool(stage), POOL_READY)[0] == "True"


def test_a_pre_allocated_address_that_is_not_there_is_told_and_hinders_nobody() -> None:
    stage = staged(preAllocatedFloatingIPs=["203.0.113.250"])

    claim(stage, "a")

    assert address(stage, "a") is not None
    message = "spec.preAllocatedFloatingIPs[0]: no floating IP of this project has the address 203.0.113.250"
    assert stage.told(pool(stage), POOL_READY) == ("False", "NotFound", message)
    assert pool(stage).status.failed_ips == ["203.0.113.250"]


def test_an_external_network_that_is_not_there_is_told() -> None:
    stage = staged(floatingIPNetwork={"filter": {"name": "nowhere"}})

    claim(stage, "a")

    told = stage.told(pool(stage), POOL_READY)
    message = 'spec.floatingIPNetwork: no network matches name "nowhere" and external "true"'
    assert told == ("False", "UnableToFindNetwork", message)
    assert address(stage, "a") is None


def test_a_quota_that_is_used_up_is_told_with_the_field_and_those_who_have_an_address_can_leave() -> None:
    stage = staged(reclaimPolicy="Retain")
    stage.cloud.world.quota[Kind.FLOATING_IP] = len(floating(stage)) + 1
    claim(stage, "a", "b")
    told = stage.told(pool(stage), POOL_READY)
    assert (told[1], told[2].partition(":")[0]) == ("QuotaExceeded", "spec.floatingIPNetwork")

    let_go(stage, "a")

    assert address(stage, "b") is not None


def test_claims_of_a_paused_cluster_wait_and_their_addresses_stay() -> None:
    stage = staged()
    claim(stage, "a", cluster_name=NAME)
    cluster = stage.kube.get(Cluster, NAMESPACE, NAME)
    assert cluster is not None
    stage.kube.patch(cluster, Cluster(metadata=cluster.metadata, spec=a_capi_cluster(paused=True).spec))

    claim(stage, "b", cluster_name=NAME)
    let_go(stage, "a")

    assert address(stage, "b") is None
    assert address(stage, "a").spec.address in floating(stage)
    stage.kube.patch(stage.kube.read(Cluster, NAMESPACE, NAME), cluster)  # type: ignore[type-var]
    stage.settle()
    assert address(stage, "b") is not None
    assert address(stage, "a") is None


def test_a_claim_of_a_cluster_that_is_not_there_waits() -> None:
    stage = staged()

    claim(stage, "a", cluster_name="elsewhere")

    assert address(stage, "a") is None


def test_an_address_of_the_claims_name_that_is_another_pools_is_left_alone() -> None:
    stage = staged()
    wish = a_claim("a")
    theirs = {
        "claimRef": {"name": "a"},
        "poolRef": {"apiGroup": "x", "kind": "Other", "name": "o"},
        "address": "1.2.3.4",
    }
    stage.kube.create(IPAddress.from_dict({"metadata": {"name": "a", "namespace": NAMESPACE}, "spec": theirs}))
    stage.kube.create(wish)

    stage.settle()

    assert stage.told(pool(stage), POOL_READY)[1] == "NameTaken"
    assert address(stage, "a").spec.address == "1.2.3.4"


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_process_that_dies_at_any_write_makes_nothing_twice_and_leaves_nothing(write: int, *, after: bool) -> None:
    stage = staged()
    before, there = stage.cloud.snapshot(), len(floating(stage))
    stage.cloud.die_at(write, after=after)
    lifetimes = 0
    for step in (lambda: claim(stage, "a", "b"), lambda: let_go(stage, "a"), lambda: let_go(stage, "b")):
        try:
            step()
        except Killed:
            stage.restart()
            lifetimes += 1
            stage.settle()
        assert len(floating(stage)) <= there + 2

    assert lifetimes == 1
    assert [address(stage, name) for name in ("a", "b")] == [None, None]
    assert {**stage.cloud.snapshot()} == before


def test_an_answer_of_kubernetes_that_is_lost_gives_no_second_address() -> None:
    stage = staged()
    there = len(floating(stage))
    stage.kube.server.fail("POST", "ipaddresses", Unreachable("cut off"), after_work=True)
    stage.kube.server.fail("PATCH", "ipaddressclaims", Unreachable("cut off"))

    claim(stage, "a")

    assert len(floating(stage)) == there + 1
    wish = stage.kube.get(IPAddressClaim, NAMESPACE, "a")
    assert wish is not None
    assert wish.to_dict()["status"]["addressRef"] == {"name": "a"}


def test_a_pool_whose_addresses_are_held_is_not_deleted_and_says_by_whom() -> None:
    stage = staged()
    claim(stage, "a")

    stage.kube.delete(OpenStackFloatingIPPool, NAMESPACE, "public")
    stage.settle()

    told = stage.told(pool(stage), POOL_READY)
    assert told == ("False", "Deleting", "1 IPAddresses are held (a); their claims go first")
    let_go(stage, "a")
    assert pool(stage) is None


def test_a_settled_pool_asks_openstack_for_nothing_but_the_shared_picture() -> None:
    stage = staged(preAllocatedFloatingIPs=[])
    claim(stage, "a")
    stage.cloud.calls.clear()

    stage.turn(OpenStackFloatingIPPool, "public")

    assert set(stage.cloud.calls) == {("look", Kind.FLOATING_IP)}


def test_a_machine_gets_a_floating_ip_of_the_pool_on_the_port_that_a_router_leads_to() -> None:
    stage = staged()
    before = stage.cloud.snapshot()

    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.settle()

    given = address(stage, "worker-0-floating-ip-address")
    (item,) = (it for it in stage.cloud.all(Kind.FLOATING_IP) if it.floating_ip_address == given.spec.address)
    (port,) = (it for it in stage.cloud.all(Kind.PORT) if it.id == item.port_id)
    assert port.name == "worker-0-0"
    machine = stage.machine("worker-0")
    assert machine.status is not None
    assert ("ExternalIP", given.spec.address) in [(it.type, it.address) for it in machine.status.addresses or ()]
    assert stage.told(machine, ADDRESS_READY)[0] == "True"
    assert stage.told(machine, "Ready")[0] == "True"
    wish = stage.kube.get(IPAddressClaim, NAMESPACE, "worker-0-floating-ip-address")
    assert wish is not None
    assert wish.spec.cluster_name == (wish.metadata.labels or {})[CLUSTER_NAME_LABEL] == NAME
    stage.delete("worker-0")
    stage.settle()
    assert stage.kube.get(IPAddressClaim, NAMESPACE, "worker-0-floating-ip-address") is None
    assert stage.cloud.snapshot() == before


def test_a_machine_that_waits_for_its_address_says_why_and_nothing_of_it_is_made() -> None:
    stage = staged(maxIPs=0)

    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.settle()

    told = stage.told(stage.machine("worker-0"), ADDRESS_READY)
    assert told[1] == "WaitingForIPAMProvider"
    assert told[2] == (
        "spec.floatingIPPoolRef: IPAddressClaim worker-0-floating-ip-address on OpenStackFloatingIPPool public has no "
        "address yet: spec.maxIPs: 1 claims wait (worker-0-floating-ip-address): all 0 floating IPs are in use"
    )
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}
    stage.delete("worker-0")
    stage.settle()
    assert stage.kube.list(IPAddressClaim) == []


def test_a_bastion_that_waits_for_an_address_says_so_and_goes_on_with_another_pool() -> None:
    spec = {"flavor": {"filter": {"name": "m1.small"}}, "image": {"filter": {"name": "ubuntu"}}}
    reference = {"apiGroup": API_GROUP, "kind": "OpenStackFloatingIPPool", "name": "public"}
    stage = staged(maxIPs=0)
    stage.change(bastion={"enabled": True, "spec": {**spec, "floatingIPPoolRef": reference}})
    stage.settle()
    assert "all 0 floating IPs are in use" in stage.told(stage.cluster, "BastionReady")[2]

    stage.change(bastion={"enabled": True, "spec": {**spec, "floatingIPPoolRef": {**reference, "name": "none"}}})
    stage.settle()
    assert "there is no OpenStackFloatingIPPool none" in stage.told(stage.cluster, "BastionReady")[2]

    stage.kube.create(a_pool("none"))
    stage.settle()

    assert stage.told(stage.cluster, "BastionReady")[0] == "True"


def test_a_bastion_that_waits_for_an_address_goes_on_when_its_pool_grows() -> None:
    reference = {"apiGroup": API_GROUP, "kind": "OpenStackFloatingIPPool", "name": "public"}
    spec = {
        "flavor": {"filter": {"name": "m1.small"}},
        "image": {"filter": {"name": "ubuntu"}},
        "floatingIPPoolRef": reference,
    }
    stage = staged(maxIPs=0)
    stage.change(bastion={"enabled": True, "spec": spec})
    stage.settle()

    before, after = pool(stage), copy_of(pool(stage))
    after.spec.max_ips = 1
    stage.kube.patch(before, after)
    stage.settle()

    assert stage.told(stage.cluster, "BastionReady")[0] == "True"


def test_a_pool_that_does_not_exist_is_told_on_the_machine() -> None:
    stage = Stage()

    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.settle()

    assert "there is no OpenStackFloatingIPPool public" in stage.told(stage.machine("worker-0"), ADDRESS_READY)[2]


def test_without_the_kinds_of_ipam_it_is_told_what_to_install() -> None:
    stage = Stage()
    stage.kube.server.absent |= {"ipaddressclaims", "ipaddresses"}
    stage.add("worker-0", floating_ip_pool_ref=POOL)

    for kind in (OpenStackMachine, OpenStackServer, OpenStackMachine):
        stage.turn(kind, "worker-0")

    told = stage.told(stage.machine("worker-0"), ADDRESS_READY)
    assert (told[1], "install Cluster API" in told[2]) == ("IPAMNotServed", True)
    stage.delete("worker-0")
    stage.settle()
    assert stage.kube.get(OpenStackServer, NAMESPACE, "worker-0") is None


@pytest.mark.parametrize("write", range(1, 7))
def test_a_machine_with_a_floating_ip_survives_a_death_at_every_write(write: int) -> None:
    stage = staged()
    before, there = stage.cloud.snapshot(), len(floating(stage))
    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.cloud.die_at(write, after=True)
    for step in (stage.settle, lambda: stage.delete("worker-0"), stage.settle):
        try:
            step()
        except Killed:
            stage.restart()
            stage.settle()
        assert len(floating(stage)) <= there + 1

    assert stage.cloud.snapshot() == before


def test_a_floating_ip_that_somebody_points_elsewhere_is_told_and_not_taken() -> None:
    stage = staged()
    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.add("worker-1")
    stage.settle()
    given = address(stage, "worker-0-floating-ip-address").spec.address
    (item,) = (it for it in stage.cloud.all(Kind.FLOATING_IP) if it.floating_ip_address == given)
    (other,) = (it for it in stage.cloud.all(Kind.PORT) if it.name == "worker-1-0")
    stage.cloud.update(Kind.FLOATING_IP, item.id, {"port_id": other.id})

    stage.turn(OpenStackServer, "worker-0")

    told = stage.told(stage.server("worker-0"), ADDRESS_READY)
    message = f"spec.floatingIPPoolRef: floating IP {given} ({item.id}) is in use at port {other.id}"
    assert told == ("False", "InUse", message)


def test_what_the_go_provider_made_is_taken_over_by_its_tag_and_deleted_with_its_claim() -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    body = {"floating_network_id": "public-id"}
    (made,) = stage.cloud.create(Kind.FLOATING_IP, [body], marks=[None])
    stage.cloud.update(Kind.FLOATING_IP, made.id, {"tags": ["cluster-api-provider-openstack-fip-pool-public"]})
    wish = stage.kube.create(a_claim("a"))
    spec = {"claimRef": {"name": "a"}, "address": getattr(made, "floating_ip_address", "")}
    spec["poolRef"] = {"apiGroup": API_GROUP, "kind": "OpenStackFloatingIPPool", "name": "public"}
    meta = {"name": "a", "namespace": NAMESPACE, "finalizers": [ADDRESS_FINALIZERS[0]]}
    stage.kube.create(IPAddress.from_dict({"metadata": meta, "spec": spec}))
    stage.kube.create(a_pool())
    stage.settle()

    let_go(stage, wish.metadata.name)

    assert stage.cloud.snapshot() == before


def test_a_move_to_another_management_cluster_takes_no_address_away() -> None:
    """Objects come without status and the pool before its IPAddresses."""
    stage = staged()
    stage.add("worker-0", floating_ip_pool_ref=POOL)
    stage.settle()
    given = copy_of(address(stage, "worker-0-floating-ip-address"))
    stage.kube.server.objects.pop(("ipaddresses", (NAMESPACE, given.metadata.name)))  # type: ignore[arg-type]
    stage.kube.read(IPAddress, NAMESPACE, given.metadata.name)

    stage.turn(OpenStackFloatingIPPool, "public")

    assert given.spec.address in floating(stage)
