# SPDX-License-Identifier: Apache-2.0
"""What NICs of attachments may be besides a plain port: with a floating IP, made by somebody, from a pool, with a trunk."""

from collections.abc import Callable
from typing import Any

import pytest

from attachments import TRAFFIC, AttachmentStage, nic
from builders import NAMESPACE
from ipam import POOL, Provider
from memory_cloud import Killed
from pycapo.api.capi import IPAddressClaim
from pycapo.api.meta import API_GROUP, TypedLocalObjectReference
from pycapo.api.ports import FixedIP, PortBody, PortFloatingIP, PortOpts, Subport
from pycapo.api.references import NetworkFilter, NetworkParam, NeutronFilter, PortParam
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackNetworkAttachment
from pycapo.model.kinds import Kind
from pycapo.model.records import FloatingIP

PUBLIC = NetworkParam(filter=NetworkFilter(name="public"))
FLOATING_POOL = TypedLocalObjectReference(api_group=API_GROUP, kind="OpenStackFloatingIPPool", name="public")


def floating(**fields: Any) -> PortOpts:
    """An entry on the cluster network, which a router leads to, with a floating IP."""
    return PortOpts(floating_ip=PortFloatingIP(**fields))


def existing(name: str = "vip", **fields: Any) -> PortOpts:
    return PortOpts(existing_port=PortParam(filter=NeutronFilter(name=name)), **fields)


def a_trunk(*vlans: int) -> PortOpts:
    """A trunk on the network "storage" with a port on "traffic" for each VLAN."""
    traffic = NetworkParam(filter=NetworkFilter(name="traffic"))
    return nic(subports=[Subport(segmentation_id=vlan, port=PortBody(network=traffic)) for vlan in vlans])


def pooled(**fields: Any) -> PortOpts:
    return nic(fixed_ips=[FixedIP(address_from=POOL)], **fields)


def a_port(stage: AttachmentStage, name: str = "vip") -> Any:
    """A port that an operator made on "traffic"."""
    body = {"name": name, "network_id": TRAFFIC, "tags": ["dc"]}
    return stage.cloud.create(Kind.PORT, [body], marks=[None])[0]


def an_address(stage: AttachmentStage) -> FloatingIP:
    """A floating IP that an operator has, pointing nowhere."""
    (made,) = stage.cloud.create(Kind.FLOATING_IP, [{"floating_network_id": "public-id"}], marks=[None])
    tagged = stage.cloud.update(Kind.FLOATING_IP, made.id, {"tags": ["dc"]})
    assert isinstance(tagged, FloatingIP)
    return tagged


def now(stage: AttachmentStage, kind: Kind, id: str) -> Any:
    return stage.cloud.world.get(kind, id)


def pointing(stage: AttachmentStage) -> list[str]:
    """The floating addresses that point at NICs of attachments."""
    nics = {port.id for port in stage.nics()}
    return [it.floating_ip_address for it in stage.cloud.all(Kind.FLOATING_IP) if it.port_id in nics]


def external(stage: AttachmentStage, name: str) -> list[str]:
    status = stage.machine(name).status
    return [it.address for it in (status and status.addresses) or () if it.type == "ExternalIP"]


def carried(stage: AttachmentStage) -> dict[int, str]:
    """By VLAN the name of the port that the one trunk carries."""
    (trunk,) = stage.cloud.all(Kind.TRUNK)
    names = {port.id: port.name for port in stage.cloud.all(Kind.PORT)}
    return {it.segmentation_id: names[it.port_id] for it in trunk.sub_ports}


def test_a_floating_ip_is_made_for_each_machine_and_goes_with_the_nic() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    before = stage.cloud.snapshot()

    stage.attach(floating())
    found = sorted(pointing(stage))
    stage.settle()

    assert len(found) == 2
    assert sorted(external(stage, "control-0") + external(stage, "worker-0")) == found == sorted(pointing(stage))
    assert stage.ready()[0] == "True"
    stage.detach()
    assert stage.cloud.snapshot() == before


def test_a_machine_that_comes_later_has_the_floating_ip_from_the_start() -> None:
    stage = AttachmentStage()
    stage.attach(floating())
    stage.add("late")

    stage.settle()

    assert external(stage, "late") == pointing(stage) != []
    assert stage.cloud.calls["create", Kind.SERVER_INTERFACE] == 0


