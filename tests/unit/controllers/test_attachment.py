# SPDX-License-Identifier: Apache-2.0
"""NICs on machines that run: given, edited, repaired and taken back, and never a server made for them."""

from typing import Any

import pytest

from attachments import STORAGE, TRAFFIC, AttachmentStage, an_attachment, nic
from builders import NAME, NAMESPACE
from memory_cloud import Killed
from pycapo.api.capi import CLUSTER_NAME_LABEL, Cluster
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.ports import AddressPair, AddressRange, BindingProfile, ExtraDHCPOption, FixedIP, PortOpts
from pycapo.api.references import QosPolicyParam, SecurityGroupFilter, SecurityGroupParam
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment
from pycapo.cloud.errors import BadRequest, QuotaExceeded, RetryNow
from pycapo.controllers import attachment, server
from pycapo.kube.life import PAUSED_ANNOTATION
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind


def test_machines_that_run_get_a_nic_control_planes_too_and_stay_the_same_servers() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    servers = {it.id for it in stage.cloud.all(Kind.SERVER)}

    stage.attach(nic())

    assert {it.device_id for it in stage.nics()} == servers == {it.id for it in stage.cloud.all(Kind.SERVER)}
    assert {it.network_id for it in stage.nics()} == {STORAGE}
    assert (stage.status().selected, stage.status().ready) == (2, 2)
    assert stage.ready()[0] == "True"


def test_the_status_names_each_machine_with_its_ports_and_their_addresses() -> None:
    stage = AttachmentStage("worker-0")

    stage.attach(nic(), nic("traffic"))

    (machine,) = stage.status().machines or ()
    assert machine.name == "worker-0"
    assert [(port.id, port.address) for port in machine.ports or ()] == [
        (it.id, it.fixed_ips[0].ip_address) for it in stage.nics("worker-0")
    ]
    shown = [it.address for it in stage.machine("worker-0").status.addresses or ()]  # type: ignore[union-attr]
    assert shown[1:3] == [port.address for port in machine.ports or ()]


def test_a_machine_that_comes_later_has_the_nic_from_the_start() -> None:
    stage = AttachmentStage()
    stage.attach(nic())
    stage.add("late")

    stage.settle()

    (port,) = stage.nics("late")
    assert stage.cloud.calls["create", Kind.SERVER_INTERFACE] == 0
    assert (port.network_id, stage.ready()[0]) == (STORAGE, "True")


def test_only_selected_machines_get_it_and_who_leaves_the_selector_loses_it() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    label(stage, "worker-1", storage="yes")
    stage.attach(nic(), labels={"storage": "yes"})
    assert [it.device_id for it in stage.nics()] == [stage.vm("worker-1")]

    label(stage, "worker-1", storage="no")
    stage.settle()

    assert stage.nics() == []
    assert (stage.status().selected, stage.ready()[2]) == (0, "no machine is selected")


def label(stage: AttachmentStage, name: str, **labels: str) -> None:
    before = stage.machine(name)
    after = copy_of(before)
    after.metadata.labels = {**(after.metadata.labels or {}), **labels}
    stage.kube.patch(before, after)


def test_an_attachment_that_goes_takes_its_nics_with_it_and_leaves_the_cloud_as_it_was() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    before = stage.cloud.snapshot()
    stage.attach(nic(), nic("traffic"))

    stage.detach()

    assert stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is None
    assert stage.cloud.snapshot() == before
    assert not stage.server("worker-0").status.attachments  # type: ignore[union-attr]


def test_a_nic_that_nova_unplugs_slowly_is_waited_for_before_its_port_goes() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    stage.cloud.world.unplug_looks = 3

    stage.detach()

    assert stage.nics() == []
    assert stage.kube.get(OpenStackNetworkAttachment, NAMESPACE, "extra") is None


EDITS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"admin_state_up": False}, {"admin_state_up": False}),
    ({"tags": ["gold"]}, {}),
    ({"description": "storage"}, {"description": "storage"}),
    ({"name_suffix": "st"}, {"name": "worker-0-extra-st"}),
    ({"allowed_address_pairs": [AddressPair(ip_address="10.9.0.0/16")]}, {}),
]


@pytest.mark.parametrize(("fields", "shown"), EDITS, ids=[next(iter(it[0])) for it in EDITS])
def test_what_neutron_changes_in_place_keeps_the_port(fields: dict[str, Any], shown: dict[str, Any]) -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    (before,) = stage.nics()

    stage.edit(nic(**fields))

    (after,) = stage.nics()
    assert after.id == before.id
    assert after != before
    assert {name: getattr(after, name) for name in shown} == shown
    writes = stage.cloud.writes
    stage.settle()
    assert stage.cloud.writes == writes


