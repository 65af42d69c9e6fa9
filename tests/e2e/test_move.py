# SPDX-License-Identifier: Apache-2.0
"""A cluster that `clusterctl move` takes to another management cluster and back: OpenStack notices nothing of it.

Rule: two whole management clusters, each with its own pycapo that runs all the time, and one OpenStack. No write is sent to it from
before a move until everything is ready again, whatever moment clusterctl is killed at.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clusterctl import lasting
from e2e.conftest import clear, stage
from e2e.test_floating_ips import REFERENCE, a_pool
from e2e.test_per_machine import NAME, manifests, network, scale, wait_for_machines
from e2e.world import Json, World, denials
from lab_names import other_name
from lab_traces import traces
from pycapo.deploy.components import components
from pycapo.kube.life import MOVED_ANNOTATION
from pycapo.lab import life
from pycapo.lab.cloud_inventory import difference, snapshot
from pycapo.lab.cloud_log import PRODUCT
from pycapo.lab.places import Lab, open_lab
from pycapo.lab.progress import Progress

pytestmark = pytest.mark.e2e
__all__ = ["network"]
SECONDS = 240
HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "move.md"
SIDE = {"name": "side", "managed": {"subnets": [{"name": "v4", "cidr": "10.31.0.0/24"}]}}
IDENTITY = {"name": f"{NAME}-cloud-config", "cloudName": "openstack"}
OURS = (
    *("OpenStackCluster", "OpenStackMachine", "OpenStackServer", "OpenStackNetworkAttachment"),
    *("OpenStackFloatingIPPool", "IPAddressClaim", "IPAddress"),
)


@pytest.fixture(scope="module")
def other(lab: Lab) -> Iterator[World]:
    """A second management cluster, with Cluster API and pycapo, that has no OpenStack of its own."""
    second = open_lab(other_name())
    try:
        life.up(second, life.Options(None), components(), progress=Progress())
        yield World(second)
    finally:
        if not os.environ.get("PYCAPO_KEEP_LAB"):
            life.down(second, delete_state=True)
            assert not traces(second)


@pytest.fixture
def place(world: World, other: World) -> Iterator[str]:
    """A namespace of both management clusters."""
    for namespace in stage(world, "moved"):
        other.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        logged = len(other.log())
        try:
            yield namespace
        finally:
            let_go(world, namespace)
            let_go(other, namespace)
            clear(other, namespace)
        assert not denials(other.log()[logged:])


def let_go(world: World, namespace: str) -> None:
    """Take the finalizers off what was moved and is still there, which a failed test may leave."""
    for kind in OURS:
        for item in world.all(kind, namespace):
            if MOVED_ANNOTATION in item["metadata"].get("annotations", {}):
                world.patch(kind, namespace, item["metadata"]["name"], {"metadata": {"finalizers": None}}, absent={})


def everything(world: World, namespace: str) -> list[Json]:
    """A cluster with a control plane and a worker that have all which could be lost: networks of their own, a floating IP
    of a pool, and a NIC of an attachment."""
    documents = manifests(world, namespace)
    specs = {(it["kind"], it["metadata"]["name"]): it["spec"] for it in documents if "spec" in it}
    specs["OpenStackCluster", NAME]["networks"].append(SIDE)
    specs["MachineDeployment", f"{NAME}-md-0"]["replicas"] = 1
    specs["OpenStackMachineTemplate", f"{NAME}-md-0"]["template"]["spec"]["floatingIPPoolRef"] = REFERENCE
    attachment = {
        "apiVersion": "infrastructure.cluster.x-k8s.io/v1alpha1",
        "kind": "OpenStackNetworkAttachment",
        "metadata": {"name": "side", "namespace": namespace},
        "spec": {"clusterName": NAME, "ports": [{"clusterNetwork": "side"}]},
    }
    return [*documents, a_pool(namespace, identityRef=IDENTITY), attachment]


def clusterctl_move(source: World, target: World, namespace: str, *, killed_at: str = "") -> None:
    """Run `clusterctl move`; where `killed_at` is given, kill it when it says so."""
    program, kubeconfig = str(source.lab.root / "bin" / "clusterctl"), f"--kubeconfig={source.lab.kubeconfig}"
    words = ["move", "-v=1", kubeconfig, f"--to-kubeconfig={target.lab.kubeconfig}", f"--namespace={namespace}"]
    alone = {"CLUSTERCTL_DISABLE_VERSIONCHECK": "true", "XDG_CONFIG_HOME": str(source.lab.folder("clusterctl"))}
    said = []
    with subprocess.Popen(
        [program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **alone}
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if killed_at and killed_at in line:
                running.kill()
    assert bool(running.returncode) == bool(killed_at), "".join(said)


def told(world: World, namespace: str) -> dict[tuple[str, str], Json]:
    """What all of our objects tell."""
    found = {(kind, it["metadata"]["name"]): it.get("status") for kind in OURS for it in world.all(kind, namespace)}
    return {key: lasting(status or {}) for key, status in found.items()}


def wait_until_all_is_told(world: World, namespace: str, expected: dict[tuple[str, str], Json]) -> None:
    try:
        world.wait_for(lambda: told(world, namespace) == expected, "all is as before", SECONDS, namespace=namespace)
    except AssertionError as error:
        now = told(world, namespace)
        differing = [(key, value, now.get(key)) for key, value in expected.items() if value != now.get(key)]
        raise AssertionError(f"{differing}\n{error}") from None


@contextmanager
def nothing_written(world: World) -> Iterator[None]:
    """OpenStack is asked for no change while the block runs, by nobody's pycapo, and has the same as before."""
    before, mark = snapshot(world.lab), world.requests.mark()
    yield
    assert [it for it in world.requests.read(mark, agent=PRODUCT) if it.writes and it.service != "keystone"] == []
    assert not difference(before, snapshot(world.lab))


