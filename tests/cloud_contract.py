# SPDX-License-Identifier: Apache-2.0
"""What every `Cloud` promises: the same tests for the memory cloud and for the lab's OpenStack, so that they cannot drift apart.

A module that imports these tests gives a fixture `place`.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from pycapo.cloud.cloud import Cloud, Picture
from pycapo.cloud.errors import BadRequest, CloudError, GiveUp, InUse, NotFound, RetryNow
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark, new_owner
from pycapo.model.records import Record, SecurityGroup

BALANCING = (Kind.LOAD_BALANCER, Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR, Kind.MEMBER)
NEUTRON = (
    *(Kind.NETWORK, Kind.SUBNET, Kind.SUBNET_POOL, Kind.ROUTER),
    *(Kind.SECURITY_GROUP, Kind.PORT, Kind.FLOATING_IP),
)
ALL = (*NEUTRON, *BALANCING, Kind.SERVER, Kind.VOLUME)


class Place(msgspec.Struct):
    """A cloud to try things in, under an owner of its own; `pause` is how long to wait between two looks."""

    cloud: Cloud
    external: str
    flavor: str
    image: str
    pause: float = 0.0
    owner: str = msgspec.field(default_factory=new_owner)

    def make(self, kind: Kind, role: str, body: dict[str, Any], **more: Any) -> Any:
        (made,) = self.cloud.create(kind, [body], marks=[Mark(self.owner, role)], **more)
        return made

    def network(self) -> tuple[Any, Any]:
        network = self.make(Kind.NETWORK, "network", {"name": self.owner})
        body = {"network_id": network.id, "cidr": "10.66.0.0/24", "ip_version": 4}
        return network, self.make(Kind.SUBNET, "subnet", body)

    def joined(self) -> tuple[Any, Any, Any]:
        """A network whose router leads outside."""
        network, subnet = self.network()
        router = self.make(Kind.ROUTER, "router", {"external_gateway_info": {"network_id": self.external}})
        self.cloud.create(Kind.ROUTER_INTERFACE, [{"subnet_id": subnet.id}], marks=[None], parent=router.id)
        return network, subnet, router

    def server(self, *ports: Any) -> Any:
        body = {"name": self.owner, "flavorRef": self.flavor, "imageRef": self.image}
        return self.make(Kind.SERVER, "server", {**body, "networks": [{"port": port.id} for port in ports]})

    def balancer(self, subnet: Any) -> Any:
        monitor = {"type": "TCP", "delay": 5, "timeout": 3, "max_retries": 3}
        pool = {"name": self.owner, "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN", "healthmonitor": monitor}
        listener = {"protocol": "TCP", "protocol_port": 6443, "default_pool": pool}
        body = {"name": self.owner, "vip_subnet_id": subnet.id, "listeners": [listener]}
        return self.make(Kind.LOAD_BALANCER, "balancer", body)

    def owned(self, kind: Kind, **look: float) -> tuple[Any, ...]:
        return self.cloud.look({kind}, **look).owned(kind, self.owner)

    def wait(self, kind: Kind, until: Callable[[tuple[Any, ...]], bool]) -> tuple[Any, ...]:
        """Look, without hurry and without asking for fresh lists, until what is owned is as wanted."""
        for _ in range(200):
            if until(found := self.owned(kind)):
                return found
            time.sleep(self.pause)
        raise AssertionError(f"after 200 looks: {found}")

    def sweep(self) -> None:
        """Remove everything that was made."""
        for kind in (Kind.SERVER, Kind.LOAD_BALANCER, Kind.VOLUME):
            self.wait(
                kind, lambda found: not any("PENDING" in getattr(one, "provisioning_status", "") for one in found)
            )
            for record in self.owned(kind):
                self.cloud.delete(kind, record.id, body={"cascade": True} if kind is Kind.LOAD_BALANCER else None)
            self.wait(kind, lambda found: not found)
        picture = self.cloud.look(NEUTRON, max_age=0)
        for kind in (Kind.FLOATING_IP, Kind.PORT):
            self._delete(picture, kind)
        for router in picture.owned(Kind.ROUTER, self.owner):
            for port in picture.all(Kind.ROUTER_INTERFACE):
                if port.device_id == router.id:  # type: ignore[attr-defined]
                    self.cloud.delete(Kind.ROUTER_INTERFACE, port.id, parent=router.id)
        for kind in (Kind.ROUTER, Kind.NETWORK, Kind.SUBNET_POOL, Kind.SECURITY_GROUP):
            self._delete(picture, kind)

    def _delete(self, picture: Picture, kind: Kind) -> None:
        for record in picture.owned(kind, self.owner):
            self.cloud.delete(kind, record.id)


@contextmanager
def swept(place: Place) -> Iterator[Place]:
    """A place that is left as it was found."""
    before = {kind: {record.id for record in place.cloud.look(ALL, max_age=0).all(kind)} for kind in ALL}
    yield place
    place.sweep()
    after = place.cloud.look(ALL, max_age=0)
    assert {kind: {record.id for record in after.all(kind)} for kind in ALL} == before


def settled(records: Sequence[Record]) -> list[Record]:
    """Records without what is not theirs to promise.

    The status goes on by itself (a router's port becomes ACTIVE a moment later), and Neutron lists a group's rules in any order.
    """
    return sorted((_settled(record) for record in records), key=lambda item: item.id)


def _settled(record: Record) -> Record:
    if isinstance(record, SecurityGroup):
        return msgspec.structs.replace(record, security_group_rules=tuple(settled(record.security_group_rules)))
    return msgspec.structs.replace(record, status="") if hasattr(record, "status") else record


def test_what_was_made_is_in_the_picture_as_a_list_shows_it(place: Place) -> None:
    network, subnet, router = place.joined()
    place.make(Kind.SECURITY_GROUP, "group", {"name": place.owner})
    shown = {kind: place.owned(kind) for kind in NEUTRON if kind is not Kind.NETWORK}

    listed = {kind: place.owned(kind, max_age=0) for kind in shown}

    assert {kind: settled(records) for kind, records in listed.items()} == {
        kind: settled(records) for kind, records in shown.items()
    }
    assert (subnet.network_id, subnet.gateway_ip) == (network.id, "10.66.0.1")
    assert router.external_gateway_info.network_id == place.external


def test_a_pool_gives_subnets_until_nothing_is_left_and_goes_after_them(place: Place) -> None:
    lengths = {f"{name}_prefixlen": 28 for name in ("min", "default", "max")}
    pool = place.make(Kind.SUBNET_POOL, "pool", {"name": place.owner, "prefixes": ["10.67.0.0/27"], **lengths})
    networks = [place.make(Kind.NETWORK, f"network-{n}", {"name": place.owner}) for n in range(3)]
    bodies = [{"network_id": it.id, "subnetpool_id": pool.id, "prefixlen": 28, "ip_version": 4} for it in networks]

    carved = [place.make(Kind.SUBNET, f"subnet-{n}", body) for n, body in enumerate(bodies[:2])]

    assert {it.cidr for it in carved} == {"10.67.0.0/28", "10.67.0.16/28"}
    assert {it.subnetpool_id for it in carved} == {pool.id}
    with pytest.raises(RetryNow):
        place.make(Kind.SUBNET, "subnet-2", bodies[2])
    with pytest.raises(InUse):
        place.cloud.delete(Kind.SUBNET_POOL, pool.id)
    wider = place.cloud.update(Kind.SUBNET_POOL, pool.id, {"prefixes": ["10.67.0.0/27", "10.68.0.0/28"]})
    assert (wider.mark, place.make(Kind.SUBNET, "subnet-2", bodies[2]).cidr) == (pool.mark, "10.68.0.0/28")
    place.cloud.delete(Kind.NETWORK, networks[0].id)
    assert carved[0].id not in {it.id for it in place.cloud.look({Kind.SUBNET}).all(Kind.SUBNET)}


def test_a_network_is_claimed_by_one_and_given_back_as_it_was(place: Place) -> None:
    (network,) = place.cloud.create(Kind.NETWORK, [{"name": place.owner}], marks=[None])
    place.cloud.update(Kind.NETWORK, network.id, {"tags": ["vlan"]})
    one, other = (Mark(owner, "own_vlan", borrowed=True) for owner in (place.owner, new_owner()))

    def claim(mark: Mark) -> Any:
        return place.cloud.create(Kind.NETWORK_CLAIM, [{"tag": mark.tag}], marks=[mark], parent=network.id)[0]

    try:
        assert set(claim(one).tags) == {"vlan", one.tag}
        with pytest.raises(InUse):
            claim(other)
        assert [it.id for it in place.owned(Kind.NETWORK, max_age=0)] == [network.id]
        with pytest.raises(BadRequest):
            place.cloud.delete(Kind.NETWORK, network.id)
        give_back(place, network.id, one)
        found = place.cloud.look({Kind.NETWORK}, max_age=0).get(Kind.NETWORK, network.id)
        assert found is not None
        assert found.tags == ("vlan",)
    finally:
        give_back(place, network.id, one)
        place.cloud.delete(Kind.NETWORK, network.id)


def give_back(place: Place, network: str, mark: Mark) -> None:
    place.cloud.delete(Kind.NETWORK_CLAIM, network, parent=network, body={"tag": mark.tag})


def test_a_new_security_group_lets_everything_out(place: Place) -> None:
    group = place.make(Kind.SECURITY_GROUP, "group", {"name": place.owner})

    assert {(rule.direction, rule.ethertype) for rule in group.security_group_rules} == {
        ("egress", "IPv4"),
        ("egress", "IPv6"),
    }


def test_rules_are_shown_in_their_group(place: Place) -> None:
    group = place.make(Kind.SECURITY_GROUP, "group", {"name": place.owner})
    rule = {"security_group_id": group.id, "direction": "ingress", "protocol": "tcp"}
    bodies = [{**rule, "port_range_min": port, "port_range_max": port} for port in (22, 6443)]

    made = place.cloud.create(Kind.SECURITY_GROUP_RULE, bodies, marks=[None, None])

    (shown,) = place.owned(Kind.SECURITY_GROUP)
    assert set(made) < set(shown.security_group_rules)
    assert [rule.port_range_min for rule in made] == [22, 6443]  # type: ignore[attr-defined]


def test_a_rule_that_exists_is_refused(place: Place) -> None:
    group = place.make(Kind.SECURITY_GROUP, "group", {"name": place.owner})
    rule = {"security_group_id": group.id, "direction": "ingress", "protocol": "icmp"}
    place.cloud.create(Kind.SECURITY_GROUP_RULE, [rule], marks=[None])

    with pytest.raises(InUse):
        place.cloud.create(Kind.SECURITY_GROUP_RULE, [rule], marks=[None])


def test_ports_are_made_together_in_the_order_asked_for(place: Place) -> None:
    network, subnet = place.network()
    bodies = [
        {
            "network_id": network.id,
            "name": str(n),
            "fixed_ips": [{"subnet_id": subnet.id, "ip_address": f"10.66.0.{n}"}],
        }
        for n in (30, 20, 10)
    ]

    made = place.cloud.create(Kind.PORT, bodies, marks=[Mark(place.owner, f"port-{n}") for n in range(3)])

    assert [port.name for port in made] == ["30", "20", "10"]
    assert [port.fixed_ips[0].ip_address for port in made] == ["10.66.0.30", "10.66.0.20", "10.66.0.10"]  # type: ignore[attr-defined]
    assert [port.mark.role for port in made if port.mark] == ["port-0", "port-1", "port-2"]


@pytest.mark.parametrize(("address", "error"), [("10.66.0.9", InUse), ("10.77.0.9", BadRequest)])
def test_an_address_that_is_taken_or_outside_is_refused(place: Place, address: str, error: type[Exception]) -> None:
    network, subnet = place.network()
    body = {"network_id": network.id, "name": "one", "fixed_ips": [{"subnet_id": subnet.id, "ip_address": "10.66.0.9"}]}
    place.make(Kind.PORT, "one", body)
    body["fixed_ips"] = [{"subnet_id": subnet.id, "ip_address": address}]

    with pytest.raises(error):
        place.make(Kind.PORT, "two", body)


def test_what_is_in_use_is_not_deleted(place: Place) -> None:
    network, _, router = place.joined()
    group = place.make(Kind.SECURITY_GROUP, "group", {"name": place.owner})
    place.make(Kind.PORT, "port", {"network_id": network.id, "security_groups": [group.id]})

    for kind, id in ((Kind.NETWORK, network.id), (Kind.ROUTER, router.id), (Kind.SECURITY_GROUP, group.id)):
        with pytest.raises(InUse):
            place.cloud.delete(kind, id)


def test_what_is_not_there_is_deleted_already(place: Place) -> None:
    missing = "00000000-0000-0000-0000-000000000000"
    for kind in (Kind.NETWORK, Kind.PORT, Kind.SERVER, Kind.LOAD_BALANCER, Kind.VOLUME):
        place.cloud.delete(kind, missing)


def test_an_unknown_network_is_told(place: Place) -> None:
    with pytest.raises(NotFound):
        place.make(Kind.PORT, "port", {"network_id": "00000000-0000-0000-0000-000000000000"})


def test_a_floating_ip_needs_a_way_to_its_port(place: Place) -> None:
    network, _ = place.network()
    port = place.make(Kind.PORT, "port", {"network_id": network.id})

    with pytest.raises(NotFound):
        place.make(Kind.FLOATING_IP, "address", {"floating_network_id": place.external, "port_id": port.id})


def test_a_floating_ip_points_at_a_port_and_away_again(place: Place) -> None:
    network, _, _ = place.joined()
    port = place.make(Kind.PORT, "port", {"network_id": network.id})

    address = place.make(Kind.FLOATING_IP, "address", {"floating_network_id": place.external, "port_id": port.id})
    assert (address.port_id, address.fixed_ip_address) == (port.id, port.fixed_ips[0].ip_address)

    freed: Any = place.cloud.update(Kind.FLOATING_IP, address.id, {"port_id": None})
    assert freed.port_id is None


def test_an_update_keeps_the_mark_and_sets_the_tags(place: Place) -> None:
    network, _ = place.network()
    port = place.make(Kind.PORT, "port", {"network_id": network.id})

    place.cloud.update(Kind.NETWORK, network.id, {"tags": ["a"], "description": "new"})
    place.cloud.update(Kind.PORT, port.id, {"tags": ["b"], "name": "renamed"})

    (network,), (port,) = place.owned(Kind.NETWORK, max_age=0), place.owned(Kind.PORT, max_age=0)
    assert "a" in network.tags
    assert set(port.tags) - {port.mark.tag} == {"b"}
    assert port.name == "renamed"


def test_a_router_interface_is_a_port_of_its_subnet(place: Place) -> None:
    _, subnet, router = place.joined()

    picture = place.cloud.look({Kind.ROUTER_INTERFACE}, max_age=0)

    ports: list[Any] = [port for port in picture.all(Kind.ROUTER_INTERFACE) if port.device_id == router.id]  # type: ignore[attr-defined]
    assert [port.fixed_ips[0].subnet_id for port in ports] == [subnet.id]


def test_a_server_is_built_and_goes_and_leaves_its_ports(place: Place) -> None:
    network, _ = place.network()
    port = place.make(Kind.PORT, "port", {"network_id": network.id, "name": "port"})
    server = place.server(port)
    assert server.status == "BUILD"

    (built,) = place.wait(Kind.SERVER, lambda found: found[0].status != "BUILD")
    assert built.status == "ACTIVE"
    assert place.owned(Kind.PORT, max_age=0)[0].device_id == server.id

    place.cloud.delete(Kind.SERVER, server.id)
    assert place.owned(Kind.SERVER)[0].task_state == "deleting"
    place.wait(Kind.SERVER, lambda found: not found)
    assert place.owned(Kind.PORT, max_age=0)[0].device_id == ""


@pytest.mark.parametrize(
    "wrong", [{"imageRef": "00000000-0000-0000-0000-000000000000"}, {"availability_zone": "nowhere"}]
)
def test_a_server_that_cannot_be_is_refused(place: Place, wrong: dict[str, str]) -> None:
    body = {"name": "x", "flavorRef": place.flavor, "imageRef": place.image, "networks": "none", **wrong}

    with pytest.raises(GiveUp):
        place.make(Kind.SERVER, "server", body)


def test_a_server_takes_a_port_while_it_runs(place: Place) -> None:
    network, _ = place.network()
    first, second = (place.make(Kind.PORT, name, {"network_id": network.id, "name": name}) for name in ("one", "two"))
    server = place.server(first)
    place.wait(Kind.SERVER, lambda found: found[0].status == "ACTIVE")

    (plugged,) = place.cloud.create(Kind.SERVER_INTERFACE, [{"port_id": second.id}], marks=[None], parent=server.id)
    assert (plugged.id, plugged.device_id) == (second.id, server.id)  # type: ignore[attr-defined]

    place.cloud.delete(Kind.SERVER_INTERFACE, second.id, parent=server.id)
    place.wait(Kind.PORT, lambda found: {port.device_id for port in found if port.id == second.id} == {""})


def test_the_ports_of_a_new_server_are_shown_plugged_in_before_anybody_lists_them(place: Place) -> None:
    network, _ = place.network()
    port = place.make(Kind.PORT, "port", {"network_id": network.id, "name": "port"})

    server = place.server(port)

    assert place.cloud.look(set()).get(Kind.PORT, port.id).device_id == server.id  # type: ignore[union-attr]


def test_a_port_is_plugged_in_once(place: Place) -> None:
    network, _ = place.network()
    first, second = (place.make(Kind.PORT, name, {"network_id": network.id, "name": name}) for name in ("one", "two"))
    server = place.server(first)
    place.wait(Kind.SERVER, lambda found: found[0].status == "ACTIVE")
    place.cloud.create(Kind.SERVER_INTERFACE, [{"port_id": second.id}], marks=[None], parent=server.id)

    with pytest.raises(CloudError):
        place.cloud.create(Kind.SERVER_INTERFACE, [{"port_id": second.id}], marks=[None], parent=server.id)

    assert {port.device_id for port in place.owned(Kind.PORT)} == {server.id}


def test_a_volume_becomes_available_and_goes(place: Place) -> None:
    place.make(Kind.VOLUME, "root", {"name": place.owner, "size": 1})
    (volume,) = place.wait(Kind.VOLUME, lambda found: found[0].status != "creating")
    assert volume.status == "available"

    place.cloud.delete(Kind.VOLUME, volume.id)

    place.wait(Kind.VOLUME, lambda found: not found)


def test_the_parts_of_a_load_balancer_come_with_it_as_a_list_shows_them(place: Place) -> None:
    _, subnet = place.network()
    balancer = place.balancer(subnet)
    shown = {kind: [_steady(part) for part in place.owned(kind)] for kind in BALANCING}
    place.wait(Kind.LOAD_BALANCER, lambda found: found[0].provisioning_status == "ACTIVE")

    listed = {kind: [_steady(part) for part in place.owned(kind, max_age=0)] for kind in BALANCING}

    assert listed == shown
    assert [len(listed[kind]) for kind in BALANCING] == [1, 1, 1, 1, 0]
    assert balancer.vip_address.startswith("10.66.0.")


def _steady(record: Record) -> Record:
    """The record without what changes by itself."""
    names = {"provisioning_status", "operating_status"} & set(record.__struct_fields__)
    return msgspec.structs.replace(record, **dict.fromkeys(names, ""))


def test_a_load_balancer_takes_no_change_while_one_is_pending(place: Place) -> None:
    _, subnet = place.network()
    place.balancer(subnet)
    (pool,) = place.owned(Kind.POOL)
    member = {"address": "10.66.0.40", "protocol_port": 6443, "subnet_id": subnet.id}

    with pytest.raises(InUse):
        place.make(Kind.MEMBER, "member", member, parent=pool.id)


def test_a_member_joins_and_leaves_its_pool(place: Place) -> None:
    _, subnet = place.network()
    place.balancer(subnet)
    place.wait(Kind.LOAD_BALANCER, lambda found: found[0].provisioning_status == "ACTIVE")
    (pool,) = place.owned(Kind.POOL)

    made = place.make(Kind.MEMBER, "member", {"address": "10.66.0.40", "protocol_port": 6443}, parent=pool.id)
    place.wait(Kind.LOAD_BALANCER, lambda found: found[0].provisioning_status == "ACTIVE")
    assert [(one.id, one.pool_id) for one in place.owned(Kind.MEMBER, max_age=0)] == [(made.id, pool.id)]

    place.cloud.delete(Kind.MEMBER, made.id, parent=pool.id)
    assert place.owned(Kind.MEMBER) == ()


def test_whoever_looks_anew_sees_what_is_owned(place: Place) -> None:
    network, subnet, router = place.joined()

    picture = place.cloud.look(NEUTRON, max_age=0)

    owned = {kind: [record.id for record in picture.owned(kind, place.owner)] for kind in NEUTRON}
    assert owned[Kind.NETWORK] == [network.id]
    assert owned[Kind.SUBNET] == [subnet.id]
    assert owned[Kind.ROUTER] == [router.id]


def test_names_and_tags_and_ids_find(place: Place) -> None:
    network, _ = place.network()
    place.cloud.update(Kind.NETWORK, network.id, {"tags": ["here", place.owner]})

    for query in (
        {"id": network.id},
        {"name": place.owner},
        {"tags": f"here,{place.owner}"},
        {"tags-any": f"x,{place.owner}"},
    ):
        assert [found.id for found in place.cloud.find(Kind.NETWORK, query)] == [network.id], query
    assert place.cloud.find(Kind.NETWORK, {"name": f"{place.owner}-not"}) == ()
