# SPDX-License-Identifier: Apache-2.0
"""Rules for OpenStackFloatingIPPool (v1alpha1): its addresses are addresses, each is there once."""

from typing import Any

from pycapo.api.rules.addresses import check_address
from pycapo.api.rules.fixed import items, spec_of
from pycapo.api.rules.problem import Problem, duplicate

Json = dict[str, Any]


def check(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackFloatingIPPool by itself."""
    problems: list[Problem] = []
    addresses = items(spec_of(found), "preAllocatedFloatingIPs")
    for index, text in enumerate(addresses):
        path = f"spec.preAllocatedFloatingIPs[{index}]"
        problems += check_address(path, text)
        if text in addresses[:index]:
            problems.append(duplicate(path, "is in the list already; name each address once", text))
    return problems


def compare(old: Json, new: Json) -> list[Problem]:
    """Return no problem: every field of a pool may change."""
    return []
