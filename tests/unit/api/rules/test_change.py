# SPDX-License-Identifier: Apache-2.0
"""Differences between two states of an object."""

import copy
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycapo.api.rules.change import changes, covers, pattern, spell


def paths(old: object, new: object) -> list[str]:
    return [spell(change.path) for change in changes(old, new)]


@pytest.mark.parametrize("nothing", [None, [], ""])
def test_absent_null_and_empty_are_the_same(nothing: object) -> None:
    assert paths({}, {"tags": nothing}) == []
    assert paths({"tags": nothing}, {}) == []


def test_an_empty_list_of_security_groups_differs_from_none_said() -> None:
    assert paths({"ports": [{}]}, {"ports": [{"securityGroups": []}]}) == ["ports[0].securityGroups"]


def test_a_machines_trunk_is_false_by_default_but_a_ports_is_not() -> None:
    assert paths({}, {"trunk": False}) == []
    assert paths({"ports": [{}]}, {"ports": [{"trunk": False}]}) == ["ports[0].trunk"]


def test_an_empty_api_server_is_as_good_as_none_and_an_empty_managed_group_is_not() -> None:
    assert paths({}, {"apiServer": {}}) == []
    assert paths({}, {"managedSecurityGroups": {}}) == ["managedSecurityGroups"]


def test_a_reference_is_one_value() -> None:
    old, new = {"image": {"filter": {"name": "a"}}}, {"image": {"imageRef": {"name": "a"}}}

    assert paths(old, new) == ["image"]


def test_items_without_names_are_compared_by_position() -> None:
    old = {"ports": [{"tags": ["a"]}, {"description": "x"}]}
    new = {"ports": [{"tags": ["a"]}, {"description": "y"}]}

    assert paths(old, new) == ["ports[1].description"]


def test_objects_added_to_the_end_of_a_list_or_taken_from_it_are_named() -> None:
    short, long = {"ports": [{"tags": ["a"]}]}, {"ports": [{"tags": ["a"]}, {}, {}]}

    assert paths(short, long) == ["ports[1]", "ports[2]"]
    assert paths(long, short) == ["ports[1]", "ports[2]"]


def test_a_list_of_another_length_with_other_items_differs_as_a_whole() -> None:
    assert paths({"ports": [{"tags": ["a"]}]}, {"ports": [{}, {"tags": ["a"]}]}) == ["ports"]
    assert paths({"tags": ["a"]}, {"tags": ["a", "b"]}) == ["tags"]


def test_items_with_names_are_compared_by_name_whatever_their_order() -> None:
    old = {"networks": [{"name": "a", "network": {"id": "1"}}, {"name": "b", "network": {"id": "2"}}]}
    new = {"networks": [{"name": "b", "network": {"id": "3"}}, {"name": "c", "network": {"id": "1"}}]}

    assert sorted(paths(old, new)) == ["networks[a]", "networks[b].network", "networks[c]"]


def test_a_list_that_comes_into_being_is_its_items() -> None:
    assert paths({}, {"networks": [{"name": "a"}]}) == ["networks[a]"]


def test_a_change_tells_both_values() -> None:
    (change,) = changes({"flavor": {"id": "1"}}, {"flavor": {"id": "2"}})

    assert (change.old, change.new) == ({"id": "1"}, {"id": "2"})


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("ports[*].tags", ("ports", 3, "tags"), True),
        ("ports[*].tags", ("ports", 3, "tags", 0), True),
        ("ports[*].tags", ("ports", 3), False),
        ("ports[*]", ("ports", "tags"), False),
        ("bastion", ("bastion", "spec", "image"), True),
        ("network", ("networks",), False),
    ],
)
def test_a_pattern_covers_what_it_spells_and_all_below(
    prefix: str, path: tuple[str | int, ...], expected: bool
) -> None:
    assert covers(pattern(prefix), path) is expected


NAMES = st.sampled_from(["ports", "tags", "name", "network", "id", "filter", "securityGroups", "apiServer"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_nothing_differs_from_itself(found: object) -> None:
    assert list(changes(found, copy.deepcopy(found))) == []


@given(JSON, JSON)
def test_the_way_back_is_the_same_fields_with_values_swapped(old: object, new: object) -> None:
    there = {repr((change.path, change.old, change.new)) for change in changes(old, new)}
    back = {repr((change.path, change.new, change.old)) for change in changes(new, old)}

    assert there == back


@given(st.lists(st.sampled_from("abcd"), unique=True), st.randoms())
def test_the_order_of_named_items_does_not_matter(names: list[str], random: Random) -> None:
    items = [{"name": name} for name in names]

    assert paths({"networks": items}, {"networks": random.sample(items, len(items))}) == []
