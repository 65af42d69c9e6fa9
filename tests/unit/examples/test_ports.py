# SPDX-License-Identifier: Apache-2.0
"""The example of ports fits the kinds and breaks no rule, and what only one machine can have is said to be so."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pycapo.api.machine import OpenStackMachineTemplate
from pycapo.api.rules import machine as rules

EXAMPLE = Path(__file__).parents[3] / "examples" / "ports.yaml"
MANY, GATEWAY = yaml.safe_load_all(EXAMPLE.read_text())


@pytest.mark.parametrize("document", [MANY, GATEWAY], ids=lambda it: it["metadata"]["name"])
def test_the_example_breaks_no_rule_and_says_nothing_that_the_kind_does_not_know(document: dict[str, Any]) -> None:
    assert rules.check_template(document) == []
    assert OpenStackMachineTemplate.from_dict(document).to_dict()["spec"] == document["spec"]


def test_only_the_gateway_cannot_have_several_machines() -> None:
    assert rules.advise_template(MANY) == []
    assert len(rules.advise_template(GATEWAY)) == 3
