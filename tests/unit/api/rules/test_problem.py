# SPDX-License-Identifier: Apache-2.0
"""How a problem is told."""

from pycapo.api.rules.problem import LONGEST_VALUE, Problem, duplicate, forbidden, required, show


def test_a_problem_is_told_as_the_api_server_tells_its_own() -> None:
    problem = Problem("spec.ports[0].macAddress", "is no MAC address", "fa:16")

    assert str(problem) == 'spec.ports[0].macAddress: Invalid value: "fa:16": is no MAC address'
    assert problem.fault.reason == "FieldValueInvalid"


def test_what_is_forbidden_or_missing_shows_no_value() -> None:
    assert forbidden("spec.a", "no").body == "Forbidden: no"
    assert required("spec.a", "yes").body == "Required value: yes"
    assert duplicate("spec.a", "twice", 7).body == "Duplicate value: 7: twice"


def test_long_values_are_cut_and_absent_ones_are_words() -> None:
    assert len(show("x" * 1000)) == LONGEST_VALUE
    assert show(None) == "nothing"
