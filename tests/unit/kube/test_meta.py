# SPDX-License-Identifier: Apache-2.0
"""Paths, copies and merge patches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycapo.kube.meta import (
    copy_of,
    difference,
    document,
    is_owned,
    key_of,
    merged,
    owners_of,
    path_of,
    version_of,
    wire,
)
from toys import KEY, Boat, Sail, a_boat, a_sail

values = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans() | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@given(documents, documents)
def test_the_difference_applied_to_the_first_gives_the_second(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert merged(before, difference(before, after)) == after


@given(documents)
def test_equal_documents_have_no_difference(one: dict[str, Any]) -> None:
    assert difference(one, one) == {}


def test_merging_changes_neither_argument() -> None:
    target = {"a": {"b": 1, "c": 2}}

    assert merged(target, {"a": {"b": None}}) == {"a": {"c": 2}}
    assert target == {"a": {"b": 1, "c": 2}}


class Core:
    api_version = "v1"
    kind = "Node"
    plural = "nodes"
    namespaced = False
    metadata = None


@pytest.mark.parametrize(
    ("kind", "parts", "path"),
    [
        (Boat, (), "/apis/toys.test/v1/boats"),
        (Boat, ("sea",), "/apis/toys.test/v1/namespaces/sea/boats"),
        (Boat, ("sea", "anna", "status"), "/apis/toys.test/v1/namespaces/sea/boats/anna/status"),
        (Core, ("ignored", "n1"), "/api/v1/nodes/n1"),
    ],
)
def test_paths_are_those_of_the_rest_api(kind: Any, parts: tuple[str, ...], path: str) -> None:
    assert path_of(kind, *parts) == path


def test_a_copy_is_equal_and_apart() -> None:
    boat = a_boat(labels={"a": "b"}, resource_version="7")

    copy = copy_of(boat)
    copy.metadata.labels["a"] = "c"  # type: ignore[index]

    assert boat.metadata.labels == {"a": "b"}
    assert (str(key_of(copy)), version_of(copy)) == ("sea/anna", 7)


def test_a_document_says_what_it_is() -> None:
    assert document(a_boat())["apiVersion"] == "toys.test/v1"
    assert document(a_boat())["kind"] == "Boat"
    assert wire(a_boat())["spec"] == {"sails": 1}


def test_an_owner_is_known_by_group_kind_and_name_in_any_version() -> None:
    boat, sail = a_boat(uid="u1"), a_sail("main", a_boat(uid="u0"))
    assert sail.metadata.owner_references is not None
    sail.metadata.owner_references[0].api_version = Boat.api_version.rpartition("/")[0] + "/v9"

    assert (owners_of(sail, Boat), is_owned(sail, boat)) == ([KEY], True)
    assert (owners_of(sail, Sail), is_owned(sail, a_boat("bert"))) == ([], False)


def test_an_object_of_another_group_is_no_owner() -> None:
    sail = a_sail("main", a_boat(uid="u1"))
    assert sail.metadata.owner_references is not None
    sail.metadata.owner_references[0].api_version = "elsewhere.test/v1"

    assert not is_owned(sail, a_boat(uid="u1"))
