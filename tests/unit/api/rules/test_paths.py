# SPDX-License-Identifier: Apache-2.0
"""The tables of mutable fields against the CRDs: a misspelt field would be silently fixed or silently free."""

from typing import Any

import pytest

from pycapo.api.crd import crds
from pycapo.api.rules import attachment, cluster, machine, server
from pycapo.api.rules.change import ANY, Path, spell
from pycapo.api.rules.fixed import Freedom

Json = dict[str, Any]
# Field of older versions, which a v1beta2 object no longer has; kept because the Go provider lets it change.
GONE = {("instanceID",)}


def schema_of(kind: str) -> Json:
    (spec,) = [crd["spec"] for crd in crds() if crd["spec"]["names"]["kind"] == kind]
    (version,) = [version for version in spec["versions"] if version["storage"]]
    found: Json = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def has(schema: Json, path: Path) -> bool:
    for step in path:
        schema = schema.get("items", {}) if step == ANY else schema.get("properties", {}).get(step, {})
    return bool(schema)


@pytest.mark.parametrize(
    ("freedom", "kind", "below"),
    [
        (cluster.CLUSTER, "OpenStackCluster", ()),
        (machine.MACHINE, "OpenStackMachine", ()),
        (machine.TEMPLATE, "OpenStackMachineTemplate", ("template", "spec")),
        (attachment.ATTACHMENT, "OpenStackNetworkAttachment", ()),
    ],
)
def test_every_field_that_a_table_names_exists(freedom: Freedom, kind: str, below: Path) -> None:
    schema = schema_of(kind)

    assert freedom.paths()
    assert [spell(path) for path in freedom.paths() - GONE if not has(schema, (*below, *path))] == []


def test_a_server_is_as_free_as_its_machine_where_it_has_the_field() -> None:
    schema = schema_of("OpenStackServer")

    shared = {path for path in machine.MACHINE.paths() if has(schema, path)}
    assert shared <= server.SERVER.paths()
