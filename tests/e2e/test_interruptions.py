# SPDX-License-Identifier: Apache-2.0
"""pycapo, its API server and OpenStack are interrupted at bad moments: nothing is made twice, nothing is left behind."""

import os
import signal
import sys
import time
from collections import Counter

import pytest

from e2e.manifests import cluster, machine
from e2e.world import Json, World, wait_until_ready
from pycapo.deploy.components import components
from pycapo.lab import life, process, provider
from pycapo.lab.build import build
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.cloud_inventory import Snapshot, difference, snapshot
from pycapo.lab.cloud_log import PRODUCT
from pycapo.lab.management import start_management
from pycapo.lab.progress import quiet

pytestmark = pytest.mark.e2e
NAME = "broken"
WORKERS = ("worker-a", "worker-b")
BALANCED = {"managedLoadBalancer": {"enabled": True}}
FIRST_OF_ALL = (
    "networks",
    "subnets",
    "routers",
    "floatingips",
    "loadbalancers",
    "listeners",
    "pools",
    "healthmonitors",
)


def apply_all(world: World, namespace: str, *names: str) -> None:
    world.apply(*cluster(namespace, NAME, apiServer=BALANCED, managedSecurityGroups={}))
    for name in names:
        world.apply(*machine(namespace, name, cluster=NAME))


def assert_made_once(before: Snapshot, world: World, *servers: str) -> None:
    """One of everything that a cluster has, one server and one port for each machine."""
    added = difference(before, snapshot(world.lab)).added
    assert {kind: len(added.get(kind, {})) for kind in FIRST_OF_ALL} == dict.fromkeys(FIRST_OF_ALL, 1)
    assert sorted(added.get("servers", {}).values()) == sorted(servers)
    ports = Counter(name for name in added["ports"].values() if name.startswith(servers)) if servers else Counter()
    assert sum(ports.values()) == len(servers)


def wait_for_machines(world: World, namespace: str, *names: str) -> None:
    for name in names:
        wait_until_ready(world, "OpenStackMachine", namespace, name, 180)
    wait_until_ready(world, "OpenStackCluster", namespace, NAME, 180)


def kill_after(world: World, *pauses: float) -> None:
    for pause in pauses:
        time.sleep(pause)
        world.kill_pycapo()
        world.start_pycapo()
        world.wait_for(lambda: acting(world), "pycapo acts again", 60)


def acting(world: World) -> bool:
    return '"leading"' in process.log_tail(world.lab, provider.NAME, lines=200)


def test_pycapo_may_be_killed_while_a_cluster_comes_and_while_it_goes(world: World, namespace: str) -> None:
    before = snapshot(world.lab)
    apply_all(world, namespace, *WORKERS)

    kill_after(world, 1.0, 0.3, 1.2, 2.5)
    wait_for_machines(world, namespace, *WORKERS)
    assert_made_once(before, world, *WORKERS)
    world.delete("Cluster", namespace, NAME)
    kill_after(world, 0.7, 1.5, 0.4)

    world.gone("OpenStackCluster", namespace, NAME, 180)


def test_what_was_done_although_openstack_told_an_error_is_not_done_twice(world: World, namespace: str) -> None:
    before = snapshot(world.lab)
    faults = world.faults
    with (
        faults.answer("neutron", "POST", "/networks$", status=500, after=True, times=1) as network,
        faults.drop("neutron", "POST", "/routers$", after=True, times=1) as router,
        faults.answer("octavia", "POST", "/loadbalancers$", status=503, after=True, times=1) as balancer,
        faults.answer("neutron", "POST", "/ports$", status=500, after=True, times=1) as port,
        faults.drop("nova", "POST", "/servers$", after=True, times=1) as server,
    ):
        apply_all(world, namespace, *WORKERS)
        wait_for_machines(world, namespace, *WORKERS)

        struck = [faults.strikes(number) for number in (network, router, balancer, port, server)]

    assert struck == [1] * 5
    assert_made_once(before, world, *WORKERS)


