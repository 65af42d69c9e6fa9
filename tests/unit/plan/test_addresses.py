# SPDX-License-Identifier: Apache-2.0
"""The order of a server's addresses says which NIC is the primary one."""

import random

from machines import the_port
from pycapo.model.records import FixedIP, FloatingIP, Port
from pycapo.plan.addresses import address_on, addresses


def a_port(id: str, *given: str, network: str = "n") -> Port:
    return Port(id=id, network_id=network, fixed_ips=tuple(FixedIP(ip, f"subnet-{ip[:2]}") for ip in given))


def test_the_first_port_comes_first_whatever_its_network_is_called() -> None:
    told = addresses("w", [a_port("z", "10.9.0.1"), a_port("a", "10.1.0.1")], [])

    assert [(it.type, it.address) for it in told] == [
        ("InternalIP", "10.9.0.1"),
        ("InternalIP", "10.1.0.1"),
        ("InternalDNS", "w"),
    ]


def test_ipv4_comes_before_ipv6_and_each_stays_as_neutron_gave_it() -> None:
    told = addresses("w", [a_port("p", "fd00::9", "10.0.0.9", "fd00::1", "10.0.0.1")], [])

    assert [it.address for it in told[:-1]] == ["10.0.0.9", "10.0.0.1", "fd00::9", "fd00::1"]


def test_a_floating_ip_follows_the_addresses_of_its_port() -> None:
    floating = [
        FloatingIP(id="f", floating_ip_address="203.0.113.5", port_id="p"),
        FloatingIP(id="g", floating_ip_address="203.0.113.6"),
    ]

    told = addresses("w", [a_port("p", "10.0.0.1"), a_port("q", "10.1.0.1")], floating)

    assert [(it.type, it.address) for it in told[:3]] == [
        ("InternalIP", "10.0.0.1"),
        ("ExternalIP", "203.0.113.5"),
        ("InternalIP", "10.1.0.1"),
    ]


def test_the_order_in_which_neutron_lists_floating_ips_does_not_matter() -> None:
    floating = [FloatingIP(id=str(i), floating_ip_address=f"203.0.113.{i}", port_id="p") for i in range(5)]
    shuffled = random.Random(7).sample(floating, 5)

    assert addresses("w", [a_port("p", "10.0.0.1")], floating) == addresses("w", [a_port("p", "10.0.0.1")], shuffled)


def test_the_address_on_a_network_is_found_by_the_networks_id() -> None:
    ports = [a_port("a", "10.1.0.1", network="other"), a_port("b", "fd00::1", "10.2.0.1", network="n")]

    found = address_on("n", ports)

    assert found is not None
    assert (found[0].id, found[1]) == ("b", "10.2.0.1")


def test_a_subnet_narrows_the_choice() -> None:
    port = a_port("a", "10.1.0.1", "20.1.0.1")

    assert address_on("n", [port], "subnet-20") == (port, "20.1.0.1")
    assert address_on("n", [port], "subnet-99") is None
    assert address_on("elsewhere", [the_port()[1]]) is None
