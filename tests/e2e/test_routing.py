# SPDX-License-Identifier: Apache-2.0
"""Machines with several NICs on the lab's OpenStack: what Nova keeps for the guest agrees with what Neutron gave."""

import base64
import email
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import stage
from e2e.manifests import cluster, machine
from e2e.world import World, wait_until_ready
from pycapo.lab.cloud_bootstrap import TENANT, connect

pytestmark = pytest.mark.e2e
NETWORK = "routed"


@pytest.fixture
def namespace(world: World) -> Iterator[str]:
    """A namespace beside a network with a gateway of its own."""
    network: Any = connect(world.lab, TENANT).network

    def tidy() -> None:
        network.delete_network(network.find_network(NETWORK, ignore_missing=False).id)

    staged = stage(world, "routing", tidy)
    name = next(staged)
    made = network.create_network(name=NETWORK)
    network.create_subnet(name=NETWORK, network_id=made.id, ip_version=4, cidr="10.71.0.0/24")
    yield name
    next(staged, None)


def sent(world: World, namespace: str, name: str) -> bytes:
    """The user data that Nova keeps for a machine."""
    id = world.get("OpenStackServer", namespace, name)["status"]["instanceID"]  # type: ignore[index]
    return base64.b64decode(connect(world.lab).compute.get_server(id).user_data)


def facts(world: World, namespace: str, name: str) -> list[str]:
    """What a guest has to be told, from Neutron; the second port carries the default route."""
    cloud: Any = connect(world.lab, TENANT)
    ports = world.get("OpenStackServer", namespace, name)["status"]["resources"]["ports"]  # type: ignore[index]
    found = []
    for port in (cloud.network.get_port(ports[index]["id"]) for index in (1, 0)):
        for fixed in port.fixed_ips:
            subnet = cloud.network.get_subnet(fixed["subnet_id"])
            prefix = subnet.cidr.partition("/")[2]
            found.append(f"{port.mac_address} {fixed['ip_address']}/{prefix} {subnet.gateway_ip}")
    return found


def test_a_guest_is_told_of_each_nic_unless_that_is_switched_off(world: World, namespace: str) -> None:
    extra = {"network": {"filter": {"name": NETWORK}}}
    off = {"networkConfig": {"policyRouting": False}}
    world.apply(*cluster(namespace, "c"))
    world.apply(*machine(namespace, "routed", cluster="c", additionalPorts=[{**extra, "defaultRoute": True}]))
    world.apply(*machine(namespace, "plain", cluster="c", additionalPorts=[extra], **off))
    for name in ("routed", "plain"):
        wait_until_ready(world, "OpenStackMachine", namespace, name)

    hook, bootstrap = list(email.message_from_bytes(sent(world, namespace, "routed")).walk())[1:]
    told = world.condition("OpenStackMachine", namespace, "routed", "PolicyRoutingReady")

    assert "\n".join(facts(world, namespace, "routed")) in hook.get_payload()
    assert bootstrap.get_payload(decode=True) == b"#cloud-config\n"
    assert (told["status"], told["reason"]) == ("True", "Delivered")
    assert sent(world, namespace, "plain") == b"#cloud-config\n"
    assert world.condition("OpenStackMachine", namespace, "plain", "PolicyRoutingReady")["reason"] == "SwitchedOff"
