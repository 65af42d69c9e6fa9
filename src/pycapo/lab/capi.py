# SPDX-License-Identifier: Apache-2.0
"""Cluster API in the lab: its definitions and webhooks, its three managers, and the inventory that clusterctl reads.

Rule: each manager acts as its own ServiceAccount with the role upstream ships, as in a real cluster.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from pycapo.lab import process
from pycapo.lab.build import INVENTORY, Built
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.management import answers
from pycapo.lab.places import Lab, write
from pycapo.lab.programs import CLUSTER_API, MANAGERS, Manager
from pycapo.lab.progress import Progress
from pycapo.lab.webhooks import definitions, on_loopback

CLUSTERCTL_LABEL = "clusterctl.cluster.x-k8s.io"
_PROVIDERS = {
    "capi-core": ("cluster-api", "cluster-api", "CoreProvider"),
    "capi-bootstrap": ("bootstrap-kubeadm", "kubeadm", "BootstrapProvider"),
    "capi-controlplane": ("control-plane-kubeadm", "kubeadm", "ControlPlaneProvider"),
}


def authority(lab: Lab) -> str:
    """Return the lab's certificate authority as a caBundle."""
    return base64.b64encode((lab.pki / "ca.crt").read_bytes()).decode()


def install_capi(lab: Lab, built: Built, progress: Progress) -> None:
    """Apply Cluster API's objects and return when the API server serves all of its kinds."""
    api = KubeAPI(lab)
    with progress.step("install Cluster API's definitions, roles and webhooks"):
        objects = json.loads((built.manifests / INVENTORY).read_text())
        for manager in MANAGERS:
            objects += objects_of(lab, built, manager)
        objects += [inventory(manager) for manager in MANAGERS]
        install(lab, api, objects, mark="capi")


def objects_of(lab: Lab, built: Built, manager: Manager) -> list[dict[str, Any]]:
    """Return the objects that a manager is installed with, fitted to the lab."""
    manifests = json.loads((built.manifests / manager.manifests).read_text())
    return on_loopback(manifests, port=lab.ports[f"{manager.ports}_webhook"], authority=authority(lab))


def install(lab: Lab, api: KubeAPI, objects: Sequence[dict[str, Any]], *, mark: str) -> None:
    """Apply objects unless just these were applied before, and wait until the definitions among them are served.

    `mark` names the file that remembers what was applied.
    """
    objects = [labelled(thing) for thing in objects]
    digest = hashlib.sha256(json.dumps(objects, sort_keys=True).encode()).hexdigest()
    remembered = lab.conf("installed", mark)
    if remembered.exists() and remembered.read_text() == digest and api.have(objects):
        return
    api.apply([thing for thing in objects if thing["kind"] != "Provider"])
    names = definitions(objects)
    process.wait_until(lab, lambda: api.established(names), watching=("kube-apiserver",), what="definitions")
    api.apply([thing for thing in objects if thing["kind"] == "Provider"])
    write(remembered, digest)


def labelled(thing: dict[str, Any]) -> dict[str, Any]:
    """Return a definition with the label that `clusterctl init` puts on what `clusterctl move` may move; others as they are."""
    if thing["kind"] != "CustomResourceDefinition":
        return thing
    meta = thing["metadata"]
    return {**thing, "metadata": {**meta, "labels": {**meta.get("labels", {}), CLUSTERCTL_LABEL: ""}}}


def start_managers(lab: Lab, built: Built) -> None:
    """Start the managers that do not run, each with a kubeconfig of its own."""
    for manager in MANAGERS:
        start_manager(lab, built, manager)


def start_manager(lab: Lab, built: Built, manager: Manager) -> None:
    """Start one manager unless it runs."""
    if process.alive(lab, manager.name):
        return
    config = lab.conf(f"{manager.name}.kubeconfig")
    write(config, KubeAPI(lab).account_kubeconfig(manager.namespace, manager.account))
    identity = {"POD_NAMESPACE": manager.namespace, "POD_NAME": manager.name, "POD_UID": "0"}
    process.start(lab, manager.name, _command(lab, built, manager), env=identity)


def wait_for_managers(lab: Lab) -> None:
    """Return when all managers are ready."""
    for manager in MANAGERS:
        wait_for_manager(lab, manager)


def wait_for_manager(lab: Lab, manager: Manager) -> None:
    """Return when one manager is ready."""
    ready = partial(answers, health(lab, manager))
    process.wait_until(lab, ready, watching=(manager.name,), seconds=120, what=manager.name)


def health(lab: Lab, manager: Manager) -> str:
    """Return the URL that answers 200 once a manager is ready."""
    return f"{lab.url(f'{manager.ports}_health')}/readyz"


def inventory(manager: Manager) -> dict[str, Any]:
    """Return the object by which clusterctl knows that a provider is installed."""
    name, provider, kind = _PROVIDERS[manager.name]
    return provider_object(name, provider, kind=kind, namespace=manager.namespace, version=CLUSTER_API)


def provider_object(name: str, provider: str, *, kind: str, namespace: str, version: str) -> dict[str, Any]:
    """Return an entry of clusterctl's inventory."""
    labels = {
        CLUSTERCTL_LABEL: "",
        "cluster.x-k8s.io/provider": name,
        "clusterctl.cluster.x-k8s.io/core": "inventory",
    }
    return {
        "apiVersion": "clusterctl.cluster.x-k8s.io/v1alpha3",
        "kind": "Provider",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "providerName": provider,
        "type": kind,
        "version": version,
    }


def _command(lab: Lab, built: Built, manager: Manager) -> list[str]:
    ports = {use: lab.ports[f"{manager.ports}_{use}"] for use in ("webhook", "health", "diagnostics")}
    return [
        str(built.programs[manager.name]),
        f"--kubeconfig={lab.conf(f'{manager.name}.kubeconfig')}",
        f"--webhook-port={ports['webhook']}",
        f"--webhook-cert-dir={lab.pki}",
        f"{manager.health}=127.0.0.1:{ports['health']}",
        f"--diagnostics-address=127.0.0.1:{ports['diagnostics']}",
        "--leader-elect=false",
        *manager.flags,
    ]
