# SPDX-License-Identifier: Apache-2.0
"""Networks that are shared out: the tag goes on and off by itself, and whoever sees another one's withdraws."""

import pytest

from fake_openstack import Answer, FakeOpenStack
from pycapo.cloud.errors import InUse, RetryNow
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark

NET = "/network/v2.0"
OURS, THEIRS = Mark("abcdefabcdef", "own_vlan", borrowed=True), Mark("ffffffffffff", "own_vlan", borrowed=True)
PATH = f"{NET}/networks/n1/tags/{OURS.tag}"


def prepared(fake: FakeOpenStack, *tags: str, description: str = "") -> None:
    """A network with these tags at the moment in which it is read again."""
    found = {"id": "n1", "name": "vlan-1", "tags": list(tags), "description": description}
    fake.answers[f"GET {NET}/networks"] = Answer({"networks": [{**found, "tags": ["vlan"]}]})
    fake.answers[f"GET {NET}/networks/n1"] = Answer({"network": found})
    fake.answers[f"PUT {PATH}"] = Answer({}, status=201)
    fake.answers[f"DELETE {PATH}"] = Answer({}, status=204)


def claim(cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    cloud.create(Kind.NETWORK_CLAIM, [{"tag": OURS.tag}], marks=[OURS], parent="n1")


def asked(fake: FakeOpenStack) -> list[str]:
    return [f"{it.verb} {it.path}" for it in fake.requests if "n1" in it.path]


def test_a_network_with_no_other_tag_of_ours_is_taken_and_shown_at_once(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan", OURS.tag)

    claim(cloud)

    assert asked(fake) == [f"PUT {PATH}", f"GET {NET}/networks/n1"]
    assert [it.id for it in cloud.look({Kind.NETWORK}).owned(Kind.NETWORK, OURS.owner)] == ["n1"]


def test_who_sees_the_tag_of_somebody_else_withdraws(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan", THEIRS.tag, OURS.tag)

    with pytest.raises(InUse, match="taken by somebody else"):
        claim(cloud)

    assert asked(fake)[-1] == f"DELETE {PATH}"


def test_what_pycapo_made_for_something_else_is_not_taken(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan", OURS.tag, description="Cluster [pycapo:cccccccccccc:network]")

    with pytest.raises(InUse):
        claim(cloud)


def test_a_tag_that_did_not_stay_is_no_claim(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan")

    with pytest.raises(InUse):
        claim(cloud)


def test_a_claim_without_an_answer_has_the_networks_listed_again(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan", OURS.tag)
    fake.answers[f"PUT {PATH}"] = Answer({}, status=500)
    with pytest.raises(RetryNow):
        claim(cloud)
    lists = len([it for it in fake.requests if it.path == f"{NET}/networks"])

    cloud.look({Kind.NETWORK})

    assert len([it for it in fake.requests if it.path == f"{NET}/networks"]) == lists + 1


def test_giving_back_takes_one_tag_off_and_deletes_nothing(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake, "vlan", OURS.tag)
    claim(cloud)

    cloud.delete(Kind.NETWORK_CLAIM, "n1", parent="n1", body={"tag": OURS.tag})

    assert asked(fake)[-1] == f"DELETE {PATH}"
    assert [it.tags for it in cloud.look(set()).all(Kind.NETWORK)] == [("vlan",)]


def test_a_deleted_network_takes_its_subnets_out_of_the_picture(fake: FakeOpenStack, cloud: OpenStack) -> None:
    prepared(fake)
    subnets = [{"id": f"s{i}", "network_id": f"n{i}", "cidr": "10.0.0.0/28"} for i in (1, 2)]
    fake.answers[f"GET {NET}/subnets"] = Answer({"subnets": subnets})
    fake.answers[f"DELETE {NET}/networks/n1"] = Answer({}, status=204)
    cloud.look({Kind.NETWORK, Kind.SUBNET})

    cloud.delete(Kind.NETWORK, "n1")

    assert [it.id for it in cloud.look(set()).all(Kind.SUBNET)] == ["s2"]


def test_a_pool_that_has_subnets_is_in_use(fake: FakeOpenStack, cloud: OpenStack) -> None:
    told = {"NeutronError": {"message": "Unable to delete subnet pool: Subnet pool has existing allocations."}}
    fake.answers[f"DELETE {NET}/subnetpools/p1"] = Answer(told, status=400)

    with pytest.raises(InUse):
        cloud.delete(Kind.SUBNET_POOL, "p1")
