# SPDX-License-Identifier: Apache-2.0
"""Nova: servers that are only an id at first, metadata and tags with calls of their own, ports that are plugged in."""

from typing import Any

import pytest

from fake_openstack import Answer, FakeOpenStack
from pycapo.cloud.errors import InUse, NotFound, QuotaExceeded, RetryNow
from pycapo.cloud.openstack import OpenStack
from pycapo.cloud.page import moving
from pycapo.model.kinds import Kind
from pycapo.model.marks import METADATA_KEY, Mark
from pycapo.model.records import Port, Server, Volume

MARK = Mark("abcdefabcdef", "server")
SERVERS = "/compute/v2.1/servers"
OURS = {
    "id": "s1",
    "name": "w",
    "status": "ACTIVE",
    "metadata": {METADATA_KEY: MARK.tag, "mine": "1"},
    "OS-EXT-AZ:availability_zone": "az1",
}


@pytest.fixture
def nova(fake: FakeOpenStack, cloud: OpenStack) -> FakeOpenStack:
    """A server of ours, that the picture knows."""
    fake.answers[f"GET {SERVERS}/detail"] = Answer({"servers": [OURS]})
    cloud.look({Kind.SERVER})
    fake.requests.clear()
    return fake


def server_of(cloud: OpenStack, id: str = "s1") -> Server:
    found = cloud.look(set()).get(Kind.SERVER, id)
    assert isinstance(found, Server)
    return found


@pytest.mark.parametrize("name", ["metadata", "tags"])
def test_what_nova_takes_apart_goes_out_apart_and_is_read_back(
    nova: FakeOpenStack, cloud: OpenStack, name: str
) -> None:
    value: Any = {"a": "b"} if name == "metadata" else ["a"]
    nova.answers[f"PUT {SERVERS}/s1/{name}"] = Answer({name: value})
    nova.answers[f"GET {SERVERS}/s1"] = Answer({"server": {**OURS, "name": "read"}})

    cloud.update(Kind.SERVER, "s1", {name: value})

    assert nova.told == [f"PUT {SERVERS}/s1/{name}", f"GET {SERVERS}/s1"]
    assert server_of(cloud).name == "read"


def test_new_metadata_never_lose_the_mark(nova: FakeOpenStack, cloud: OpenStack) -> None:
    nova.answers[f"PUT {SERVERS}/s1/metadata"] = Answer({})
    nova.answers[f"GET {SERVERS}/s1"] = Answer({"server": OURS})

    cloud.update(Kind.SERVER, "s1", {"metadata": {"a": "b"}})

    assert nova.requests[0].body == {"metadata": {"a": "b", METADATA_KEY: MARK.tag}}


def test_a_new_name_is_one_request(nova: FakeOpenStack, cloud: OpenStack) -> None:
    nova.answers[f"PUT {SERVERS}/s1"] = Answer({"server": {**OURS, "name": "new"}})

    cloud.update(Kind.SERVER, "s1", {"name": "new"})

    assert nova.requests[-1].body == {"server": {"name": "new"}}
    assert server_of(cloud).name == "new"


