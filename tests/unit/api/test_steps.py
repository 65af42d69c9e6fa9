# SPDX-License-Identifier: Apache-2.0
"""Steps move what they know and leave the rest alone."""

from typing import Any

import pytest

from pycapo.api.steps import ConversionError, Step, lower_from_hub, negate, objects_at, raise_to_hub, rename


def raised(body: dict[str, Any], *steps: Step) -> dict[str, Any]:
    raise_to_hub(body, steps)
    return body


def lowered(body: dict[str, Any], *steps: Step) -> dict[str, Any]:
    lower_from_hub(body, steps)
    return body


def test_objects_are_found_in_lists_of_lists() -> None:
    body = {"a": [{"b": [{"n": 1}, {"n": 2}]}, {}, {"b": [{"n": 3}]}]}
    assert [found["n"] for found in objects_at(body, "a[].b[]")] == [1, 2, 3]


@pytest.mark.parametrize("body", [{}, {"a": None}, {"a": {}}, {"a": {"b": None}}, {"a": {"b": []}}])
def test_absent_objects_are_skipped(body: dict[str, Any]) -> None:
    assert list(objects_at(body, "a.b[]")) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"a": 7}, "a: expected an object, found int"),
        ({"a": {"b": {}}}, r"a\.b: expected a list, found dict"),
        ({"a": {"b": [{}, "x"]}}, r"a\.b\[1\]: expected an object, found str"),
    ],
)
def test_anything_but_objects_is_refused_with_its_path(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        list(objects_at(body, "a.b[]"))


def test_a_field_moves_into_an_object_and_back() -> None:
    step = rename("spec", "mtu", "network.mtu")
    assert raised({"spec": {"mtu": 5, "x": 1}}, step) == {"spec": {"network": {"mtu": 5}, "x": 1}}
    assert lowered({"spec": {"network": {"mtu": 5}, "x": 1}}, step) == {"spec": {"mtu": 5, "x": 1}}


def test_an_object_that_is_not_empty_stays_where_a_field_moved_out() -> None:
    step = rename("spec", "mtu", "network.mtu")
    assert lowered({"spec": {"network": {"mtu": 5, "y": 2}}}, step) == {"spec": {"network": {"y": 2}, "mtu": 5}}


def test_an_absent_field_makes_no_object() -> None:
    step = rename("spec", "mtu", "network.mtu")
    assert raised({"spec": {}}, step) == {"spec": {}}
    assert lowered({"spec": {"network": {}}}, step) == {"spec": {"network": {}}}


@pytest.mark.parametrize(("value", "opposite"), [(True, False), (False, True), ("odd", "odd")])
def test_a_switch_is_turned_round_both_ways(value: object, opposite: object) -> None:
    step = negate("spec", "disableX", "enableX")
    assert raised({"spec": {"disableX": value}}, step) == {"spec": {"enableX": opposite}}
    assert lowered({"spec": {"enableX": opposite}}, step) == {"spec": {"disableX": value}}


def test_steps_run_in_reverse_on_the_way_back() -> None:
    steps = (rename("spec", "a", "b"), rename("spec", "b", "c"))
    assert raised({"spec": {"a": 1}}, *steps) == {"spec": {"c": 1}}
    assert lowered({"spec": {"c": 1}}, *steps) == {"spec": {"a": 1}}
