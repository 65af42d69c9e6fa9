# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines whose ports have floating IPs."""

from typing import Any

import pytest

from builders import NAMESPACE
from machine_stage import Stage
from pycapo.api.capi import IPAddressClaim
from pycapo.api.meta import API_GROUP, TypedLocalObjectReference
from pycapo.api.ports import PortFloatingIP, PortOpts
from pycapo.api.references import NetworkFilter, NetworkParam
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP


def floating(**fields: Any) -> PortOpts:
    return PortOpts(floating_ip=PortFloatingIP(**fields))


def by_name(name: str) -> NetworkParam:
    return NetworkParam(filter=NetworkFilter(name=name))


def held(stage: Stage) -> FloatingIP:
    """A floating IP that an operator has, pointing nowhere."""
    (made,) = stage.cloud.create(Kind.FLOATING_IP, [{"floating_network_id": "public-id"}], marks=[None])
    assert isinstance(made, FloatingIP)
    return made


def pointing(stage: Stage, name: str) -> list[str]:
    """The floating addresses that point at the ports of a machine's server."""
    ports = {port.id for port in stage.cloud.all(Kind.PORT) if port.name.startswith(f"{name}-")}
    return [it.floating_ip_address for it in stage.cloud.all(Kind.FLOATING_IP) if it.port_id in ports]


def external(stage: Stage, name: str) -> list[str]:
    status = stage.machine(name).status
    return [it.address for it in (status and status.addresses) or () if it.type == "ExternalIP"]


@pytest.mark.parametrize("port", [floating(), floating(network=by_name("public"))], ids=["cluster's", "by name"])
def test_a_floating_ip_is_made_with_the_machine_and_goes_with_it(port: PortOpts) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", port)
    stage.settle()

    assert len(pointing(stage, "worker-0")) == 1
    assert external(stage, "worker-0") == pointing(stage, "worker-0")
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_floating_ip_that_exists_is_used_and_only_pointed_nowhere() -> None:
    stage = Stage()
    address = held(stage)
    before = stage.cloud.snapshot()
    stage.add("worker-0", floating(address=address.floating_ip_address))
    stage.settle()
    assert external(stage, "worker-0") == [address.floating_ip_address]

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_two_machines_never_have_one_floating_ip() -> None:
    stage = Stage()
    address = held(stage).floating_ip_address
    stage.add("worker-0", floating(address=address))
    stage.add("worker-1", floating(address=address))
    stage.settle()

    assert pointing(stage, "worker-0") == [address]
    reason, message = stage.told(stage.machine("worker-1"), "InstanceReady")[1:]
    assert reason == "FloatingIPInUse"
    assert message.startswith(f"spec.ports[0].floatingIP.address: floating IP {address}")

    stage.delete("worker-0")
    stage.settle()

    assert pointing(stage, "worker-1") == [address]


@pytest.mark.parametrize(
    ("port", "told"),
    [
        (floating(address="203.0.113.99"), "spec.ports[0].floatingIP.address: no floating IP of this project has"),
        (floating(network=by_name("nowhere")), 'spec.ports[0].floatingIP.network: no network matches name "nowhere"'),
    ],
)
def test_what_is_not_there_is_told_before_anything_is_made(port: PortOpts, told: str) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", port)
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[2].startswith(told)
    assert stage.cloud.snapshot() == before


def test_a_network_that_no_router_leads_out_of_is_told_before_there_is_a_server() -> None:
    stage = Stage()
    (network,) = stage.cloud.create(Kind.NETWORK, [{"name": "apart"}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": network.id, "cidr": "10.9.0.0/24"}], marks=[None])
    stage.add("worker-0", PortOpts(), PortOpts(network=by_name("apart"), floating_ip=PortFloatingIP()))
    stage.settle()

    told = stage.told(stage.machine("worker-0"), "InstanceReady")
    assert told[2].startswith("spec.ports[1].floatingIP: External network public-id is not reachable")
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}


def test_a_floating_ip_that_was_deleted_or_points_nowhere_is_put_right_while_the_server_runs() -> None:
    stage = Stage()
    stage.add("worker-0", floating(network=by_name("public")))
    stage.settle()
    (address,) = [it for it in stage.cloud.all(Kind.FLOATING_IP) if "worker-0" in it.description]

    stage.cloud.delete(Kind.FLOATING_IP, address.id)
    stage.settle()
    (again,) = [it for it in stage.cloud.all(Kind.FLOATING_IP) if "worker-0" in it.description]
    stage.cloud.update(Kind.FLOATING_IP, again.id, {"port_id": None})
    stage.settle()

    assert pointing(stage, "worker-0") == [again.floating_ip_address]


@pytest.mark.parametrize("write", range(1, 4))
@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_on_the_way_leaves_one_floating_ip_and_loses_none(write: int, after: bool) -> None:
    stage = Stage()
    before = stage.cloud.snapshot()
    stage.add("worker-0", floating())
    stage.turn(stage.lives[1].kind, "worker-0")
    stage.cloud.die_at(write, after=after)
    with pytest.raises(BaseException, match=r"(before|after) write"):
        stage.settle()
    stage.restart()
    stage.settle()
    assert len(pointing(stage, "worker-0")) == 1

    stage.delete("worker-0")
    stage.settle()

    assert stage.cloud.snapshot() == before


def test_a_machine_without_the_quota_for_its_floating_ip_has_no_server_yet() -> None:
    stage = Stage()
    stage.cloud.world.quota[Kind.FLOATING_IP] = stage.count(Kind.FLOATING_IP)[Kind.FLOATING_IP]
    stage.add("worker-0", floating())
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "InstanceReady")[1] == "QuotaExceeded"
    assert stage.count(Kind.SERVER) == {Kind.SERVER: 0}


POOL = TypedLocalObjectReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")


def pooled(**spec: Any) -> Stage:
    """A stage with a pool of floating IPs."""
    stage = Stage()
    wanted = {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete", **spec}
    meta = {"namespace": NAMESPACE, "name": "public"}
    stage.kube.create(OpenStackFloatingIPPool.from_dict({"metadata": meta, "spec": wanted}))
    stage.settle()
    return stage


def test_a_floating_ip_of_a_pool_is_claimed_for_the_port_and_given_back() -> None:
    stage = pooled(maxIPs=1)
    before = stage.cloud.snapshot()
    stage.add("worker-0", PortOpts(), floating(pool_ref=POOL))
    stage.settle()

    assert [it.metadata.name for it in stage.kube.list(IPAddressClaim)] == ["worker-0-port-1-floating-ip"]
    assert external(stage, "worker-0") == pointing(stage, "worker-0") != []

    stage.delete("worker-0")
    stage.settle()

    assert stage.kube.list(IPAddressClaim) == []
    assert stage.cloud.snapshot() == before


def test_a_machine_waits_for_an_address_of_an_exhausted_pool_and_has_that_of_the_one_that_goes() -> None:
    stage = pooled(maxIPs=1)
    stage.add("worker-0", floating(pool_ref=POOL))
    stage.settle()
    stage.add("worker-1", floating(pool_ref=POOL))
    stage.settle()
    told = stage.told(stage.machine("worker-1"), "InstanceReady")
    assert told[1] == "WaitingForIPAMProvider"
    assert told[2].startswith("spec.ports[0].floatingIP.poolRef: IPAddressClaim worker-1-port-0-floating-ip")

    stage.delete("worker-0")
    stage.settle()

    assert len(pointing(stage, "worker-1")) == 1
