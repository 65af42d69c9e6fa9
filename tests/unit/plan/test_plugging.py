# SPDX-License-Identifier: Apache-2.0
"""The ports of a server that runs: lost ones made again, unplugged ones plugged in, those of others left alone."""

import pytest

from machines import a_port, a_server, seen_of, the_nova_server, the_port
from pycapo.api.references import NetworkFilter, NetworkParam
from pycapo.model.kinds import Kind
from pycapo.model.records import Network, Server, Trunk
from pycapo.model.seen import Seen
from pycapo.model.steps import Create
from pycapo.plan.plugging import lost_wanted, repair_ports, takes_ports, unplugged
from pycapo.plan.server import plan_server


def record(seen: Seen) -> Server:
    found = seen.one(Kind.SERVER, "server", Server)
    assert found is not None
    return found


def test_a_port_that_was_unplugged_is_plugged_in_again() -> None:
    seen = seen_of(the_port(device_id=""), the_nova_server())

    (step,) = plan_server(a_server(), seen).steps

    assert isinstance(step, Create)
    assert (step.key.kind, step.parent, step.body) == (Kind.SERVER_INTERFACE, "nova-1", {"port_id": "port-0"})


def test_a_lost_port_comes_back_with_its_trunk_before_it_is_plugged_in() -> None:
    plan = plan_server(a_server(a_port(trunk=True)), seen_of(the_nova_server()))

    assert [step.key.kind for step in plan.steps if isinstance(step, Create)] == [
        Kind.PORT,
        Kind.TRUNK,
        Kind.SERVER_INTERFACE,
    ]


def test_a_trunk_that_is_there_is_not_made_for_a_port_that_is_there() -> None:
    trunk = Trunk(id="t0", port_id="port-0", tags=("pycapo:aaaaaaaaaaaa:trunk-0",))
    seen = seen_of(the_port(), the_nova_server(), (Kind.TRUNK, trunk))

    assert plan_server(a_server(a_port(trunk=True)), seen).settled


def test_the_references_of_a_lost_port_only_are_looked_up() -> None:
    named = a_port(network=NetworkParam(filter=NetworkFilter(name="net")))
    server = a_server(named, named)

    asked = lost_wanted(server, seen_of(the_port(0), the_nova_server()))

    assert list(asked) == ["spec.ports[1].network"]
    assert lost_wanted(server, seen_of(the_port(0), the_port(1), the_nova_server())) == {}


def test_a_lost_port_whose_network_is_gone_is_told() -> None:
    named = a_port(network=NetworkParam(filter=NetworkFilter(name="net")))
    there, gone = ({"spec.ports[0].network": found} for found in ((Network(id="n"),), ()))

    made = plan_server(a_server(named), seen_of(the_nova_server(), found=there))
    told = plan_server(a_server(named), seen_of(the_nova_server(), found=gone))

    assert len(made.steps) == 2
    assert [wait.told for wait in told.waits] == ['spec.ports[0].network: no network matches name "net"']


def test_a_port_that_somebody_plugged_in_elsewhere_is_told_and_left_there() -> None:
    plan = plan_server(a_server(), seen_of(the_port(device_id="other"), the_nova_server()))

    assert (plan.steps, plan.waits[0].reason) == ((), "PortLost")
    assert plan.waits[0].told == "spec.ports[0]: port worker-0-0 is plugged into other, not into server nova-1"


def test_a_busy_server_is_waited_for() -> None:
    seen = seen_of(the_port(device_id=""), the_nova_server(task_state="rebooting"))

    plan = repair_ports(a_server(), seen, record(seen))

    assert (plan.steps, plan.waits[0].after) == ((), 10.0)
    assert "busy (rebooting)" in plan.waits[0].message


@pytest.mark.parametrize("status", ["BUILD", "ERROR", "SUSPENDED"])
def test_a_server_in_another_state_says_so_by_itself(status: str) -> None:
    seen = seen_of(the_port(device_id=""), the_nova_server(status))

    assert repair_ports(a_server(), seen, record(seen)).settled
    assert not takes_ports(record(seen))


def test_nothing_is_unplugged_on_a_server_that_is_whole() -> None:
    whole, loose = (seen_of(the_port(device_id=id), the_nova_server()) for id in ("nova-1", ""))

    assert not unplugged(a_server(), whole, record(whole))
    assert unplugged(a_server(), loose, record(loose))
