# SPDX-License-Identifier: Apache-2.0
"""Conversion loses nothing either way, and what was changed through one version shows in the other."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pycapo.api import v1alpha3, v1beta1, v1beta2
from pycapo.api.conversion import ConversionError, convert
from pycapo.api.meta import Kind
from random_objects import kinds

OTHER, HUB = "infrastructure.cluster.x-k8s.io/v1beta1", "infrastructure.cluster.x-k8s.io/v1beta2"
KEPT = "infrastructure.cluster.x-k8s.io/kept-for-"
WHOLE_COPY = "cluster.x-k8s.io/conversion-data"
Object = dict[str, Any]
Pair = tuple[type[Kind], type[Kind]]
PAIRS: list[Pair] = [
    (v1alpha3.OpenStackCluster, v1beta2.OpenStackCluster),
    (v1alpha3.OpenStackMachine, v1beta2.OpenStackMachine),
    (v1alpha3.OpenStackMachineTemplate, v1beta2.OpenStackMachineTemplate),
    (v1beta1.OpenStackCluster, v1beta2.OpenStackCluster),
    (v1beta1.OpenStackClusterTemplate, v1beta2.OpenStackClusterTemplate),
    (v1beta1.OpenStackMachine, v1beta2.OpenStackMachine),
    (v1beta1.OpenStackMachineTemplate, v1beta2.OpenStackMachineTemplate),
]


def complete(obj: Object) -> Object:
    """Return an object of an older version with ready filled in, as it is meant when absent."""
    if "status" in obj and obj["kind"] in ("OpenStackCluster", "OpenStackMachine"):
        obj = {**obj, "status": {"ready": False, **obj["status"]}}
    return obj


def without_kept(obj: Object) -> Object:
    """Return obj without the annotations that keep what another version cannot express."""
    annotations = {key: text for key, text in obj["metadata"].get("annotations", {}).items() if KEPT not in key}
    metadata = {key: value for key, value in obj["metadata"].items() if key != "annotations"}
    return {**obj, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def drawn(data: st.DataObject, kind: type[Kind]) -> Object:
    """Return an object of an older version that can be converted at all."""
    obj = data.draw(kinds(kind))
    try:
        convert(obj, HUB)
    except ConversionError:
        assume(False)
    return obj


def content(obj: Object) -> Object:
    return {name: value for name, value in obj.items() if name in ("spec", "status")}


def edited(obj: Object, new: Object) -> Object:
    """Return obj with the content of new and its own metadata, as an update writes it."""
    return {**obj, **content(new)}


def machine(version: str, **spec: Any) -> Object:
    return {"apiVersion": version, "kind": "OpenStackMachine", "metadata": {"name": "a"}, "spec": spec}


def cluster(version: str, spec: Object, status: Object | None = None) -> Object:
    body = {"apiVersion": version, "kind": "OpenStackCluster", "metadata": {"name": "a"}, "spec": spec}
    return body if status is None else {**body, "status": status}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].version + pair[0].kind)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_way_from_an_older_version_and_back_loses_nothing(pair: Pair, data: st.DataObject) -> None:
    other = drawn(data, pair[0])
    assert without_kept(convert(convert(other, HUB), pair[0].api_version)) == complete(other)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].version + pair[0].kind)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_way_from_v1beta2_and_back_loses_nothing(pair: Pair, data: st.DataObject) -> None:
    hub = data.draw(kinds(pair[1]))
    assert without_kept(convert(convert(hub, pair[0].api_version), HUB)) == hub


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].version + pair[0].kind)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_change_through_v1beta2_is_what_an_older_version_shows(pair: Pair, data: st.DataObject) -> None:
    stored = convert(drawn(data, pair[0]), HUB)
    changed = edited(stored, data.draw(kinds(pair[1])))
    assert content(convert(convert(changed, pair[0].api_version), HUB)) == content(changed)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].version + pair[0].kind)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_change_through_an_older_version_is_what_v1beta2_shows(pair: Pair, data: st.DataObject) -> None:
    shown = convert(data.draw(kinds(pair[1])), pair[0].api_version)
    changed = edited(shown, drawn(data, pair[0]))
    assert content(convert(convert(changed, HUB), pair[0].api_version)) == content(complete(changed))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].version + pair[0].kind)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_given_object_is_left_alone(pair: Pair, data: st.DataObject) -> None:
    other = drawn(data, pair[0])
    before = copy.deepcopy(other)
    convert(other, HUB)
    assert other == before


@pytest.mark.parametrize(
    ("other", "hub"),
    [
        ({"apiServerLoadBalancer": {"enabled": True}}, {"apiServer": {"managedLoadBalancer": {"enabled": True}}}),
        ({"apiServerFixedIP": "10.0.0.9"}, {"apiServer": {"fixedIP": "10.0.0.9"}}),
        ({"apiServerFloatingIP": "1.2.3.4"}, {"apiServer": {"floatingIP": "1.2.3.4"}}),
        ({"apiServerPort": 443}, {"apiServer": {"port": 443}}),
        ({"disableAPIServerFloatingIP": True}, {"apiServer": {"enableFloatingIP": False}}),
        ({"disableExternalNetwork": False}, {"enableExternalNetwork": True}),
        ({"networkMTU": 1400}, {"managedNetwork": {"mtu": 1400}}),
        ({"disablePortSecurity": True}, {"managedNetwork": {"enablePortSecurity": False}}),
        ({"externalRouterIPs": [{"fixedIP": "1"}]}, {"managedRouter": {"externalIPs": [{"fixedIP": "1"}]}}),
        (
            {"managedSecurityGroups": {"allNodesSecurityGroupRules": [{"name": "a"}]}},
            {"managedSecurityGroups": {"clusterNodesSecurityGroupRules": [{"name": "a"}]}},
        ),
        ({"managedSecurityGroups": {}}, {"managedSecurityGroups": {}}),
        ({"bastion": {"spec": {"flavor": "small"}}}, {"bastion": {"spec": {"flavor": {"filter": {"name": "small"}}}}}),
        ({"networks": [{"name": "storage"}]}, {"networks": [{"name": "storage"}]}),
    ],
)
def test_cluster_fields_have_their_counterparts(other: Object, hub: Object) -> None:
    assert convert(cluster(OTHER, other), HUB) == cluster(HUB, hub)
    assert convert(cluster(HUB, hub), OTHER) == cluster(OTHER, other)


@pytest.mark.parametrize(
    ("other", "hub"),
    [
        ({"flavor": "small"}, {"flavor": {"filter": {"name": "small"}}}),
        ({"flavorID": "42"}, {"flavor": {"id": "42"}}),
        ({"ports": [{"disablePortSecurity": True}]}, {"ports": [{"enablePortSecurity": False}]}),
        ({"additionalPorts": [{"disablePortSecurity": False}]}, {"additionalPorts": [{"enablePortSecurity": True}]}),
        (
            {"ports": [{"subports": [{"port": {"disablePortSecurity": True}}]}]},
            {"ports": [{"subports": [{"port": {"enablePortSecurity": False}}]}]},
        ),
        ({"ports": [{"securityGroups": []}]}, {"ports": [{"securityGroups": []}]}),
    ],
)
def test_machine_fields_have_their_counterparts(other: Object, hub: Object) -> None:
    assert convert(machine(OTHER, **other), HUB) == machine(HUB, **hub)
    assert convert(machine(HUB, **hub), OTHER) == machine(OTHER, **other)


def test_status_of_a_cluster_has_its_counterparts() -> None:
    hub = {
        "apiServerManagedLoadBalancer": {"id": "1"},
        "failureDomains": [{"name": "az1", "controlPlane": True}, {"name": "az2"}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "observedGeneration": 2}],
    }
    other = {
        "apiServerLoadBalancer": {"id": "1"},
        "failureDomains": {"az1": {"controlPlane": True}, "az2": {}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 2}],
        "ready": True,
    }
    assert convert(cluster(HUB, {}, hub), OTHER) == cluster(OTHER, {}, other)
    assert convert(cluster(OTHER, {}, other), HUB) == cluster(HUB, {}, hub)


def test_ready_follows_the_condition_even_if_v1beta1_once_said_otherwise() -> None:
    stored = convert(cluster(OTHER, {}, {"ready": False}), HUB)
    stored["status"] = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}]}
    assert convert(stored, OTHER)["status"]["ready"] is True


def test_ready_and_failure_of_an_old_controller_last_until_the_conditions_change() -> None:
    old = {"ready": True, "failureReason": "CreateError", "failureMessage": "no host"}
    stored = convert(cluster(OTHER, {}, old), HUB)
    assert convert(stored, OTHER)["status"] == old
    stored["status"] = {"conditions": [{"type": "Ready", "status": "False", "reason": "Broken", "message": ""}]}
    assert convert(stored, OTHER)["status"].keys() == {"conditions", "ready"}
    assert convert(stored, OTHER)["status"]["ready"] is False


def test_severity_lasts_until_its_condition_changes() -> None:
    condition = {"type": "Ready", "status": "False", "severity": "Warning", "reason": "Waiting"}
    stored = convert(cluster(OTHER, {}, {"ready": False, "conditions": [condition]}), HUB)
    assert convert(stored, OTHER)["status"]["conditions"] == [condition]
    stored["status"]["conditions"].insert(
        0, {"type": "NetworkReady", "status": "True", "reason": "Ready", "message": ""}
    )
    assert convert(stored, OTHER)["status"]["conditions"][1] == condition
    stored["status"]["conditions"][1]["reason"] = "Failed"
    assert "severity" not in convert(stored, OTHER)["status"]["conditions"][1]


def test_a_condition_without_reason_gets_one_in_v1beta2_which_requires_it() -> None:
    stored = convert(cluster(OTHER, {}, {"conditions": [{"type": "Ready", "status": "True"}]}), HUB)
    assert stored["status"]["conditions"][0] == {
        "type": "Ready",
        "status": "True",
        "reason": "NoReasonReported",
        "message": "",
    }


def test_a_flavor_name_beside_a_flavor_id_is_kept_until_the_flavor_changes() -> None:
    stored = convert(machine(OTHER, flavor="small", flavorID="42"), HUB)
    assert stored["spec"] == {"flavor": {"id": "42"}}
    assert convert(stored, OTHER)["spec"] == {"flavor": "small", "flavorID": "42"}
    stored["spec"]["flavor"] = {"id": "43"}
    assert convert(stored, OTHER)["spec"] == {"flavorID": "43"}


def test_an_endpoint_that_stands_for_none_is_absent_in_v1beta2_and_gives_way_to_a_real_one() -> None:
    stored = convert(cluster(OTHER, {"controlPlaneEndpoint": {"host": "", "port": 0}}), HUB)
    assert stored["spec"] == {}
    assert convert(stored, OTHER)["spec"] == {"controlPlaneEndpoint": {"host": "", "port": 0}}
    stored["spec"] = {"controlPlaneEndpoint": {"host": "1.2.3.4", "port": 6443}}
    assert convert(stored, OTHER)["spec"] == stored["spec"]


def test_nothing_is_kept_when_everything_can_be_expressed() -> None:
    assert "annotations" not in convert(machine(OTHER, flavor="small"), HUB)["metadata"]
    assert "annotations" not in convert(machine(HUB, flavor={"id": "1"}), OTHER)["metadata"]


def test_other_annotations_and_metadata_stay() -> None:
    obj = {**machine(OTHER, flavor="a", flavorID="b"), "metadata": {"name": "a", "uid": "1", "annotations": {"x": "y"}}}
    shown = convert(convert(obj, HUB), OTHER)
    assert shown["metadata"] == obj["metadata"]


def test_the_go_providers_copy_is_no_overlay() -> None:
    copied = {"spec": {"flavor": "small", "tags": ["old"]}, "status": {"ready": False}}
    stored = machine(HUB, flavor={"filter": {"name": "large"}}, tags=["new"])
    stored["metadata"]["annotations"] = {WHOLE_COPY: json.dumps(copied)}
    stored["status"] = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}]}
    shown = convert(stored, OTHER)
    assert shown["spec"] == {"flavor": "large", "tags": ["new"]}
    assert shown["status"]["ready"] is True
    assert "annotations" not in shown["metadata"]


def test_what_only_the_go_providers_copy_can_say_is_taken_from_it() -> None:
    stored = machine(HUB, flavor={"id": "42"}, tags=["new"])
    stored["metadata"]["annotations"] = {
        WHOLE_COPY: json.dumps({"spec": {"flavor": "small", "flavorID": "42", "tags": ["old"]}})
    }
    assert convert(stored, OTHER)["spec"] == {"flavor": "small", "flavorID": "42", "tags": ["new"]}


def test_template_metadata_in_the_go_providers_copy_survive_a_write_through_v1beta1() -> None:
    saved = {"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"tags": ["old"]}}}}
    obj = {
        "apiVersion": OTHER,
        "kind": "OpenStackClusterTemplate",
        "metadata": {"name": "a", "annotations": {WHOLE_COPY: json.dumps(saved)}},
        "spec": {"template": {"spec": {"tags": ["new"]}}},
    }
    stored = convert(obj, HUB)
    assert stored["spec"]["template"] == {"metadata": {"labels": {"a": "b"}}, "spec": {"tags": ["new"]}}
    assert stored["metadata"] == {"name": "a"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"spec": 7}', '[{"path": ["spec"]}]'])
def test_broken_annotations_are_dropped(text: str) -> None:
    obj = machine(HUB, flavor={"id": "42"})
    obj["metadata"]["annotations"] = {
        WHOLE_COPY: text,
        f"{KEPT}v1beta1": text,
    }
    assert convert(obj, OTHER) == machine(OTHER, flavorID="42")


def test_an_object_without_spec_is_converted_because_field_managers_send_such() -> None:
    bare = {"apiVersion": OTHER, "kind": "OpenStackMachine"}
    assert convert(bare, HUB) == {"apiVersion": HUB, "kind": "OpenStackMachine"}


@pytest.mark.parametrize(
    ("obj", "desired", "path"),
    [
        ({"apiVersion": "example.com/v1", "kind": "OpenStackMachine"}, HUB, "apiVersion"),
        ({"apiVersion": OTHER, "kind": "OpenStackMachine"}, "example.com/v1", "apiVersion"),
        ({"apiVersion": OTHER, "kind": "OpenStackServer"}, HUB, "apiVersion"),
        ({"apiVersion": HUB, "kind": "OpenStackMachine"}, f"{HUB}9", "apiVersion"),
        (machine(OTHER, ports={"a": 1}), HUB, "spec.ports"),
        (machine(OTHER, ports=[{}, 7]), HUB, "spec.ports[1]"),
        ({"apiVersion": OTHER, "kind": "OpenStackMachine", "spec": "x"}, HUB, "spec"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_its_path(obj: Object, desired: str, path: str) -> None:
    with pytest.raises(ConversionError) as refusal:
        convert(obj, desired)
    assert refusal.value.path == path