def test_a_floating_ip_comes_changes_and_goes_while_the_nic_stays() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(PortOpts())
    (before,) = stage.nics()

    stage.edit(floating())
    (first,) = (it.id for it in stage.cloud.all(Kind.FLOATING_IP) if it.port_id == before.id)
    stage.edit(floating(network=PUBLIC))
    (second,) = (it.id for it in stage.cloud.all(Kind.FLOATING_IP) if it.port_id == before.id)
    stage.edit(PortOpts())

    assert (first != second, pointing(stage)) == (True, [])
    assert [it.id for it in stage.nics()] == [before.id]
    assert not [it for it in stage.cloud.all(Kind.FLOATING_IP) if "extra" in it.description]


def test_a_floating_ip_that_was_there_is_used_by_one_machine_and_given_back_as_it_was() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    address = an_address(stage)
    before = stage.cloud.snapshot()

    stage.attach(floating(address=address.floating_ip_address))

    assert pointing(stage) == [address.floating_ip_address]
    assert (stage.status().ready, stage.ready()[1]) == (1, "FloatingIPInUse")
    assert len(stage.nics()) == 2
    stage.detach()
    assert stage.cloud.snapshot() == before


def test_another_address_gives_the_first_one_back() -> None:
    stage = AttachmentStage("worker-0")
    first, second = an_address(stage), an_address(stage)
    stage.attach(floating(address=first.floating_ip_address))

    stage.edit(floating(address=second.floating_ip_address))

    assert pointing(stage) == [second.floating_ip_address]
    assert now(stage, Kind.FLOATING_IP, first.id) == first
    assert len(stage.nics()) == 1


def test_a_floating_ip_that_somebody_points_elsewhere_is_not_taken_from_him() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    address, elsewhere = an_address(stage), next(it for it in stage.cloud.all(Kind.PORT) if it.name == "worker-0-0")
    stage.attach(floating(address=address.floating_ip_address))
    stage.cloud.update(Kind.FLOATING_IP, address.id, {"port_id": elsewhere.id})

    stage.settle()
    told = stage.ready()
    stage.detach()

    assert told[1] == "FloatingIPInUse"
    assert now(stage, Kind.FLOATING_IP, address.id).port_id == elsewhere.id
    assert now(stage, Kind.FLOATING_IP, address.id).tags == ("dc",)


def test_a_floating_ip_that_cannot_be_had_is_told_and_the_nic_is_there() -> None:
    stage = AttachmentStage("worker-0")

    stage.attach(floating(address="203.0.113.99"))

    assert stage.ready()[1:] == (
        "NotFound",
        "worker-0: spec.ports[0].floatingIP.address: no floating IP of this project has the address 203.0.113.99; "
        "name a network to have it made",
    )
    assert len(stage.nics("worker-0")) == 1


def test_a_network_that_no_router_leads_out_of_is_told_and_the_nic_is_there() -> None:
    stage = AttachmentStage("worker-0")

    stage.attach(nic(floating_ip=PortFloatingIP()))

    assert "spec.ports[0].floatingIP: External network public-id is not reachable" in stage.ready()[2]
    assert len(stage.nics("worker-0")) == 1
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_a_floating_ip_that_was_lost_is_made_again_once() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(floating())
    (lost,) = [it for it in stage.cloud.all(Kind.FLOATING_IP) if it.floating_ip_address in pointing(stage)]
    stage.cloud.delete(Kind.FLOATING_IP, lost.id)

    stage.settle()
    stage.settle()

    assert len(pointing(stage)) == 1