def test_groups_by_name_are_changed_in_place() -> None:
    stage = AttachmentStage("worker-0")
    made = [stage.cloud.create(Kind.SECURITY_GROUP, [{"name": name}], marks=[None])[0].id for name in ("a", "b")]
    stage.attach(nic(security_groups=[group("a")]))
    (before,) = stage.nics()

    stage.edit(nic(security_groups=[group("b")]))

    (after,) = stage.nics()
    assert (after.id, before.security_groups, after.security_groups) == (before.id, (made[0],), (made[1],))


def group(name: str) -> SecurityGroupParam:
    return SecurityGroupParam(filter=SecurityGroupFilter(name=name))


def test_port_security_goes_off_with_the_groups_in_place_and_on_again() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(enable_port_security=True))
    (before,) = stage.nics()

    stage.edit(nic(enable_port_security=False))
    (off,) = stage.nics()
    stage.edit(nic(enable_port_security=True))
    (on,) = stage.nics()

    assert (off.id, off.port_security_enabled, off.security_groups) == (before.id, False, ())
    assert (on.id, on.port_security_enabled) == (before.id, True)


def test_a_qos_policy_is_changed_in_place() -> None:
    stage = AttachmentStage("worker-0")
    one, two = (stage.cloud.create(Kind.QOS_POLICY, [{"name": name}], marks=[None])[0].id for name in ("a", "b"))
    stage.attach(nic(qos_policy=QosPolicyParam(id=one)))
    (before,) = stage.nics()

    stage.edit(nic(qos_policy=QosPolicyParam(id=two)))

    (after,) = stage.nics()
    assert (after.id, before.qos_policy_id, after.qos_policy_id) == (before.id, one, two)


@pytest.mark.parametrize("network", ["storage", None])
def test_groups_that_are_taken_out_and_come_back_are_changed_in_place(network: str | None) -> None:
    def entry(**fields: Any) -> PortOpts:
        return nic(**fields) if network else PortOpts(**fields)

    stage = AttachmentStage("worker-0")
    (group,) = stage.cloud.create(Kind.SECURITY_GROUP, [{"name": "web"}], marks=[None])
    groups = [SecurityGroupParam(id=group.id)]
    stage.attach(entry())
    (before,) = the_nics(stage)
    seen = []
    for fields in ({"security_groups": groups}, {}, {"security_groups": groups}, {"security_groups": []}, {}):
        stage.edit(entry(**fields))
        (port,) = the_nics(stage)
        seen.append(port.security_groups)

    assert seen == [(group.id,), before.security_groups, (group.id,), (), before.security_groups]
    assert (port.id, port.device_id, len(before.security_groups)) == (
        before.id,
        stage.vm("worker-0"),
        0 if network else 1,
    )


def the_nics(stage: AttachmentStage) -> list[Any]:
    """The ports of the attachment, whichever network they are on."""
    return [it for it in stage.cloud.all(Kind.PORT) if it.mark and it.mark.role.startswith("attach-")]


REPLUGS: list[dict[str, Any]] = [
    {"fixed_ips": [FixedIP(ip_address="10.20.0.9")]},
    {"mac_address": "fa:16:3e:00:00:09"},
    {"vnic_type": "direct"},
    {"profile": BindingProfile(trusted_vf=True)},
    {"binding_profile": {"capabilities": ["switchdev"]}},
    {"dns_name": "storage"},
    {"extra_dhcp_options": [ExtraDHCPOption(name="mtu", value="9000")]},
    {"trunk": True},
]


@pytest.mark.parametrize("fields", REPLUGS, ids=[next(iter(it)) for it in REPLUGS])
def test_what_cannot_change_is_unplugged_and_plugged_in_anew_and_back_again(fields: dict[str, Any]) -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    (before,) = stage.nics()

    stage.edit(nic(**fields))
    (changed,) = stage.nics("worker-0")
    stage.edit(nic())

    (again,) = stage.nics("worker-0")
    assert len({before.id, changed.id, again.id}) == 3
    assert (len(stage.nics()), stage.cloud.all(Kind.TRUNK), stage.ready()[0]) == (1, (), "True")
    assert len(stage.cloud.all(Kind.SERVER)) == 1


def test_another_network_is_another_nic() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    (before,) = stage.nics()

    stage.edit(nic("traffic"))

    (after,) = stage.nics("worker-0")
    assert (after.network_id, after.id != before.id) == (TRAFFIC, True)
    assert len(stage.nics()) == 1