def test_a_server_that_nobody_has_seen_is_read_before_it_is_changed(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers[f"GET {SERVERS}/s1"] = Answer({"server": OURS})
    fake.answers[f"PUT {SERVERS}/s1"] = Answer({"server": OURS})

    cloud.update(Kind.SERVER, "s1", {"name": "w"})

    assert fake.told == [f"GET {SERVERS}/s1", f"PUT {SERVERS}/s1"]


def test_a_change_of_what_does_not_exist_is_told(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers[f"GET {SERVERS}/s1"] = Answer({"itemNotFound": {"message": "Instance s1 could not be found."}}, 404)

    with pytest.raises(NotFound, match="Instance s1"):
        cloud.update(Kind.SERVER, "s1", {"name": "w"})


def test_a_port_that_was_plugged_in_belongs_to_its_server(nova: FakeOpenStack, cloud: OpenStack) -> None:
    addresses = [{"ip_address": "10.6.0.9", "subnet_id": "sub"}]
    attached = {"port_id": "p1", "net_id": "n1", "mac_addr": "fa", "fixed_ips": addresses}
    nova.answers[f"POST {SERVERS}/s1/os-interface"] = Answer({"interfaceAttachment": attached})

    (port,) = cloud.create(Kind.SERVER_INTERFACE, [{"port_id": "p1"}], marks=[None], parent="s1")

    assert isinstance(port, Port)
    assert nova.requests[-1].body == {"interfaceAttachment": {"port_id": "p1"}}
    assert (port.device_id, port.device_owner) == ("s1", "compute:az1")
    assert port.fixed_ips[0].ip_address == "10.6.0.9"
    assert [shown.id for shown in cloud.look(set()).all(Kind.SERVER_INTERFACE)] == ["p1"]


def test_a_known_port_keeps_what_is_known_of_it_when_it_is_plugged_in(nova: FakeOpenStack, cloud: OpenStack) -> None:
    known = {"id": "p1", "network_id": "n1", "tags": [MARK.tag], "fixed_ips": [{"ip_address": "10.6.0.7"}]}
    nova.answers["GET /network/v2.0/ports"] = Answer({"ports": [known]})
    nova.answers[f"POST {SERVERS}/s9/os-interface"] = Answer({"interfaceAttachment": {"port_id": "p1"}})
    cloud.look({Kind.PORT})

    (port,) = cloud.create(Kind.SERVER_INTERFACE, [{"port_id": "p1"}], marks=[None], parent="s9")

    assert isinstance(port, Port)
    assert (port.mark, port.fixed_ips[0].ip_address, port.device_owner) == (MARK, "10.6.0.7", "compute:")


def test_a_port_that_nobody_knows_is_looked_at_again_when_it_was_unplugged(
    nova: FakeOpenStack, cloud: OpenStack
) -> None:
    nova.answers["GET /network/v2.0/ports"] = Answer({"ports": []})
    nova.answers[f"DELETE {SERVERS}/s1/os-interface/p1"] = Answer(b"", 202)
    cloud.look({Kind.PORT})

    cloud.delete(Kind.SERVER_INTERFACE, "p1", parent="s1")
    cloud.look({Kind.PORT})

    assert nova.told.count("GET /network/v2.0/ports") == 2


def test_a_port_that_was_unplugged_is_on_its_way_until_a_list_shows_that_it_left(
    nova: FakeOpenStack, cloud: OpenStack
) -> None:
    known = {"id": "p1", "network_id": "n1", "tags": [MARK.tag], "device_id": "s1"}
    nova.answers["GET /network/v2.0/ports"] = Answer({"ports": [known]})
    nova.answers[f"DELETE {SERVERS}/s1/os-interface/p1"] = Answer(b"", 202)
    cloud.look({Kind.PORT})

    cloud.delete(Kind.SERVER_INTERFACE, "p1", parent="s1")

    (shown,) = cloud.look({Kind.PORT}).all(Kind.PORT)
    assert isinstance(shown, Port)
    assert (shown.leaving, moving(shown)) == (True, True)
    assert nova.told.count("GET /network/v2.0/ports") == 1
    (listed,) = cloud.look({Kind.PORT}, max_age=0).all(Kind.PORT)
    assert moving(listed)
    nova.answers["GET /network/v2.0/ports"] = Answer({"ports": [{**known, "device_id": ""}]})
    (left,) = cloud.look({Kind.PORT}, max_age=0).all(Kind.PORT)
    assert not moving(left)


def test_a_new_server_has_its_ports_without_a_list(nova: FakeOpenStack, cloud: OpenStack) -> None:
    known = {"id": "p1", "network_id": "n1", "tags": [MARK.tag]}
    nova.answers["GET /network/v2.0/ports"] = Answer({"ports": [known]})
    nova.answers[f"POST {SERVERS}"] = Answer({"server": {"id": "s7"}}, 202)
    cloud.look({Kind.PORT})

    cloud.create(Kind.SERVER, [{"name": "w", "networks": [{"port": "p1"}, {"port": "p2"}]}], marks=[MARK])

    (shown,) = cloud.look({Kind.PORT}).all(Kind.PORT)
    assert isinstance(shown, Port)
    assert shown.device_id == "s7"


def test_a_server_that_refuses_a_port_is_not_asked_every_few_seconds(nova: FakeOpenStack, cloud: OpenStack) -> None:
    words = "Instance s1 is not ready"
    nova.answers[f"POST {SERVERS}/s1/os-interface"] = Answer({"conflictingRequest": {"message": words}}, 409)

    with pytest.raises(InUse, match="is not ready") as caught:
        cloud.create(Kind.SERVER_INTERFACE, [{"port_id": "p1"}], marks=[None], parent="s1")

    assert caught.value.retry_after == 60.0


def test_a_server_that_is_busy_keeps_its_port_for_now(nova: FakeOpenStack, cloud: OpenStack) -> None:
    words = "Cannot 'detach_interface' instance s1 while it is in task_state rebooting"
    nova.answers[f"DELETE {SERVERS}/s1/os-interface/p1"] = Answer({"conflictingRequest": {"message": words}}, 409)

    with pytest.raises(InUse, match="rebooting"):
        cloud.delete(Kind.SERVER_INTERFACE, "p1", parent="s1")


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"forbidden": {"message": "Quota exceeded for cores: Requested 4, but already used 8 of 10"}}, QuotaExceeded),
        (500, {"computeFault": {"message": "Unexpected API Error."}}, RetryNow),
        (202, {"server": {}}, RetryNow),
        (202, b"accepted", RetryNow),
    ],
)  # fmt: skip
def test_a_server_that_was_not_made_is_not_shown(
    nova: FakeOpenStack, cloud: OpenStack, status: int, body: Any, error: type[Exception]
) -> None:
    nova.answers[f"POST {SERVERS}"] = Answer(body, status)

    with pytest.raises(error):
        cloud.create(Kind.SERVER, [{"name": "x", "flavorRef": "f"}], marks=[MARK])

    assert [shown.id for shown in cloud.look(set()).all(Kind.SERVER)] == ["s1"]


