# SPDX-License-Identifier: Apache-2.0
"""The demo: a cluster from manifest to running nodes on a lab that is up, and back to nothing.

    remember OpenStack -> clusterctl generate | kubectl apply -> watch -> nodes, topology, requests, durations
    kubectl delete cluster -> watch -> compare OpenStack with before

Rule: every step may be repeated, so a demo that was interrupted continues where it is.
"""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import yaml
from rich.console import Console

from pycapo.lab import demo_record, topology
from pycapo.lab.cloud_bootstrap import EXTERNAL_NETWORK, IMAGE, KEYPAIR, TENANT, cloud, connect
from pycapo.lab.cloud_config import ZONES
from pycapo.lab.cloud_inventory import Difference, difference, snapshot
from pycapo.lab.cloud_log import PRODUCT, AccessLog
from pycapo.lab.cluster_view import NAMESPACE, View, infrastructure_status, look
from pycapo.lab.demo_record import Record
from pycapo.lab.demo_report import duration_table, inventory_table, request_table
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab, LabError, write
from pycapo.lab.progress import Progress
from pycapo.lab.story import Story, diagnosis, machine_table

CLUSTER = "demo"
VERSION = "v1.36.3"
CONTROL_PLANES, WORKERS = 3, 2
_SECOND = 1.0
_NODES_WITHIN = 60.0  # the endpoint answers when the cluster is available; only a load balancer under way may refuse


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo in a lab that is up; `seconds` is how long the cluster may take to come or go."""

    lab: Lab
    console: Console
    progress: Progress
    seconds: float = 900.0

    @property
    def api(self) -> KubeAPI:
        """The management cluster's API."""
        return KubeAPI(self.lab)


def run(demo: Demo, template: Path) -> None:
    """Make the cluster unless it is there, tell how it comes, and report on it when it is complete."""
    view = look(demo.api, CLUSTER)
    if view.deleting:
        raise LabError(f"cluster {CLUSTER} is being deleted; `make demo-down` waits for its end")
    record = _begin(demo, view)
    if not (view.complete and record.finished):
        with demo.progress.step("clusterctl generate cluster | kubectl apply"):
            _kubectl(demo.lab, "apply", "-f", "-", text=_manifests(demo.lab, template))
        record = _watch(demo, record)
    _report(demo, record)


def delete(demo: Demo) -> Difference:
    """Delete the cluster, tell how it goes, and return how OpenStack differs from what it was before."""
    record = demo_record.load(demo.lab)
    if look(demo.api, CLUSTER).exists:
        demo.console.print(f"$ kubectl delete cluster {CLUSTER}", highlight=False)
        _kubectl(demo.lab, "delete", "cluster", CLUSTER, "--wait=false", "--ignore-not-found")
        began = time.time()
        _follow(demo, began, "deleting", lambda view: not view.exists)
        demo.console.print(f"cluster {CLUSTER} was deleted in {time.time() - began:.0f} s", highlight=False)
    _kubectl(demo.lab, "delete", "secret", f"{CLUSTER}-cloud-config", "--ignore-not-found")
    if record is None:
        demo.console.print("no demo was recorded in this lab, so there is nothing to compare OpenStack with")
        return Difference({}, {})
    with demo.progress.step("count what OpenStack has"):
        now = snapshot(demo.lab)
    demo.console.print(inventory_table(record.snapshot, record.made, now))
    left = difference(record.snapshot, now)
    if not left:
        demo_record.forget(demo.lab)
    return left


def variables(lab: Lab, external: str) -> dict[str, str]:
    """Return the answers to the variables of the cluster template; the clouds.yaml holds the tenant alone."""
    clouds = yaml.safe_dump({"clouds": {TENANT: cloud(lab, TENANT)}})
    return {
        "OPENSTACK_CLOUD": TENANT,
        "OPENSTACK_CLOUD_YAML_B64": base64.b64encode(clouds.encode()).decode(),
        "OPENSTACK_IMAGE_NAME": IMAGE,
        "OPENSTACK_CONTROL_PLANE_MACHINE_FLAVOR": "m1.medium",
        "OPENSTACK_NODE_MACHINE_FLAVOR": "m1.small",
        "OPENSTACK_DNS_NAMESERVERS": "10.6.0.2",
        "OPENSTACK_EXTERNAL_NETWORK_ID": external,
        "OPENSTACK_FAILURE_DOMAIN": min(ZONES),
        "OPENSTACK_SSH_KEY_NAME": KEYPAIR,
    }


def milestones(view: View) -> list[str]:
    """Return what a view shows to be reached."""
    conditions = ("NetworkReady", "APIEndpointReady", "ControlPlaneInitialized", "ControlPlaneAvailable")
    reached = [name for name in conditions if name in view.conditions and view.conditions[name].good]
    reached += [f"machine {number} of {view.wanted} Running" for number in range(1, view.running + 1) if view.wanted]
    return [*reached, "cluster Available"] if view.complete else reached


