# SPDX-License-Identifier: Apache-2.0
"""Where fields went: the table agrees with the conversion."""

from typing import Any

import pytest

from pycapo.api.conversion import convert
from pycapo.api.moves import Moves
from pycapo.api.rules.change import Path

GROUP = "infrastructure.cluster.x-k8s.io"
MACHINE: dict[str, dict[str, Any]] = {
    "v1alpha3": {
        "cloudName": "cloud",
        "cloudsSecret": {"name": "secret"},
        "flavor": "flavor",
        "rootVolume": {"diskSize": 7, "sourceUUID": "volume"},
        "sshKeyName": "key",
        "serverGroupID": "group",
        "securityGroups": [{"uuid": "group-id"}, {"name": "group-name"}],
        "networks": [
            {"uuid": "first", "subnets": [{"uuid": "a"}, {"uuid": "b"}]},
            {"filter": {"name": "second"}, "fixedIp": "10.0.0.9", "subnets": [{"filter": {"name": "c"}}]},
        ],
    },
    "v1beta1": {
        "flavor": "flavor",
        "sshKeyName": "key",
        "ports": [{"network": {"id": "n"}, "disablePortSecurity": True}],
    },
}
CLUSTER: dict[str, dict[str, Any]] = {
    "v1alpha3": {
        "cloudName": "cloud",
        "cloudsSecret": {"name": "secret"},
        "nodeCidr": "10.6.0.0/24",
        "externalNetworkId": "public",
        "apiServerFloatingIP": "192.0.2.1",
        "apiServerPort": 443,
        "bastion": {"enabled": True, "flavor": "flavor", "image": "image", "networks": [{"uuid": "n"}]},
    },
    "v1beta1": {"apiServerFixedIP": "10.6.0.9", "apiServerPort": 443, "networkMTU": 1400},
}


def leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Return every scalar of plain data by its path."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if children is None:
        return {path: value}
    return {where: leaf for name, child in children for where, leaf in leaves(child, (*path, name)).items()}


def found(obj: Any, path: Path) -> Any:
    for step in path:
        obj = obj[step]
    return obj


@pytest.mark.parametrize("version", ["v1alpha3", "v1beta1"])
@pytest.mark.parametrize(("kind", "specs"), [("OpenStackMachine", MACHINE), ("OpenStackCluster", CLUSTER)])
def test_a_field_is_where_the_table_says(kind: str, specs: dict[str, dict[str, Any]], version: str) -> None:
    old = {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": {"name": "a"}, "spec": specs[version]}
    new = convert(old, f"{GROUP}/v1beta2")
    moves = Moves(version, old)

    for path, value in leaves({"spec": old["spec"]}).items():
        if not isinstance(value, bool):
            assert found(new, moves.new(path)) == value, path


def test_the_fields_of_a_template_lie_deeper() -> None:
    old = {"kind": "OpenStackMachineTemplate", "spec": {"template": {"spec": MACHINE["v1alpha3"]}}}
    root: Path = ("spec", "template", "spec")

    moves = Moves("v1alpha3", old)

    assert moves.new((*root, "networks", 1, "uuid")) == (*root, "ports", 2, "network", "id")
    assert moves.new(("metadata", "name")) == ("metadata", "name")


def test_other_kinds_have_no_moves() -> None:
    assert Moves("v1alpha3", {"kind": "Secret"}).new(("spec", "networks")) == ("spec", "networks")
