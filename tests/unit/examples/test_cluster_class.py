# SPDX-License-Identifier: Apache-2.0
"""The example of a cluster of a class says what the class that is shipped wants to know, in the types that it wants."""

from pathlib import Path
from typing import Any

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[3]


def the_class() -> dict[str, Any]:
    documents = yaml.safe_load_all((ROOT / "templates" / "clusterclass-openstack-default.yaml").read_text())
    return next(it for it in documents if it and it["kind"] == "ClusterClass")


def the_topology() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / "cluster-class.yaml").read_text())
    return dict(found["spec"]["topology"])


def test_the_example_is_of_the_shipped_class_and_its_workers_too() -> None:
    topology, shipped = the_topology(), the_class()

    assert topology["classRef"] == {"name": shipped["metadata"]["name"]}
    classes = {it["class"] for it in shipped["spec"]["workers"]["machineDeployments"]}
    assert {it["class"] for it in topology["workers"]["machineDeployments"]} <= classes


def test_every_variable_is_one_of_the_class_and_none_is_missing() -> None:
    given = {it["name"]: it["value"] for it in the_topology()["variables"]}
    known = {it["name"]: it for it in the_class()["spec"]["variables"]}

    assert given.keys() <= known.keys()
    assert {name for name, it in known.items() if it["required"]} <= given.keys()
    for name, value in given.items():
        jsonschema.validate(value, known[name]["schema"]["openAPIV3Schema"])
