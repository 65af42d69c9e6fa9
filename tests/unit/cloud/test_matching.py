# SPDX-License-Identifier: Apache-2.0
"""Filters that a service cannot do itself mean what they mean to Neutron."""

import pytest

from pycapo.cloud.matching import matches
from pycapo.model.records import Flavor, Network, Port, ServerGroup

NETWORK = Network(id="n1", name="net", tags=("a", "b"), external=True, mtu=1450, subnets=("s1", "s2"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, True),
        ({"id": "n1"}, True),
        ({"id": "n"}, False),
        ({"name": "net"}, True),
        ({"name": "ne"}, False),
        ({"name": "NET"}, False),
        ({"name": "net", "id": "n2"}, False),
        ({"tags": "a"}, True),
        ({"tags": "a,b"}, True),
        ({"tags": "a,c"}, False),
        ({"tag": "b"}, True),
        ({"tags-any": "c,b"}, True),
        ({"tags-any": "c,d"}, False),
        ({"not-tags": "a,b"}, False),
        ({"not-tags": "a,c"}, True),
        ({"not-tags-any": "a,c"}, False),
        ({"not-tags-any": "c,d"}, True),
        ({"router:external": "true"}, True),
        ({"router:external": "True"}, True),
        ({"router:external": "false"}, False),
        ({"shared": "false"}, True),
        ({"subnets": "s2"}, True),
        ({"subnets": "s3"}, False),
        ({"mtu": "1450"}, True),
        ({"mtu": "1500"}, False),
        ({"description": ""}, True),
        ({"unheard-of": "x"}, False),
        ({"unheard-of": ""}, True),
    ],
)
def test_a_filter_finds_what_it_finds_in_neutron(query: dict[str, str], found: bool) -> None:
    assert matches(NETWORK, query) is found


def test_what_has_no_name_is_not_found_by_any() -> None:
    assert not matches(Port(id="p", name=None, network_id="n"), {"name": "None"})


@pytest.mark.parametrize("record", [Flavor(id="1", name="m1"), ServerGroup(id="1", name="m1")])
def test_kinds_without_tags_have_none(record: Flavor | ServerGroup) -> None:
    assert matches(record, {"name": "m1", "not-tags-any": "a"})
    assert not matches(record, {"tags": "a"})
