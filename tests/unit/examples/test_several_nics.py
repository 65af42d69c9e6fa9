# SPDX-License-Identifier: Apache-2.0
"""The example of workers with several NICs is one that we accept, and its guests are given routes."""

from pathlib import Path

import msgspec
import yaml

from machines import a_capi_machine, a_ready_cluster, seen_of
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import ObjectMeta
from pycapo.api.rules.kinds import KINDS
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.api.v1beta2 import OpenStackMachineTemplate
from pycapo.plan.machine import server_spec
from pycapo.plan.routes import needs_facts, route_waits

EXAMPLE = Path(__file__).parents[3] / "examples" / "several-nics.yaml"


def test_the_example_is_valid_and_everything_in_it_is_acted_on() -> None:
    document = yaml.safe_load(EXAMPLE.read_text())
    template = msgspec.convert(document, OpenStackMachineTemplate)
    machine = OpenStackMachine(metadata=ObjectMeta(name="edge-0"), spec=template.spec.template.spec)
    rules = next(it.rules for it in KINDS if it.kind == "OpenStackMachineTemplate" and it.version == "v1beta2")

    spec = server_spec(machine, a_ready_cluster(), a_capi_machine())
    server = OpenStackServer(metadata=ObjectMeta(name="edge-0"), spec=spec)

    assert not list(rules.check(document))
    assert needs_facts(server)
    assert not list(route_waits(server, seen_of()))
    assert [port.default_route for port in spec.ports] == [None, None, True]
