# SPDX-License-Identifier: Apache-2.0
"""Reading: page by page, narrowed to the project, and by whatever filter a service can or cannot do."""

from typing import Any

import pytest

from fake_openstack import Answer, FakeOpenStack, Request
from pycapo.cloud import listing
from pycapo.cloud.errors import BadRequest, Busy, CloudError, RetryNow
from pycapo.cloud.openstack import OpenStack
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Zone

MARK = Mark("abcdefabcdef", "api-pool-6443")
BALANCERS = Answer({"loadbalancers": [{"id": "lb", "tags": []}]})


def ports(request: Request) -> Answer:
    """Three pages of one port each; the last one is named by no link."""
    place = int(request.query.get("marker", ["p0"])[0][1:]) + 1
    links = [{"rel": "next", "href": "elsewhere"}] if place < 3 else []
    return Answer({"ports": [{"id": f"p{place}", "network_id": "n"}], "ports_links": links})


def test_pages_are_followed_to_their_end_with_the_marker_of_the_last(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/ports"] = ports

    found = cloud.look({Kind.PORT}).all(Kind.PORT)

    assert [record.id for record in found] == ["p1", "p2", "p3"]
    asked = [request.query for request in fake.requests if request.path.endswith("/ports")]
    assert [query.get("marker") for query in asked] == [None, ["p1"], ["p2"]]
    assert {query["limit"][0] for query in asked} == {"500"}


def test_a_full_page_without_links_may_have_another_behind_it(
    fake: FakeOpenStack, cloud: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    pages: list[Any] = [
        Answer({"servers": [{"id": "a"}, {"id": "b"}]}),
        Answer({"servers": [{"id": "c"}]}),
        Answer({"message": "nobody asks for a third page"}, 500),
    ]
    fake.answers["GET /compute/v2.1/servers/detail"] = pages

    assert len(cloud.look({Kind.SERVER}).all(Kind.SERVER)) == 3


def test_a_service_that_forgets_to_end_its_list_is_left_at_an_empty_page(fake: FakeOpenStack, cloud: OpenStack) -> None:
    endless = Answer({"networks": [], "networks_links": [{"rel": "next", "href": "x"}]})
    fake.answers["GET /network/v2.0/networks"] = endless

    assert not cloud.look({Kind.NETWORK}).all(Kind.NETWORK)
    assert len(fake.told) == 1


@pytest.mark.parametrize(
    ("kind", "path", "many"),
    [
        (Kind.NETWORK, "/network/v2.0/networks", "networks"),
        (Kind.SUBNET, "/network/v2.0/subnets", "subnets"),
        (Kind.ROUTER, "/network/v2.0/routers", "routers"),
        (Kind.SECURITY_GROUP, "/network/v2.0/security-groups", "security_groups"),
        (Kind.PORT, "/network/v2.0/ports", "ports"),
        (Kind.TRUNK, "/network/v2.0/trunks", "trunks"),
        (Kind.FLOATING_IP, "/network/v2.0/floatingips", "floatingips"),
        (Kind.LOAD_BALANCER, "/lb/v2.0/lbaas/loadbalancers", "loadbalancers"),
        (Kind.SERVER, "/compute/v2.1/servers/detail", "servers"),
        (Kind.VOLUME, "/volume/v3/project-1/volumes/detail", "volumes"),
    ],
)
def test_every_kind_is_listed_at_its_place_and_only_in_our_project(
    fake: FakeOpenStack, cloud: OpenStack, kind: Kind, path: str, many: str
) -> None:
    fake.answers[f"GET {path}"] = Answer({many: []})

    cloud.look({kind})

    assert fake.told == [f"GET {path}"]
    by_project = kind not in (Kind.SERVER, Kind.VOLUME)  # which their services narrow by the token
    assert fake.requests[-1].query.get("project_id") == (["project-1"] if by_project else None)


@pytest.mark.parametrize(("path", "kind"), [("trunks", Kind.TRUNK), ("networks", Kind.NETWORK)])
def test_what_a_service_does_not_have_is_an_empty_list(
    fake: FakeOpenStack, cloud: OpenStack, path: str, kind: Kind
) -> None:
    fake.answers[f"GET /network/v2.0/{path}"] = Answer({"message": "The resource could not be found."}, 404)

    assert not cloud.look({kind}).all(kind)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(b"<html>maintenance</html>"), RetryNow),
        (Answer({"nets": []}), RetryNow),
        (Answer({"networks": [{"name": "no id"}]}), RetryNow),
        (Answer({"message": "slow down"}, 429), Busy),
        (Answer({"message": "slow down"}, 503), Busy),
        (Answer({"message": "broken"}, 500), RetryNow),
    ],
)
def test_a_list_that_failed_is_no_empty_list(
    fake: FakeOpenStack, cloud: OpenStack, answer: Answer, error: type[CloudError]
) -> None:
    fake.answers["GET /network/v2.0/networks"] = [answer, Answer({"networks": [{"id": "n1"}]})]

    with pytest.raises(error):
        cloud.look({Kind.NETWORK})

    assert [record.id for record in cloud.look({Kind.NETWORK}).all(Kind.NETWORK)] == ["n1"]