def test_a_floating_ip_of_a_pool_is_claimed_for_the_nic_and_given_back() -> None:
    stage = AttachmentStage("worker-0")
    wanted = {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete", "maxIPs": 1}
    meta = {"namespace": NAMESPACE, "name": "public"}
    stage.kube.create(OpenStackFloatingIPPool.from_dict({"metadata": meta, "spec": wanted}))
    stage.settle()
    before = stage.cloud.snapshot()

    stage.attach(floating(pool_ref=FLOATING_POOL))

    (claim,) = stage.kube.list(IPAddressClaim)
    assert claim.metadata.name == f"worker-0-{stage.nics()[0].mark.role}-floating-ip"
    assert external(stage, "worker-0") == pointing(stage) != []
    stage.edit(PortOpts())
    assert (pointing(stage), len(stage.nics()), stage.kube.list(IPAddressClaim)) == ([], 1, [])
    stage.edit(floating(pool_ref=FLOATING_POOL))
    assert len(pointing(stage)) == 1
    stage.detach()
    assert (stage.kube.list(IPAddressClaim), stage.cloud.snapshot()) == ([], before)


def test_a_port_that_was_there_is_plugged_in_and_given_back_as_it_was() -> None:
    stage = AttachmentStage("worker-0")
    vip = a_port(stage)
    before = stage.cloud.snapshot()

    stage.attach(existing())

    plugged = now(stage, Kind.PORT, vip.id)
    assert (plugged.device_id, plugged.name, stage.ready()[0]) == (stage.vm("worker-0"), "vip", "True")
    assert [it.id for it in (stage.status().machines or ())[0].ports or ()] == [vip.id]
    stage.detach()
    assert stage.cloud.snapshot() == before


def test_two_machines_never_use_one_port_and_the_second_has_it_when_the_first_goes() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    vip = a_port(stage)
    stage.attach(existing())
    (first,) = (name for name in ("worker-0", "worker-1") if stage.nics(name))
    assert (stage.status().ready, stage.ready()[1]) == (1, "PortInUse")
    assert f"port vip ({vip.id}) is used by compute:az1 {stage.vm(first)}" in stage.ready()[2]

    stage.delete(first)
    stage.settle()

    (second,) = {"worker-0", "worker-1"} - {first}
    assert now(stage, Kind.PORT, vip.id).device_id == stage.vm(second)
    stage.detach()
    assert now(stage, Kind.PORT, vip.id).tags == ("dc",)


def test_two_machines_that_come_later_do_not_fight_for_a_port() -> None:
    stage = AttachmentStage()
    a_port(stage)
    stage.attach(existing())
    stage.add("worker-0")
    stage.add("worker-1")

    stage.settle()

    assert len(stage.nics()) == 1
    ready = [stage.told(stage.machine(name), "Ready")[0] for name in ("worker-0", "worker-1")]
    assert ready == ["True", "True"]


def test_an_address_of_a_pool_is_claimed_for_each_machine_and_released_with_the_nic() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    before, provider = stage.cloud.snapshot(), Provider(stage, "10.20.0.60", "10.20.0.61")
    stage.attach(pooled())
    assert (stage.ready()[1], stage.nics()) == ("WaitingForIPAMProvider", [])

    provider.settle()

    assert sorted(it.fixed_ips[0].ip_address for it in stage.nics()) == ["10.20.0.60", "10.20.0.61"]
    assert (stage.ready()[0], len(stage.kube.list(IPAddressClaim))) == ("True", 2)
    stage.detach()
    assert stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is not None
    provider.settle()
    assert stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is None
    assert (sorted(provider.free), stage.kube.list(IPAddressClaim)) == (["10.20.0.60", "10.20.0.61"], [])
    assert stage.cloud.snapshot() == before


def test_a_claim_is_kept_until_nova_has_unplugged_its_nic() -> None:
    stage = AttachmentStage("worker-0")
    provider = Provider(stage, "10.20.0.60")
    stage.attach(pooled())
    provider.settle()
    stage.cloud.fail_next(Kind.SERVER_INTERFACE, "delete", KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        stage.detach()

    assert (len(stage.nics()), len(stage.kube.list(IPAddressClaim))) == (1, 1)
    provider.settle()
    assert (stage.nics(), stage.kube.list(IPAddressClaim)) == ([], [])


def test_a_machine_that_goes_releases_the_claims_of_its_nics() -> None:
    stage = AttachmentStage("worker-0")
    provider = Provider(stage, "10.20.0.60")
    stage.attach(pooled())
    provider.settle()

    stage.delete("worker-0")
    provider.settle()

    assert (stage.kube.list(IPAddressClaim), provider.free) == ([], ["10.20.0.60"])
    assert (stage.status().selected, stage.nics()) == (0, [])


def test_another_pool_entry_is_another_nic_with_a_claim_of_its_own() -> None:
    stage = AttachmentStage("worker-0")
    provider = Provider(stage, "10.20.0.60", "10.20.0.61")
    stage.attach(pooled())
    provider.settle()

    stage.edit(pooled(mac_address="fa:16:3e:00:00:07"))
    provider.settle()

    (port,) = stage.nics("worker-0")
    assert (port.mac_address, port.fixed_ips[0].ip_address) == ("fa:16:3e:00:00:07", "10.20.0.61")
    assert (len(stage.kube.list(IPAddressClaim)), provider.free) == (1, ["10.20.0.60"])


def test_a_trunk_is_made_before_its_port_is_plugged_in_and_all_of_it_goes() -> None:
    stage = AttachmentStage("worker-0")
    before = stage.cloud.snapshot()
    stage.cloud.fail_next(Kind.SERVER_INTERFACE, "create", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        stage.attach(a_trunk(101, 102))
    assert carried(stage) == {101: "worker-0-extra-0-0", 102: "worker-0-extra-0-1"}
    assert not any(it.device_id == stage.vm("worker-0") for it in stage.nics())

    stage.settle()

    assert ([it.name for it in stage.nics("worker-0")], stage.ready()[0]) == (["worker-0-extra-0"], "True")
    stage.detach()
    assert stage.cloud.snapshot() == before


def test_a_trunk_without_ports_is_made_and_goes_with_the_machine() -> None:
    stage = AttachmentStage()
    before = stage.cloud.snapshot()
    stage.attach(nic(trunk=True))
    stage.add("late")
    stage.settle()
    assert (carried(stage), len(stage.nics("late"))) == ({}, 1)

    stage.delete("late")
    stage.settle()
    stage.detach()

    assert stage.cloud.snapshot() == before


def children(stage: AttachmentStage) -> dict[int, str]:
    """The ids of the ports in the trunk, by segmentation id."""
    (trunk,) = stage.cloud.all(Kind.TRUNK)
    return {it.segmentation_id: it.port_id for it in trunk.sub_ports}


def test_ports_come_into_a_trunk_and_go_out_of_it_while_the_nic_and_the_others_stay() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(a_trunk(101, 102))
    (before,), (trunk,), first = stage.nics("worker-0"), stage.cloud.all(Kind.TRUNK), children(stage)

    stage.edit(a_trunk(102, 103))
    second = children(stage)
    stage.edit(a_trunk(103, 102, 101))

    assert [it.id for it in stage.nics("worker-0")] == [before.id]
    assert [it.id for it in stage.cloud.all(Kind.TRUNK)] == [trunk.id]
    assert (second[102], sorted(second)) == (first[102], [102, 103])
    assert {seg: children(stage)[seg] for seg in (102, 103)} == second
    assert (carried(stage)[103], len(stage.nics()), stage.ready()[0]) == ("worker-0-extra-0-0", 4, "True")


def test_all_ports_of_a_trunk_can_go_and_it_stays_where_the_entry_says_so() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(trunk=True, subports=a_trunk(101).subports))
    (before,) = stage.nics("worker-0")

    stage.edit(nic(trunk=True))
    assert (carried(stage), [it.id for it in stage.nics()]) == ({}, [before.id])
    stage.edit(a_trunk(101))

    assert [it.id for it in stage.nics("worker-0")] == [before.id]
    assert sorted(carried(stage)) == [101]


def test_of_two_trunks_the_one_whose_entry_stays_keeps_its_nic() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(a_trunk(101), a_trunk(102))
    (kept,) = [it for it in stage.nics("worker-0") if it.name == "worker-0-extra-1"]

    stage.edit(a_trunk(102))

    assert [it.id for it in stage.nics("worker-0")] == [kept.id]
    assert sorted(carried(stage)) == [102]


def test_a_trunk_that_somebody_deleted_is_made_again_and_the_nic_is_the_same() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(a_trunk(101))
    (before,), (trunk,) = stage.nics("worker-0"), stage.cloud.all(Kind.TRUNK)
    stage.cloud.delete(Kind.TRUNK, trunk.id)

    stage.settle()
    stage.settle()

    assert [it.id for it in stage.nics("worker-0")] == [before.id]
    assert (carried(stage), len(stage.nics())) == ({101: "worker-0-extra-0-0"}, 2)


def test_a_port_that_fell_out_of_its_trunk_or_was_deleted_is_put_back() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(a_trunk(101, 102))
    (trunk,) = stage.cloud.all(Kind.TRUNK)
    stage.cloud.update(Kind.TRUNK, trunk.id, {"sub_ports": []})
    stage.cloud.world.drop(Kind.PORT, trunk.sub_ports[0].port_id)

    stage.settle()
    stage.settle()

    assert carried(stage) == {101: "worker-0-extra-0-0", 102: "worker-0-extra-0-1"}
    assert len(stage.nics()) == 3


def test_a_cloud_without_trunks_is_told_and_nothing_made() -> None:
    stage = AttachmentStage("worker-0")
    stage.cloud.world.extensions -= {"trunk"}

    stage.attach(a_trunk(101), nic("traffic"))

    assert stage.ready()[1] == "TrunkNotSupported"
    assert [it.network_id for it in stage.nics()] == [TRAFFIC]


def everything(stage: AttachmentStage) -> list[PortOpts]:
    """An entry of each sort, for one machine."""
    a_port(stage)
    return [floating(), existing(), a_trunk(101), floating(address=an_address(stage).floating_ip_address)]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 13))
