# SPDX-License-Identifier: Apache-2.0
"""Octavia: what one write changes in the parts around it, shown without another request."""

from typing import Any

import pytest

from fake_openstack import Answer, FakeOpenStack
from pycapo.cloud.errors import InUse, QuotaExceeded, RetryNow
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import HealthMonitor, Listener, LoadBalancer, Member, Pool

LB = "/lb/v2.0/lbaas"
MARK = Mark("abcdefabcdef", "api-lb")
PARTS = (Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR)
THERE: dict[str, list[dict[str, Any]]] = {
    "loadbalancers": [{"id": "lb", "tags": [MARK.tag], "provisioning_status": "ACTIVE"}],
    "listeners": [{"id": "l", "loadbalancers": [{"id": "lb"}], "default_pool_id": "po", "tags": [MARK.tag]}],
    "pools": [
        {
            "id": "po",
            "loadbalancers": [{"id": "lb"}],
            "listeners": [{"id": "l"}],
            "healthmonitor_id": "hm",
            "members": [{"id": "m"}],
            "tags": [MARK.tag],
        }
    ],
    "healthmonitors": [{"id": "hm", "pools": [{"id": "po"}], "delay": 10, "tags": [MARK.tag]}],
}
MEMBER = {"id": "m", "address": "10.6.0.5", "protocol_port": 6443}


@pytest.fixture
def octavia(fake: FakeOpenStack, cloud: OpenStack) -> FakeOpenStack:
    """A whole load balancer of ours, that the picture knows."""
    for name, items in THERE.items():
        fake.answers[f"GET {LB}/{name}"] = Answer({name: items})
    fake.answers[f"GET {LB}/pools/po/members"] = Answer({"members": [MEMBER]})
    cloud.look({Kind.LOAD_BALANCER, Kind.MEMBER, *PARTS})
    fake.requests.clear()
    return fake


def status(cloud: OpenStack) -> str:
    found = cloud.look(set()).get(Kind.LOAD_BALANCER, "lb")
    assert isinstance(found, LoadBalancer)
    return found.provisioning_status


def pool(cloud: OpenStack) -> Pool:
    found = cloud.look(set()).get(Kind.POOL, "po")
    assert isinstance(found, Pool)
    return found


@pytest.mark.parametrize(
    ("kind", "id", "path", "one", "body"),
    [
        (Kind.LISTENER, "l", "listeners/l", "listener", {"allowed_cidrs": ["10.0.0.0/8"]}),
        (Kind.HEALTH_MONITOR, "hm", "healthmonitors/hm", "healthmonitor", {"delay": 3}),
        (Kind.POOL, "po", "pools/po", "pool", {"lb_algorithm": "ROUND_ROBIN"}),
        (Kind.MEMBER, "m", "pools/po/members/m", "member", {"weight": 0}),
    ],
)
def test_a_change_of_a_part_locks_the_load_balancer(
    octavia: FakeOpenStack, cloud: OpenStack, kind: Kind, id: str, path: str, one: str, body: dict[str, Any]
) -> None:
    many = {**THERE, "members": [MEMBER]}[f"{one}s"]
    octavia.answers[f"PUT {LB}/{path}"] = Answer({one: {**many[0], **body}})

    cloud.update(kind, id, body, parent="po" if kind is Kind.MEMBER else None)

    assert octavia.told == [f"PUT {LB}/{path}"]
    assert octavia.requests[-1].body == {one: body}
    assert status(cloud) == "PENDING_UPDATE"


@pytest.mark.parametrize(
    ("kind", "many", "one", "made"),
    [
        (Kind.LISTENER, "listeners", "listener", {"id": "l2", "loadbalancers": [{"id": "lb"}]}),
        (Kind.POOL, "pools", "pool", {"id": "po2", "loadbalancers": [{"id": "lb"}], "listeners": [{"id": "l"}]}),
        (Kind.HEALTH_MONITOR, "healthmonitors", "healthmonitor", {"id": "hm2", "pools": [{"id": "po"}]}),
    ],
)
def test_a_new_part_is_shown_and_locks_the_load_balancer(
    octavia: FakeOpenStack, cloud: OpenStack, kind: Kind, many: str, one: str, made: dict[str, Any]
) -> None:
    octavia.answers[f"POST {LB}/{many}"] = Answer({one: made}, 201)

    cloud.create(kind, [{"name": "x"}], marks=[None])

    assert cloud.look(set()).get(kind, made["id"]) is not None
    assert status(cloud) == "PENDING_UPDATE"


def test_a_new_pool_becomes_the_pool_of_its_listener(octavia: FakeOpenStack, cloud: OpenStack) -> None:
    made = {"id": "po2", "loadbalancers": [{"id": "lb"}], "listeners": [{"id": "l"}]}
    octavia.answers[f"POST {LB}/pools"] = Answer({"pool": made}, 201)

    cloud.create(Kind.POOL, [{"listener_id": "l"}], marks=[None])

    listener = cloud.look(set()).get(Kind.LISTENER, "l")
    assert isinstance(listener, Listener)
    assert listener.default_pool_id == "po2"


