# SPDX-License-Identifier: Apache-2.0
"""From an identityRef to a cloud."""

from typing import Any

import msgspec
import pytest

from memory_kube import MemoryKube
from pycapo.api.meta import LabelSelector, ObjectMeta
from pycapo.api.references import OpenStackIdentityReference
from pycapo.api.v1alpha1 import OpenStackClusterIdentity
from pycapo.cloud.errors import LoginFailed
from pycapo.controllers.identity import Namespace, open_cloud, selects

YAML = b"clouds: {}"


class Recorder:
    """Remembers what it was asked to open."""

    def __init__(self, error: LoginFailed | None = None) -> None:
        self.error = error
        self.opened: list[dict[str, Any]] = []

    def open(self, **wanted: Any) -> Any:
        self.opened.append(wanted)
        if self.error:
            raise self.error
        return "the cloud"


def reference(name: str = "creds", type_: Any = "Secret") -> OpenStackIdentityReference:
    return OpenStackIdentityReference(type=type_, name=name, cloud_name="dev", region="north")


def a_kube(namespace_labels: dict[str, str] | None = None, selector: dict[str, Any] | None = None) -> MemoryKube:
    kube = MemoryKube(OpenStackClusterIdentity, Namespace)
    kube.has_secret("team", "creds", {"clouds.yaml": YAML, "cacert": b"CA"})
    kube.has_secret("vault", "shared", {"clouds.yaml": b"shared"})
    kube.create(Namespace(metadata=ObjectMeta(name="team", labels=namespace_labels)))
    spec: dict[str, Any] = {"secretRef": {"name": "shared", "namespace": "vault"}}
    if selector is not None:
        spec["namespaceSelector"] = selector
    kube.create(OpenStackClusterIdentity.from_dict({"metadata": {"name": "company"}, "spec": spec}))
    return kube


def refused(kube: MemoryKube, wanted: OpenStackIdentityReference, clouds: Recorder | None = None) -> str:
    with pytest.raises(LoginFailed) as failure:
        open_cloud(kube, clouds or Recorder(), "team", wanted)
    return str(failure.value)


def test_a_secret_opens_its_cloud() -> None:
    clouds = Recorder()

    assert open_cloud(a_kube(), clouds, "team", reference()) == "the cloud"
    assert clouds.opened == [{"clouds_yaml": YAML, "cacert": b"CA", "cloud": "dev", "region": "north"}]


def test_a_missing_secret_is_named() -> None:
    told = refused(a_kube(), reference("lost"))

    assert told == 'spec.identityRef.name: Secret "lost" was not found in namespace "team"'


def test_a_secret_without_the_key_is_told_with_the_keys_it_has() -> None:
    kube = a_kube()
    kube.has_secret("team", "odd", {"cloud.yml": b"x"})

    assert refused(kube, reference("odd")).endswith("has no key clouds.yaml (keys: cloud.yml)")


def test_a_refused_login_names_the_field() -> None:
    told = refused(a_kube(), reference(), Recorder(LoginFailed("wrong password")))

    assert told == "spec.identityRef: wrong password"


def test_a_shared_identity_opens_for_every_namespace_without_selector() -> None:
    clouds = Recorder()

    open_cloud(a_kube(), clouds, "team", reference("company", "ClusterIdentity"))

    assert clouds.opened[0]["clouds_yaml"] == b"shared"


def test_a_shared_identity_keeps_out_namespaces_that_it_does_not_select() -> None:
    kube = a_kube({"tier": "test"}, {"matchLabels": {"tier": "prod"}})

    told = refused(kube, reference("company", "ClusterIdentity"))

    assert told == 'spec.identityRef.name: OpenStackClusterIdentity "company" does not select namespace "team"'


def test_a_shared_identity_lets_in_namespaces_that_it_selects() -> None:
    kube = a_kube({"tier": "prod"}, {"matchLabels": {"tier": "prod"}})

    assert open_cloud(kube, Recorder(), "team", reference("company", "ClusterIdentity")) == "the cloud"


def test_an_unknown_identity_is_named() -> None:
    assert 'OpenStackClusterIdentity "lost" was not found' in refused(a_kube(), reference("lost", "ClusterIdentity"))


@pytest.mark.parametrize(
    ("requirement", "matches"),
    [
        ({"key": "a", "operator": "In", "values": ["1", "2"]}, True),
        ({"key": "a", "operator": "In", "values": ["3"]}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, False),
        ({"key": "b", "operator": "NotIn", "values": ["1"]}, True),
        ({"key": "a", "operator": "Exists"}, True),
        ({"key": "b", "operator": "Exists"}, False),
        ({"key": "b", "operator": "DoesNotExist"}, True),
        ({"key": "a", "operator": "Nonsense"}, False),
    ],
)
def test_expressions_of_a_selector(requirement: dict[str, Any], matches: bool) -> None:

    selector = msgspec.convert({"matchExpressions": [requirement]}, LabelSelector)

    assert selects(selector, {"a": "1"}) is matches


def test_an_empty_selector_matches_everything() -> None:
    assert selects(LabelSelector(), {})
