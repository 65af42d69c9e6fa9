# SPDX-License-Identifier: Apache-2.0
"""The page of a kind: what it finds after writes is what a list of the same resources would show, however many layers it has."""

from hypothesis import given
from hypothesis import strategies as st

from pycapo.cloud.page import Layers, Page, page_of
from pycapo.model.marks import Mark
from pycapo.model.records import FixedIP, FloatingIP, Network, Port, Record, Subnet

KEYS = st.sampled_from("abcdefgh")
CHANGES = st.lists(st.dictionaries(KEYS, st.one_of(st.none(), st.integers()), max_size=4), max_size=12)
OWNER, OTHER = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


def a_port(number: int, *, owner: str = OWNER, address: str = "10.0.0.9", **fields: bool) -> Port:
    tags = (Mark(owner, "port-0").tag,)
    return Port(id=f"p{number}", network_id="n", tags=tags, fixed_ips=(FixedIP(address, "s"),), **fields)


def found(page: Page, field: str, value: str) -> list[str]:
    return sorted(page.found.get((field, value), {}))


@given(st.dictionaries(KEYS, st.integers()), CHANGES)
def test_layers_say_what_a_dict_would(base: dict[str, int], changes: list[dict[str, int | None]]) -> None:
    layers, plain = Layers(base), dict(base)
    for change in changes:
        layers = layers.changed(change)
        plain = {key: value for key, value in {**plain, **change}.items() if value is not None}

        assert dict(layers) == plain
        assert (len(layers), sorted(layers.all())) == (len(plain), sorted(plain.values()))
        assert [layers.get(key) for key in "abcdefgh"] == [plain.get(key) for key in "abcdefgh"]


def test_a_mapping_that_was_handed_out_stays_as_it_was() -> None:
    before = Layers({str(number): number for number in range(100)})

    after = before.changed({"1": None, "new": 7})

    assert ("1" in before, "new" in before, before["1"]) == (True, False, 1)
    assert ("1" in after, after["new"], len(after)) == (False, 7, 100)


def test_a_page_after_writes_is_that_of_a_list() -> None:
    page = page_of(a_port(number) for number in range(50))
    moved = a_port(3, owner=OTHER, address="10.0.0.8", leaving=True)

    written = page.changed({"p3": moved, "p4": None, "p50": a_port(50)})

    listed = page_of([*(a_port(n) for n in range(51) if n not in (3, 4)), moved])
    assert dict(written.records) == dict(listed.records)
    assert {word: set(it) for word, it in written.found.items()} == {word: set(it) for word, it in listed.found.items()}
    assert written.moving == listed.moving == {"p3"}


def test_a_port_is_found_by_its_owner_and_its_addresses() -> None:
    page = page_of([a_port(1), a_port(2, owner=OTHER, address="10.0.0.8")])

    assert found(page, "owner", OTHER) == found(page, "address", "10.0.0.8") == ["p2"]
    assert found(page.changed({"p2": a_port(2)}), "address", "10.0.0.9") == ["p1", "p2"]
    assert found(page.changed({"p2": None}), "owner", OTHER) == []


def test_floating_ips_are_found_by_port_and_networks_by_tag() -> None:
    records: list[Record] = [
        FloatingIP(id="f1", floating_network_id="n", floating_ip_address="203.0.113.7", port_id="p1"),
        Network(id="n1", tags=("vlan", "rack-1")),
    ]
    page = page_of(records)

    assert found(page, "port_id", "p1") == found(page, "address", "203.0.113.7") == ["f1"]
    assert found(page, "tags", "vlan") == found(page, "tags", "rack-1") == ["n1"]


def test_a_subnet_is_found_by_its_network() -> None:
    page = page_of(
        [Subnet(id="s1", network_id="n1", cidr="10.0.1.0/24"), Subnet(id="s2", network_id="n2", cidr="::/64")]
    )

    assert found(page, "network_id", "n1") == ["s1"]
