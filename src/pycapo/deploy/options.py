# SPDX-License-Identifier: Apache-2.0
"""What an installation of the controller can choose, and the names of its parts.

Rule: the names are those of the Go provider, so that an installation can take the place of the other one, and so that
the two never run side by side.
"""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]

PROVIDER = "infrastructure-openstack"
PROVIDER_LABEL = {"cluster.x-k8s.io/provider": PROVIDER}
APP_LABEL = {"control-plane": "capo-controller-manager"}

DEPLOYMENT = "capo-controller-manager"
SERVICE_ACCOUNT = "capo-manager"
MANAGER_ROLE = "capo-manager-role"
LEADER_ROLE = "capo-leader-election-role"
LEASE = "controller-leader-election-capo"
WEBHOOK_SERVICE = "capo-webhook-service"
WEBHOOK_CONFIGURATION = "capo-validating-webhook-configuration"
CERTIFICATE = "capo-serving-cert"
CERTIFICATE_SECRET = "capo-webhook-service-cert"
ISSUER = "capo-selfsigned-issuer"

WEBHOOK_PORT = 9443
HEALTH_PORT = 9440
CERTIFICATE_FOLDER = "/etc/pycapo/serving-certs"


def version() -> str:
    """Return the version of this installation as a release is tagged, such as v0.1.0."""
    return f"v{importlib.metadata.version('pycapo')}"


@dataclass(frozen=True, slots=True)
class Options:
    """Choices of an operator; a text may be a clusterctl variable such as `${CAPO_SYNC_PERIOD:=10m}`."""

    namespace: str = "capo-system"
    image: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def image_name(self) -> str:
        """The image that was chosen, else the one that the Containerfile builds (clusterctl wants a host in front)."""
        return self.image or f"localhost/pycapo:{version()}"


def metadata(name: str, options: Options | None = None, **more: Any) -> Manifest:
    """Return the metadata of an object of the installation; without options it is cluster-wide."""
    place = {"namespace": options.namespace} if options else {}
    labels = PROVIDER_LABEL | more.pop("labels", {})
    return {"name": name, **place, "labels": labels, **more}
