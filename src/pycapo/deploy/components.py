# SPDX-License-Identifier: Apache-2.0
"""Everything that an operator applies to have the controller in a management cluster.

Rule: what is printed, what clusterctl installs and what the lab applies is the same list, made here.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import yaml

from pycapo.deploy.admission import admission, definitions
from pycapo.deploy.deployment import deployment
from pycapo.deploy.options import Manifest, Options, metadata
from pycapo.deploy.permissions import permissions

# What makes no sense where no pods run.
_POD_KINDS = frozenset({"Deployment", "Service", "Certificate", "Issuer"})
_INJECT_CA = "cert-manager.io/inject-ca-from"


def components(options: Options | None = None) -> list[Manifest]:
    """Return all manifests in the order in which they can be applied."""
    chosen = options or Options()
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata(chosen.namespace, labels={"control-plane": "controller-manager"}),
    }
    return [namespace, *definitions(chosen), *permissions(chosen), *admission(chosen), deployment(chosen)]


def outside_the_cluster(manifests: Iterable[Manifest], *, url: str, ca_bundle: str) -> list[Manifest]:
    """Return the manifests for a controller that runs as a process instead of a pod.

    `url` is where its webhooks listen, without a path; `ca_bundle` is the CA of their certificate in base64.
    """
    kept = [deepcopy(manifest) for manifest in manifests if manifest["kind"] not in _POD_KINDS]
    for manifest in kept:
        manifest["metadata"].get("annotations", {}).pop(_INJECT_CA, None)
        for config in _client_configs(manifest):
            service = config.pop("service")
            config |= {"url": f"{url}{service['path']}", "caBundle": ca_bundle}
    return kept


def text(manifests: Iterable[Manifest]) -> str:
    """Return manifests as one YAML text."""
    documents = (dict(manifest) for manifest in manifests)
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120, explicit_start=True)


def _client_configs(manifest: Manifest) -> Iterator[dict[str, Any]]:
    if webhook := manifest.get("spec", {}).get("conversion", {}).get("webhook"):
        yield webhook["clientConfig"]
    for webhook in manifest.get("webhooks", ()):
        yield webhook["clientConfig"]


class _Plain(yaml.CSafeDumper):
    """YAML without anchors: people read it and envsubst edits it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value again where it is used again."""
        return True