def test_a_later_page_that_fails_leaves_no_half_picture(fake: FakeOpenStack, cloud: OpenStack) -> None:
    first = Answer({"ports": [{"id": "p1", "network_id": "n"}], "ports_links": [{"rel": "next", "href": "x"}]})
    fake.answers["GET /network/v2.0/ports"] = [first, Answer({"message": "broken"}, 500)]

    with pytest.raises(RetryNow):
        cloud.look({Kind.PORT})

    assert not cloud.look(set()).all(Kind.PORT)


def test_the_members_of_our_pools_are_listed_pool_by_pool(fake: FakeOpenStack, cloud: OpenStack) -> None:
    pools = [
        {"id": "ours", "tags": [MARK.tag], "members": [{"id": "m1"}]},
        {"id": "of-go", "name": "k8s-clusterapi-cluster-a-b-kubeapi-6443", "members": [{"id": "m2"}]},
        {"id": "empty", "tags": [MARK.tag], "members": []},
        {"id": "of-others", "name": "web", "members": [{"id": "m3"}]},
    ]
    fake.answers["GET /lb/v2.0/lbaas/loadbalancers"] = BALANCERS
    fake.answers["GET /lb/v2.0/lbaas/pools"] = Answer({"pools": pools})
    fake.answers["GET /lb/v2.0/lbaas/pools/ours/members"] = Answer({"members": [{"id": "m1"}]})

    found = cloud.look({Kind.MEMBER}).all(Kind.MEMBER)

    assert [(member.id, member.pool_id) for member in found] == [("m1", "ours")]  # type: ignore[attr-defined]
    assert [path for path in fake.told if path.endswith("/members")] == [
        "GET /lb/v2.0/lbaas/pools/ours/members",
        "GET /lb/v2.0/lbaas/pools/of-go/members",
    ]


@pytest.mark.parametrize("kind", [Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR, Kind.MEMBER])
def test_without_load_balancers_their_parts_are_not_asked_for(
    fake: FakeOpenStack, cloud: OpenStack, kind: Kind
) -> None:
    fake.answers["GET /lb/v2.0/lbaas/loadbalancers"] = Answer({"loadbalancers": []})

    assert not cloud.look({kind}).all(kind)
    assert fake.told == ["GET /lb/v2.0/lbaas/loadbalancers"]


def test_parts_of_a_load_balancer_that_went_are_listed_again(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /lb/v2.0/lbaas/loadbalancers"] = [BALANCERS, Answer({"loadbalancers": []})]
    fake.answers["GET /lb/v2.0/lbaas/pools"] = Answer({"pools": [{"id": "po"}]})
    assert cloud.look({Kind.LOAD_BALANCER, Kind.POOL}).all(Kind.POOL)

    cloud.look({Kind.LOAD_BALANCER}, max_age=0)

    assert not cloud.look({Kind.POOL}).all(Kind.POOL)


@pytest.mark.parametrize(
    ("kind", "path", "body", "query"),
    [
        (Kind.NETWORK, "/network/v2.0/networks", {"networks": [{"id": "x", "name": "x"}]}, {"id": "x"}),
        (Kind.SERVER_GROUP, "/compute/v2.1/os-server-groups", {"server_groups": [{"id": "x"}]}, {"id": "x"}),
        (Kind.FLAVOR, "/compute/v2.1/flavors/detail", {"flavors": [{"id": "x"}]}, {"id": "x"}),
        (Kind.IMAGE, "/image/v2/images/x", {"id": "x", "status": "active"}, {"id": "x"}),
        (Kind.VOLUME, "/volume/v3/project-1/volumes/x", {"volume": {"id": "x"}}, {"id": "x"}),
        (Kind.SERVER, "/compute/v2.1/servers/x", {"server": {"id": "x"}}, {"id": "x"}),
    ],
)
def test_an_id_is_looked_up_the_way_its_service_has(
    fake: FakeOpenStack, cloud: OpenStack, kind: Kind, path: str, body: Any, query: dict[str, str]
) -> None:
    fake.answers[f"GET {path}"] = Answer(body)

    assert [record.id for record in cloud.find(kind, query)] == ["x"]
    assert fake.told == [f"GET {path}"]


@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.VOLUME, Kind.SERVER])
def test_an_id_that_does_not_exist_is_found_nowhere(fake: FakeOpenStack, cloud: OpenStack, kind: Kind) -> None:
    assert cloud.find(kind, {"id": "nothing"}) == ()


