# SPDX-License-Identifier: Apache-2.0
"""A management cluster with one OpenStackCluster over a memory cloud, for tests of its life."""

from typing import Any

from builders import NAME, NAMESPACE
from ground import Ground, told
from memory_cloud import MemoryCloud
from pycapo.api.capi import Cluster, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine, OpenStackMachineTemplate
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.controllers.cluster import ClusterLife
from pycapo.kube.life import Again, Outcome, turn
from pycapo.kube.meta import ObjectKey

KEY = ObjectKey(NAMESPACE, NAME)
KINDS = OpenStackCluster, Cluster, Machine, OpenStackMachine, OpenStackServer, OpenStackMachineTemplate


class Stage(Ground):
    """A management cluster with one Cluster, over a memory cloud."""

    def __init__(self, cloud: MemoryCloud | None = None, **changes: Any) -> None:
        super().__init__(*KINDS, cloud=cloud, **changes)
        self.life = ClusterLife(self.kube, self.clouds)

    def turn(self) -> Outcome:
        return turn(KEY, self.life, self.kube)

    def settle(self, most: int = 30) -> Outcome:
        """Turns until nothing is to be done at once or in a few seconds."""
        for _ in range(most):
            outcome = self.turn()
            if not (isinstance(outcome, Again) and outcome.after < 30):
                return outcome
        raise AssertionError(f"no end: {outcome}")

    def settle_until_waiting(self) -> Again:
        """Turns until the same wait was told twice."""
        told: list[str] = []
        while len(told) < 30:
            outcome = self.turn()
            assert isinstance(outcome, Again)
            if told[-1:] == [outcome.why] and outcome.after:
                return outcome
            told.append(outcome.why)
        raise AssertionError(told)

    def told(self, condition: str) -> tuple[str, str, str]:
        return told(self.cluster, condition)

    def delete(self) -> None:
        self.kube.delete(OpenStackCluster, *KEY)
