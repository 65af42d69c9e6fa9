# SPDX-License-Identifier: Apache-2.0
"""How the API server finds and trusts the webhooks: CRDs with conversion, validation, and a certificate.

Rule: the certificate and the trust in it are cert-manager's work; a webhook that is down refuses (failurePolicy Fail),
because an object that nobody checked may not be repairable.
"""

from pycapo.api.crd import crds
from pycapo.api.rules.kinds import GROUP, KINDS, ReviewedKind
from pycapo.deploy.options import (
    APP_LABEL,
    CERTIFICATE,
    CERTIFICATE_SECRET,
    ISSUER,
    WEBHOOK_CONFIGURATION,
    WEBHOOK_PORT,
    WEBHOOK_SERVICE,
    Manifest,
    Options,
    metadata,
)

CERT_MANAGER = "cert-manager.io/v1"
INJECT_CA = "cert-manager.io/inject-ca-from"
CONVERT_PATH = "/convert"
SECONDS = 10


def definitions(options: Options) -> list[Manifest]:
    """Return the CRDs, those with several versions pointed to the conversion webhook of this installation."""
    found = crds({"service": _service(CONVERT_PATH, options)})
    for crd in found:
        if "conversion" in crd["spec"]:
            crd["metadata"].setdefault("annotations", {}).update(_trust(options))
    return found


def admission(options: Options) -> list[Manifest]:
    """Return the Service of the webhooks, their certificate, and the ValidatingWebhookConfiguration."""
    ports = [{"port": 443, "targetPort": WEBHOOK_PORT}]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(WEBHOOK_SERVICE, options),
            "spec": {"ports": ports, "selector": dict(APP_LABEL)},
        },
        {
            "apiVersion": CERT_MANAGER,
            "kind": "Issuer",
            "metadata": metadata(ISSUER, options),
            "spec": {"selfSigned": {}},
        },
        _certificate(options),
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": metadata(WEBHOOK_CONFIGURATION, annotations=_trust(options)),
            "webhooks": [_webhook(kind, options) for kind in KINDS],
        },
    ]


def _certificate(options: Options) -> Manifest:
    host = f"{WEBHOOK_SERVICE}.{options.namespace}.svc"
    return {
        "apiVersion": CERT_MANAGER,
        "kind": "Certificate",
        "metadata": metadata(CERTIFICATE, options),
        "spec": {
            "dnsNames": [host, f"{host}.cluster.local"],
            "issuerRef": {"kind": "Issuer", "name": ISSUER},
            "secretName": CERTIFICATE_SECRET,
        },
    }


def _webhook(kind: ReviewedKind, options: Options) -> Manifest:
    return {
        "name": kind.webhook,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": _service(kind.path, options)},
        "failurePolicy": "Fail",
        # Other versions of the kind are converted first, so that the rules see one shape.
        "matchPolicy": "Equivalent",
        "rules": [
            {
                "apiGroups": [GROUP],
                "apiVersions": [kind.version],
                "operations": ["CREATE", "UPDATE"],
                "resources": [kind.plural],
            }
        ],
        "sideEffects": "None",
        "timeoutSeconds": SECONDS,
    }


def _service(path: str, options: Options) -> Manifest:
    return {"namespace": options.namespace, "name": WEBHOOK_SERVICE, "path": path}


def _trust(options: Options) -> dict[str, str]:
    return {INJECT_CA: f"{options.namespace}/{CERTIFICATE}"}
