# SPDX-License-Identifier: Apache-2.0
"""Choosing what a reference means, and telling why it means nothing."""

from pycapo.api.references import ImageFilter, NetworkParam, SubnetFilter, SubnetParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Network
from pycapo.model.steps import Wait
from pycapo.plan.choose import candidates, choose_one, choose_some, query_of, spelled

PATH = "spec.ports[2].network"


def networks(*ids: str, name: str = "traffic") -> tuple[Network, ...]:
    return tuple(Network(id=id, name=name) for id in ids)


def chosen(found: tuple[Network, ...]) -> Network | Wait:
    return choose_one(found, path=PATH, kind=Kind.NETWORK, wanted='name "traffic"', condition="InstanceReady")


def told(found: tuple[Network, ...]) -> Wait:
    wait = chosen(found)
    assert isinstance(wait, Wait)
    return wait


def test_the_only_match_is_chosen() -> None:
    assert chosen(networks("a")) == Network(id="a", name="traffic")


def test_no_match_names_field_and_wish() -> None:
    wait = told(())

    assert wait.told == 'spec.ports[2].network: no network matches name "traffic"'
    assert (wait.condition, wait.reason) == ("InstanceReady", "NotFound")


def test_several_matches_are_named_with_their_ids() -> None:
    wait = told(networks("b", "a", "c"))

    assert wait.told == 'spec.ports[2].network: 3 networks match name "traffic" (ids a, b, c)'
    assert wait.reason == "Ambiguous"


def test_at_most_five_matches_are_named() -> None:
    assert told(networks(*"abcdefg")).message.endswith("(ids a, b, c, d, e and 2 more)")


def test_matches_of_different_names_are_told_with_them() -> None:
    assert candidates((*networks("a"), *networks("b", name=""))) == "traffic a, unnamed b"


def test_a_reference_that_may_mean_several_takes_all() -> None:
    found = choose_some(networks("a", "b"), path=PATH, kind=Kind.NETWORK, wanted="x", condition="C")

    assert found == networks("a", "b")


def test_a_reference_that_may_mean_several_still_needs_one() -> None:
    found = choose_some((), path=PATH, kind=Kind.NETWORK, wanted="everything", condition="C")

    assert isinstance(found, Wait)


def test_a_reference_by_id_asks_for_the_id() -> None:
    assert query_of(NetworkParam(id="a")) == {"id": "a"}


def test_every_filter_has_its_openstack_name() -> None:
    reference = SubnetFilter(
        name="n",
        project_id="p",
        tags=["a", "b"],
        tags_any=["c"],
        not_tags=["d"],
        not_tags_any=["e"],
        ip_version=6,
        gateway_ip="fd00::1",
        cidr="fd00::/64",
        ipv6_address_mode="slaac",
        ipv6_ra_mode="stateless",
    )

    assert query_of(SubnetParam(filter=reference)) == {
        "name": "n",
        "project_id": "p",
        "tags": "a,b",
        "tags-any": "c",
        "not-tags": "d",
        "not-tags-any": "e",
        "ip_version": "6",
        "gateway_ip": "fd00::1",
        "cidr": "fd00::/64",
        "ipv6_address_mode": "slaac",
        "ipv6_ra_mode": "stateless",
    }


def test_a_filter_alone_is_a_query_too() -> None:
    assert query_of(ImageFilter(name="ubuntu", tags=["lts", "gold"])) == {"name": "ubuntu", "tags": "lts,gold"}


def test_no_reference_asks_for_everything() -> None:
    assert query_of(None) == {}
    assert spelled({}) == "everything"


def test_a_query_is_spelled_for_people() -> None:
    assert spelled({"name": "x", "tags-any": "a,b"}) == 'name "x" and any of the tags "a,b"'
