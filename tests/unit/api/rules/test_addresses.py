# SPDX-License-Identifier: Apache-2.0
"""Addresses, prefixes and MAC addresses that a manifest spells out."""

import pytest

from pycapo.api.rules import addresses


@pytest.mark.parametrize("text", ["fa:16:3e:00:00:01", "FA-16-3E-00-00-01", "fa16.3e00.0001", "fa163e000001", None])
def test_every_usual_spelling_of_a_mac_address_is_fine(text: str | None) -> None:
    assert not list(addresses.check_mac("macAddress", text))


@pytest.mark.parametrize("text", ["fa:16:3e:00:00", "fa:16:3e:00:00:0g", "fa:16-3e:00:00:01", "", 5])
def test_what_is_no_mac_address_is_a_problem(text: object) -> None:
    (problem,) = addresses.check_mac("macAddress", text)

    assert problem.path == "macAddress"
    assert problem.value == text


@pytest.mark.parametrize("text", ["10.0.0.0/24", "fd00::/64", "10.1.2.3/32"])
def test_the_cidr_of_a_subnet_begins_with_its_first_address(text: str) -> None:
    assert not list(addresses.check_subnet_cidr("cidr", text))


def test_host_bits_in_the_cidr_of_a_subnet_are_told_with_the_right_cidr() -> None:
    (problem,) = addresses.check_subnet_cidr("cidr", "10.0.0.5/24")

    assert problem.message == "10.0.0.5 is not the first address of the subnet; 10.0.0.0/24 is"


@pytest.mark.parametrize("text", ["10.0.0.0", "10.0.0.0/33", "net", "", None, 10])
def test_what_is_no_cidr_is_a_problem(text: object) -> None:
    assert len(list(addresses.check_subnet_cidr("cidr", text))) == 1


def test_an_address_outside_its_subnet_is_told_with_the_bounds() -> None:
    (problem,) = addresses.check_inside("ipAddress", "10.0.1.1", "10.0.0.0/24")

    assert problem.message == "lies outside its subnet 10.0.0.0/24 (10.0.0.0 to 10.0.0.255)"


def test_an_address_of_another_version_lies_outside() -> None:
    assert list(addresses.check_inside("ipAddress", "fd00::1", "10.0.0.0/24"))


def test_nothing_is_said_about_bounds_when_the_subnet_is_not_literal() -> None:
    assert not list(addresses.check_inside("ipAddress", "10.0.1.1", None))


@pytest.mark.parametrize(
    ("found", "path"),
    [
        ({"start": "10.0.0.9", "end": "10.0.0.2"}, "range.end"),
        ({"start": "10.0.0.9", "end": "fd00::2"}, "range.end"),
        ({"start": "x", "end": "10.0.0.2"}, "range.start"),
        ({"start": "10.0.1.1", "end": "10.0.0.2"}, "range.start"),
    ],
)
def test_a_range_goes_upwards_inside_its_subnet(found: dict[str, str], path: str) -> None:
    problems = list(addresses.check_range("range", found, "10.0.0.0/24"))

    assert path in {problem.path for problem in problems}
