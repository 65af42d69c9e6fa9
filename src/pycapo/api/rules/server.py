# SPDX-License-Identifier: Apache-2.0
"""Rules for OpenStackServer (v1alpha1).

Rule: a server follows its machine: what may change there may change here, whose credentials above all.
"""

from typing import Any

from pycapo.api.rules.change import Change
from pycapo.api.rules.fixed import Freedom, Update, items, spec_of
from pycapo.api.rules.machine import check_devices
from pycapo.api.rules.networks import MACHINE_NETWORKS_IN_PLACE
from pycapo.api.rules.ports import MUTABLE, check_ports
from pycapo.api.rules.problem import Problem

Json = dict[str, Any]


def _comes(_update: Update, change: Change) -> bool:
    """Tell whether a network of the server's own was added: an attachment asks for it."""
    return len(change.path) == len(("networks", "name")) and change.old is None


SERVER = Freedom(
    always=(
        "identityRef",
        *(f"networks[*].{name}" for name in ("subnets[*].pool", "subnets[*].from", *MACHINE_NETWORKS_IN_PLACE)),
        *MUTABLE,
    ),
    when={"networks[*]": _comes},
    default="OpenStackServer is immutable; delete it and make a new one, or replace its machine",
)


def check(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackServer by itself."""
    spec = spec_of(found)
    return [*check_ports("spec.ports", items(spec, "ports")), *check_devices("spec", spec)]


def compare(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackServer."""
    return list(SERVER.refuse(Update(spec_of(old), spec_of(new))))
