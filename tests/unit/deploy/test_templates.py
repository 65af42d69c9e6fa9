# SPDX-License-Identifier: Apache-2.0
"""The clusterctl templates: every document is an object that we and Cluster API take."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pycapo.api import v1beta2
from pycapo.api.rules.kinds import rules_of

Json = dict[str, Any]
TEMPLATES = Path(__file__).parents[3] / "templates"
FLAVORS = sorted(path.name for path in TEMPLATES.glob("cluster-template*.yaml"))
CLASS = "clusterclass-openstack-default.yaml"
VALUES = {
    "CLUSTER_NAME": "basic-1",
    "NAMESPACE": "clusters",
    "KUBERNETES_VERSION": "v1.36.3",
    "CONTROL_PLANE_MACHINE_COUNT": "3",
    "WORKER_MACHINE_COUNT": "2",
    "OPENSTACK_CLOUD": "openstack",
    "OPENSTACK_CLOUD_YAML_B64": "Y2xvdWRzOiB7fQo=",
    "OPENSTACK_IMAGE_NAME": "ubuntu-24.04",
    "OPENSTACK_CONTROL_PLANE_MACHINE_FLAVOR": "m1.medium",
    "OPENSTACK_NODE_MACHINE_FLAVOR": "m1.small",
    "OPENSTACK_DNS_NAMESERVERS": "10.6.0.2, 10.6.0.3",
    "OPENSTACK_EXTERNAL_NETWORK_ID": "6d1a3f6e-0000-4000-8000-000000000001",
}
OURS = {
    kind.kind: kind
    for kind in (v1beta2.OpenStackCluster, v1beta2.OpenStackMachineTemplate, v1beta2.OpenStackClusterTemplate)
}


def filled(name: str, **more: str) -> list[Json]:
    """Return the documents of a template with its variables replaced as clusterctl does."""

    def value(match: re.Match[str]) -> str:
        variable, _, default = match[1].partition(":=")
        return (VALUES | more).get(variable, default)

    text = re.sub(r"\$\{([^}]+)\}", value, (TEMPLATES / name).read_text())
    return list(yaml.safe_load_all(text))


def ours(documents: list[Json]) -> list[Json]:
    return [document for document in documents if document["kind"] in OURS]


def find(documents: list[Json], kind: str, name: str) -> Json:
    (found,) = [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("name", [*FLAVORS, CLASS])
def test_our_objects_have_no_unknown_field_and_pass_our_rules(name: str) -> None:
    for document in ours(filled(name)):
        found = OURS[document["kind"]].from_dict(document).to_dict()
        assert without_defaults(found["spec"]) == without_defaults(document["spec"]), document["metadata"]["name"]
        assert rules_of(document["kind"]).review(document, None) == []


def without_defaults(value: Any) -> Any:
    """Return a value without what an encoder may leave out."""
    if isinstance(value, dict):
        return {key: without_defaults(item) for key, item in value.items() if (key, item) != ("enabled", True)}
    return [without_defaults(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", FLAVORS)
def test_every_object_is_in_the_namespace_of_the_cluster(name: str) -> None:
    assert {document["metadata"]["namespace"] for document in filled(name)} == {"clusters"}


@pytest.mark.parametrize("name", FLAVORS)
def test_the_variables_of_the_contract_are_used_and_all_are_described(name: str) -> None:
    text = (TEMPLATES / name).read_text()
    used = {variable.partition(":=")[0] for variable in re.findall(r"\$\{([^}]+)\}", text)}

    assert {"CLUSTER_NAME", "NAMESPACE", "KUBERNETES_VERSION", "WORKER_MACHINE_COUNT"} <= used
    head = text.partition("apiVersion")[0]
    assert {variable for variable in used if variable.startswith("OPENSTACK") and variable not in head} == set()


@pytest.mark.parametrize("name", FLAVORS)
def test_references_lead_to_objects_of_the_same_template(name: str) -> None:
    documents = filled(name)

    for reference in references(documents):
        assert find(documents, reference["kind"], reference["name"])["apiVersion"].startswith(reference["apiGroup"])


def references(value: Any) -> list[Json]:
    """Return everything below a value that refers to another object by apiGroup, kind and name."""
    if isinstance(value, list):
        return [found for item in value for found in references(item)]
    if not isinstance(value, dict):
        return []
    if value.keys() == {"apiGroup", "kind", "name"}:
        return [value]
    return references(list(value.values()))


def test_the_credentials_are_found_by_the_cluster_and_move_with_it() -> None:
    documents = filled("cluster-template.yaml")
    cluster = find(documents, "OpenStackCluster", "basic-1")

    secret = find(documents, "Secret", cluster["spec"]["identityRef"]["name"])
    assert secret["metadata"]["labels"] == {"clusterctl.cluster.x-k8s.io/move": "true"}
    assert secret["data"]["clouds.yaml"] == VALUES["OPENSTACK_CLOUD_YAML_B64"]


def test_without_load_balancer_there_is_one_control_plane_machine() -> None:
    documents = filled("cluster-template-without-lb.yaml")

    assert "apiServer" not in find(documents, "OpenStackCluster", "basic-1")["spec"]
    assert find(documents, "KubeadmControlPlane", "basic-1-control-plane")["spec"]["replicas"] == 1


def test_the_class_has_neither_variables_of_clusterctl_nor_namespaces() -> None:
    assert "${" not in (TEMPLATES / CLASS).read_text()
    assert all("namespace" not in document["metadata"] for document in filled(CLASS))


def test_the_topology_template_sets_every_required_variable_and_no_unknown_one() -> None:
    variables = find(filled(CLASS), "ClusterClass", "openstack-default")["spec"]["variables"]
    topology = find(filled("cluster-template-topology.yaml"), "Cluster", "basic-1")["spec"]["topology"]
    values = {variable["name"] for variable in topology["variables"]}

    assert topology["classRef"]["name"] == "openstack-default"
    assert {variable["name"] for variable in variables if variable["required"]} <= values
    assert values <= {variable["name"] for variable in variables}


def test_the_patches_of_the_class_make_objects_that_pass_our_rules() -> None:
    documents = filled(CLASS)
    topology = find(filled("cluster-template-topology.yaml"), "Cluster", "basic-1")["spec"]["topology"]
    values = {variable["name"]: variable["value"] for variable in topology["variables"]}

    for document in ours(documents):
        patched = apply_patches(document, documents[0]["spec"]["patches"], values)
        OURS[document["kind"]].from_dict(patched)
        assert rules_of(document["kind"]).review(patched, None) == []
    cluster = apply_patches(ours(documents)[0], documents[0]["spec"]["patches"], values)["spec"]["template"]["spec"]
    assert cluster["identityRef"] == {"cloudName": "openstack", "name": "basic-1-cloud-config"}
    assert cluster["externalNetwork"] == {"id": VALUES["OPENSTACK_EXTERNAL_NETWORK_ID"]}
    assert cluster["managedSubnets"][0]["dnsNameservers"] == ["10.6.0.2", "10.6.0.3"]


def apply_patches(document: Json, patches: list[Json], values: Json) -> Json:
    """Apply the JSON patches of a class to a template of the kind that they select; `template` values are YAML."""
    found = copy.deepcopy(document)
    for patch in (
        p
        for entry in patches
        for d in entry["definitions"]
        if d["selector"]["kind"] == found["kind"]
        for p in d["jsonPatches"]
    ):
        *way, last = patch["path"].strip("/").split("/")
        target: Any = found
        for step in way:
            target = target[int(step) if isinstance(target, list) else step]
        assert patch["op"] == "add" or last in target, patch
        assert not any(step.isdigit() for step in (*way, last)), f"Cluster API refuses to change an item: {patch}"
        source = patch["valueFrom"]
        text = re.sub(
            r"\{\{ \.(\w+)(?: \| toJson)? \}\}", lambda it: json.dumps(values[it[1]]), source.get("template", "")
        )
        target[last] = yaml.safe_load(text) if text else values[source["variable"]]
    return found
