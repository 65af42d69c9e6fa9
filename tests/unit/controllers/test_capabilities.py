# SPDX-License-Identifier: Apache-2.0
"""What the cloud does not offer, told on the cluster and on the machine before there is a server."""

from typing import Any

import pytest

from builders import NAME, NAMESPACE
from machine_stage import Stage
from pycapo.api.capi import CLUSTER_NAME_LABEL
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine, OpenStackMachineTemplate
from pycapo.api.ports import ExtraDHCPOption, PortBody, PortOpts, Subport
from pycapo.api.references import OpenStackIdentityReference, QosPolicyParam
from pycapo.cloud.errors import Forbidden
from pycapo.controllers.capabilities import CLONED_FROM, CONDITION, watches
from pycapo.kube.meta import ObjectKey, copy_of
from pycapo.model.kinds import Kind

NO_TRUNK = 'a trunk is wanted, and Neutron has no extension "trunk"; enable it or set trunk to false'
NO_QOS = 'Neutron has no extension "qos", which this needs; enable it or leave qosPolicy out'
GOLD = QosPolicyParam(id="gold")


def a_stage(*missing: str, **changes: Any) -> Stage:
    """A cluster that nobody looked at yet, in a cloud without some extensions."""
    stage = Stage(settled=False, **changes)
    stage.cloud.world.extensions -= set(missing)
    return stage


def a_template(name: str = "workers", *, cluster: str = NAME, **spec: Any) -> OpenStackMachineTemplate:
    machine = {"flavor": {"id": "small"}, "image": {"id": "img"}, **spec}
    meta = {"name": name, "namespace": NAMESPACE, "labels": {CLUSTER_NAME_LABEL: cluster}}
    return OpenStackMachineTemplate.from_dict({"metadata": meta, "spec": {"template": {"spec": machine}}})


def of_cluster(stage: Stage, condition: str = CONDITION) -> tuple[str, str, str]:
    (cluster,) = stage.kube.list(OpenStackCluster)
    return stage.told(cluster, condition)


def test_a_template_that_wants_a_trunk_is_told_on_the_cluster_before_anything_is_made() -> None:
    stage = a_stage("trunk")
    stage.kube.create(a_template(trunk=True))
    stage.cloud.fail_next(Kind.NETWORK, "create", Forbidden("not here"))

    stage.turn(OpenStackCluster, NAME)

    told = f"OpenStackMachineTemplate workers: spec.template.spec.trunk: {NO_TRUNK}"
    assert of_cluster(stage) == ("False", "TrunkNotSupported", told)
    assert of_cluster(stage, "NetworkReady")[1] == "Forbidden"


def test_what_a_template_asks_for_keeps_nothing_of_the_cluster_from_being_ready() -> None:
    stage = a_stage("trunk")
    stage.kube.create(a_template(trunk=True))

    stage.settle()

    assert of_cluster(stage, "Ready")[0] == "True"
    assert of_cluster(stage)[1] == "TrunkNotSupported"


def test_what_was_told_goes_with_its_reason() -> None:
    stage = a_stage("trunk")
    stage.kube.create(a_template(trunk=True))
    stage.settle()

    stage.cloud.world.extensions |= {"trunk"}
    stage.turn(OpenStackCluster, NAME)

    assert of_cluster(stage) == ("", "", "")


def test_a_machine_is_told_before_its_cluster_is_there_and_nothing_is_made_for_it() -> None:
    stage = a_stage("trunk", "qos")
    stage.add("worker-0", PortOpts(qos_policy=GOLD), trunk=True)

    stage.turn(OpenStackMachine, "worker-0")
    stage.turn(OpenStackMachine, "worker-0")

    message = f"spec.ports[0].qosPolicy: {NO_QOS}; spec.trunk: {NO_TRUNK}"
    assert stage.told(stage.machine("worker-0"), "InstanceReady") == ("False", "ExtensionMissing", message)
    stage.settle()
    assert of_cluster(stage)[2].startswith(f"OpenStackMachine worker-0: spec.ports[0].qosPolicy: {NO_QOS}; ")
    assert stage.told(stage.machine("worker-0"), "InstanceReady")[1] == "ExtensionMissing"
    assert stage.cloud.all(Kind.SERVER) == ()
    assert not [port for port in stage.cloud.all(Kind.PORT) if port.name.startswith("worker-0")]


def test_a_machine_goes_on_when_the_cloud_has_what_it_needs() -> None:
    stage = a_stage("trunk")
    stage.add("worker-0", trunk=True)
    stage.settle()

    stage.cloud.world.extensions |= {"trunk"}
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"
    assert len(stage.cloud.all(Kind.TRUNK)) == 1


