# SPDX-License-Identifier: Apache-2.0
"""The bench: what pycapo asks of OpenStack for each kind of work, counted from the lab's own access log.

    cluster -> resync -> workers -> control plane nodes -> resync -> a new process -> named network -> NICs of running machines
    -> deletion -> trunk workers -> deletion -> workers with two NICs, with floating IPs

Rule: work is counted from its first request until the product has been still for seconds, so that no poll is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pycapo.lab import process, provider, tally
from pycapo.lab.bench_stage import (
    MACHINES,
    OUR_ATTACHMENTS,
    OUR_CLUSTERS,
    OUR_MACHINES,
    OUR_SERVERS,
    BenchStage,
)
from pycapo.lab.cloud_log import PRODUCT, Request
from pycapo.lab.meter import Usage, usage
from pycapo.lab.places import Lab, LabError
from pycapo.lab.progress import Progress
from pycapo.lab.tally import Figures, Work
from pycapo.lab.workloads import (
    ATTACHMENT,
    CLUSTER,
    attachment,
    cluster,
    machine,
    named_network,
    reachable_machine,
    routed_machine,
    trunk_machine,
)

WORKERS, CONTROL_PLANE, FEW = 10, 3, 5
CLUSTER_MADE = Work("create a cluster: network, security groups, load balancer, floating IP", 25, "51")
CLUSTER_SETTLED = Work("settled cluster, one resync", 0, "20")
WORKER_MADE = Work("create a worker, 1 port", 3, "23", WORKERS)
NODE_MADE = Work("create a control plane node, 1 port, load balancer member", 5, "32", CONTROL_PLANE)
TRUNK_MADE = Work("create a worker, 3 ports, trunk, tags", 5, "42", WORKERS)
SETTLED = Work("settled machine + server, one resync", 0, "8-16", WORKERS + CONTROL_PLANE)
TRUNK_SETTLED = Work("settled worker, 3 ports, trunk, one resync", 0, "11", WORKERS)
WORKER_GONE = Work("delete a worker", 3, "13", WORKERS)
TRUNK_GONE = Work("delete a worker, 3 ports, trunk", 6, "19", WORKERS)
NETWORK_MADE = Work("create a managed named network of a running cluster: network, subnet", 4)
ATTACHED = Work("attach a NIC to a running server", 3, batch=WORKERS + CONTROL_PLANE)
DETACHED = Work("detach a NIC and delete its port", 3, batch=WORKERS + CONTROL_PLANE)
UNROUTED_MADE = Work("create a worker, 2 ports, no policy routing", 3, batch=FEW)
ROUTED_MADE = Work("create a worker, 2 ports, policy routing", 3, batch=FEW)
REACHABLE_MADE = Work("create a worker, 1 port, a floating IP on it", 4, batch=FEW)
PICTURE = Work("the shared picture, one refresh (pages)", 0, "8-16 a machine")
BEGINNING = Work("log in and learn what the cloud can, once a process", 3, "")


class Bench:
    """One run of all work in a lab that is up, written into figures row by row: what ends early leaves those it has."""

    def __init__(self, lab: Lab, progress: Progress, figures: Figures) -> None:
        self._lab = lab
        self._progress = progress
        self._figures = figures
        self._stage = BenchStage(lab)
        self._once: list[Request] = []
        self._processes = 1

    def run(self) -> None:
        """Do all work and delete what was made."""
        try:
            self._work()
        finally:
            self._figures.usage += self._used()
        with self._progress.step("delete what was made"):
            self._stage.clear()

    def _work(self) -> None:
        with self._progress.step("clear the stage"):
            self._stage.clear()
            self._stage.prepare()
            self._restart()
        self._clusters()
        workers, nodes = _names("worker", WORKERS), _names("node", CONTROL_PLANE)
        self._measure(WORKER_MADE, lambda: self._make(workers, machine))
        self._measure(NODE_MADE, lambda: self._make(nodes, lambda name: machine(name, control_plane=True)))
        self._measure(SETTLED, lambda: self._stage.touch((OUR_MACHINES, OUR_SERVERS)))
        self._picture()
        self._attachments()
        self._measure(WORKER_GONE, lambda: self._remove(workers))
        trunks = _names("trunk", WORKERS)
        self._measure(TRUNK_MADE, lambda: self._make(trunks, trunk_machine))
        self._measure(TRUNK_SETTLED, lambda: self._stage.touch((OUR_MACHINES, OUR_SERVERS)))
        self._measure(TRUNK_GONE, lambda: self._remove(trunks))
        self._networked()
        self._add(BEGINNING, self._once, batch=self._processes)

    def _clusters(self) -> None:
        def make() -> None:
            self._stage.create(cluster())
            self._stage.until_ready(OUR_CLUSTERS, 1)

        self._measure(CLUSTER_MADE, make)
        self._measure(CLUSTER_SETTLED, lambda: self._stage.touch((OUR_CLUSTERS,)))

    def _attachments(self) -> None:
        """A network besides the cluster's, and a NIC on it for every machine that runs, for a while."""

        def make() -> None:
            self._stage.change(OUR_CLUSTERS, CLUSTER, **named_network())
            self._stage.until_done(OUR_CLUSTERS, CLUSTER)

        def attach() -> None:
            self._stage.create([attachment()])
            self._stage.until_done(OUR_ATTACHMENTS, ATTACHMENT)

        def detach() -> None:
            self._stage.delete(OUR_ATTACHMENTS, [ATTACHMENT])
            self._stage.until_gone(OUR_ATTACHMENTS)

        self._measure(NETWORK_MADE, make)
        self._measure(ATTACHED, attach)
        self._measure(DETACHED, detach)

    def _networked(self) -> None:
        """Workers with several NICs and with addresses of their own; they go with everything."""

        def routed(name: str) -> list[dict[str, object]]:
            return routed_machine(name, routed=True)

        def unrouted(name: str) -> list[dict[str, object]]:
            return routed_machine(name, routed=False)

        self._measure(UNROUTED_MADE, lambda: self._make(_names("unrouted", FEW), unrouted))
        self._measure(ROUTED_MADE, lambda: self._make(_names("routed", FEW), routed))
        self._measure(REACHABLE_MADE, lambda: self._make(_names("reachable", FEW), reachable_machine))

    def _picture(self) -> None:
        """A new process knows nothing: all of its reads are one refresh of the picture, and what comes once."""
        self._figures.usage += self._used()
        with self._progress.step(PICTURE.name):
            requests, seconds = self._counted(self._restart)
        self._processes += 1
        budget = tally.picture_budget(filter(tally.lists, requests), self._stage.size())
        self._add(replace(PICTURE, budget=budget), requests, seconds=seconds)

    def _make(self, names: Sequence[str], make: Callable[[str], list[dict[str, object]]]) -> None:
        before = self._stage.count(OUR_MACHINES)
        self._stage.create([thing for name in names for thing in make(name)])
        self._stage.until_ready(OUR_MACHINES, before + len(names))

    def _remove(self, names: Sequence[str]) -> None:
        self._stage.delete(MACHINES, names)
        for kind in (OUR_SERVERS, OUR_MACHINES):
            self._stage.until_gone(kind, names)

    def _restart(self) -> None:
        provider.stop_provider(self._lab)
        provider.start_provider(self._lab)
        provider.wait_for_provider(self._lab)
        self._stage.until_turns((OUR_CLUSTERS, OUR_MACHINES, OUR_SERVERS))

    def _measure(self, work: Work, do: Callable[[], object]) -> None:
        with self._progress.step(work.name):
            requests, seconds = self._counted(do)
        self._add(work, requests, seconds=seconds)

    def _counted(self, do: Callable[[], object]) -> tuple[list[Request], float]:
        """Return the requests of some work, those of once a process put aside, and the seconds until it was done."""
        mark, began = self._stage.log.mark(), time.monotonic()
        try:
            do()
        except LabError as error:
            raise LabError(f"{error} ({len(self._stage.log.read(mark, agent=PRODUCT))} requests until then)") from error
        seconds = time.monotonic() - began
        self._stage.until_still()
        asked = self._stage.log.read(mark, agent=PRODUCT)
        self._once += filter(tally.once_a_process, asked)
        return [request for request in asked if not tally.once_a_process(request)], seconds

    def _add(self, work: Work, requests: Sequence[Request], *, seconds: float = 0.0, batch: int = 0) -> None:
        self._figures.rows.append(tally.row(replace(work, batch=batch or work.batch), requests, seconds=seconds))

    def _used(self) -> Usage:
        pid = process.pid(self._lab, provider.NAME)
        return usage(pid) if pid is not None else Usage()


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]
