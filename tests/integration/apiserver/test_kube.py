# SPDX-License-Identifier: Apache-2.0
"""The runtime against a real API server: contracts that the one in memory claims, and what happens in bad weather."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightkube.config.kubeconfig import KubeConfig

from control_plane import ApiServer
from kube_contract import KubeContract, put, stored
from pycapo.kube.cache import Cache
from pycapo.kube.client import Client
from pycapo.kube.controller import Controller, Watch
from pycapo.kube.errors import Unauthorized
from pycapo.kube.kube import Kube
from pycapo.kube.leader import Election, Fence, Terms
from pycapo.kube.manager import Manager
from pycapo.kube.meta import ObjectKey
from pycapo.kube.session import Session
from pycapo.kube.watch import Feed
from toys import Boat, BoatLife, Sail, a_sail

pytestmark = pytest.mark.apiserver
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def until(condition: Callable[[], object], seconds: float = 180) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())


def session_of(path: Path) -> Session:
    def load() -> Any:
        return KubeConfig.from_file(path).get()

    return Session(load)


def crd(plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.toys.test"},
        "spec": {
            "group": "toys.test",
            "scope": "Namespaced",
            "names": names,
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


@pytest.fixture(scope="module")
def client(apiserver: ApiServer) -> Client:
    session = session_of(apiserver.kubeconfig)
    session.request("POST", CRDS, body=crd("boats", "Boat"))
    client = Client(session)
    assert until(lambda: served(client, Boat))
    return client


def served(client: Client, kind: type[Any]) -> bool:
    try:
        client.list(kind)
    except Exception:
        return False
    return True


@pytest.fixture
def namespace(client: Client, request: pytest.FixtureRequest) -> str:
    name = f"t{abs(hash(request.node.name)) % 10**9}"
    client.transport.request("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    return name


@pytest.fixture
def kube(client: Client, namespace: str) -> Iterator[Kube]:
    """A facade whose cache of boats follows the real server."""
    kube = Kube(client)
    feed = Feed(client, kube.cache(Boat), namespace=namespace)
    feed.start()
    assert feed.cache.synced.wait(180)
    yield kube
    feed.stop()


class TestRealServer(KubeContract):
    """The promises, kept by kube-apiserver."""


def test_the_watch_survives_a_restart_of_the_api_server(apiserver: ApiServer, kube: Kube, namespace: str) -> None:
    key = put(kube, namespace)
    apiserver.stop()
    kept = kube.get(Boat, *key)
    apiserver.start()

    with contextlib.suppress(Exception):
        put(kube, namespace, "first")  # it may meet a connection of the old server
    kube.client.patch(stored(kube, key), {"metadata": {"labels": {"after": "restart"}}})

    assert kept is not None
    assert until(lambda: (kube.get(Boat, *key) or kept).metadata.labels == {"after": "restart"})


def test_a_version_that_is_too_old_leads_to_a_new_list(client: Client, kube: Kube, namespace: str) -> None:
    key = put(kube, namespace)
    cache = Cache(Boat)
    feed = Feed(client, cache, namespace=namespace)
    feed.version = "1"

    feed.start()
    found = until(lambda: cache.get(key) is not None)
    feed.stop()

    assert found
    assert int(feed.version) > 1


def test_an_expired_token_is_read_again_from_the_kubeconfig(
    apiserver: ApiServer, client: Client, namespace: str, tmp_path: Path
) -> None:
    make_account(client, namespace)
    path = tmp_path / "kubeconfig"
    write_token(apiserver, path, bound_token(client, namespace, "first"))
    session = session_of(path)
    other = session_of(path)
    session.request("GET", "/api/v1/namespaces")
    write_token(apiserver, path, bound_token(client, namespace, "second"))

    client.transport.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/first")
    time.sleep(11)  # the API server remembers a good token for ten seconds

    assert session.request("GET", "/api/v1/namespaces")
    assert other.request("GET", "/api/v1/namespaces")


def test_a_feed_goes_on_after_its_token_expired(
    apiserver: ApiServer, client: Client, namespace: str, tmp_path: Path
) -> None:
    make_account(client, namespace)
    path = tmp_path / "kubeconfig"
    write_token(apiserver, path, bound_token(client, namespace, "first"))
    session = session_of(path)
    client.transport.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/first")
    assert until(lambda: refused(session))
    feed = Feed(Client(session), Cache(Boat), namespace=namespace)
    feed.start()
    before = feed.cache.synced.wait(1)

    write_token(apiserver, path, bound_token(client, namespace, "second"))
    synced = feed.cache.synced.wait(180)
    feed.stop()

    assert (before, synced) == (False, True)


def refused(session: Session) -> bool:
    try:
        session.request("GET", "/api/v1/namespaces")
    except Unauthorized:
        return True
    return False


def make_account(client: Client, namespace: str) -> None:
    send = client.transport.request
    send("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body={"metadata": {"name": "sailor"}})
    subject = {"kind": "ServiceAccount", "name": "sailor", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    body = {"metadata": {"name": namespace}, "subjects": [subject], "roleRef": role}
    send("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body=body)


def bound_token(client: Client, namespace: str, secret: str) -> str:
    """Return a token that ends with the Secret it is bound to."""
    send = client.transport.request
    send("POST", f"/api/v1/namespaces/{namespace}/secrets", body={"metadata": {"name": secret}})
    spec = {"audiences": [], "boundObjectRef": {"kind": "Secret", "apiVersion": "v1", "name": secret}}
    answer = send("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/sailor/token", body={"spec": spec})
    token: str = yaml.safe_load(answer)["status"]["token"]
    return token


def write_token(apiserver: ApiServer, path: Path, token: str) -> None:
    document = yaml.safe_load(apiserver.kubeconfig.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    path.write_text(yaml.safe_dump(document))


def test_the_lease_goes_from_one_process_to_the_other(client: Client, namespace: str) -> None:
    terms = Terms(lease=4.0, renew=2.0, retry=0.3)
    first = Election(client, namespace, name="boats", terms=terms, identity="one")
    second = Election(client, namespace, name="boats", terms=terms, identity="two")
    stop, won = threading.Event(), threading.Event()
    first.acquire(stop)
    threading.Thread(target=lambda: second.acquire(stop) and won.set(), daemon=True).start()

    early = won.wait(5)  # longer than the lease: the first renews it
    first.release()
    late = won.wait(180)
    second.release()

    assert (early, late) == (False, True)


def test_a_manager_runs_without_an_optional_kind_and_finds_it_when_it_comes(
    client: Client, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pycapo.kube.watch.ABSENT_SECONDS", 1.0)
    kube, life = Kube(client), BoatLife()

    def boats(sail: Sail) -> list[ObjectKey]:
        return [ObjectKey(namespace, owner.name) for owner in sail.metadata.owner_references or ()]

    manager = Manager(kube, [Controller(life, watches=[Watch(Sail, boats, optional=True)])])
    thread = threading.Thread(target=manager.run, daemon=True)
    thread.start()
    led = manager.leading.wait(180)
    client.transport.request("POST", CRDS, body=crd("sails", "Sail"))
    boat = kube.read(Boat, *put(kube, namespace))
    assert until(lambda: served(client, Sail))
    sail = a_sail("main", boat)
    sail.metadata.namespace = namespace
    client.create(sail)

    found = until(lambda: kube.list(Sail, namespace=namespace))
    manager.stop()
    thread.join(10)

    assert (led, found, thread.is_alive()) == (True, True, False)


def test_an_outage_longer_than_the_lease_ends_nothing(apiserver: ApiServer, client: Client, namespace: str) -> None:
    terms = Terms(lease=4.0, renew=2.0, retry=0.3)
    election = Election(client, namespace, name="boats", terms=terms)
    kube, life, forgotten = Kube(Client(Fence(client.transport, election.holds))), BoatLife(), threading.Event()
    manager = Manager(kube, [Controller(life)], namespace=namespace, election=election)
    manager.forget = forgotten.set
    thread = threading.Thread(target=manager.run, daemon=True)
    thread.start()
    led = manager.leading.wait(180)

    apiserver.stop()
    lost = until(lambda: not manager.leading.is_set())
    apiserver.start()
    until(lambda: served(client, Boat))
    key = put(Kube(client), namespace)
    acted = until(lambda: "live" in life.turns and (kube.get(Boat, *key) or Boat()).status is not None, 180)
    manager.stop()
    thread.join(10)

    assert (led, lost, forgotten.is_set(), acted, thread.is_alive()) == (True, True, True, True, False)
