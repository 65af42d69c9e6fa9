# SPDX-License-Identifier: Apache-2.0
"""A guest with several NICs answers through each of its floating IPs at once. Each test sees the naive guest fail first."""

from collections.abc import Callable

import pytest

from neutron_like import NODE_PORT, Guest, NeutronLike, address4, address6, floating_ip, nic

FLOATING = [floating_ip(number) for number in (1, 2, 3)]
SIX = [address6(number) for number in (1, 2, 3)]
EVERY = sorted(FLOATING + SIX)
WITHOUT_NFT = (
    *("sh", "ip", "awk", "grep", "sed", "sort", "uniq", "comm", "cat", "cmp", "head", "tail", "mv", "rm", "mkdir"),
    *("touch", "flock", "iptables", "iptables-restore", "ip6tables", "ip6tables-restore", "sleep"),
)
Networks = Callable[..., NeutronLike]


def a_guest(world: NeutronLike, *, rp_filter: int = 0) -> Guest:
    """A guest as cloud-init leaves it: addresses and a default route on each NIC."""
    world.rp_filter(rp_filter)
    for number in (1, 2, 3):
        world.address(number, metric=100 + number)
    return Guest(world)


@pytest.mark.parametrize("rp_filter", [0, 1])
@pytest.mark.parametrize("shared", [False, True], ids=["a router for each network", "one router for all"])
def test_every_floating_ip_answers_at_once(networks: Networks, shared: bool, rp_filter: int) -> None:
    world = networks(shared=shared)
    guest = a_guest(world, rp_filter=rp_filter)

    before = world.reached(EVERY)
    guest.routes()

    assert set(before) <= {floating_ip(1), address6(1)}
    assert world.reached_soon(EVERY) == EVERY


def test_doing_it_again_changes_nothing_and_taking_it_back_leaves_nothing(networks: Networks) -> None:
    world = networks()
    before = Guest(world).rules()
    guest = a_guest(world)
    guest.routes()
    rules, tables = guest.rules(), world.run("vm", "ip", "route", "show", "table", "all")

    guest.routes()
    again = guest.rules(), world.run("vm", "ip", "route", "show", "table", "all")
    guest.routes("clear")

    assert len(rules) > len(before)
    assert again == (rules, tables)
    assert guest.rules() == before
    assert "table 2000" not in world.run("vm", "ip", "route", "show", "table", "all")


def test_nics_that_are_plugged_in_and_out_while_the_guest_runs_are_followed(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world, rp_filter=1)
    world.network(4)
    guest.watch()
    assert world.reached_soon(EVERY) == EVERY

    world.plug(4)
    world.address(4, metric=2048)
    more = sorted([*EVERY, floating_ip(4), address6(4)])
    added = world.reached_soon(more)
    world.unplug(2)
    left = [address for address in more if address not in (floating_ip(2), address6(2))]

    assert added == more
    assert world.reached_soon(left) == left
    rules = guest.rules_soon(lambda rules: not any(address4(2) in rule for rule in rules))
    assert not [rule for rule in rules if address4(2) in rule]


@pytest.mark.parametrize("programs", [(), WITHOUT_NFT], ids=["nft", "iptables"])
def test_a_pod_behind_a_node_port_answers_through_every_floating_ip(networks: Networks, programs: tuple[str]) -> None:
    world = networks()
    a_guest(world, rp_filter=1)
    guest = Guest(world, programs=programs)
    world.pod()
    guest.conf('ALSO="ens*"', "MARK_SHIFT=")
    guest.routes()
    without_marks = world.reached(EVERY, port=NODE_PORT)

    guest.conf('ALSO="ens*"')
    guest.routes()

    assert set(without_marks) <= {floating_ip(1), address6(1)}
    assert world.reached_soon(EVERY, port=NODE_PORT) == EVERY
    assert world.reached_soon(EVERY) == EVERY


def test_a_guest_that_boots_again_answers_in_whatever_order_its_nics_come(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world)
    guest.routes()
    assert world.reached_soon(EVERY) == EVERY

    guest.forget()
    for number in (1, 2, 3):
        world.unplug(number)
    for number in (3, 1, 2):
        world.plug(number)
        world.address(number, metric=100)
    before = world.reached(EVERY)
    guest.routes()

    assert before != EVERY
    assert world.reached_soon(EVERY) == EVERY


def test_rules_that_a_network_manager_throws_away_come_back(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world)
    guest.watch()
    assert world.reached_soon(EVERY) == EVERY
    guest.routes()  # waits for whatever the service is still at
    rules = guest.rules()

    for address in (address4(2), address4(3)):
        world.run("vm", "ip", "rule", "del", "from", address)
    world.run("vm", "ip", "route", "flush", "dev", nic(2), "table", "all", "proto", "boot")

    assert world.reached_soon(FLOATING) == FLOATING
    assert guest.rules_soon(lambda found: found == rules) == rules


def test_two_nics_in_one_subnet_answer_each_for_itself(networks: Networks) -> None:
    world = networks()
    world.plug(4, subnet=3)
    guest = a_guest(world)
    world.address(4, subnet=3, metric=104)
    guest.facts(1, 2, 3, 4, subnets={4: 3})
    every = sorted([*EVERY, floating_ip(4), address6(4, 3)])

    before = world.reached(every)
    guest.routes()

    assert before != every
    assert world.reached_soon(every) == every


def test_the_first_fact_says_which_nic_has_the_default_route(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world)

    guest.facts(2, 1, 3)
    guest.routes()

    assert f"dev {nic(2)} " in world.run("vm", "ip", "route", "get", "192.0.2.1")
    assert f"dev {nic(2)} " in world.run("vm", "ip", "route", "get", "2001:db8:aaaa::1")
    assert world.reached_soon(EVERY) == EVERY


def test_nics_that_nobody_configured_get_the_addresses_of_the_facts(networks: Networks) -> None:
    world = networks()
    guest = Guest(world)
    world.address(1, metric=100)

    guest.watch()

    assert world.reached_soon(EVERY) == EVERY


def test_nics_that_got_ipv4_alone_get_the_ipv6_addresses_of_the_facts_unless_ipv6_is_off(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world)
    for number in (1, 2, 3):
        world.run("vm", "ip", "-6", "addr", "flush", "dev", nic(number), "scope", "global")
    world.run("vm", "sysctl", "-q", f"net.ipv6.conf.{nic(3)}.disable_ipv6=1")
    wanted = [address for address in EVERY if address != address6(3)]
    before = world.reached(EVERY)

    guest.watch()

    assert before != wanted
    assert world.reached_soon(wanted) == wanted
    assert world.reached([address6(3)]) == []


def test_a_subnet_without_a_gateway_is_left_to_the_main_table(networks: Networks) -> None:
    world = networks()
    guest = a_guest(world)
    world.run("vm", "ip", "route", "del", "default", "dev", nic(3))

    guest.facts(1, 2)
    guest.routes()

    assert world.reached_soon(FLOATING[:2]) == FLOATING[:2]
    assert not [rule for rule in guest.rules() if address4(3) in rule]
