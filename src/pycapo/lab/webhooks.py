# SPDX-License-Identifier: Apache-2.0
"""Makes manifests fit a control plane without pods: webhooks are called at loopback URLs instead of Services.

Rule: pure; what comes in is not changed, and what needs pods or cert-manager is left out.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

_DROPPED = {"Deployment", "Service", "Certificate", "Issuer", "NetworkPolicy", "PodDisruptionBudget"}
_CERT_MANAGER = "cert-manager.io/inject-ca-from"


def on_loopback(manifests: Iterable[Mapping[str, Any]], *, port: int, authority: str) -> list[dict[str, Any]]:
    """Return the manifests with every webhook at https://127.0.0.1:<port>; `authority` is a base64 PEM bundle."""
    kept = [dict(copy.deepcopy(document)) for document in manifests if document["kind"] not in _DROPPED]
    for document in kept:
        document["metadata"].get("annotations", {}).pop(_CERT_MANAGER, None)
        for client in _clients(document):
            service = client.pop("service", None)
            if service is not None:
                client["url"] = f"https://127.0.0.1:{port}{service.get('path', '/convert')}"
            client["caBundle"] = authority
    return kept


def definitions(manifests: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the CustomResourceDefinitions among manifests."""
    return [document["metadata"]["name"] for document in manifests if document["kind"] == "CustomResourceDefinition"]


def _clients(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the webhook client configurations of a document."""
    clients = [hook["clientConfig"] for hook in document.get("webhooks", [])]
    if document["kind"] == "CustomResourceDefinition":
        conversion = document["spec"].get("conversion", {})
        if conversion.get("strategy") == "Webhook":
            clients.append(conversion["webhook"]["clientConfig"])
    return clients
