# SPDX-License-Identifier: Apache-2.0
"""From an identityRef to a cloud: a Secret of the namespace, or an OpenStackClusterIdentity that lets the namespace in.

Rule: credentials go from the Secret to the cloud and nowhere else. A changed Secret is another cloud, at the next turn.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from pycapo.api.meta import LabelSelector, LabelSelectorRequirement, ObjectMeta
from pycapo.api.record import Record
from pycapo.api.references import OpenStackIdentityReference
from pycapo.api.v1alpha1 import OpenStackClusterIdentity
from pycapo.cloud.cloud import Cloud
from pycapo.cloud.errors import LoginFailed
from pycapo.kube.kube import Kube

CLOUDS = "clouds.yaml"
CACERT = "cacert"


class Clouds(Protocol):
    """Who opens clouds; the same credentials give the same cloud, with its picture and its limits."""

    def open(self, *, clouds_yaml: bytes, cacert: bytes | None, cloud: str, region: str | None) -> Cloud:
        """The cloud of one entry of a clouds.yaml; raises LoginFailed."""


class Namespace(Record, kw_only=True):
    """A Kubernetes namespace: its labels are what a namespaceSelector looks at."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Namespace"
    plural: ClassVar[str] = "namespaces"
    namespaced: ClassVar[bool] = False

    metadata: ObjectMeta


def open_cloud(
    kube: Kube, clouds: Clouds, namespace: str, reference: OpenStackIdentityReference, *, path: str = "spec.identityRef"
) -> Cloud:
    """The cloud that an identityRef of an object in a namespace means; raises LoginFailed with the field's path."""
    place, name = (namespace, reference.name)
    if reference.type == "ClusterIdentity":
        place, name = _shared(kube, namespace, reference, path)
    secret = kube.secret(place, name)
    if secret is None:
        raise LoginFailed(f'Secret "{name}" was not found in namespace "{place}"', path=f"{path}.name")
    if not secret.get(CLOUDS):
        kept = ", ".join(sorted(secret)) or "none"
        raise LoginFailed(
            f'Secret "{name}" in namespace "{place}" has no key {CLOUDS} (keys: {kept})', path=f"{path}.name"
        )
    try:
        return clouds.open(
            clouds_yaml=secret[CLOUDS], cacert=secret.get(CACERT), cloud=reference.cloud_name, region=reference.region
        )
    except LoginFailed as error:
        error.path = _inside(path, error.path)
        raise


def _inside(path: str, inner: str) -> str:
    """The field of the object, from what the login names: a field of the reference, or a place in clouds.yaml."""
    if inner.startswith("identityRef"):
        return path + inner.removeprefix("identityRef")
    return f"{path} ({inner})" if inner else path


def _shared(kube: Kube, namespace: str, reference: OpenStackIdentityReference, path: str) -> tuple[str, str]:
    """Namespace and name of the Secret of an OpenStackClusterIdentity, if it may be used from a namespace."""
    identity = kube.get(OpenStackClusterIdentity, "", reference.name)
    if identity is None:
        raise LoginFailed(f'OpenStackClusterIdentity "{reference.name}" was not found', path=f"{path}.name")
    selector = identity.spec.namespace_selector
    if selector is not None:
        found = kube.get(Namespace, "", namespace)
        if found is None or not selects(selector, found.metadata.labels or {}):
            message = f'OpenStackClusterIdentity "{reference.name}" does not select namespace "{namespace}"'
            raise LoginFailed(message, path=f"{path}.name")
    return identity.spec.secret_ref.namespace, identity.spec.secret_ref.name


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a selector matches labels; an empty one matches everything."""
    named = (selector.match_labels or {}).items()
    return all(labels.get(name) == value for name, value in named) and all(
        _meets(requirement, labels) for requirement in selector.match_expressions or ()
    )


def _meets(requirement: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    there = requirement.key in labels
    among = labels.get(requirement.key) in (requirement.values or ())
    match requirement.operator:
        case "In":
            return there and among
        case "NotIn":
            return not among
        case "Exists":
            return there
        case "DoesNotExist":
            return not there
    return False
