# SPDX-License-Identifier: Apache-2.0
"""The Deployment that runs the controller.

Rule: nothing of the node is shared: no root, no writable image, no capabilities.
"""

from typing import Any

from pycapo.deploy.options import (
    APP_LABEL,
    CERTIFICATE_FOLDER,
    CERTIFICATE_SECRET,
    DEPLOYMENT,
    HEALTH_PORT,
    SERVICE_ACCOUNT,
    WEBHOOK_PORT,
    Manifest,
    Options,
    metadata,
)

USER = 65532
ARGUMENTS = (
    "run",
    "--leader-elect",
    f"--health-addr=:{HEALTH_PORT}",
    f"--webhook-port={WEBHOOK_PORT}",
    f"--webhook-cert-dir={CERTIFICATE_FOLDER}",
)


def deployment(options: Options) -> Manifest:
    """Return the Deployment: one replica at work, others may wait for the lease."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(DEPLOYMENT, options, labels=APP_LABEL),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(APP_LABEL)},
            "template": {"metadata": {"labels": dict(APP_LABEL)}, "spec": _pod(options)},
        },
    }


def _pod(options: Options) -> dict[str, Any]:
    return {
        "serviceAccountName": SERVICE_ACCOUNT,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 30,
        "tolerations": [
            {"key": f"node-role.kubernetes.io/{role}", "effect": "NoSchedule"} for role in ("control-plane", "master")
        ],
        # Cluster API's tools look for a container of this name.
        "containers": [{"name": "manager", **_container(options)}],
        "volumes": [
            {"name": "cert", "secret": {"secretName": CERTIFICATE_SECRET, "defaultMode": 0o444}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        ],
    }


def _container(options: Options) -> dict[str, Any]:
    return {
        "image": options.image_name,
        "imagePullPolicy": "IfNotPresent",
        "command": ["pycapo"],
        "args": [*ARGUMENTS, *options.arguments],
        "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
        "ports": [
            {"name": "webhook-server", "containerPort": WEBHOOK_PORT, "protocol": "TCP"},
            {"name": "healthz", "containerPort": HEALTH_PORT, "protocol": "TCP"},
        ],
        "livenessProbe": _probe("/healthz", 20),
        "readinessProbe": _probe("/readyz", 10),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "1Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "cert", "mountPath": CERTIFICATE_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    }


def _probe(path: str, seconds: int) -> dict[str, Any]:
    return {"httpGet": {"path": path, "port": "healthz"}, "periodSeconds": seconds, "timeoutSeconds": 5}
