# SPDX-License-Identifier: Apache-2.0
"""The example of a floating IP pool fits the kinds, and the template asks for an address of just that pool."""

from pathlib import Path

import yaml

from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.rules import pool as rules
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool

EXAMPLE = Path(__file__).parents[3] / "examples" / "floating-ip-pool.yaml"


def test_the_template_asks_for_an_address_of_the_pool() -> None:
    wanted, template = yaml.safe_load_all(EXAMPLE.read_text())

    pool, workers = OpenStackFloatingIPPool.from_dict(wanted), OpenStackMachineTemplate.from_dict(template)

    assert rules.check(wanted) == []
    reference = workers.spec.template.spec.floating_ip_pool_ref
    assert reference is not None
    assert (reference.api_group, reference.kind, reference.name) == (pool.api_group, pool.kind, pool.metadata.name)


def test_the_example_says_nothing_that_the_kinds_do_not_know() -> None:
    for document in yaml.safe_load_all(EXAMPLE.read_text()):
        kind = {"OpenStackFloatingIPPool": OpenStackFloatingIPPool}.get(document["kind"], OpenStackMachineTemplate)

        assert kind.from_dict(document).to_dict()["spec"] == document["spec"]