def test_a_new_server_is_made_of_what_was_asked_for_until_nova_shows_it(nova: FakeOpenStack, cloud: OpenStack) -> None:
    nova.answers[f"POST {SERVERS}"] = Answer({"server": {"id": "s2"}}, 202)

    cloud.create(Kind.SERVER, [{"name": "x", "availability_zone": "az2", "tags": ["t"]}], marks=[MARK])

    made = server_of(cloud, "s2")
    assert (made.name, made.zone, made.tags, made.status, made.mark) == ("x", "az2", ("t",), "BUILD", MARK)
    assert "os:scheduler_hints" not in nova.requests[-1].body


def test_a_deleted_volume_is_on_its_way_out(fake: FakeOpenStack, cloud: OpenStack) -> None:
    volume = {"id": "v1", "status": "available", "size": 10, "metadata": {METADATA_KEY: MARK.tag}}
    fake.answers["GET /volume/v3/project-1/volumes/detail"] = Answer({"volumes": [volume]})
    fake.answers["DELETE /volume/v3/project-1/volumes/v1"] = Answer(b"", 202)
    cloud.look({Kind.VOLUME})

    cloud.delete(Kind.VOLUME, "v1")

    shown = cloud.look(set()).get(Kind.VOLUME, "v1")
    assert isinstance(shown, Volume)
    assert (shown.status, shown.mark) == ("deleting", MARK)


def test_a_volume_carries_its_mark_from_the_first_request(fake: FakeOpenStack, cloud: OpenStack) -> None:
    made = {"volume": {"id": "v1", "status": "creating", "size": 10, "metadata": {METADATA_KEY: MARK.tag}}}
    fake.answers["POST /volume/v3/project-1/volumes"] = Answer(made, 202)

    cloud.create(Kind.VOLUME, [{"name": "root", "size": 10}], marks=[MARK])

    assert fake.requests[-1].body["volume"]["metadata"] == {METADATA_KEY: MARK.tag}
    assert fake.requests[-1].headers["openstack-api-version"] == "volume 3.59"