def test_whenever_the_process_ends_all_is_there_once_and_nothing_is_left_after_removal(write: int, after: bool) -> None:
    stage = AttachmentStage("worker-0")
    ports = everything(stage)
    before = stage.cloud.snapshot()

    survive(stage, lambda: stage.attach(*ports), write, after)
    stage.settle()
    assert (len(stage.nics("worker-0")), len(stage.nics()), len(pointing(stage))) == (4, 5, 2)
    assert sorted(carried(stage)) == [101]
    survive(stage, stage.detach, write, after)

    assert stage.cloud.snapshot() == before
    assert stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is None


def survive(stage: AttachmentStage, work: Callable[[], object], write: int, after: bool) -> None:
    """Does something with a process that ends at a write, and with the next one."""
    stage.cloud.die_at(write, after=after)
    try:
        work()
    except Killed:
        stage.restart()
        stage.settle()
    stage.cloud._death = None


@pytest.mark.parametrize("write", range(1, 9))
def test_a_machine_that_goes_leaves_nothing_whenever_the_process_ends(write: int) -> None:
    stage = AttachmentStage()
    ports = everything(stage)
    before = stage.cloud.snapshot()
    stage.attach(*ports)
    stage.add("worker-0")
    survive(stage, stage.settle, write, True)
    assert len(stage.nics("worker-0")) == 4

    stage.delete("worker-0")
    survive(stage, stage.settle, write, True)

    assert stage.cloud.snapshot() == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 4))