def _begin(demo: Demo, view: View) -> Record:
    """Return the record of this demo: a new one unless the cluster, or what an earlier one left, is there."""
    record = demo_record.load(demo.lab)
    if record and view.exists:
        return record
    if record is None:
        with demo.progress.step("remember what OpenStack has"):
            before = {kind: dict(found) for kind, found in snapshot(demo.lab).resources.items()}
        record = Record(before, mark=0, began=0.0)
    fresh = Record(record.before, AccessLog(demo.lab).mark(), time.time())
    demo_record.save(demo.lab, fresh)
    return fresh


def _watch(demo: Demo, record: Record) -> Record:
    def complete(view: View) -> bool:
        nonlocal record
        now = time.time()
        for name in milestones(view):
            record = record.reached(name, now)
        return view.complete

    try:
        _follow(demo, record.began, f"{CONTROL_PLANES} control planes and {WORKERS} workers", complete)
    finally:
        demo_record.save(demo.lab, record)
    finished = time.time()
    with demo.progress.step("count what OpenStack has"):
        made = snapshot(demo.lab).counts
    record = replace(record, finished=record.finished or finished, made=made)
    demo_record.save(demo.lab, record)
    return record


def _follow(demo: Demo, began: float, title: str, ended: Callable[[View], bool]) -> View:
    """Tell the views until one ends it, and return that; raise with a diagnosis when time is up."""
    api, deadline = demo.api, time.monotonic() + demo.seconds
    with Story(demo.console, began=began, title=f"cluster {CLUSTER}: {title}") as story:
        while True:
            view = look(api, CLUSTER, since=began)
            story.tell(view)
            if ended(view):
                return view
            if time.monotonic() > deadline:
                break
            time.sleep(_SECOND)
    found = "\n  ".join(diagnosis(view))
    logs = f"`pycapo lab logs pycapo --name {demo.lab.name}`, all of them in {demo.lab.folder('log')}"
    raise LabError(f"cluster {CLUSTER}: not as wanted after {demo.seconds:.0f} s:\n  {found}\nLogs: {logs}")


def _report(demo: Demo, record: Record) -> None:
    """Print everything that there is to see of a complete cluster."""
    console = demo.console
    view = look(demo.api, CLUSTER)
    console.print("", machine_table(view))
    console.print(f"\n$ kubectl --kubeconfig {_workload_config(demo.lab)} get nodes", highlight=False, soft_wrap=True)
    console.print(_nodes(demo.lab), markup=False, highlight=False)
    network = infrastructure_status(demo.api, CLUSTER)["network"]["id"]
    console.print(topology.tree(CLUSTER, topology.look(demo.lab, network), external=EXTERNAL_NETWORK), highlight=False)
    requests = AccessLog(demo.lab).read(record.mark, agent=PRODUCT)
    console.print("", request_table([one for one in requests if one.time <= record.finished]))
    console.print("", duration_table(record.milestones))
    console.print(_next_steps(demo.lab), markup=False, highlight=False, soft_wrap=True)


def _next_steps(lab: Lab) -> str:
    return f"""
Cluster {CLUSTER} runs. To look further:
  eval "$(pycapo lab env --name {lab.name})"
  clusterctl describe cluster {CLUSTER} --show-conditions all
  kubectl get cluster,machines,openstackclusters,openstackmachines,openstackservers
  kubectl get events --sort-by=.lastTimestamp
  kubectl --kubeconfig {_workload_config(lab)} get nodes
  openstack server list
  pycapo lab logs pycapo --name {lab.name}
To take it down: make demo-down"""


def _manifests(lab: Lab, template: Path) -> str:
    external = connect(lab, TENANT).network.find_network(EXTERNAL_NETWORK, ignore_missing=False)
    counts = [f"--control-plane-machine-count={CONTROL_PLANES}", f"--worker-machine-count={WORKERS}"]
    words = ["cluster", CLUSTER, f"--from={template}", f"--kubernetes-version={VERSION}", *counts]
    return _tool(lab, "clusterctl", "generate", *words, f"-n={NAMESPACE}", env=variables(lab, external.id))


def _nodes(lab: Lab) -> str:
    """Return the nodes as the workload cluster lists them, through its own kubeconfig and endpoint."""
    config = _workload_config(lab)
    write(config, _tool(lab, "clusterctl", "get", "kubeconfig", CLUSTER, f"-n={NAMESPACE}"))
    deadline = time.monotonic() + _NODES_WITHIN
    while True:
        try:
            return _tool(lab, "kubectl", f"--kubeconfig={config}", "--request-timeout=20s", "get", "nodes")
        except LabError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_SECOND)


def _workload_config(lab: Lab) -> Path:
    return lab.root / f"{CLUSTER}.kubeconfig"


def _kubectl(lab: Lab, *words: str, text: str = "") -> str:
    return _tool(lab, "kubectl", f"--namespace={NAMESPACE}", *words, text=text)


def _tool(lab: Lab, program: str, *words: str, text: str = "", env: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run one of the lab's programs against its management cluster and return what it prints."""
    command: Sequence[str] = [str(lab.root / "bin" / program), *words]
    own = {"KUBECONFIG": str(lab.kubeconfig), "CLUSTERCTL_DISABLE_VERSIONCHECK": "true"}
    done = subprocess.run(
        command, input=text, env={**os.environ, **own, **env}, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise LabError(f"{program} {' '.join(words)}: {done.stderr.strip() or f'ended with {done.returncode}'}")
    return done.stdout