def paused(world: World, namespace: str, value: bool | None) -> None:
    world.patch("Cluster", namespace, NAME, {"spec": {"paused": value}})


def finish(source: World, target: World, namespace: str) -> None:
    """What the how-to says of a move that ended while it deleted."""
    (script,) = re.findall(r"```bash\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    given = {"FROM": str(source.lab.kubeconfig), "TO": str(target.lab.kubeconfig), "NAMESPACE": namespace}
    path = f"{source.lab.root / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, **given, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def settle(world: World, namespace: str, count: int) -> dict[tuple[str, str], Json]:
    """What our objects tell once the cluster is ready, so many machines run, and all have their NICs of the attachment."""
    wait_for_machines(world, namespace, count)

    def settled() -> bool:
        now = told(world, namespace)
        machines = {name: it.get("addresses") for (kind, name), it in now.items() if kind == "OpenStackMachine"}
        servers = {name: it.get("addresses") for (kind, name), it in now.items() if kind == "OpenStackServer"}
        ready = ((now["OpenStackCluster", NAME].get("conditions") or {}).get("Ready") or {}).get("status") == "True"
        return ready and machines == servers and now["OpenStackNetworkAttachment", "side"].get("ready") == count

    world.wait_for(settled, f"{count} machines have their NICs", SECONDS, namespace=namespace)
    return told(world, namespace)


def test_a_cluster_moves_and_moves_back_and_openstack_notices_nothing(
    world: World, other: World, place: str, network: Any
) -> None:
    world.apply(*everything(world, place))
    whole = settle(world, place, 2)

    with nothing_written(world):
        clusterctl_move(world, other, place, killed_at="Creating OpenStackMachine=")
        assert set(told(world, place)) == set(whole)
        assert set(told(other, place)) < set(whole)
        paused(world, place, None)
        clusterctl_move(world, other, place)
        assert told(world, place) == {}
        wait_until_all_is_told(other, place, whole)

    scale(other, place, 2)
    whole = settle(other, place, 3)
    with nothing_written(world):
        clusterctl_move(other, world, place, killed_at="Deleting OpenStackMachine=")
        assert set(told(world, place)) == set(whole)
        assert set() < set(told(other, place)) < set(whole)
        finish(other, world, place)
        assert told(other, place) == {}
        wait_until_all_is_told(world, place, whole)

    world.delete("Cluster", place, NAME)
    world.gone("OpenStackCluster", place, NAME, SECONDS)