def test_the_same_address_moves_from_the_old_nic_to_the_new_one() -> None:
    stage = AttachmentStage("worker-0")
    fixed = [FixedIP(ip_address="10.20.0.77")]
    stage.attach(nic(fixed_ips=fixed))

    stage.edit(nic(fixed_ips=fixed, mac_address="fa:16:3e:00:00:07"))

    (after,) = stage.nics("worker-0")
    assert (after.mac_address, after.fixed_ips[0].ip_address) == ("fa:16:3e:00:00:07", "10.20.0.77")


def test_an_entry_that_moves_in_the_list_keeps_its_nic() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(), nic("traffic"), nic("traffic"))
    before = {it.id for it in stage.nics()}

    stage.edit(nic("traffic"), nic())

    left = {it.id for it in stage.nics("worker-0")}
    assert (len(left), left < before) == (2, True)


def test_two_attachments_have_nothing_to_do_with_each_other() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(), name="one")
    stage.attach(nic("nowhere"), name="broken")
    stage.attach(nic("traffic"), name="two")

    stage.detach("one")

    assert [it.network_id for it in stage.nics()] == [TRAFFIC]
    assert (stage.ready("two")[0], stage.ready("broken")[1]) == ("True", "NotFound")
    assert stage.ready("broken")[2] == 'worker-0: spec.ports[0].network: no network matches name "nowhere"'
    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_a_broken_attachment_keeps_no_machine_from_coming() -> None:
    stage = AttachmentStage()
    stage.attach(nic("nowhere"))
    stage.cloud.fail_next(Kind.PORT, "create", QuotaExceeded("Quota exceeded for resources: ['port']."))
    stage.attach(nic(), name="refused")

    stage.add("worker-0")
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"


def test_a_refusal_of_nova_is_told_with_machine_and_entry_and_makes_no_further_port() -> None:
    stage = AttachmentStage("worker-0")
    words = "Failed to attach network adapter device to server-1"
    for _ in range(3):
        stage.cloud.fail_next(Kind.SERVER_INTERFACE, "create", BadRequest(words, status=400))

    stage.attach(nic())
    told = stage.ready()
    stage.turn(type(stage.server("worker-0")), "worker-0")

    assert told == ("False", "BadRequest", f"worker-0: spec.ports[0]: {words}")
    assert len(stage.nics()) == 1
    assert any(words in message for type_, _, message in stage.kube.events() if type_ == "Warning")


def test_an_answer_that_is_lost_after_the_work_plugs_nothing_twice() -> None:
    stage = AttachmentStage("worker-0")
    stage.cloud.fail_next(Kind.SERVER_INTERFACE, "create", RetryNow("Internal Server Error", status=500), after=True)

    stage.attach(nic())

    assert len(stage.nics("worker-0")) == len(stage.nics()) == 1
    assert stage.cloud.calls["create", Kind.SERVER_INTERFACE] == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("write", range(1, 5))
def test_whenever_the_process_ends_there_is_one_nic_in_the_end_and_none_after_removal(write: int, after: bool) -> None:
    stage = AttachmentStage("worker-0")
    before = stage.cloud.snapshot()

    def survive(work: Any) -> None:
        stage.cloud.die_at(write, after=after)
        try:
            work()
        except Killed:
            stage.restart()
            stage.settle()
        stage.cloud._death = None

    survive(lambda: stage.attach(nic(), nic("traffic")))
    assert [it.network_id for it in stage.nics("worker-0")] == [STORAGE, TRAFFIC]
    survive(stage.detach)
    assert stage.cloud.snapshot() == before


def test_a_nic_that_was_unplugged_or_deleted_out_of_band_is_repaired_once() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(), nic("traffic"))
    first, second = stage.nics()
    stage.cloud.world.change(Kind.PORT, first.id, {"device_id": "", "device_owner": ""})
    stage.cloud.world.drop(Kind.PORT, second.id)
    writes = stage.cloud.writes

    stage.settle()
    stage.settle()

    assert sorted(it.network_id for it in stage.nics("worker-0")) == [STORAGE, TRAFFIC]
    assert stage.cloud.writes == writes + 3
    assert stage.ready()[0] == "True"


def test_a_paused_attachment_is_left_as_it_is() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    before = stage.attachment()
    after = copy_of(before)
    after.metadata.annotations = {**(after.metadata.annotations or {}), PAUSED_ANNOTATION: ""}
    after.spec.ports = [nic("traffic")]
    stage.kube.patch(before, after)

    stage.settle()

    assert [it.network_id for it in stage.nics("worker-0")] == [STORAGE]
    assert stage.told(stage.attachment(), "Paused")[0] == "True"


def test_nics_of_an_attachment_that_was_torn_out_go_too() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    stage.tear_out()

    stage.settle()

    assert stage.nics() == []