def test_a_new_monitor_is_the_monitor_of_its_pool(octavia: FakeOpenStack, cloud: OpenStack) -> None:
    octavia.answers[f"POST {LB}/healthmonitors"] = Answer(
        {"healthmonitor": {"id": "hm2", "pools": [{"id": "po"}]}}, 201
    )

    cloud.create(Kind.HEALTH_MONITOR, [{"pool_id": "po"}], marks=[None])

    assert pool(cloud).healthmonitor_id == "hm2"


def test_a_member_that_left_is_out_of_its_pool_without_a_list(octavia: FakeOpenStack, cloud: OpenStack) -> None:
    octavia.answers[f"DELETE {LB}/pools/po/members/m"] = Answer(b"", 204)

    cloud.delete(Kind.MEMBER, "m", parent="po")

    assert pool(cloud).members == ()
    assert cloud.look({Kind.MEMBER}).get(Kind.MEMBER, "m") is None
    assert status(cloud) == "PENDING_UPDATE"
    assert octavia.told == [f"DELETE {LB}/pools/po/members/m"]


@pytest.mark.parametrize(
    ("kind", "path"), list(zip(PARTS, ["listeners/l", "pools/po", "healthmonitors/hm"], strict=True))
)
def test_other_parts_that_left_have_all_parts_looked_at_again(
    octavia: FakeOpenStack, cloud: OpenStack, kind: Kind, path: str
) -> None:
    octavia.answers[f"DELETE {LB}/{path}"] = Answer(b"", 204)

    cloud.delete(kind, path.partition("/")[2])
    cloud.look(PARTS)

    assert {f"GET {LB}/{many}" for many in ("listeners", "pools", "healthmonitors")} <= set(octavia.told)


def test_a_part_of_an_unknown_load_balancer_has_them_listed_again(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers[f"GET {LB}/loadbalancers"] = Answer({"loadbalancers": []})
    fake.answers[f"POST {LB}/listeners"] = Answer({"listener": {"id": "l", "loadbalancers": [{"id": "lb"}]}}, 201)
    cloud.look({Kind.LOAD_BALANCER})

    cloud.create(Kind.LISTENER, [{"loadbalancer_id": "lb"}], marks=[None])
    cloud.look({Kind.LOAD_BALANCER})

    assert fake.told.count(f"GET {LB}/loadbalancers") == 2


def test_a_deleted_load_balancer_is_on_its_way_out(octavia: FakeOpenStack, cloud: OpenStack) -> None:
    octavia.answers[f"DELETE {LB}/loadbalancers/lb"] = Answer(b"", 204)

    cloud.delete(Kind.LOAD_BALANCER, "lb", body={"cascade": True})

    assert status(cloud) == "PENDING_DELETE"


@pytest.mark.parametrize(
    ("code", "words", "error"),
    [
        (409, "Load Balancer lb is immutable and cannot be updated.", InUse),
        (403, "Quota has been met for resources: load_balancer", QuotaExceeded),
        (500, "Validation failure", RetryNow),
    ],
)
def test_a_refusal_of_octavia_puts_all_of_it_in_doubt_only_if_it_says_something_of_it(
    octavia: FakeOpenStack, cloud: OpenStack, code: int, words: str, error: type[Exception]
) -> None:
    octavia.answers[f"PUT {LB}/listeners/l"] = Answer({"faultcode": "Client", "faultstring": words}, code)

    with pytest.raises(error, match=words):
        cloud.update(Kind.LISTENER, "l", {"allowed_cidrs": []})
    cloud.look({Kind.LOAD_BALANCER})

    assert (f"GET {LB}/loadbalancers" in octavia.told) is (error is not QuotaExceeded)


@pytest.mark.parametrize(
    "answer", [b"made", {"loadbalancer": {}}, {"loadbalancer": {"id": "n", "pools": [{"name": "x"}]}}]
)
def test_garbage_about_a_new_load_balancer_shows_nothing_and_makes_no_second_one(
    octavia: FakeOpenStack, cloud: OpenStack, answer: Any
) -> None:
    octavia.answers[f"POST {LB}/loadbalancers"] = Answer(answer, 201)
    for _ in range(2):
        with pytest.raises(RetryNow):
            cloud.create(Kind.LOAD_BALANCER, [{"name": "lb"}], marks=[MARK])

    assert octavia.told == [f"POST {LB}/loadbalancers"]


def test_members_that_come_with_a_load_balancer_know_their_pool(fake: FakeOpenStack, cloud: OpenStack) -> None:
    monitor = {"id": "hm", "delay": 4}
    pools = [{"id": "po", "members": [MEMBER], "healthmonitor": monitor}, {"id": "bare"}]
    listeners = [{"id": "l", "default_pool_id": "po"}]
    full = {"id": "lb", "listeners": listeners, "pools": pools}
    fake.answers[f"POST {LB}/loadbalancers"] = Answer({"loadbalancer": full}, 201)

    cloud.create(Kind.LOAD_BALANCER, [{"name": "lb"}], marks=[None])

    picture = cloud.look(set())
    member, shown = picture.get(Kind.MEMBER, "m"), picture.get(Kind.HEALTH_MONITOR, "hm")
    assert isinstance(member, Member)
    assert isinstance(shown, HealthMonitor)
    assert (member.pool_id, [owner.id for owner in shown.pools]) == ("po", ["po"])
    assert [owner.id for owner in pool(cloud).listeners] == ["l"]
