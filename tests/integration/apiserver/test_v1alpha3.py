# SPDX-License-Identifier: Apache-2.0
"""Manifests of v1alpha3 applied with kubectl to a real API server: taken, warned about, converted, kept, refused with help."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from served import GROUP, Api, Json, causes

pytestmark = pytest.mark.apiserver

EXAMPLES = Path(__file__).parents[3] / "examples" / "v1alpha3"
V1ALPHA3, V1BETA1, V1BETA2 = (f"{GROUP}/{version}" for version in ("v1alpha3", "v1beta1", "v1beta2"))
PLURALS = {
    "OpenStackCluster": "openstackclusters",
    "OpenStackMachine": "openstackmachines",
    "OpenStackMachineTemplate": "openstackmachinetemplates",
}


def manifest(name: str) -> Json:
    return dict(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text()))


def machine(**spec: Any) -> Json:
    return {"flavor": "m1.small", "image": "ubuntu", **spec}


def named(name: str) -> Json:
    return {"filter": {"name": name}}


def shown(api: Api, version: str, written: Json) -> Json:
    return api.ask("GET", api.path(version, PLURALS[written["kind"]], written["metadata"]["name"]))


@pytest.fixture(params=sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
def example(request: pytest.FixtureRequest, api: Api) -> Iterator[str]:
    yield request.param
    assert api.kubectl("delete", "-f", str(EXAMPLES / f"{request.param}.yaml")).returncode == 0


@pytest.mark.parametrize("how", [(), ("--server-side",)])
def test_an_old_manifest_applies_as_it_is_and_says_that_it_is_old(api: Api, example: str, how: tuple[str, ...]) -> None:
    file = str(EXAMPLES / f"{example}.yaml")

    first = api.kubectl("apply", *how, "--validate=strict", "-f", file)
    again = api.kubectl("apply", *how, "--validate=strict", "-f", file)

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "v1alpha3 is deprecated" in first.stderr
    assert "pycapo convert" in first.stderr
    written = manifest(example)
    assert shown(api, V1ALPHA3, written)["spec"] == written["spec"]
    assert shown(api, V1BETA1, written)["apiVersion"] == V1BETA1
    assert shown(api, V1BETA2, written)["apiVersion"] == V1BETA2


def test_what_is_stored_is_what_the_newest_version_asks_for(api: Api) -> None:
    spec = machine(networks=[{"filter": {"name": "traffic"}, "fixedIp": "10.11.0.51"}])
    made = api.make(V1ALPHA3, "openstackmachines", "OpenStackMachine", spec)

    found = api.get(V1BETA2, "openstackmachines", made)

    port = {"network": named("traffic"), "fixedIPs": [{"ipAddress": "10.11.0.51"}]}
    assert found["spec"] == {"flavor": named("m1.small"), "image": named("ubuntu"), "ports": [port]}


def test_what_only_v1beta2_says_survives_a_change_through_v1alpha3(api: Api) -> None:
    image = {"filter": {"name": "ubuntu", "tags": ["gpu"]}}
    made = api.make(V1BETA2, "openstackmachines", "OpenStackMachine", {"flavor": {"id": "1"}, "image": image})
    old = api.get(V1ALPHA3, "openstackmachines", made)
    old["metadata"]["labels"] = {"team": "network"}

    changed = api.ask("PUT", api.path(V1ALPHA3, "openstackmachines", made["metadata"]["name"]), old)

    assert changed["metadata"]["labels"] == {"team": "network"}, changed
    assert api.get(V1BETA2, "openstackmachines", made)["spec"] == made["spec"]


def test_conditions_are_seen_and_kept_through_v1alpha3(api: Api) -> None:
    spec = {"cloudName": "openstack", "cloudsSecret": {"name": "cloud-config"}, "nodeCidr": "10.6.0.0/24"}
    made = api.make(V1ALPHA3, "openstackclusters", "OpenStackCluster", spec)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Ready",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    found = api.get(V1BETA2, "openstackclusters", made)
    path = api.path(V1BETA2, "openstackclusters", made["metadata"]["name"])
    api.ask("PUT", f"{path}/status", {**found, "status": {"conditions": [ready], "router": {"name": "r", "id": "1"}}})

    old = api.get(V1ALPHA3, "openstackclusters", made)
    api.ask("PUT", api.path(V1ALPHA3, "openstackclusters", made["metadata"]["name"]), {**old, "spec": old["spec"]})

    assert (old["status"]["ready"], old["status"]["conditions"]) == (True, [ready])
    assert api.get(V1BETA2, "openstackclusters", made)["status"]["conditions"] == [ready]


def test_what_has_no_effect_any_more_is_a_warning(api: Api) -> None:
    spec = machine(networks=[{"filter": {"name": "traffic", "shared": True}}])
    body = {"apiVersion": V1ALPHA3, "kind": "OpenStackMachine", "metadata": {"name": "warned"}, "spec": spec}

    answer = api.kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(body))

    assert answer.returncode == 0, answer.stderr
    assert "spec.networks[0].filter.shared: cannot be looked for any more" in answer.stderr


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (machine(securityGroups=[{}]), "spec.securityGroups[0].filter"),
        (machine(image=""), "spec.image"),
        (machine(networks=[{"uuid": "internal"}]), "spec.networks[0].uuid"),
        (machine(rootVolume={"sourceType": "snapshot", "diskSize": 9}), "spec.rootVolume.sourceType"),
        ({"image": "ubuntu"}, "spec.flavor"),
    ],
)
def test_what_an_old_manifest_says_wrongly_is_refused_at_the_field(api: Api, spec: Json, field: str) -> None:
    answer = api.make(V1ALPHA3, "openstackmachines", "OpenStackMachine", spec)

    assert list(causes(answer)) == [field]


def test_an_address_that_belongs_to_nobody_is_refused(api: Api) -> None:
    answer = api.make(
        V1ALPHA3,
        "openstackmachines",
        "OpenStackMachine",
        machine(networks=[{"fixedIp": "10.0.0.9", "subnets": [named("a"), named("b")]}]),
    )

    assert "spec.networks[0].fixedIp: 10.0.0.9 belongs to one of 2 subnets" in answer["message"]


def test_changing_the_networks_of_a_template_names_the_nic_and_the_ways_that_work(api: Api) -> None:
    template = {"template": {"spec": machine(networks=[{"filter": {"name": "internal"}}])}}
    made = api.make(V1ALPHA3, "openstackmachinetemplates", "OpenStackMachineTemplate", template)

    longer = {
        "template": {"spec": machine(networks=[{"filter": {"name": "internal"}}, {"filter": {"name": "traffic"}}])}
    }
    answer = api.replace("openstackmachinetemplates", made, **longer)

    assert list(causes(answer)) == ["spec.template.spec.ports[1]"]
    assert "make a new template and point the KubeadmControlPlane or MachineDeployment to it" in answer["message"]
    assert "or add NICs to machines that run with an OpenStackNetworkAttachment" in answer["message"]
    assert 'it is nothing, asked for {"network":{"filter":{"name":"traffic"}}}' in answer["message"].replace('\\"', '"')
    assert "the object was sent as v1alpha3, whose networks are ports there" in answer["message"]
