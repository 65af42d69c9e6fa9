# SPDX-License-Identifier: Apache-2.0
"""Security group rules that Neutron would refuse."""

from typing import Any

import pytest

from pycapo.api.rules.security import LISTS, check_security

Json = dict[str, Any]
TCP: Json = {"name": "x", "direction": "ingress", "protocol": "tcp"}


def found(rule: Json, name: str = LISTS[0]) -> list[str]:
    return [problem.path for problem in check_security("spec", {"managedSecurityGroups": {name: [rule]}})]


@pytest.mark.parametrize("name", LISTS)
def test_a_rule_has_one_other_end_in_every_list(name: str) -> None:
    rule = {**TCP, "remoteGroupID": "x", "remoteManagedGroups": ["worker"]}

    assert found(rule, name) == [f"spec.managedSecurityGroups.{name}[0]"]


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"remoteIPPrefix": "10.0.0.0/99"}, "remoteIPPrefix"),
        ({"remoteIPPrefix": "fd00::/8", "etherType": "IPv4"}, "etherType"),
        ({"portRangeMin": 90, "portRangeMax": 80}, "portRangeMax"),
        ({"portRangeMin": 0, "portRangeMax": 65536}, "portRangeMax"),
        ({"portRangeMin": 1, "protocol": None}, "protocol"),
    ],
)
def test_a_rule_that_neutron_would_refuse_is_named(rule: Json, field: str) -> None:
    assert found(TCP | rule) == [f"spec.managedSecurityGroups.{LISTS[0]}[0].{field}"]


@pytest.mark.parametrize(
    "rule",
    [
        {"portRangeMin": 179, "portRangeMax": 179, "remoteManagedGroups": ["controlplane", "worker"]},
        {"protocol": "icmp", "portRangeMin": 8, "portRangeMax": 0},
        {"protocol": "4"},
        {"remoteIPPrefix": "10.0.0.7"},
        {"remoteIPPrefix": "fd00::/8", "etherType": "IPv6"},
    ],
)
def test_a_rule_that_neutron_takes_passes(rule: Json) -> None:
    assert found(TCP | rule) == []