def test_an_id_cannot_lead_to_another_path(fake: FakeOpenStack, cloud: OpenStack) -> None:
    cloud.find(Kind.IMAGE, {"id": "../images?limit=1"})

    assert fake.told == ["GET /image/v2/images/..%2Fimages%3Flimit%3D1"]


def test_a_service_that_ignores_a_name_is_not_believed(fake: FakeOpenStack, cloud: OpenStack) -> None:
    both = [{"id": "1", "name": "net"}, {"id": "2", "name": "network"}]
    fake.answers["GET /network/v2.0/networks"] = Answer({"networks": both})

    assert [record.id for record in cloud.find(Kind.NETWORK, {"name": "net"})] == ["1"]


def test_what_was_looked_up_is_forgotten_with_a_write_of_its_kind(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/networks"] = Answer({"networks": [{"id": "n1", "name": "net"}]})
    fake.answers["DELETE /network/v2.0/networks/n1"] = Answer(b"", 204)
    cloud.find(Kind.NETWORK, {"name": "net"})

    cloud.delete(Kind.NETWORK, "n1")
    cloud.find(Kind.NETWORK, {"name": "net"})

    assert fake.told.count("GET /network/v2.0/networks") == 2


def test_zones_are_read_once_and_tell_which_are_available(fake: FakeOpenStack, cloud: OpenStack) -> None:
    zones = [{"zoneName": name, "zoneState": {"available": name == "az1"}, "hosts": None} for name in ("az1", "az2")]
    fake.answers["GET /compute/v2.1/os-availability-zone"] = Answer({"availabilityZoneInfo": zones})

    assert cloud.zones() == cloud.zones() == (Zone("az1", True), Zone("az2", False))
    assert len(fake.told) == 1


@pytest.mark.parametrize("body", [b"<html>", {"zones": []}, {"availabilityZoneInfo": [{"zoneName": "a"}]}])
def test_garbage_about_zones_is_a_cloud_that_failed(fake: FakeOpenStack, cloud: OpenStack, body: Any) -> None:
    fake.answers["GET /compute/v2.1/os-availability-zone"] = Answer(body)

    with pytest.raises(RetryNow, match="could not be read"):
        cloud.zones()


def test_garbage_about_extensions_is_not_kept(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/extensions"] = [Answer(b"?"), Answer({"extensions": [{"alias": "qos"}]})]

    with pytest.raises(RetryNow):
        cloud.extensions()

    assert cloud.extensions() == {"qos"}


def test_extensions_are_read_again_while_one_that_is_needed_is_missing(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers["GET /network/v2.0/extensions"] = [
        *(Answer({"extensions": [{"alias": "qos"}]}), Answer({"extensions": [{"alias": "qos"}, {"alias": "trunk"}]}))
    ]

    assert cloud.extensions({"qos"}) == {"qos"}
    assert cloud.extensions({"trunk"}) == {"qos", "trunk"}
    assert cloud.extensions() == {"qos", "trunk"}


def test_only_what_goes_out_together_may_be_many(cloud: OpenStack) -> None:
    with pytest.raises(ValueError, match="one at a time"):
        cloud.create(Kind.NETWORK, [{}, {}], marks=[None, None])


@pytest.mark.parametrize("kind", [Kind.MEMBER, Kind.ROUTER_INTERFACE, Kind.SERVER_INTERFACE])
def test_what_hangs_on_a_parent_needs_one(fake: FakeOpenStack, cloud: OpenStack, kind: Kind) -> None:
    with pytest.raises(BadRequest, match="under a parent"):
        cloud.create(kind, [{}], marks=[None])

    assert not [request for request in fake.told if not request.startswith("GET")]
