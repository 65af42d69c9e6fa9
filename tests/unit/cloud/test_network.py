# SPDX-License-Identifier: Apache-2.0
"""Neutron: tags with a call of their own, interfaces and subports as actions, rules that live in groups."""

from typing import Any

import pytest

from fake_openstack import Answer, FakeOpenStack
from pycapo.cloud.errors import InUse, NotFound, QuotaExceeded, RetryNow
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, SecurityGroup, Trunk

NET = "/network/v2.0"
MARK = Mark("abcdefabcdef", "port-0")
INTERFACE = {"id": "r1", "port_id": "p1", "network_id": "n1", "subnet_id": "s1"}


def group_of(cloud: OpenStack) -> SecurityGroup:
    found = cloud.look(set()).get(Kind.SECURITY_GROUP, "g1")
    assert isinstance(found, SecurityGroup)
    return found


def test_a_joined_subnet_lends_its_gateway_to_the_interface(fake: FakeOpenStack, cloud: OpenStack) -> None:
    subnet = {"id": "s1", "network_id": "n1", "cidr": "10.6.0.0/24", "gateway_ip": "10.6.0.1"}
    fake.answers[f"GET {NET}/subnets"] = Answer({"subnets": [subnet]})
    fake.answers[f"PUT {NET}/routers/r1/add_router_interface"] = Answer(INTERFACE)
    cloud.look({Kind.SUBNET})

    (port,) = cloud.create(Kind.ROUTER_INTERFACE, [{"subnet_id": "s1"}], marks=[None], parent="r1")

    assert isinstance(port, Port)
    assert [address.ip_address for address in port.fixed_ips] == ["10.6.0.1"]
    assert (port.device_id, port.network_id) == ("r1", "n1")


@pytest.mark.parametrize(("body", "sent"), [(None, {"port_id": "p1"}), ({"subnet_id": "s1"}, {"subnet_id": "s1"})])
def test_an_interface_leaves_by_its_port_or_by_its_subnet(
    fake: FakeOpenStack, cloud: OpenStack, body: Any, sent: Any
) -> None:
    fake.answers[f"PUT {NET}/routers/r1/add_router_interface"] = Answer(INTERFACE)
    fake.answers[f"PUT {NET}/routers/r1/remove_router_interface"] = Answer(INTERFACE)
    cloud.create(Kind.ROUTER_INTERFACE, [{"subnet_id": "s1"}], marks=[None], parent="r1")

    cloud.delete(Kind.ROUTER_INTERFACE, "p1", parent="r1", body=body)

    assert fake.requests[-1].body == sent
    assert not cloud.look(set()).all(Kind.ROUTER_INTERFACE)


@pytest.mark.parametrize("verb", ["add", "remove"])
@pytest.mark.parametrize("garbage", [b"", b"<html>", b"[]"])
def test_garbage_about_an_interface_is_a_cloud_that_failed_and_is_looked_at_again(
    fake: FakeOpenStack, cloud: OpenStack, verb: str, garbage: bytes
) -> None:
    fake.answers[f"GET {NET}/ports"] = Answer({"ports": []})
    fake.answers[f"PUT {NET}/routers/r1/{verb}_router_interface"] = Answer(garbage)
    cloud.look({Kind.PORT})

    def act() -> object:
        if verb == "remove":
            return cloud.delete(Kind.ROUTER_INTERFACE, "p1", parent="r1")
        return cloud.create(Kind.ROUTER_INTERFACE, [{"subnet_id": "s1"}], marks=[None], parent="r1")

    with pytest.raises(RetryNow, match="router interface could not be read"):
        act()
    cloud.look({Kind.PORT})

    assert fake.told.count(f"GET {NET}/ports") == 2


def test_a_router_that_serves_floating_ips_keeps_its_interface(fake: FakeOpenStack, cloud: OpenStack) -> None:
    words = (
        "Router interface for subnet s1 on router r1 cannot be deleted, as it is required by one or more floating IPs."
    )
    fake.answers[f"PUT {NET}/routers/r1/remove_router_interface"] = Answer({"NeutronError": {"message": words}}, 409)

    with pytest.raises(InUse, match="floating IPs"):
        cloud.delete(Kind.ROUTER_INTERFACE, "p1", parent="r1", body={"subnet_id": "s1"})


