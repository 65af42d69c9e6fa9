# SPDX-License-Identifier: Apache-2.0
"""The CRDs hold every field and limit of the Go provider's (fields.txt), and what Cluster API asks of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from pycapo.api.crd import MOVE_HIERARCHY_LABEL, crds

FACTS = [line.split(" ", 3) for line in Path(__file__).with_name("fields.txt").read_text().splitlines()]
NUMBERS = ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "minProperties", "maxProperties")


def paths(schema: dict[str, Any], at: str = "") -> dict[str, tuple[dict[str, Any], bool]]:
    """Return every schema below schema by path, and whether its parent requires it."""
    found = {at: (schema, False)}
    for name, child in schema.get("properties", {}).items():
        found |= paths(child, f"{at}.{name}")
        found[f"{at}.{name}"] = (child, name in schema.get("required", []))
    if "items" in schema:
        found |= paths(schema["items"], f"{at}[]")
    if "additionalProperties" in schema:
        found |= paths(schema["additionalProperties"], f"{at}{{}}")
    return found


SCHEMAS = {
    (crd["spec"]["names"]["kind"], version["name"]): paths(version["schema"]["openAPIV3Schema"])
    for crd in crds()
    for version in crd["spec"]["versions"]
}


def words(schema: dict[str, Any], required: bool) -> set[str]:
    """Return what a schema says in the words of fields.txt."""
    kind = schema.get("type", "int-or-string" if "x-kubernetes-int-or-string" in schema else "any")
    said = {kind, f"{kind}:{schema.get('format')}"}
    said |= {f"{name}={schema[name]}" for name in NUMBERS if name in schema}
    said.add("enum=" + ",".join(sorted(schema.get("enum", []))))
    said.add("default=" + json.dumps(schema.get("default"), separators=(",", ":")))
    keys = schema.get("x-kubernetes-list-map-keys", [])
    said.add(f"list={schema.get('x-kubernetes-list-type')}" + (f":{','.join(keys)}" if keys else ""))
    said.add(f"rules={len(schema.get('x-kubernetes-validations', []))}")
    return said | ({"required"} if required else set())


@pytest.mark.parametrize(("kind", "version"), sorted({(kind, version) for kind, version, _, _ in FACTS}))
def test_every_field_of_the_go_provider_is_there_with_its_type_and_limits(kind: str, version: str) -> None:
    schemas = SCHEMAS[kind, version]
    missing = {}
    for path, facts in ((path, facts) for k, v, path, facts in FACTS if (k, v) == (kind, version)):
        lost = set(facts.split()) - words(*schemas[path]) if path in schemas else {"the field"}
        if lost:
            missing[path] = lost
    assert missing == {}


def test_kinds_with_two_versions_are_converted_by_the_webhook_and_stored_as_v1beta2() -> None:
    for crd in crds({"url": "https://127.0.0.1:9443/convert"}):
        versions = [version["name"] for version in crd["spec"]["versions"]]
        stored = [version["name"] for version in crd["spec"]["versions"] if version["storage"]]
        if len(versions) > 1:
            assert stored == ["v1beta2"]
            assert crd["spec"]["conversion"]["webhook"]["clientConfig"] == {"url": "https://127.0.0.1:9443/convert"}
        else:
            assert stored == ["v1alpha1"]
            assert "conversion" not in crd["spec"]


def test_contract_labels_name_the_version_for_each_contract() -> None:
    for crd in crds():
        labels = {k: v for k, v in crd["metadata"]["labels"].items() if k != MOVE_HIERARCHY_LABEL}
        assert labels == {
            "cluster.x-k8s.io/provider": "infrastructure-openstack",
            "cluster.x-k8s.io/v1beta1": "v1beta1",
            "cluster.x-k8s.io/v1beta2": "v1beta2",
        }


def test_kinds_that_no_cluster_owns_are_moved_with_what_they_own() -> None:
    moving = {crd["spec"]["names"]["kind"] for crd in crds() if MOVE_HIERARCHY_LABEL in crd["metadata"]["labels"]}

    assert moving == {"OpenStackClusterIdentity", "OpenStackFloatingIPPool"}


def test_short_names_and_categories_are_those_of_the_go_provider() -> None:
    names = {crd["spec"]["names"]["kind"]: crd["spec"]["names"] for crd in crds()}
    short = {kind: name.get("shortNames", []) for kind, name in names.items()}
    assert short["OpenStackCluster"] == ["osc"]
    assert short["OpenStackClusterTemplate"] == ["osct"]
    assert short["OpenStackMachine"] == ["osm"]
    assert short["OpenStackMachineTemplate"] == ["osmt"]
    assert short["OpenStackServer"] == ["oss"]
    assert short["OpenStackClusterIdentity"] == ["osci"]
    assert [kind for kind, name in names.items() if "categories" not in name] == ["OpenStackFloatingIPPool"]


def test_machines_have_no_failure_domain_in_their_spec_because_it_would_overrule_the_machine() -> None:
    for version in ("v1beta1", "v1beta2"):
        assert ".spec.failureDomain" not in SCHEMAS["OpenStackMachine", version]


def test_only_free_maps_keep_unknown_fields() -> None:
    free = {
        path.rpartition(".")[2]
        for schemas in SCHEMAS.values()
        for path, (schema, _) in schemas.items()
        if schema.get("x-kubernetes-preserve-unknown-fields") and ".status" not in path
    }
    assert free == {"bindingProfile", "hints", "json"}


def test_every_field_and_kind_is_described() -> None:
    bare = {
        f"{kind} {path}"
        for (kind, version), schemas in SCHEMAS.items()
        for path, (schema, _) in schemas.items()
        if version != "v1alpha3"
        and "." in path
        and not path.endswith(("[]", "{}", ".metadata"))
        and not schema.get("description")
    }
    assert bare == set()


def test_only_kinds_with_a_status_have_the_status_subresource() -> None:
    without = {
        crd["spec"]["names"]["kind"] for crd in crds() for v in crd["spec"]["versions"] if "subresources" not in v
    }
    assert without == {"OpenStackClusterIdentity", "OpenStackClusterTemplate"}


def test_v1alpha3_is_served_and_deprecated_with_a_text_that_names_the_way_out() -> None:
    old = [v for crd in crds() for v in crd["spec"]["versions"] if v["name"] == "v1alpha3"]

    assert len(old) == 3
    for version in old:
        assert (version["served"], version["storage"], version["deprecated"]) == (True, False, True)
        assert "pycapo convert" in version["deprecationWarning"]
        assert len(version["deprecationWarning"]) <= 256


def test_only_status_of_v1alpha3_is_open_for_what_newer_versions_tell() -> None:
    opened = {
        version
        for (_, version), schemas in SCHEMAS.items()
        for path, (schema, _) in schemas.items()
        if schema.get("x-kubernetes-preserve-unknown-fields") and ".status" in path and "properties" in schema
    }
    assert opened == {"v1alpha3"}


def test_crds_fit_into_the_annotation_that_client_side_apply_writes() -> None:
    assert max(len(json.dumps(crd)) for crd in crds()) < 256 * 1024