def test_whenever_the_process_ends_an_address_is_claimed_once_and_released_once(write: int, after: bool) -> None:
    stage = AttachmentStage("worker-0")
    before, provider = stage.cloud.snapshot(), Provider(stage, "10.20.0.60", "10.20.0.61")

    survive(stage, lambda: (stage.attach(pooled()), provider.settle()), write, after)
    provider.settle()
    assert [it.fixed_ips[0].ip_address for it in stage.nics("worker-0")] == ["10.20.0.60"]
    assert len(stage.kube.list(IPAddressClaim)) == 1
    survive(stage, lambda: (stage.detach(), provider.settle()), write, after)
    provider.settle()

    assert (stage.kube.list(IPAddressClaim), stage.cloud.snapshot()) == ([], before)


def test_a_port_that_was_there_is_plugged_in_again_and_told_when_it_is_gone() -> None:
    stage = AttachmentStage("worker-0")
    vip = a_port(stage)
    stage.attach(existing())
    stage.cloud.world.change(Kind.PORT, vip.id, {"device_id": "", "device_owner": ""})
    stage.settle()
    assert now(stage, Kind.PORT, vip.id).device_id == stage.vm("worker-0")

    stage.cloud.world.drop(Kind.PORT, vip.id)
    stage.settle()

    assert stage.ready()[1:] == ("NotFound", 'worker-0: spec.ports[0].existingPort: no port matches name "vip"')


def test_claims_of_an_attachment_that_was_torn_out_are_released_too() -> None:
    stage = AttachmentStage("worker-0")
    provider = Provider(stage, "10.20.0.60")
    stage.attach(pooled())
    stage.tear_out()

    provider.settle()

    assert (stage.kube.list(IPAddressClaim), stage.nics(), provider.free) == ([], [], ["10.20.0.60"])
