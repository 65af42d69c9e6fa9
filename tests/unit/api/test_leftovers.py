# SPDX-License-Identifier: Apache-2.0
"""Leftovers come back while what they belong to is unchanged, and never afterwards."""

import copy
from typing import Any

import pytest

from pycapo.api.leftovers import Group, Leftover, leftovers, restore

GROUPS: tuple[Group, ...] = (frozenset({"name", "id"}),)


def restored(body: Any, kept: list[Leftover]) -> Any:
    body = copy.deepcopy(body)
    restore(body, kept, GROUPS)
    return body


@pytest.mark.parametrize(
    ("original", "image"),
    [
        ({"a": 1}, {}),
        ({}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}),
        ({"a": {}}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [{"type": "x", "v": 1}]}, {"a": [{"type": "x"}]}),
        ({"a": [{"v": 1}, {}]}, {"a": [{}, {}]}),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x"}]}),
        ({"a": [{"type": "x"}, {"type": "x"}]}, {"a": [{"type": "x"}]}),
        ({"a": None}, {}),
    ],
)
def test_original_is_image_and_leftovers(original: Any, image: Any) -> None:
    assert restored(image, leftovers(original, image, GROUPS)) == original


def test_nothing_is_left_over_of_what_both_can_say() -> None:
    assert leftovers({"a": [{"b": 1}]}, {"a": [{"b": 1}]}, GROUPS) == []


def test_a_changed_field_is_not_overwritten() -> None:
    kept = leftovers({"a": "old", "b": 1}, {"a": "shown", "b": 1}, GROUPS)
    assert restored({"a": "new", "b": 1}, kept) == {"a": "new", "b": 1}


def test_a_change_elsewhere_does_not_matter() -> None:
    kept = leftovers({"a": "old", "b": 1}, {"b": 1}, GROUPS)
    assert restored({"b": 2}, kept) == {"a": "old", "b": 2}


def test_a_change_of_one_field_of_a_group_takes_the_others_away() -> None:
    kept = leftovers({"name": "small", "id": "1"}, {"id": "1"}, GROUPS)
    assert restored({"id": "2"}, kept) == {"id": "2"}


def test_an_item_is_found_by_its_key_wherever_it_moved() -> None:
    kept = leftovers({"a": [{"type": "x", "v": 1}]}, {"a": [{"type": "x"}]}, GROUPS)
    moved = {"a": [{"type": "w"}, {"type": "x"}]}
    assert restored(moved, kept) == {"a": [{"type": "w"}, {"type": "x", "v": 1}]}


def test_a_change_of_an_item_takes_its_leftovers_away() -> None:
    kept = leftovers({"a": [{"type": "x", "v": 1}]}, {"a": [{"type": "x"}]}, GROUPS)
    assert restored({"a": [{"type": "x", "w": 2}]}, kept) == {"a": [{"type": "x", "w": 2}]}


@pytest.mark.parametrize("gone", [{}, {"a": None}, {"a": {}}, {"a": []}, {"a": [{"type": "y"}]}, {"a": [7]}])
def test_leftovers_of_an_item_that_is_gone_are_dropped(gone: Any) -> None:
    kept = leftovers({"a": [{"type": "x", "v": 1}]}, {"a": [{"type": "x"}]}, GROUPS)
    assert restored(gone, kept) == gone
