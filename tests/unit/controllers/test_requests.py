# SPDX-License-Identifier: Apache-2.0
"""What machines cost in requests to OpenStack: the budgets of a batch, counted on the shared picture with its real ages."""

from collections import Counter
from collections.abc import Callable, Iterator
from math import inf
from typing import Any

import pytest

from attachments import an_attachment
from builders import NAMESPACE
from machine_stage import Stage
from memory_cloud import a_memory_cloud
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine
from pycapo.api.ports import PortOpts
from pycapo.api.references import NetworkParam
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment, OpenStackServer
from pycapo.kube.life import Again, Life, Outcome, Settled, turn
from pycapo.kube.meta import ObjectKey, key_of
from pycapo.model.kinds import Kind


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counted(Stage):
    """A stage on which time passes between rounds, only what is due takes its turn, and requests are counted."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._due: dict[tuple[str, ObjectKey], tuple[object, float]] = {}
        super().__init__(cloud=a_memory_cloud(clock=self.clock))

    def _round(self) -> Iterator[Outcome]:
        self.clock.now += 2.5
        for life in self.lives:
            for obj in self.kube.list(life.kind):
                yield self._turn_if_due(life, key_of(obj))

    def _turn_if_due(self, life: Life[Any], key: ObjectKey) -> Outcome:
        """A turn when the object or its server changed since the last one, or when its time has come."""
        place = (life.kind.plural, key)
        changed, due = self._due.get(place, (None, 0.0))
        if changed == self._version(life, key) and self.clock.now < due:
            return Again(due - self.clock.now, "not yet") if due < inf else Settled()
        outcome = turn(key, life, self.kube)
        due = self.clock.now + outcome.after if isinstance(outcome, Again) else inf
        self._due[place] = (self._version(life, key), due)
        return outcome

    def _version(self, life: Life[Any], key: ObjectKey) -> tuple[str | None, ...]:
        found = (self.kube.get(kind, *key) for kind in (life.kind, OpenStackServer))
        return tuple(obj.metadata.resource_version if obj else None for obj in found)

    def cost(self, work: Callable[[], object]) -> int:
        """The requests of some work; the same `find` within a minute is one, as over the real APIs."""
        before = Counter(self.cloud.calls)
        work()
        self.settle()
        spent = self.cloud.calls - before
        return sum(min(count, 1) if verb == "find" else count for (verb, _), count in spent.items())

    def make(self, count: int, *ports: PortOpts, control_plane: bool = False, **spec: Any) -> None:
        for number in range(count):
            self.add(f"node-{number}", *ports, control_plane=control_plane, **spec)

    def turn_all(self) -> None:
        """What watches do: everything is looked at, first the attachments."""
        for obj in self.kube.list(OpenStackNetworkAttachment):
            turn(key_of(obj), next(life for life in self.lives if life.kind is OpenStackNetworkAttachment), self.kube)
        self._due.clear()

    def remove_all(self) -> None:
        for machine in self.kube.list(OpenStackMachine):
            self.kube.delete(OpenStackMachine, *key_of(machine))


@pytest.mark.parametrize(
    ("batch", "control_plane", "made", "removed"), [(10, False, 3, 3), (3, True, 5, 6)], ids=["worker", "control plane"]
)
def test_a_machine_of_a_batch_stays_within_its_budget(batch: int, control_plane: bool, made: int, removed: int) -> None:
    stage = Counted()
    stage.cloud.world.balancer_looks = 0  # a load balancer that is done before anybody looks
    stage.add("before", control_plane=True)
    stage.settle()

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
    stage._due.clear()

    cost = stage.cost(lambda: None)

    kinds = {kind for (verb, kind), _ in stage.cloud.calls.items() if verb == "look"}
    assert cost <= len(kinds)
    assert stage.kube.get(OpenStackMachine, NAMESPACE, "node-0") is not None


def test_a_node_that_has_its_place_does_not_ask_how_the_load_balancer_is() -> None:
    stage = Counted()
    stage.make(1, control_plane=True)
    stage.settle()
    stage.clock.now += 400.0
    before = Counter(stage.cloud.calls)

    stage.turn(OpenStackMachine, "node-0")

    asked = stage.cloud.calls - before
    assert asked[("look", Kind.MEMBER)] == 1
    assert asked[("look", Kind.LOAD_BALANCER)] == 0


def test_a_nic_for_a_machine_that_runs_is_two_requests_and_nothing_when_it_is_there() -> None:
    stage = Counted()
    stage.cloud.create(Kind.NETWORK, [{"id": "net-2", "name": "two"}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": "net-2", "cidr": "10.20.0.0/24"}], marks=[None])
    stage.make(10)
    stage.settle()
    port = PortOpts(network=NetworkParam(id="net-2"))

    given = stage.cost(lambda: (stage.kube.create(an_attachment(port)), stage.turn_all()))
    settled = stage.cost(stage.turn_all)

    nics = [it for it in stage.cloud.all(Kind.PORT) if it.network_id == "net-2" and it.device_id]
    assert (len(nics), given / 10 <= 2.5, settled) == (10, True, 0)


@pytest.mark.parametrize(("network", "made", "removed"), [("own", 6, 5), ("vlan", 5, 5)])
def test_a_network_of_its_own_costs_a_machine_what_makes_it_and_nothing_later(
    network: str, made: int, removed: int
) -> None:
    stage = Counted()
    carved = {"subnets": [{"name": "v4", "from": ["10.64.0.0/16"], "prefixLength": 28}]}
    own = [
        {"name": "own", "perMachine": carved},
        {"name": "vlan", "perMachine": {"claim": {"filter": {"tags": ["v"]}}}},
    ]
    for _ in range(10):
        made_by_others = stage.cloud.create(Kind.NETWORK, [{"name": "vlan"}], marks=[None])[0]
        stage.cloud.world.change(Kind.NETWORK, made_by_others.id, {"tags": ["v"]})
    (cluster,) = stage.kube.list(OpenStackCluster)
    document = cluster.to_dict()
    document["spec"]["networks"] = own
    stage.kube.patch(cluster, OpenStackCluster.from_dict(document))
    stage.settle()

    birth = stage.cost(lambda: stage.make(10, PortOpts(), PortOpts(cluster_network=network)))
    places = {it.network_id for it in stage.cloud.all(Kind.PORT) if it.device_owner.startswith("compute")}
    settled = stage.cost(stage.turn_all)
    end = stage.cost(stage.remove_all)

    assert len(places) == 11
    assert (birth / 10 <= made, settled, end / 10 <= removed) == (True, 0, True)
