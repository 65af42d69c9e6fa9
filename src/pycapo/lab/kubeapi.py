# SPDX-License-Identifier: Apache-2.0
"""The few requests that the lab itself makes to its API server, as its administrator.

Rule: plain JSON in and out for the kinds a lab is installed from; anything else is done with kubectl or the runtime.
"""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from pycapo.lab.places import Lab, LabError, write

Object = Mapping[str, Any]

# Where each kind is found: API group and version, plural, whether it lives in a namespace.
_KINDS = {
    "Namespace": ("api/v1", "namespaces", False),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "Secret": ("api/v1", "secrets", True),
    "ConfigMap": ("api/v1", "configmaps", True),
    "ClusterRole": ("apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions", False),
    "MutatingWebhookConfiguration": ("apis/admissionregistration.k8s.io/v1", "mutatingwebhookconfigurations", False),
    "ValidatingWebhookConfiguration": (
        "apis/admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        False,
    ),
    "Provider": ("apis/clusterctl.cluster.x-k8s.io/v1alpha3", "providers", True),
}
# What others of the same list refer to comes first.
_ORDER = ("Namespace", "CustomResourceDefinition", "ServiceAccount")
_MANAGER = "pycapo-lab"
_APPLY = {"Content-Type": "application/apply-patch+yaml"}
# All definitions in full are megabytes.
_NAMES_ONLY = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}
# A server that has just started says so while it fills its caches.
_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_PATIENCE = 30.0
_TOKEN_SECONDS = 365 * 86400


class Exists(LabError):
    """What was to be created exists."""


class KubeAPI:
    """The lab's API server, spoken to with the administrator's token."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._token = (lab.pki / "token").read_text()
        context = ssl.create_default_context(cafile=str(lab.pki / "ca.crt"))
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        absent: Any = None,
    ) -> Any:
        """Send one request and return the JSON answered; raises LabError with the server's message.

        `absent`, when given, is returned for what is not found.
        """
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                with self._opener.open(self._request(method, path, body, headers), timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code == HTTPStatus.NOT_FOUND and absent is not None:
                    return absent
                if error.code not in _LATER or time.monotonic() > deadline:
                    kind = Exists if error.code == HTTPStatus.CONFLICT else LabError
                    text = error.read(2000).decode(errors="replace")
                    raise kind(f"{method} {path}: {error.code} {text}") from error
            time.sleep(0.5)

    def _request(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> urllib.request.Request:
        data = None if body is None else json.dumps(body).encode()
        all_headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers}
        url = f"{self._lab.url('apiserver', scheme='https')}/{path}"
        return urllib.request.Request(url, data, all_headers, method=method)

    def ready(self) -> bool:
        """Tell whether the API server answers and is ready."""
        try:
            with self._opener.open(self._request("GET", "readyz", None, {}), timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def apply(self, objects: Sequence[Object]) -> None:
        """Make every object as given, whoever changed it; what others refer to goes first."""
        for thing in sorted(objects, key=lambda thing: _rank(thing["kind"])):
            path = _path(thing)
            try:
                # Half the work of a server-side apply, which counts when a new lab is waited for.
                self.request("POST", f"{path.rpartition('/')[0]}?fieldManager={_MANAGER}", thing)
            except Exists:
                force = f"{path}?fieldManager={_MANAGER}&force=true"
                self.request("PATCH", force, thing, headers=_APPLY)

    def have(self, objects: Sequence[Object]) -> bool:
        """Tell whether all of these objects exist, whatever they hold; asks once for each collection."""
        collections = {_path(thing).rpartition("/")[0] for thing in objects}
        found = {
            f"{collection}/{item['metadata']['name']}"
            for collection in collections
            for item in self.request("GET", collection, headers=_NAMES_ONLY, absent={}).get("items") or ()
        }
        return found.issuperset(map(_path, objects))

    def established(self, definitions: Sequence[str]) -> bool:
        """Tell whether the API server serves all of these CustomResourceDefinitions."""
        listed = self.request("GET", "apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
        served = {
            item["metadata"]["name"]
            for item in listed
            for condition in item.get("status", {}).get("conditions") or ()
            if condition["type"] == "Established" and condition["status"] == "True"
        }
        return served.issuperset(definitions)

    def token(self, namespace: str, account: str) -> str:
        """Return a token of a ServiceAccount that is good for a year."""
        body = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
        path = f"api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return str(self.request("POST", path, body)["status"]["token"])

    def account_kubeconfig(self, namespace: str, account: str) -> str:
        """Return a kubeconfig that acts as a ServiceAccount."""
        return kubeconfig(self._lab, account, self.token(namespace, account), namespace=namespace)


def kubeconfig(lab: Lab, user: str, token: str, *, namespace: str = "default") -> str:
    """Return a kubeconfig (JSON, which is YAML) of the lab's API server for a user known by token."""
    authority = base64.b64encode((lab.pki / "ca.crt").read_bytes()).decode()
    server = {"server": lab.url("apiserver", scheme="https"), "certificate-authority-data": authority}
    name = f"pycapo-{lab.name}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": user, "namespace": namespace}}],
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": user, "user": {"token": token}}],
    }
    return json.dumps(document, indent=1) + "\n"


def write_admin_kubeconfig(lab: Lab) -> None:
    """Write the administrator's kubeconfig."""
    write(lab.kubeconfig, kubeconfig(lab, "admin", (lab.pki / "token").read_text()))


def _path(thing: Object) -> str:
    if thing["kind"] not in _KINDS:
        raise LabError(f"a lab cannot install objects of kind {thing['kind']!r}; it knows {', '.join(_KINDS)}")
    group, plural, namespaced = _KINDS[thing["kind"]]
    name = thing["metadata"]["name"]
    within = f"namespaces/{thing['metadata'].get('namespace', 'default')}/" if namespaced else ""
    return f"{group}/{within}{plural}/{name}"


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
