# SPDX-License-Identifier: Apache-2.0
"""The real implementation against canned answers: which requests it makes and what it makes of the answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from fake_openstack import Answer, FakeOpenStack, fake_openstack
from pycapo.cloud import rest, wire
from pycapo.cloud.errors import (
    BadRequest,
    Busy,
    Forbidden,
    InUse,
    LoginFailed,
    NotFound,
    QuotaExceeded,
    RetryNow,
    Unanswered,
)
from pycapo.cloud.login import Clouds
from pycapo.cloud.metrics import Request as Recorded
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark

MARK = Mark("abcdefabcdef", "network")
NETWORK = {
    "id": "n1",
    "name": "net",
    "status": "ACTIVE",
    "project_id": "project-1",
    "description": f"[{MARK.tag}]",
    "tags": [],
}
EXTENSIONS = Answer({"extensions": [{"alias": "tag-ports-during-bulk-creation"}, {"alias": "router"}]})


@pytest.fixture
def fake() -> Iterator[FakeOpenStack]:
    with fake_openstack() as fake:
        fake.answers["GET /network/v2.0/extensions"] = EXTENSIONS
        fake.answers["GET /network/v2.0/networks"] = Answer({"networks": [NETWORK]})
        yield fake


@pytest.fixture
def cloud(fake: FakeOpenStack) -> OpenStack:
    return Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")


def test_opening_costs_one_request_and_no_discovery(fake: FakeOpenStack, cloud: OpenStack) -> None:
    assert [request.told for request in fake.requests] == ["POST /identity/v3/auth/tokens"]
    assert (cloud.project_id, cloud.region) == ("project-1", "RegionOne")


def test_a_second_look_asks_nothing(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    picture = cloud.look({Kind.NETWORK})

    assert fake.told == ["GET /network/v2.0/networks"]
    assert [record.id for record in picture.owned(Kind.NETWORK, MARK.owner)] == ["n1"]


def test_a_list_is_narrowed_to_the_project(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})

    assert fake.requests[-1].query["project_id"] == ["project-1"]


def test_a_list_follows_its_pages(fake: FakeOpenStack, cloud: OpenStack) -> None:
    pages: list[Any] = [
        Answer({"ports": [{"id": "p1", "network_id": "n"}], "ports_links": [{"rel": "next", "href": "x"}]}),
        Answer({"ports": [{"id": "p2", "network_id": "n"}], "ports_links": [{"rel": "previous", "href": "x"}]}),
    ]
    fake.answers["GET /network/v2.0/ports"] = pages

    found = cloud.look({Kind.PORT}).all(Kind.PORT)

    assert [record.id for record in found] == ["p1", "p2"]
    assert fake.requests[-1].query["marker"] == ["p1"]


def test_a_created_network_carries_its_mark_in_the_description(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["POST /network/v2.0/networks"] = Answer({"network": NETWORK}, 201)

    (made,) = cloud.create(Kind.NETWORK, [{"name": "net", "description": "ours"}], marks=[MARK])

    assert fake.requests[-1].body == {"network": {"name": "net", "description": f"ours [{MARK.tag}]"}}
    assert made.mark == MARK


def test_users_tags_follow_in_a_call_of_their_own(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["POST /network/v2.0/networks"] = Answer({"network": NETWORK}, 201)
    fake.answers["PUT /network/v2.0/networks/n1/tags"] = Answer({"tags": ["a"]})

    (made,) = cloud.create(Kind.NETWORK, [{"name": "net", "tags": ["a"]}], marks=[MARK])

    assert "tags" not in fake.requests[-2].body["network"]
    assert made.tags == ("a",)


def test_ports_of_a_machine_are_one_request_with_their_tags(fake: FakeOpenStack, cloud: OpenStack) -> None:
    marks = [Mark(MARK.owner, "port-0"), Mark(MARK.owner, "port-1")]
    ports = [{"id": f"p{n}", "network_id": "n1", "tags": [mark.tag]} for n, mark in enumerate(marks)]
    fake.answers["POST /network/v2.0/ports"] = Answer({"ports": ports}, 201)

    made = cloud.create(Kind.PORT, [{"network_id": "n1"}, {"network_id": "n1", "tags": ["a"]}], marks=marks)

    assert fake.told.count("POST /network/v2.0/ports") == 1
    assert [body["tags"] for body in fake.requests[-1].body["ports"]] == [[marks[0].tag], ["a", marks[1].tag]]
    assert [record.mark for record in made] == marks


def test_an_own_write_is_seen_without_a_list(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    fake.answers["POST /network/v2.0/networks"] = Answer({"network": {**NETWORK, "id": "n2"}}, 201)
    cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])

    picture = cloud.look({Kind.NETWORK})

    assert {record.id for record in picture.all(Kind.NETWORK)} == {"n1", "n2"}
    assert fake.told.count("GET /network/v2.0/networks") == 1


def test_a_deleted_network_is_gone_from_the_picture(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    fake.answers["DELETE /network/v2.0/networks/n1"] = Answer(b"", 204)

    cloud.delete(Kind.NETWORK, "n1")

    assert not cloud.look({Kind.NETWORK}).all(Kind.NETWORK)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"NeutronError": {"message": "Network n1 is in use."}}, 409), InUse),
        (Answer(b"<html><body><h1>502 Bad Gateway</h1></body></html>", 502), RetryNow),
        (Answer({"error": "x"}, 503), Busy),
        (Answer(hang_up=True), Unanswered),
    ],
)
def test_after_an_unclear_or_contradicting_answer_the_kind_is_listed_again(
    fake: FakeOpenStack, cloud: OpenStack, answer: Answer, error: type[Exception]
) -> None:
    cloud.look({Kind.NETWORK})
    fake.answers["DELETE /network/v2.0/networks/n1"] = answer

    with pytest.raises(error):
        cloud.delete(Kind.NETWORK, "n1")
    cloud.look({Kind.NETWORK})

    assert fake.told.count("GET /network/v2.0/networks") == 2


def test_what_is_gone_already_counts_as_deleted(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.delete(Kind.NETWORK, "n9")

    assert fake.told == ["DELETE /network/v2.0/networks/n9"]


REFUSALS: list[tuple[int, Any, type[Exception], str]] = [
    (
        400,
        {"badRequest": {"message": "Invalid key_name provided.", "code": 400}},
        BadRequest,
        "Invalid key_name provided.",
    ),
    (400, {"faultcode": "Client", "faultstring": "Invalid input for field"}, BadRequest, "Invalid input for field"),
    (403, {"forbidden": {"message": "Policy doesn't allow it", "code": 403}}, Forbidden, "Policy doesn't allow it"),
    (403, {"forbidden": {"message": "Quota exceeded for cores: Requested 2"}}, QuotaExceeded, "cores"),
    (403, {"faultstring": "Quota has been met for resources: load_balancer"}, QuotaExceeded, "Quota has been met"),
    (409, {"NeutronError": {"message": "Quota exceeded for resources: ['port']."}}, QuotaExceeded, "'port'"),
    (413, {"overLimit": {"message": "Requested volume exceeds gigabytes quota"}}, QuotaExceeded, "gigabytes"),
    (400, {"badRequest": {"message": "Volume status must be available or error"}}, InUse, "must be available"),
    (404, {"NeutronError": {"message": "Network n could not be found."}}, NotFound, "Network n could not be found."),
    (500, {"computeFault": {"message": "Unexpected API Error.", "code": 500}}, RetryNow, "Unexpected API Error."),
]


@pytest.mark.parametrize(("status", "body", "error", "told"), REFUSALS)
def test_errors_speak_in_openstacks_own_words(
    fake: FakeOpenStack, cloud: OpenStack, status: int, body: Any, error: type[Exception], told: str
) -> None:
    fake.answers["POST /network/v2.0/networks"] = Answer(body, status, {"x-openstack-request-id": "req-1"})

    with pytest.raises(error) as raised:
        cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])

    assert type(raised.value) is error
    assert told in str(raised.value)
    assert "req-1" in str(raised.value)


def test_a_busy_cloud_says_when_to_come_back(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/networks"] = Answer(b"Too many requests", 429, {"Retry-After": "17"})

    with pytest.raises(Busy) as raised:
        cloud.look({Kind.NETWORK})

    assert raised.value.retry_after == 17


def test_a_service_that_asked_for_rest_is_asked_by_nobody_meanwhile(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/networks"] = Answer(b"Too many requests", 429, {"Retry-After": "17"})
    with pytest.raises(Busy):
        cloud.look({Kind.NETWORK})
    asked = len(fake.requests)

    with pytest.raises(Busy) as raised:
        cloud.look({Kind.ROUTER})

    assert len(fake.requests) == asked
    assert 0 < (raised.value.retry_after or 0) <= 17


def test_an_expired_token_is_renewed_once(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.token = 7

    cloud.look({Kind.NETWORK})

    assert [request.told for request in fake.requests].count("POST /identity/v3/auth/tokens") == 2


def test_a_password_that_stopped_working_is_a_failed_login(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.token, fake.password = 7, "another"

    with pytest.raises(LoginFailed):
        cloud.look({Kind.NETWORK})


def test_a_creation_that_may_still_come_is_not_asked_for_again_at_once(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    fake.answers["POST /network/v2.0/networks"] = Answer(b"<h1>504 Gateway Timeout</h1>", 504)
    with pytest.raises(RetryNow):
        cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])

    with pytest.raises(Busy) as raised:
        cloud.create(Kind.NETWORK, [{"name": "net"}], marks=[MARK])
    cloud.look({Kind.NETWORK})

    assert raised.value.retry_after == pytest.approx(10, abs=1)
    assert fake.told.count("POST /network/v2.0/networks") == 1
    assert fake.told.count("GET /network/v2.0/networks") == 2


def test_a_server_is_shown_in_build_before_it_was_listed(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["POST /compute/v2.1/servers"] = Answer({"server": {"id": "s1"}}, 202)
    fake.answers["GET /compute/v2.1/servers/detail"] = Answer({"servers": []})
    cloud.look({Kind.SERVER})
    body = {"name": "w", "flavorRef": "f", "os:scheduler_hints": {"group": "g"}}

    (made,) = cloud.create(Kind.SERVER, [body], marks=[MARK])

    sent = fake.requests[-1]
    assert sent.body["os:scheduler_hints"] == {"group": "g"}
    assert sent.body["server"]["metadata"] == {METADATA_KEY: MARK.tag}
    assert sent.headers["openstack-api-version"] == "compute 2.79"
    assert [record.status for record in cloud.look({Kind.SERVER}).owned(Kind.SERVER, MARK.owner)] == ["BUILD"]  # type: ignore[attr-defined]
    assert made.id == "s1"


def test_a_deleted_server_stays_in_the_picture_until_a_list_is_without_it(
    fake: FakeOpenStack, cloud: OpenStack
) -> None:
    server = {"id": "s1", "name": "w", "status": "ACTIVE", "metadata": {METADATA_KEY: MARK.tag}}
    fake.answers["GET /compute/v2.1/servers/detail"] = [Answer({"servers": [server]}), Answer({"servers": []})]
    fake.answers["DELETE /compute/v2.1/servers/s1"] = Answer(b"", 204)
    cloud.look({Kind.SERVER})

    cloud.delete(Kind.SERVER, "s1")

    assert cloud.look({Kind.SERVER}).get(Kind.SERVER, "s1").task_state == "deleting"  # type: ignore[union-attr]
    assert cloud.look({Kind.SERVER}, max_age=0).get(Kind.SERVER, "s1") is None


def test_rules_go_out_together_and_show_in_their_group(fake: FakeOpenStack, cloud: OpenStack) -> None:
    group = {"id": "g1", "name": "g", "security_group_rules": []}
    rules = [{"id": f"r{n}", "security_group_id": "g1", "protocol": "tcp"} for n in range(12)]
    fake.answers["GET /network/v2.0/security-groups"] = Answer({"security_groups": [group]})
    fake.answers["POST /network/v2.0/security-group-rules"] = Answer({"security_group_rules": rules}, 201)
    cloud.look({Kind.SECURITY_GROUP})

    cloud.create(Kind.SECURITY_GROUP_RULE, [{"security_group_id": "g1"}] * 12, marks=[None] * 12)

    assert len(cloud.look({Kind.SECURITY_GROUP_RULE}).all(Kind.SECURITY_GROUP_RULE)) == 12
    assert len(fake.told) == 2


BALANCER = {"id": "lb1", "name": "lb", "provisioning_status": "PENDING_CREATE", "tags": [MARK.tag], "vip_port_id": "v"}
FULL = {
    **BALANCER,
    "listeners": [{"id": "l1", "protocol_port": 6443, "default_pool_id": "po1", "tags": [MARK.tag]}],
    "pools": [
        {
            "id": "po1",
            "members": [],
            "healthmonitor": {"id": "h1", "type": "TCP", "tags": [MARK.tag]},
            "tags": [MARK.tag],
        }
    ],
}


def test_the_parts_that_come_with_a_load_balancer_are_seen_without_a_list(
    fake: FakeOpenStack, cloud: OpenStack
) -> None:
    fake.answers["GET /lb/v2.0/lbaas/loadbalancers"] = Answer({"loadbalancers": []})
    fake.answers["POST /lb/v2.0/lbaas/loadbalancers"] = Answer({"loadbalancer": FULL}, 201)
    parts = {Kind.LOAD_BALANCER, Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR, Kind.MEMBER}
    cloud.look(parts)

    cloud.create(Kind.LOAD_BALANCER, [{"name": "lb", "listeners": [{"default_pool": {}}]}], marks=[MARK])

    picture = cloud.look(parts)
    assert fake.told == ["GET /lb/v2.0/lbaas/loadbalancers", "POST /lb/v2.0/lbaas/loadbalancers"]
    shown = {record.id for kind in parts for record in picture.owned(kind, MARK.owner)}
    assert shown == {"lb1", "l1", "po1", "h1"}
    assert fake.requests[-1].body["loadbalancer"]["listeners"][0]["default_pool"]["tags"] == [MARK.tag]


def test_a_new_member_shows_in_its_pool_and_locks_the_load_balancer(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["POST /lb/v2.0/lbaas/loadbalancers"] = Answer(
        {"loadbalancer": {**FULL, "provisioning_status": "ACTIVE"}}, 201
    )
    fake.answers["POST /lb/v2.0/lbaas/pools/po1/members"] = Answer({"member": {"id": "m1", "address": "10.6.0.9"}}, 201)
    cloud.create(Kind.LOAD_BALANCER, [{"name": "lb"}], marks=[MARK])

    (member,) = cloud.create(Kind.MEMBER, [{"address": "10.6.0.9"}], marks=[MARK], parent="po1")

    picture = cloud.look(set())
    assert member.pool_id == "po1"  # type: ignore[attr-defined]
    assert picture.get(Kind.LOAD_BALANCER, "lb1").provisioning_status == "PENDING_UPDATE"  # type: ignore[union-attr]
    assert [owned.id for owned in picture.get(Kind.POOL, "po1").members] == ["m1"]  # type: ignore[union-attr]


def test_a_cascade_is_asked_for_in_the_query(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["DELETE /lb/v2.0/lbaas/loadbalancers/lb1"] = Answer(b"", 204)

    cloud.delete(Kind.LOAD_BALANCER, "lb1", body={"cascade": True})

    assert fake.requests[-1].query == {"cascade": ["true"]}


def test_a_cloud_without_octavia_has_no_load_balancers(fake: FakeOpenStack) -> None:
    del fake.services["load-balancer"]
    cloud = Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")

    assert not cloud.look({Kind.LOAD_BALANCER, Kind.MEMBER}).all(Kind.LOAD_BALANCER)
    assert "load-balancer" not in cloud.services()


def test_a_service_that_is_installed_later_is_seen(fake: FakeOpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    del fake.services["load-balancer"]
    cloud = Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
    fake.services["load-balancer"] = "/lb"
    early = cloud.services(["load-balancer"])
    monkeypatch.setattr(wire, "CATALOG_SECONDS", 0.0)

    late = cloud.services(["load-balancer"])

    assert ("load-balancer" in early, "load-balancer" in late) == (False, True)
    assert fake.token == 2


def test_a_service_that_stays_away_is_asked_for_only_now_and_then(fake: FakeOpenStack) -> None:
    del fake.services["load-balancer"]
    cloud = Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
    cloud._wire._catalog_at -= wire.CATALOG_SECONDS

    for _ in range(5):
        cloud.services(["load-balancer"])

    with pytest.raises(NotFound, match=r'no service "load-balancer".*read again every 120 seconds'):
        cloud._wire.endpoint(rest.BALANCER)
    assert fake.token == 2
    assert cloud.services() == frozenset(fake.services)


def test_a_catalog_that_cannot_be_read_again_stays_as_it_was(
    fake: FakeOpenStack, cloud: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "CATALOG_SECONDS", 0.0)
    fake.password = "changed"

    assert cloud.services(["dns"]) == frozenset(fake.services)
    assert cloud.look({Kind.NETWORK}).all(Kind.NETWORK)  # the token is still good


def test_a_router_interface_is_seen_as_its_port(fake: FakeOpenStack, cloud: OpenStack) -> None:
    answer = Answer({"id": "r1", "port_id": "p1", "network_id": "n1", "subnet_id": "s1"})
    fake.answers["PUT /network/v2.0/routers/r1/add_router_interface"] = answer

    (made,) = cloud.create(Kind.ROUTER_INTERFACE, [{"subnet_id": "s1"}], marks=[None], parent="r1")

    assert made.id == "p1"
    assert [port.id for port in cloud.look(set()).all(Kind.ROUTER_INTERFACE)] == ["p1"]


def test_what_was_found_is_kept_and_what_was_not_found_only_shortly(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /image/v2/images"] = Answer({"images": [{"id": "i1", "name": "ubuntu", "status": "active"}]})

    found = [cloud.find(Kind.IMAGE, {"name": "ubuntu"}) for _ in range(10)]

    assert {records[0].id for records in found} == {"i1"}
    assert fake.told == ["GET /image/v2/images"]


def test_an_ambiguous_answer_is_kept_no_longer_than_an_empty_one(
    fake: FakeOpenStack, cloud: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pycapo.cloud.openstack._EMPTY", 0.0)
    twins = [{"id": id, "name": "twins", "status": "active"} for id in ("i1", "i2")]
    fake.answers["GET /image/v2/images"] = Answer({"images": twins})
    assert len(cloud.find(Kind.IMAGE, {"name": "twins"})) == 2

    fake.answers["GET /image/v2/images"] = Answer({"images": twins[:1]})

    assert [record.id for record in cloud.find(Kind.IMAGE, {"name": "twins"})] == ["i1"]


def test_what_was_found_is_looked_up_again_after_a_service_refused_it(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /image/v2/images"] = Answer({"images": [{"id": "i1", "name": "ubuntu", "status": "active"}]})
    fake.answers["POST /compute/v2.1/servers"] = Answer({"badRequest": {"message": "Image i1 was not found"}}, 400)
    cloud.find(Kind.IMAGE, {"name": "ubuntu"})
    with pytest.raises(BadRequest):
        cloud.create(Kind.SERVER, [{"name": "s", "imageRef": "i1"}], marks=[None])

    cloud.find(Kind.IMAGE, {"name": "ubuntu"})

    assert fake.told.count("GET /image/v2/images") == 2


def test_what_was_found_is_looked_up_again_after_a_change_was_refused(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/qos/policies"] = Answer({"policies": [{"id": "old", "name": "gold"}]})
    fake.answers["GET /network/v2.0/networks"] = Answer({"networks": [{"id": "n1", "name": "n"}]})
    gone = Answer({"NeutronError": {"message": "QoS policy old could not be found."}}, 404)
    fake.answers["PUT /network/v2.0/networks/n1"] = gone
    cloud.look({Kind.NETWORK})
    cloud.find(Kind.QOS_POLICY, {"name": "gold"})
    with pytest.raises(NotFound):
        cloud.update(Kind.NETWORK, "n1", {"qos_policy_id": "old"})

    cloud.find(Kind.QOS_POLICY, {"name": "gold"})

    assert fake.told.count("GET /network/v2.0/qos/policies") == 2


def test_image_tags_are_asked_for_one_by_one(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /image/v2/images"] = Answer({"images": []})

    cloud.find(Kind.IMAGE, {"tag": "a,b"})

    assert fake.requests[-1].query["tag"] == ["a", "b"]


def test_flavors_are_matched_by_exact_name(fake: FakeOpenStack, cloud: OpenStack) -> None:
    flavors = [{"id": "1", "name": "m1"}, {"id": "2", "name": "m1.small"}]
    fake.answers["GET /compute/v2.1/flavors/detail"] = Answer({"flavors": flavors})

    assert [record.id for record in cloud.find(Kind.FLAVOR, {"name": "m1"})] == ["1"]


def test_an_update_keeps_the_mark(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.look({Kind.NETWORK})
    fake.answers["PUT /network/v2.0/networks/n1"] = Answer({"network": NETWORK})

    cloud.update(Kind.NETWORK, "n1", {"description": "new"})

    assert fake.requests[-1].body == {"network": {"description": f"new [{MARK.tag}]"}}


def test_every_request_names_pycapo_and_is_recorded(fake: FakeOpenStack) -> None:
    recorded: list[Recorded] = []
    cloud = Clouds(recorder=recorded.append).open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")

    cloud.look({Kind.NETWORK})

    assert fake.requests[-1].headers["user-agent"].startswith("pycapo/")
    assert [(one.service, one.verb, one.kind, one.status) for one in recorded] == [("network", "GET", "network", 200)]


def test_subports_are_added_and_removed_by_difference(fake: FakeOpenStack, cloud: OpenStack) -> None:
    before = [{"port_id": "a", "segmentation_type": "vlan", "segmentation_id": 1}]
    wanted = [{"port_id": "b", "segmentation_type": "vlan", "segmentation_id": 2}]
    fake.answers["GET /network/v2.0/trunks"] = Answer({"trunks": [{"id": "t1", "port_id": "p", "sub_ports": before}]})
    fake.answers["PUT /network/v2.0/trunks/t1/remove_subports"] = Answer({})
    fake.answers["PUT /network/v2.0/trunks/t1/add_subports"] = Answer({})
    cloud.look({Kind.TRUNK})

    cloud.update(Kind.TRUNK, "t1", {"sub_ports": wanted})

    bodies = [request.body for request in fake.requests[-2:]]
    assert bodies == [{"sub_ports": [{"port_id": "a"}]}, {"sub_ports": wanted}]
