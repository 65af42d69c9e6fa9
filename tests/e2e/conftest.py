# SPDX-License-Identifier: Apache-2.0
"""A namespace for each test, and what has to be true after every one of them: OpenStack as before, no right missing."""

import re
from collections.abc import Callable, Iterator

import pytest

from e2e.manifests import clouds_secret
from e2e.world import World, denials
from pycapo.lab import process, provider
from pycapo.lab.cloud_inventory import Snapshot, difference, snapshot
from pycapo.lab.places import Lab


@pytest.fixture(scope="session")
def world(lab: Lab) -> World:
    return World(lab)


@pytest.fixture
def namespace(world: World, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace with working credentials; at its end everything in it is deleted and OpenStack compared."""
    yield from stage(world, re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[5:55].strip("-"))


def stage(world: World, name: str, tidy: Callable[[], object] = lambda: None) -> Iterator[str]:
    """A namespace as the fixture gives it; `tidy` takes back what the test made itself, once nobody uses it."""
    world.faults.clear()
    before, logged = snapshot(world.lab), len(world.log())
    world.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    world.apply(clouds_secret(world.lab, name))
    try:
        yield name
    finally:
        clear(world, name)
        tidy()
    assert_as_before(world, before)
    assert not denials(world.log()[max(logged, world.excused) :])


def clear(world: World, namespace: str) -> None:
    """Delete what a test left, however it ended; the credentials go last."""
    world.faults.clear()
    if not process.alive(world.lab, provider.NAME):
        world.start_pycapo()
    for item in world.all("Cluster", namespace):
        world.patch("Cluster", namespace, item["metadata"]["name"], {"spec": {"paused": False}}, absent={"gone": True})
    for kind in ("Cluster", "OpenStackServer", "OpenStackFloatingIPPool"):
        for item in world.all(kind, namespace):
            world.delete(kind, namespace, item["metadata"]["name"])
    kinds = ("Cluster", "OpenStackCluster", "OpenStackMachine", "OpenStackServer", "OpenStackFloatingIPPool")
    empty = lambda: not any(world.all(kind, namespace) for kind in kinds)  # noqa: E731
    world.wait_for(empty, f"nothing is left in namespace {namespace}", 180, namespace=namespace)
    world.kubectl("delete", "namespace", namespace, "--wait=false")


def assert_as_before(world: World, before: Snapshot) -> None:
    """Nothing of OpenStack came or went since a snapshot."""
    same = lambda: not difference(before, snapshot(world.lab))  # noqa: E731
    try:
        world.wait_for(same, "OpenStack is as before", 30)
    except AssertionError as error:
        raise AssertionError(f"{difference(before, snapshot(world.lab))}\n{error}") from None
