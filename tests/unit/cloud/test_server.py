# SPDX-License-Identifier: Apache-2.0
"""A server's life over a cloud: looked at, decided, acted, until it runs and until nothing is left."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machines import OWNER, a_port, a_server
from memory_cloud import Killed, MemoryCloud, a_memory_cloud
from pycapo.api.machine import AdditionalBlockDevice, BlockDeviceStorage, RootVolume
from pycapo.api.ports import PortStatus
from pycapo.api.references import NetworkFilter, NetworkParam
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerStatus, ServerResources
from pycapo.cloud.apply import apply
from pycapo.cloud.errors import CloudError, Unanswered
from pycapo.cloud.server import observe_server
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import Port, Server
from pycapo.model.steps import Plan
from pycapo.plan.references import wanted
from pycapo.plan.server import plan_server, retire_server
from pycapo.plan.server_status import resolved_spec, server_status

VOLUME = BlockDeviceStorage(type="Volume")


def a_cloud() -> MemoryCloud:
    """A cloud with one network of an ordinary user."""
    cloud = a_memory_cloud()
    cloud.create(Kind.NETWORK, [{"id": "net-1", "name": "net"}], marks=[None])
    cloud.create(Kind.SUBNET, [{"id": "subnet-1", "network_id": "net-1", "cidr": "10.6.0.0/24"}], marks=[None])
    return cloud


def a_large_server() -> OpenStackServer:
    devices = [AdditionalBlockDevice(name="data", size_gib=5, storage=VOLUME)]
    ports = (a_port(), a_port(trunk=True), a_port(tags=["t"]))
    return a_server(*ports, tags=["blue"], root_volume=RootVolume(size_gib=9), additional_block_devices=devices)


def look(cloud: MemoryCloud, server: OpenStackServer) -> Any:
    return observe_server(cloud, server, OWNER, wanted=wanted(server.spec))


def live(cloud: MemoryCloud, server: OpenStackServer, *, turns: int = 20) -> Plan:
    """Look, decide and act until nothing is left to do."""
    for _ in range(turns):
        plan = plan_server(server, look(cloud, server))
        if plan.settled:
            return plan
        apply(plan, cloud)
    raise AssertionError(f"still not settled: {plan}")


def retire(cloud: MemoryCloud, server: OpenStackServer, *, turns: int = 20) -> None:
    server.metadata.deletion_timestamp = "2026-01-01T00:00:00Z"
    for _ in range(turns):
        plan = retire_server(server, look(cloud, server))
        if plan.settled:
            return
        apply(plan, cloud)
    raise AssertionError(f"something is left: {plan}")


def test_a_plan_is_empty_after_it_was_applied() -> None:
    cloud, server = a_cloud(), a_large_server()

    live(cloud, server)

    assert {kind: len(cloud.all(kind)) for kind in (Kind.SERVER, Kind.PORT, Kind.TRUNK, Kind.VOLUME)} == {
        Kind.SERVER: 1,
        Kind.PORT: 3,
        Kind.TRUNK: 1,
        Kind.VOLUME: 2,
    }


def test_a_life_from_birth_to_death_leaves_the_cloud_as_it_was_found() -> None:
    cloud, server = a_cloud(), a_large_server()
    before = cloud.snapshot()

    live(cloud, server)
    retire(cloud, server)

    assert cloud.snapshot() == before


@given(
    ports=st.integers(1, 4),
    trunk=st.booleans(),
    volume=st.booleans(),
    kills=st.lists(st.integers(1, 6), max_size=4),
    after=st.booleans(),
)
@settings(deadline=None, max_examples=30)
def test_dying_anywhere_makes_nothing_twice_and_leaks_nothing(
    ports: int, trunk: bool, volume: bool, kills: list[int], after: bool
) -> None:
    root = RootVolume(size_gib=9) if volume else None
    server = a_server(*(a_port() for _ in range(ports)), trunk=trunk, root_volume=root, tags=["t"])
    cloud = a_cloud()
    before = cloud.snapshot()
    for write in kills:
        cloud.die_at(write, after=after)
        with contextlib.suppress(Killed):
            live(cloud, server)
        cloud = cloud.restarted()
    live(cloud, server)
    assert (len(cloud.all(Kind.PORT)), len(cloud.all(Kind.SERVER))) == (ports, 1)
    for write in kills:
        cloud.die_at(write, after=after)
        with contextlib.suppress(Killed):
            retire(cloud, server)
        cloud = cloud.restarted()

    retire(cloud, server)

    assert cloud.snapshot() == before


@pytest.mark.parametrize("kind", [Kind.PORT, Kind.TRUNK, Kind.VOLUME, Kind.SERVER])
def test_an_answer_that_fails_after_the_work_makes_nothing_twice(kind: Kind) -> None:
    cloud, server = a_cloud(), a_large_server()
    cloud.fail_next(kind, "create", Unanswered("no answer"), after=True)

    with pytest.raises(CloudError):
        live(cloud, server)
    live(cloud, server)

    assert len(cloud.all(Kind.PORT)) == 3
    assert len(cloud.all(Kind.SERVER)) == len(cloud.all(Kind.TRUNK)) == 1
    assert len(cloud.all(Kind.VOLUME)) == 2


def test_an_ordinary_server_is_two_writes_and_a_removal_two_more() -> None:
    cloud, server = a_cloud(), a_server()
    before = cloud.writes

    live(cloud, server)
    made = cloud.writes - before
    retire(cloud, server)

    assert (made, cloud.writes - before - made) == (2, 2)


def test_three_ports_go_out_in_one_request() -> None:
    cloud, server = a_cloud(), a_server(a_port(), a_port(), a_port())

    live(cloud, server)

    assert cloud.calls["create", Kind.PORT] == 1


def test_a_server_that_exists_costs_no_look_ups() -> None:
    cloud, server = a_cloud(), a_server()
    live(cloud, server)
    before = {call: n for call, n in cloud.calls.items() if call[0] == "find"}

    assert plan_server(server, look(cloud, server)).settled

    assert {call: n for call, n in cloud.calls.items() if call[0] == "find"} == before


def test_two_servers_of_one_name_stay_apart() -> None:
    cloud, one, other = a_cloud(), a_server(), a_server()
    live(cloud, one)

    seen = observe_server(cloud, other, "bbbbbbbbbbbb", wanted=wanted(other.spec))
    apply(plan_server(other, seen), cloud)
    retire(cloud, one)

    assert [record.mark for record in cloud.all(Kind.SERVER)] == [Mark("bbbbbbbbbbbb", "server")]


def test_the_servers_of_another_project_are_not_seen() -> None:
    cloud, server = a_cloud(), a_server()
    live(cloud, server)

    seen = look(cloud.restarted(project_id="other"), server)

    assert not any(seen.owned.values())


def test_what_the_go_provider_made_is_taken_over_and_removed_like_our_own() -> None:
    cloud, server = a_cloud(), a_server(a_port(), a_port())
    before = cloud.snapshot()
    ports = cloud.create(
        Kind.PORT, [{"name": f"worker-0-{i}", "network_id": "net-1"} for i in (0, 1)], marks=[None, None]
    )
    body = {"name": "worker-0", "flavorRef": "flavor-small", "imageRef": "image-ubuntu"}
    (nova,) = cloud.create(Kind.SERVER, [{**body, "networks": [{"port": port.id} for port in ports]}], marks=[None])
    noted = ServerResources(ports=[PortStatus(id=port.id) for port in ports])
    server.status = OpenStackServerStatus(instance_id=nova.id, resources=noted)

    live(cloud, server)
    server.status = None
    retire(cloud, server)

    assert cloud.snapshot() == before


def test_ports_are_found_through_their_server_when_only_the_provider_id_is_left() -> None:
    cloud, server = a_cloud(), a_server()
    (port,) = cloud.create(Kind.PORT, [{"name": "worker-0-0", "network_id": "net-1"}], marks=[None])
    body = {
        "name": "worker-0",
        "flavorRef": "flavor-small",
        "imageRef": "image-ubuntu",
        "networks": [{"port": port.id}],
    }
    (nova,) = cloud.create(Kind.SERVER, [body], marks=[None])
    server.status = OpenStackServerStatus(instance_id=nova.id)

    live(cloud, server)

    assert [record.mark.role for record in cloud.all(Kind.PORT)] == ["port-0"]


def test_what_was_made_by_others_is_never_touched() -> None:
    cloud, server = a_cloud(), a_server()
    theirs = cloud.world.add(
        Kind.SERVER, Server(id="theirs", name="worker-0", status="ACTIVE", project_id=cloud.project_id)
    )
    port = cloud.world.add(
        Kind.PORT, Port(id="their-port", name="worker-0-0", network_id="net-1", project_id=cloud.project_id)
    )

    live(cloud, server)
    retire(cloud, server)

    assert (cloud.all(Kind.SERVER), cloud.all(Kind.PORT)) == ((theirs,), (port,))


def test_removal_of_a_server_whose_network_is_gone_from_sight_still_ends() -> None:
    cloud = a_cloud()
    server = a_server(a_port(network=NetworkParam(filter=NetworkFilter(name="net"))))
    live(cloud, server)
    cloud.world.records[Kind.IMAGE].clear()
    cloud.world.records[Kind.FLAVOR].clear()

    retire(cloud, server)

    assert not cloud.all(Kind.SERVER)
    assert not cloud.all(Kind.PORT)


def test_the_status_tells_what_was_seen() -> None:
    cloud, server = a_cloud(), a_server(a_port(), a_port())
    live(cloud, server)
    seen = look(cloud, server)

    status = server_status(server, seen, plan_server(server, seen), {})

    assert (status.ready, status.instance_state) == (True, "ACTIVE")
    assert [it.type for it in status.addresses or ()] == ["InternalIP", "InternalIP", "InternalDNS"]
    assert status.resources == ServerResources(ports=[PortStatus(id=port.id) for port in cloud.all(Kind.PORT)])


def test_a_server_that_was_deleted_by_somebody_is_told_as_deleted() -> None:
    cloud, server = a_cloud(), a_server()
    live(cloud, server)
    seen = look(cloud, server)
    server.status = server_status(server, seen, Plan(), {})
    cloud.world.records[Kind.SERVER].clear()

    seen = look(cloud, server)
    plan = plan_server(server, seen)
    status = server_status(server, seen, plan, {})

    assert (plan.steps, plan.waits[0].reason) == ((), "InstanceDeleted")
    assert (status.ready, status.instance_state) == (False, "DELETED")


def test_the_resolved_spec_has_ids_for_every_reference() -> None:
    cloud = a_cloud()
    server = a_server(a_port(network=NetworkParam(filter=NetworkFilter(name="net")), tags=["t"], vnic_type="normal"))

    resolved = resolved_spec(server, look(cloud, server))

    assert resolved is not None
    assert (resolved.image_id, resolved.flavor_id) == ("image-ubuntu", "flavor-small")
    (port,) = resolved.ports or ()
    assert (port.name, port.network_id, port.tags, port.vnic_type) == ("worker-0-0", "net-1", ["t"], "normal")
