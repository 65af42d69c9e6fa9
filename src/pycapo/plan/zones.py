# SPDX-License-Identifier: Apache-2.0
"""Availability zones that a cluster names for its control plane.

Rule: a zone that does not exist is told, never passed over: without it, nodes would go where nobody asked for them.
"""

from pycapo.model.seen import Seen
from pycapo.model.steps import Plan, Wait
from pycapo.plan.asked import Asked
from pycapo.plan.choose import LOOK_AGAIN

CONDITION = "FailureDomainsReady"
PATH = "spec.controlPlaneAvailabilityZones"


def plan_zones(asked: Asked, seen: Seen) -> Plan:
    """Waits for each zone that the spec names and Nova does not have."""
    there = {zone.name for zone in seen.zones}
    told = ", ".join(f'"{name}"' for name in sorted(there)) or "none"
    return Plan(
        waits=tuple(
            Wait(
                condition=CONDITION,
                reason="NotFound",
                message=f'no availability zone is named "{name}"; there are {told}',
                path=f"{PATH}[{index}]",
                after=LOOK_AGAIN,
            )
            for index, name in enumerate(asked.spec.control_plane_availability_zones or ())
            if name not in there
        )
    )
