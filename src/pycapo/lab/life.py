# SPDX-License-Identifier: Apache-2.0
"""The life of a whole lab: up, status, down.

    programs -> etcd, API server -> Cluster API, workload clusters -> pycapo
    OpenStack (beside all of it)

Rule: `up` starts what is missing and touches nothing that runs, so it also mends a lab that was interrupted or crashed.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from functools import partial

from pycapo.lab import capi, ipam, management, openstack, process, provider, workload
from pycapo.lab.build import build
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.interruption import interrupted
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, forget_lab, locked, open_lab
from pycapo.lab.programs import IN_CLUSTER_IPAM, MANAGERS
from pycapo.lab.progress import Progress
from pycapo.lab.provider import Manifests

# Ended in this order, after everything that speaks to them.
_LAST = ("controllers", "kube-apiserver", "etcd")


@dataclass(frozen=True, slots=True)
class Options:
    """What a lab has: its OpenStack (None for none), and whether pycapo and the in-cluster IPAM provider run in it."""

    cloud: CloudOptions | None
    controller: bool = True
    ipam: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of one process: pid (None when it ended), URL, resident bytes, and whether it answers."""

    name: str
    pid: int | None
    url: str
    memory: int
    healthy: bool


def up(lab: Lab, options: Options, manifests: Manifests, *, progress: Progress) -> None:
    """Bring the lab up and return when all of it is ready; `manifests` install pycapo."""
    with locked(lab.root / ".lock"):
        work: list[Callable[[], None]] = [partial(_management, lab, options, manifests, progress=progress)]
        if options.cloud is not None:
            work.append(partial(openstack.up, lab, options.cloud, progress))
        _together(work)


def prepare(progress: Progress) -> None:
    """Make what all labs share and the first `up` would have to make: programs, packages, OpenStack's first data."""
    lab = open_lab(f"build-{os.getpid()}")  # for its ports, which no other lab has meanwhile
    try:
        _together([partial(build, progress), partial(openstack.prepare, lab, progress)])
    finally:
        forget_lab(lab)


def down(lab: Lab, *, delete_state: bool = False) -> None:
    """Stop every process of the lab and return when none is left."""
    with locked(lab.root / ".lock"):
        provider.stop_provider(lab)
        openstack.down(lab)
        rest = [name for name in process.names(lab) if name not in _LAST]
        _together([partial(process.stop, lab, name) for name in rest])
        for name in _LAST:
            process.stop(lab, name)
        if delete_state:
            forget_lab(lab)


def status(lab: Lab) -> list[Row]:
    """Return a row for each process that was started and not stopped, running or not."""
    urls = {**_health_urls(lab), **_service_urls(lab)}
    names = process.names(lab)
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return list(pool.map(lambda name: _row(lab, name, urls), names))


def _management(lab: Lab, options: Options, manifests: Manifests, *, progress: Progress) -> None:
    built = build(progress)
    built.link(lab)
    management.start_management(lab, built, progress)
    capi.install_capi(lab, built, progress)
    with progress.step("start Cluster API's managers and the stand-in for workload clusters"):
        capi.start_managers(lab, built)
        workload.start_workload(lab, built)
        if manifests:
            provider.install_provider(lab, manifests)
        management.wait_for_controllers(lab)
        capi.wait_for_managers(lab)
        workload.wait_for_workload(lab)
    if options.ipam:
        ipam.start_ipam(lab, built, progress)
    if options.controller:
        with progress.step("start pycapo"):
            provider.start_provider(lab)
            provider.wait_for_provider(lab)


def _together(work: Sequence[Callable[[], object]]) -> None:
    """Run pieces of work side by side; the first error is raised when all have ended."""
    if not work:
        return
    pool = ThreadPoolExecutor(len(work))
    futures: list[Future[object]] = [pool.submit(piece) for piece in work]
    try:
        wait_for(futures)
    except KeyboardInterrupt:
        interrupted.set()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    for future in futures:
        future.result()


def _row(lab: Lab, name: str, urls: Mapping[str, str]) -> Row:
    pid, url = process.pid(lab, name), urls.get(name, "")
    if name == "kube-apiserver":
        healthy = pid is not None and KubeAPI(lab).ready()
    elif name in openstack.status(lab):
        healthy = pid is not None and openstack.status(lab)[name]
    else:
        healthy = pid is not None and (not url or management.answers(url))
    return Row(name, pid, url, process.memory(lab, name), healthy)


def _health_urls(lab: Lab) -> dict[str, str]:
    return {
        "etcd": f"{lab.url('etcd')}/health",
        "kube-apiserver": lab.url("apiserver", scheme="https"),
        "controllers": management.controllers_health(lab),
        workload.NAME: workload.health(lab),
        provider.NAME: provider.health(lab),
        **{manager.name: capi.health(lab, manager) for manager in (*MANAGERS, IN_CLUSTER_IPAM)},
    }


def _service_urls(lab: Lab) -> dict[str, str]:
    return {name: lab.url(name) for name in openstack.status(lab) if name in lab.ports}
