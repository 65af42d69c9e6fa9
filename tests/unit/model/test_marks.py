# SPDX-License-Identifier: Apache-2.0
"""Marks: what we made is known again, what we did not make never is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pycapo.model.marks import METADATA_KEY, Mark, find_mark, new_owner, parse_mark

roles = st.from_regex(r"\A[A-Za-z0-9._-]{1,40}\Z")


@given(role=roles, description=st.text(max_size=400))
def test_a_mark_is_found_again_wherever_it_was_written(role: str, description: str) -> None:
    mark = Mark(owner=new_owner(), role=role)

    assert parse_mark(mark.tag) == mark
    assert find_mark(tags=["blue", mark.tag]) == mark
    assert find_mark(description=mark.described(description)) == mark
    assert find_mark(metadata={METADATA_KEY: mark.tag}) == mark


OWNER = "a" * 12


@pytest.mark.parametrize(
    "text", ["", "pycapo", "pycapo:short:x", f"pycapo:{OWNER}:", f"xpycapo:{OWNER}:x", f"other:{OWNER}:x"]
)
def test_what_only_resembles_a_mark_is_none(text: str) -> None:
    assert parse_mark(text) is None
    assert find_mark(tags=[text], description=f"[{text}]", metadata={METADATA_KEY: text}) is None


def test_a_mark_in_the_middle_of_a_description_is_none() -> None:
    mark = Mark(owner=new_owner(), role="network")

    assert find_mark(description=f"[{mark.tag}] copied by a person") is None


def test_two_owners_differ() -> None:
    assert len({new_owner() for _ in range(1000)}) == 1000


def test_a_mark_of_what_is_only_used_is_told_from_one_of_what_was_made() -> None:
    made, used = Mark(OWNER, "port-0"), Mark(OWNER, "port-0", borrowed=True)

    assert (parse_mark(made.tag), parse_mark(used.tag)) == (made, used)
    assert used.tag == f"pycapo-use:{OWNER}:port-0"


@given(role=roles, description=st.text(max_size=400))
def test_a_description_with_its_mark_is_never_too_long(role: str, description: str) -> None:
    mark = Mark(owner=new_owner(), role=role)

    assert len(mark.described(description)) <= 255


def test_only_the_words_for_people_are_cut() -> None:
    mark = Mark(OWNER, "network")

    told = mark.described("Cluster API cluster " + "x" * 253)

    assert told.startswith("Cluster API cluster xxx")
    assert told.endswith(f"x… [{mark.tag}]")
    assert len(told) == 255
