# SPDX-License-Identifier: Apache-2.0
"""Floating IP pools with Cluster API's own IPAM kinds and garbage collection on a real API server, over a cloud in memory."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lightkube.config.kubeconfig import KubeConfig

from builders import CLOUDS_YAML
from ground import Clouds
from memory_cloud import MemoryCloud, a_memory_cloud
from pycapo.api.capi import IPAddress, IPAddressClaim
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool
from pycapo.controllers import pool
from pycapo.controllers.pool import PoolLife
from pycapo.kube.client import Client
from pycapo.kube.controller import Controller
from pycapo.kube.kube import Kube
from pycapo.kube.manager import Manager
from pycapo.kube.session import Session
from pycapo.model.kinds import Kind
from served import Api

pytestmark = pytest.mark.apiserver
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACE, OURS = "pools", "infrastructure.cluster.x-k8s.io"


def until(condition: Callable[[], object], seconds: float = 180) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def session_of(path: Path) -> Session:
    return Session(lambda: KubeConfig.from_file(path).get())


@pytest.fixture(scope="module")
def client(api: Api) -> Client:
    session = session_of(api.lab.kubeconfig)
    session.request("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
    secret = {"metadata": {"name": "cloud-config"}, "data": {"clouds.yaml": base64.b64encode(CLOUDS_YAML).decode()}}
    session.request("POST", f"/api/v1/namespaces/{NAMESPACE}/secrets", body=secret)
    return Client(session)


@pytest.fixture
def cloud(client: Client) -> Iterator[MemoryCloud]:
    """A cloud whose pools are cared for by a controller on the real server."""
    kube, cloud = Kube(client), a_memory_cloud()
    life = PoolLife(kube, Clouds(cloud))
    manager = Manager(kube, [Controller(life, workers=2, watches=pool.watches(kube))], namespace=NAMESPACE)
    thread = threading.Thread(target=manager.run, daemon=True)
    thread.start()
    yield cloud
    manager.stop()
    thread.join(30)


def a_claim(name: str) -> IPAddressClaim:
    reference = {"apiGroup": OURS, "kind": "OpenStackFloatingIPPool", "name": "public"}
    return IPAddressClaim.from_dict(
        {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"poolRef": reference}}
    )


def test_claims_are_served_by_the_contract_and_garbage_collection_gives_back(
    client: Client, cloud: MemoryCloud
) -> None:
    spec = {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete", "maxIPs": 1}
    meta = {"name": "public", "namespace": NAMESPACE}
    client.create(OpenStackFloatingIPPool.from_dict({"metadata": meta, "spec": spec}))
    client.create(a_claim("a"))
    client.create(a_claim("b"))
    given = lambda name: client.read(IPAddress, NAMESPACE, name)  # noqa: E731
    assert until(lambda: given("a"))
    assert until(lambda: told(client) == "MaxIPsReached")

    client.delete(IPAddressClaim, NAMESPACE, "a")

    assert until(lambda: given("b"))
    assert until(lambda: given("a") is None)
    wish = client.read(IPAddressClaim, NAMESPACE, "b")
    assert until(lambda: len(cloud.all(Kind.FLOATING_IP)) == 1)
    assert wish is not None
    assert wish.to_dict()["spec"]["poolRef"]["apiGroup"] == OURS
    client.delete(IPAddressClaim, NAMESPACE, "b")
    client.delete(OpenStackFloatingIPPool, NAMESPACE, "public")
    assert until(lambda: client.read(OpenStackFloatingIPPool, NAMESPACE, "public") is None)
    assert cloud.all(Kind.FLOATING_IP) == ()


def told(client: Client) -> str:
    found = client.read(OpenStackFloatingIPPool, NAMESPACE, "public")
    conditions = (found.status.conditions if found and found.status else None) or ()
    return next((it.reason for it in conditions if it.type == "OpenstackFloatingIPPoolReadyCondition"), "")