def test_a_status_that_was_lost_changes_nothing() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic())
    before, writes = stage.nics(), stage.cloud.writes

    stage.lose_status("worker-0")
    stage.settle()

    assert (stage.nics(), stage.cloud.writes, stage.ready()[0]) == (before, writes, "True")


def test_a_machine_that_goes_takes_its_nics_with_it() -> None:
    stage = AttachmentStage("worker-0", "worker-1")
    stage.attach(nic())

    stage.delete("worker-0")
    stage.settle()

    assert [it.device_id for it in stage.nics()] == [stage.vm("worker-1")]
    assert (stage.status().selected, stage.status().ready) == (1, 1)


def test_an_entry_without_a_network_is_on_the_cluster_network_and_the_endpoint_stays_where_it_is() -> None:
    stage = AttachmentStage("control-0")
    members = stage.cloud.all(Kind.MEMBER)

    stage.attach(PortOpts())

    (port,) = stage.nics("control-0")
    assert port.network_id not in (STORAGE, TRAFFIC)
    assert stage.cloud.all(Kind.MEMBER) == members
    assert len(port.security_groups) == 1


def test_nics_on_other_networks_have_the_groups_that_are_asked_for_and_no_others() -> None:
    stage = AttachmentStage("worker-0")
    groups = stage.kube.list(OpenStackCluster)[0].status
    assert groups is not None
    assert groups.worker_security_group is not None

    stage.attach(nic())
    (plain,) = stage.nics()
    stage.edit(nic(default_security_groups=True))
    (asked,) = stage.nics()

    assert (asked.id, plain.security_groups) == (plain.id, ())
    assert asked.security_groups == (groups.worker_security_group.id,)


def test_a_cluster_that_does_not_exist_is_told() -> None:
    stage = AttachmentStage()

    stage.kube.create(an_attachment(cluster="nobody"))
    stage.settle()

    assert stage.ready() == ("False", "NotFound", 'spec.clusterName: no Cluster "nobody" in this namespace')
    stage.detach()


def test_who_has_to_look_again_when_an_attachment_or_a_label_changes() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    stage.attach(nic())
    of_machine, of_attachment = server.watches(stage.kube)[1:3]

    woken = of_attachment.keys(stage.attachment())

    assert sorted(key.name for key in woken) == ["control-0", "worker-0"]
    assert [key.name for key in of_machine.keys(stage.machine("worker-0"))] == ["worker-0"]
    before = stage.machine("worker-0")
    label(stage, "worker-0", storage="yes")
    assert of_machine.changed is not None
    assert of_machine.changed(before, stage.machine("worker-0"))
    assert not of_machine.changed(before, before)


def test_an_attachment_looks_again_when_a_machine_or_what_its_server_tells_changes() -> None:
    stage = AttachmentStage("worker-0")
    before = stage.server("worker-0")
    stage.attach(nic())
    of_cluster, of_machine, of_server = attachment.watches(stage.kube)

    found = [watch.keys(obj) for watch, obj in ((of_machine, stage.machine("worker-0")), (of_server, before))]

    assert [[key.name for key in keys] for keys in found] == [["extra"], ["extra"]]
    assert of_server.changed is not None
    assert of_server.changed(before, stage.server("worker-0"))
    assert not of_server.changed(before, before)
    assert of_cluster.kind is Cluster


def test_it_belongs_to_its_cluster_with_which_it_moves_and_goes() -> None:
    stage = AttachmentStage()

    stage.attach(nic())

    meta = stage.attachment().metadata
    assert [(owner.kind, owner.name) for owner in meta.owner_references or ()] == [("Cluster", NAME)]
    assert (meta.labels or {})[CLUSTER_NAME_LABEL] == NAME


def test_a_range_gives_each_machine_an_address_of_its_own() -> None:
    stage = AttachmentStage("worker-0", "worker-1")

    stage.attach(nic(fixed_ips=[FixedIP(range=AddressRange(start="10.20.0.50", end="10.20.0.51"))]))

    assert sorted(it.fixed_ips[0].ip_address for it in stage.nics()) == ["10.20.0.50", "10.20.0.51"]


def test_an_address_that_another_machine_has_is_told_with_who_has_it() -> None:
    stage = AttachmentStage("worker-0", "worker-1")

    stage.attach(nic(fixed_ips=[FixedIP(ip_address="10.20.0.50")]))

    (holder,) = stage.nics()
    assert (stage.status().selected, stage.status().ready) == (2, 1)
    assert stage.ready()[1] == "AddressTaken"
    assert (
        f"worker-1: spec.ports[0].fixedIPs[0].ipAddress: 10.20.0.50 is taken by port {holder.name}" in stage.ready()[2]
    )
