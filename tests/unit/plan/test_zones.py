# SPDX-License-Identifier: Apache-2.0
"""Zones that a cluster names for its control plane."""

from builders import a_picture, asked
from pycapo.model.records import Zone
from pycapo.plan.zones import plan_zones

SEEN = a_picture(zones=(Zone("az2"), Zone("az1")))


def test_zones_that_exist_need_nothing() -> None:
    assert plan_zones(asked(controlPlaneAvailabilityZones=["az1", "az2"]), SEEN).settled


def test_each_unknown_zone_is_told_with_those_that_exist() -> None:
    plan = plan_zones(asked(controlPlaneAvailabilityZones=["az1", "az9", "AZ2"]), SEEN)

    assert [wait.told for wait in plan.waits] == [
        'spec.controlPlaneAvailabilityZones[1]: no availability zone is named "az9"; there are "az1", "az2"',
        'spec.controlPlaneAvailabilityZones[2]: no availability zone is named "AZ2"; there are "az1", "az2"',
    ]


def test_a_cloud_without_zones_is_told_too() -> None:
    plan = plan_zones(asked(controlPlaneAvailabilityZones=["az1"]), a_picture(zones=()))

    assert plan.waits[0].message == 'no availability zone is named "az1"; there are none'
