# SPDX-License-Identifier: Apache-2.0
"""The example of IPAM pools fits the kinds, and its template asks for addresses of just those pools."""

from pathlib import Path
from typing import Any

import yaml

from pycapo.api.capi import InClusterIPPool
from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.rules import machine, pool
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool

EXAMPLE = Path(__file__).parents[3] / "examples" / "ipam.yaml"
NODES, PUBLIC, WORKERS = yaml.safe_load_all(EXAMPLE.read_text())


def reference(document: dict[str, Any]) -> dict[str, str]:
    group = document["apiVersion"].partition("/")[0]
    return {"apiGroup": group, "kind": document["kind"], "name": document["metadata"]["name"]}


def test_the_example_breaks_no_rule_and_says_nothing_that_the_kinds_do_not_know() -> None:
    assert pool.check(PUBLIC) == []
    assert (machine.check_template(WORKERS), machine.advise_template(WORKERS)) == ([], [])
    assert OpenStackMachineTemplate.from_dict(WORKERS).to_dict()["spec"] == WORKERS["spec"]
    assert OpenStackFloatingIPPool.from_dict(PUBLIC).to_dict()["spec"] == PUBLIC["spec"]
    assert (NODES["apiVersion"], NODES["kind"]) == (InClusterIPPool.api_version, InClusterIPPool.kind)


def test_the_port_asks_for_an_address_of_each_pool() -> None:
    (port,) = WORKERS["spec"]["template"]["spec"]["ports"]

    assert port["fixedIPs"] == [{"addressFrom": reference(NODES)}]
    assert port["floatingIP"] == {"poolRef": reference(PUBLIC)}