def test_a_machine_from_a_template_is_told_by_the_template_alone() -> None:
    stage = a_stage("trunk")
    stage.kube.create(a_template(trunk=True))
    stage.add("worker-0", trunk=True)
    machine = copy_of(stage.machine("worker-0"))
    machine.metadata.annotations = {**(machine.metadata.annotations or {}), CLONED_FROM: "workers"}
    stage.kube.patch(stage.machine("worker-0"), machine)

    stage.settle()

    assert of_cluster(stage)[2] == f"OpenStackMachineTemplate workers: spec.template.spec.trunk: {NO_TRUNK}"


@pytest.mark.parametrize(
    ("changes", "missing", "path"),
    [
        ({"managedNetwork": {"mtu": 1400}}, "net-mtu-writable", "spec.managedNetwork.mtu"),
        ({"managedNetwork": {"enablePortSecurity": False}}, "port-security", "spec.managedNetwork.enablePortSecurity"),
        (
            {"networks": [{"name": "a", "managed": {"qosPolicy": {"id": "gold"}}}]},
            "qos",
            "spec.networks[0].managed.qosPolicy",
        ),
        (
            {"networks": [{"name": "a", "managed": {"provider": {"networkType": "vlan"}}}]},
            "provider",
            "spec.networks[0].managed.provider",
        ),
        (
            {"bastion": {"spec": {"flavor": {"id": "f"}, "image": {"id": "i"}, "ports": [{"dnsName": "b"}]}}},
            "dns-integration",
            "spec.bastion.spec.ports[0].dnsName",
        ),
    ],
)
def test_what_the_cluster_itself_asks_for_is_told(changes: dict[str, Any], missing: str, path: str) -> None:
    stage = a_stage(missing, **changes)

    stage.turn(OpenStackCluster, NAME)
    stage.turn(OpenStackCluster, NAME)

    assert of_cluster(stage)[1] == "ExtensionMissing"
    assert of_cluster(stage)[2].startswith(f'{path}: Neutron has no extension "{missing}"')


def test_subports_and_additional_ports_are_looked_at_too() -> None:
    stage = a_stage("qos", "extra_dhcp_opt")
    child = Subport(segmentation_id=7, port=PortBody(qos_policy=GOLD))
    extra = PortOpts(extra_dhcp_options=[ExtraDHCPOption(name="mtu", value="9000")])
    stage.add("worker-0", PortOpts(subports=[child]), additional_ports=[extra])

    stage.settle()

    words = of_cluster(stage)[2]
    assert "OpenStackMachine worker-0: spec.ports[0].subports[0].port.qosPolicy: " in words
    assert "OpenStackMachine worker-0: spec.additionalPorts[0].extraDHCPOptions: " in words


def test_machines_of_other_clouds_and_clusters_are_not_measured_by_this_one() -> None:
    stage = a_stage("trunk")
    elsewhere = {"name": "other", "cloudName": "lab"}
    stage.kube.create(a_template("elsewhere", identityRef=elsewhere, trunk=True))
    stage.kube.create(a_template("theirs", cluster="another", trunk=True))
    stage.add("worker-0", identity_ref=OpenStackIdentityReference(name="other", cloud_name="lab"), trunk=True)

    stage.turn(OpenStackCluster, NAME)
    stage.turn(OpenStackCluster, NAME)

    assert of_cluster(stage) == ("", "", "")


def test_only_what_asks_for_something_wakes_the_cluster() -> None:
    stage = Stage()
    of_template, of_machine = watches(stage.kube)
    stage.add("plain")
    stage.add("special", trunk=True)
    key = [ObjectKey(NAMESPACE, NAME)]

    assert (list(of_template.keys(a_template())), list(of_template.keys(a_template(trunk=True)))) == ([], key)
    plain, special = stage.machine("plain"), stage.machine("special")
    assert (list(of_machine.keys(plain)), list(of_machine.keys(special))) == ([], key)
    after = copy_of(special)
    after.spec.provider_id = "openstack:///id"
    assert of_machine.changed is not None
    assert not of_machine.changed(special, after)


def test_looking_at_templates_and_machines_costs_no_request() -> None:
    costs = []
    for trunk in (None, True):
        stage = Stage()
        stage.kube.create(a_template(trunk=trunk))
        before = stage.cloud.calls.total()
        stage.turn(OpenStackCluster, NAME)
        costs.append(stage.cloud.calls.total() - before)

    assert costs[0] == costs[1]