def test_a_busy_openstack_is_left_alone_as_long_as_it_asks_for(world: World, namespace: str) -> None:
    mark = world.requests.mark()
    with world.faults.answer("neutron", "POST", "/networks$", status=429, retry_after=7, times=1):
        world.apply(*cluster(namespace, NAME))
        wait_until_ready(world, "OpenStackCluster", namespace, NAME)

    asked = [
        r.time for r in world.requests.read(mark, agent=PRODUCT) if r.method == "POST" and r.path.endswith("/networks")
    ]
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 6.9


def test_a_call_that_hangs_holds_up_no_other_cluster(world: World, namespace: str) -> None:
    with world.faults.hang("neutron", "POST", "/networks$", seconds=300, times=1) as number:
        world.apply(*cluster(namespace, "held"))
        world.wait_for(lambda: hangs(world, namespace), "the first cluster has its finalizer", 30, namespace=namespace)
        time.sleep(2)
        world.apply(*cluster(namespace, "free"))

        wait_until_ready(world, "OpenStackCluster", namespace, "free", 60)
        assert world.condition("OpenStackCluster", namespace, "held", "Ready").get("status") != "True"
        assert number
    wait_until_ready(world, "OpenStackCluster", namespace, "held", 180)


def kill(world: World, name: str) -> None:
    """End a process as a crash would; it has to be back before a Lease is lost for good."""
    number = process.pid(world.lab, name)
    assert number is not None
    os.kill(number, signal.SIGKILL)
    world.wait_for(lambda: not process.alive(world.lab, name), f"{name} is dead", 10)


def hangs(world: World, namespace: str) -> bool:
    found = world.get("OpenStackCluster", namespace, "held")
    return bool(found and found["metadata"].get("finalizers"))


def server(world: World, namespace: str) -> Json:
    """The status of the first worker's OpenStackServer."""
    return (world.get("OpenStackServer", namespace, WORKERS[0]) or {}).get("status") or {}


def aside(world: World) -> list[str]:
    """The command of a second pycapo that contends for the same Lease."""
    return [
        *(sys.executable, "-c", "from pycapo.cli.main import app; app()", "run", "--leader-elect"),
        f"--leader-elect-namespace={world.pycapo_namespace}",
        f"--kubeconfig={provider.kubeconfig(world.lab)}",
        "--webhook-port=0",
        f"--diagnostics-address=127.0.0.1:{world.lab.ports['spare_8']}",
        f"--health-addr=127.0.0.1:{world.lab.ports['spare_9']}",
    ]


def test_a_restart_of_the_api_server_does_not_end_pycapo(world: World, namespace: str) -> None:
    number = process.pid(world.lab, provider.NAME)
    world.apply(*cluster(namespace, NAME))
    kill(world, "kube-apiserver")

    start_management(world.lab, build(quiet()), quiet())
    lost = '"the Lease is lost"' in world.log()  # on a busy machine the API server may take longer than a Lease lasts
    life.up(world.lab, life.Options(CloudOptions()), components(), progress=quiet())
    wait_until_ready(world, "OpenStackCluster", namespace, NAME, 180)
    world.excuse()  # an API server that has just started denies for a moment what its roles allow
    assert lost or process.pid(world.lab, provider.NAME) == number


def test_a_second_pycapo_waits_and_takes_over_when_the_first_is_killed(world: World, namespace: str) -> None:
    second = "pycapo-second"
    process.start(world.lab, second, aside(world))
    try:
        world.apply(*cluster(namespace, NAME))
        wait_until_ready(world, "OpenStackCluster", namespace, NAME)
        assert "leading" not in process.log_tail(world.lab, second, lines=200)
        with world.faults.spawn_delay(20, name=WORKERS[0]):
            world.apply(*machine(namespace, WORKERS[0], cluster=NAME))
            world.wait_for(lambda: server(world, namespace).get("instanceID"), "the server is asked for", 60)
            world.kill_pycapo()  # and with it the webhooks: until the end nobody can write what they look at
            world.wait_for(lambda: server(world, namespace).get("ready"), "the other one tells that it runs", 120)

        assert "leading" in process.log_tail(world.lab, second, lines=200)
    finally:
        process.stop(world.lab, second, seconds=35)
        world.start_pycapo()
        provider.wait_for_provider(world.lab)