def test_an_interface_that_is_gone_counts_as_removed(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.delete(Kind.ROUTER_INTERFACE, "p1", parent="r1")

    assert fake.told == [f"PUT {NET}/routers/r1/remove_router_interface"]


def test_a_rule_that_was_deleted_has_left_its_group(fake: FakeOpenStack, cloud: OpenStack) -> None:
    rules = [{"id": "r1", "security_group_id": "g1"}, {"id": "r2", "security_group_id": "g1"}]
    group = {"id": "g1", "name": "g", "security_group_rules": rules}
    fake.answers[f"GET {NET}/security-groups"] = Answer({"security_groups": [group, {"id": "g2"}]})
    fake.answers[f"DELETE {NET}/security-group-rules/r1"] = Answer(b"", 204)
    cloud.look({Kind.SECURITY_GROUP})

    cloud.delete(Kind.SECURITY_GROUP_RULE, "r1")

    assert [rule.id for rule in group_of(cloud).security_group_rules] == ["r2"]
    assert cloud.look(set()).get(Kind.SECURITY_GROUP_RULE, "r1") is None
    assert fake.told.count(f"GET {NET}/security-groups") == 1


def test_a_rule_of_an_unknown_group_has_the_groups_listed(fake: FakeOpenStack, cloud: OpenStack) -> None:
    rule = {"id": "r1", "security_group_id": "g1"}
    group = {"id": "g1", "security_group_rules": [rule]}
    fake.answers[f"GET {NET}/security-groups"] = [Answer({"security_groups": []}), Answer({"security_groups": [group]})]
    fake.answers[f"POST {NET}/security-group-rules"] = Answer({"security_group_rule": rule}, 201)
    cloud.look({Kind.SECURITY_GROUP})

    cloud.create(Kind.SECURITY_GROUP_RULE, [{"security_group_id": "g1"}], marks=[None])

    assert [found.id for found in cloud.look({Kind.SECURITY_GROUP_RULE}).all(Kind.SECURITY_GROUP_RULE)] == ["r1"]


def test_new_tags_replace_the_old_ones_but_never_the_mark(fake: FakeOpenStack, cloud: OpenStack) -> None:
    port = {"id": "p1", "network_id": "n1", "tags": ["old", MARK.tag]}
    fake.answers[f"GET {NET}/ports"] = Answer({"ports": [port]})
    fake.answers[f"PUT {NET}/ports/p1/tags"] = Answer({})
    cloud.look({Kind.PORT})

    record = cloud.update(Kind.PORT, "p1", {"tags": ["new"]})

    assert set(fake.requests[-1].body["tags"]) == {"new", MARK.tag}
    assert record.mark == MARK
    assert fake.told == [f"GET {NET}/ports", f"PUT {NET}/ports/p1/tags"]


def test_tags_and_fields_of_one_change_are_two_requests(fake: FakeOpenStack, cloud: OpenStack) -> None:
    port = {"id": "p1", "network_id": "n1", "tags": []}
    fake.answers[f"GET {NET}/ports"] = Answer({"ports": [port]})
    fake.answers[f"PUT {NET}/ports/p1"] = Answer({"port": {**port, "name": "new"}})
    fake.answers[f"PUT {NET}/ports/p1/tags"] = Answer({})
    cloud.look({Kind.PORT})

    record = cloud.update(Kind.PORT, "p1", {"name": "new", "tags": ["a"]})

    assert (record.name, record.tags) == ("new", ("a",))
    assert [request.body for request in fake.requests[-2:]] == [{"port": {"name": "new"}}, {"tags": ["a"]}]


def test_subports_and_other_fields_of_a_trunk_may_change_together(fake: FakeOpenStack, cloud: OpenStack) -> None:
    trunk = {"id": "t1", "port_id": "p", "sub_ports": []}
    wanted = [{"port_id": "b", "segmentation_type": "vlan", "segmentation_id": 2}]
    fake.answers[f"GET {NET}/trunks"] = Answer({"trunks": [trunk]})
    fake.answers[f"PUT {NET}/trunks/t1/add_subports"] = Answer({})
    fake.answers[f"PUT {NET}/trunks/t1"] = Answer({"trunk": {**trunk, "name": "new", "sub_ports": wanted}})
    cloud.look({Kind.TRUNK})

    record = cloud.update(Kind.TRUNK, "t1", {"sub_ports": wanted, "name": "new"})

    assert isinstance(record, Trunk)
    assert (record.name, [subport.port_id for subport in record.sub_ports]) == ("new", ["b"])


def test_subports_that_are_there_already_cost_nothing(fake: FakeOpenStack, cloud: OpenStack) -> None:
    subports = [{"port_id": "b", "segmentation_type": "vlan", "segmentation_id": 2}]
    fake.answers[f"GET {NET}/trunks"] = Answer({"trunks": [{"id": "t1", "port_id": "p", "sub_ports": subports}]})
    cloud.look({Kind.TRUNK})

    cloud.update(Kind.TRUNK, "t1", {"sub_ports": subports})

    assert fake.told == [f"GET {NET}/trunks"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"NeutronError": {"message": "Quota exceeded for resources: ['port']."}}, 409), QuotaExceeded),
        (Answer({"NeutronError": {"message": "Network n9 could not be found."}}, 404), NotFound),
        (Answer({"ports": "none"}, 201), RetryNow),
        (Answer({"port": {"id": "p1", "network_id": "n"}}, 201), RetryNow),
    ],
)
def test_ports_that_were_not_made_together_are_not_shown_at_all(
    fake: FakeOpenStack, cloud: OpenStack, answer: Answer, error: type[Exception]
) -> None:
    fake.answers[f"POST {NET}/ports"] = answer

    with pytest.raises(error):
        cloud.create(Kind.PORT, [{"network_id": "n9"}] * 2, marks=[MARK, Mark(MARK.owner, "port-1")])

    assert not cloud.look(set()).all(Kind.PORT)


def test_without_tags_in_bulk_the_tags_of_the_spec_follow_and_the_mark_goes_first(
    fake: FakeOpenStack, cloud: OpenStack
) -> None:
    fake.answers[f"GET {NET}/extensions"] = Answer({"extensions": [{"alias": "standard-attr-tag"}]})
    made = {"id": "p1", "network_id": "n", "description": f"[{MARK.tag}]"}
    fake.answers[f"POST {NET}/ports"] = Answer({"port": made}, 201)
    fake.answers[f"PUT {NET}/ports/p1/tags"] = Answer({})

    (port,) = cloud.create(Kind.PORT, [{"network_id": "n", "tags": ["a"]}], marks=[MARK])

    creation = next(request for request in fake.requests if request.verb == "POST" and request.path.endswith("/ports"))
    assert MARK.tag in creation.body["port"]["description"]
    assert (port.mark, port.tags) == (MARK, ("a",))
