# SPDX-License-Identifier: Apache-2.0
"""What machines and their templates may say, and what of it may change."""

from typing import Any

import pytest

from pycapo.api.rules import machine, server

Json = dict[str, Any]
SPEC: Json = {
    "flavor": {"filter": {"name": "m1"}},
    "image": {"filter": {"name": "ubuntu"}},
    "ports": [{"network": {"id": "n"}, "allowedAddressPairs": [{"ipAddress": "10.0.0.1"}]}],
}


def a_machine(**spec: Any) -> Json:
    return {"spec": {**SPEC, **spec}}


def a_template(**spec: Any) -> Json:
    return {"spec": {"template": {"spec": {**SPEC, **spec}}}}


PAIRS = [{"network": {"id": "n"}, "allowedAddressPairs": [{"ipAddress": "10.0.0.0/24"}]}]


@pytest.mark.parametrize(
    "spec",
    [{"providerID": "openstack:///1"}, {"instanceID": "1"}, {"identityRef": {"name": "x"}}, {"ports": PAIRS}],
)
def test_a_machine_may_change_in_these_fields(spec: Json) -> None:
    assert machine.compare(a_machine(), a_machine(**spec)) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"flavor": {"filter": {"name": "m2"}}}, "spec.flavor"),
        ({"sshKeyName": "key"}, "spec.sshKeyName"),
        ({"ports": [*SPEC["ports"], {}]}, "spec.ports[1]"),
        ({"ports": [{"network": {"id": "m"}}]}, "spec.ports[0].network"),
        ({"trunk": True}, "spec.trunk"),
    ],
)
def test_everything_else_of_a_machine_is_fixed(spec: Json, path: str) -> None:
    assert path in [problem.path for problem in machine.compare(a_machine(), a_machine(**spec))]


def test_the_refusal_of_a_template_says_what_to_do_instead() -> None:
    (problem,) = machine.compare_templates(a_template(), a_template(flavor={"filter": {"name": "m2"}}))

    assert problem.path == "spec.template.spec.flavor"
    assert problem.message == (
        "OpenStackMachineTemplate is immutable; make a new template and point the KubeadmControlPlane or"
        ' MachineDeployment to it (it is {"filter":{"name":"m1"}}, asked for {"filter":{"name":"m2"}})'
    )


def test_a_port_more_in_a_template_is_referred_to_attachments() -> None:
    (problem,) = machine.compare_templates(a_template(), a_template(ports=[*SPEC["ports"], {}]))

    assert "OpenStackNetworkAttachment" in problem.message


def test_address_pairs_of_a_template_may_change() -> None:
    assert machine.compare_templates(a_template(), a_template(ports=PAIRS)) == []


def test_labels_for_machines_of_a_template_may_change() -> None:
    old, new = a_template(), a_template()
    new["spec"]["template"]["metadata"] = {"labels": {"a": "b"}}

    assert machine.compare_templates(old, new) == []


def test_a_template_has_no_provider_id() -> None:
    (problem,) = machine.check_template(a_template(providerID="openstack:///1"))

    assert problem.path == "spec.template.spec.providerID"


def test_the_name_of_the_root_volume_is_taken() -> None:
    devices = [{"name": "data"}, {"name": "root"}]

    assert machine.check(a_machine(additionalBlockDevices=devices)) == []
    (problem,) = machine.check(a_machine(additionalBlockDevices=devices, rootVolume={"sizeGiB": 1}))
    assert problem.path == "spec.additionalBlockDevices[1].name"


def test_one_address_for_all_machines_of_a_template_gets_a_warning() -> None:
    (warning,) = machine.advise_template(a_template(ports=[{"fixedIPs": [{"ipAddress": "10.0.0.5"}]}]))

    assert warning.startswith("spec.template.spec.ports[0].fixedIPs[0].ipAddress: every machine")


def test_only_whose_credentials_are_used_may_change_on_a_server() -> None:
    old = a_machine(identityRef={"name": "a", "cloudName": "x"})

    assert server.compare(old, a_machine(identityRef={"name": "b", "cloudName": "x"})) == []
    (problem,) = server.compare(a_machine(), a_machine(tags=["a"]))
    assert problem.path == "spec.tags"


def test_a_server_may_get_networks_of_its_own_and_other_pools_for_them_but_loses_none() -> None:
    def own(name: str = "own", length: int = 28, **fields: Any) -> Json:
        subnet = {"name": "v4", "from": ["10.64.0.0/24"], "prefixLength": length, "pool": "a", **fields}
        return {"name": name, "subnets": [subnet]}

    old = a_machine(networks=[own()])
    for networks in ([own(), own("other")], [own(pool="b")], [own(**{"from": ["10.64.0.0/24", "10.65.0.0/24"]})]):
        assert server.compare(old, a_machine(networks=networks)) == []
    assert server.compare(a_machine(), old) == []
    refused = [
        [problem.path for problem in server.compare(old, a_machine(networks=it))] for it in ([], [own(length=27)])
    ]
    assert refused == [["spec.networks[own]"], ["spec.networks[own].subnets[v4].prefixLength"]]
