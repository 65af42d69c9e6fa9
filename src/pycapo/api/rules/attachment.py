# SPDX-License-Identifier: Apache-2.0
"""Rules for OpenStackNetworkAttachment (v1alpha1): it stays with its cluster, its ports may change."""

from typing import Any

from pycapo.api.rules.fixed import Freedom, Update, items, spec_of
from pycapo.api.rules.ports import check_ports
from pycapo.api.rules.problem import Problem

Json = dict[str, Any]
ATTACHMENT = Freedom(
    always=("ports", "machineSelector"),
    default="an attachment stays with its cluster; make a new one for another cluster",
)


def check(found: Json) -> list[Problem]:
    """Return the problems of an OpenStackNetworkAttachment by itself."""
    return list(check_ports("spec.ports", items(spec_of(found), "ports")))


def compare(old: Json, new: Json) -> list[Problem]:
    """Return the problems of a change of an OpenStackNetworkAttachment."""
    return list(ATTACHMENT.refuse(Update(spec_of(old), spec_of(new))))
