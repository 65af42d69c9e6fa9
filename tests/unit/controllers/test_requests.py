# SPDX-License-Identifier: Apache-2.0
"""What machines cost in requests to OpenStack: the budgets of a batch, counted on the shared picture with its real ages."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from builders import NAMESPACE
from machine_stage import Stage
from memory_cloud import a_memory_cloud
from pycapo.api.machine import OpenStackMachine
from pycapo.api.ports import PortOpts
from pycapo.kube.meta import key_of


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted(Stage):
    """A stage on which two seconds pass between two rounds, and requests are counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(cloud=a_memory_cloud(clock=self.clock))

    def _round(self) -> Iterator[object]:  # type: ignore[override]
        self.clock.now += 2.5
        yield from super()._round()

    def cost(self, work: Callable[[], None]) -> int:
        """The requests of some work; the same `find` within a minute is one, as over the real APIs."""
        before = Counter(self.cloud.calls)
        work()
        self.settle()
        spent = self.cloud.calls - before
        return sum(min(count, 1) if verb == "find" else count for (verb, _), count in spent.items())

    def make(self, count: int, *ports: PortOpts, control_plane: bool = False, **spec: object) -> None:
        for number in range(count):
            self.add(f"node-{number}", *ports, control_plane=control_plane, **spec)

    def remove_all(self) -> None:
        for machine in self.kube.list(OpenStackMachine):
            self.kube.delete(OpenStackMachine, *key_of(machine))


@pytest.mark.parametrize(
    ("batch", "control_plane", "made", "removed"), [(10, False, 3, 3), (3, True, 5, 6)], ids=["worker", "control plane"]
)
def test_a_machine_of_a_batch_stays_within_its_budget(batch: int, control_plane: bool, made: int, removed: int) -> None:
    stage = Counted()
    stage.add("before", control_plane=True)
    stage.settle()
    stage.lives = stage.lives[1:]  # nothing of the cluster changes, so it takes no turn

    birth = stage.cost(lambda: stage.make(batch, control_plane=control_plane))
    end = stage.cost(stage.remove_all)

    assert birth / batch <= made
    assert end / (batch + 1) <= removed


def test_only_one_of_three_ports_with_a_trunk_costs_five_requests_at_most() -> None:
    stage = Counted()

    birth = stage.cost(lambda: stage.make(10, PortOpts(trunk=True), PortOpts(), PortOpts(), tags=["blue"]))
    end = stage.cost(stage.remove_all)

    assert birth / 10 <= 5
    assert end / 10 <= 6


def test_a_settled_machine_costs_nothing_but_the_shared_picture() -> None:
    stage = Counted()
    stage.make(5)
    stage.settle()
    stage.clock.now += 400.0

    cost = stage.cost(lambda: None)

    kinds = {kind for (verb, kind), _ in stage.cloud.calls.items() if verb == "look"}
    assert cost <= len(kinds)
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "node-0") is not None
