# SPDX-License-Identifier: Apache-2.0
"""pycapo itself in the lab: its shipped objects are installed, and the controller runs as a process of the host.

Rule: the controller acts as the ServiceAccount of its Deployment with the role that it ships, never as an
administrator, so that a missing rule shows here first.
"""

import importlib.metadata
import json
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pycapo.lab import process
from pycapo.lab.capi import authority, install, provider_object
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.management import answers
from pycapo.lab.places import Lab, LabError, write
from pycapo.lab.webhooks import on_loopback

NAME = "pycapo"
Manifests = Sequence[Mapping[str, Any]]


def install_provider(lab: Lab, manifests: Manifests) -> Path:
    """Apply pycapo's shipped manifests and return the kubeconfig of its ServiceAccount."""
    api = KubeAPI(lab)
    namespace, account = account_of(manifests)
    version = f"v{importlib.metadata.version('pycapo')}"
    kind = "InfrastructureProvider"
    entry = provider_object("infrastructure-openstack", "openstack", kind=kind, namespace=namespace, version=version)
    objects = on_loopback(manifests, port=lab.ports["pycapo_webhook"], authority=authority(lab))
    install(lab, api, [*objects, entry], mark="pycapo")
    config = kubeconfig(lab)
    if not process.alive(lab, NAME):
        write(config, api.account_kubeconfig(namespace, account))
    return config


def kubeconfig(lab: Lab) -> Path:
    """Return the kubeconfig that pycapo runs with."""
    return lab.root / "pycapo.kubeconfig"


def start_provider(lab: Lab) -> None:
    """Start the controller unless it runs."""
    if not kubeconfig(lab).exists():
        raise LabError(f"pycapo is not installed in lab {lab.name}: run `pycapo lab up`")
    process.start(lab, NAME, _command(lab))


def wait_for_provider(lab: Lab) -> None:
    """Return when the controller is ready."""
    process.wait_until(lab, lambda: answers(health(lab)), watching=(NAME,), what="pycapo")


def stop_provider(lab: Lab) -> None:
    """Stop the controller; its objects stay."""
    process.stop(lab, NAME, seconds=35)


def health(lab: Lab) -> str:
    """Return the URL that answers 200 once the controller is ready."""
    return f"{lab.url('pycapo_health')}/readyz"


def account_of(manifests: Manifests) -> tuple[str, str]:
    """Return namespace and name of the ServiceAccount that the Deployment among the manifests runs as."""
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            return manifest["metadata"]["namespace"], manifest["spec"]["template"]["spec"]["serviceAccountName"]
    raise LabError("manifests of pycapo: a Deployment was looked for, none was found")


def _command(lab: Lab) -> list[str]:
    """Return the command line of the controller: the only place that knows its flags."""
    return [
        *_pycapo(),
        "run",
        "--leader-elect",
        f"--leader-elect-namespace={_namespace(lab)}",
        f"--kubeconfig={kubeconfig(lab)}",
        "--webhook-host=127.0.0.1",
        f"--webhook-port={lab.ports['pycapo_webhook']}",
        f"--webhook-cert-dir={lab.pki}",
        f"--diagnostics-address=127.0.0.1:{lab.ports['pycapo_metrics']}",
        f"--health-addr=127.0.0.1:{lab.ports['pycapo_health']}",
    ]


def _namespace(lab: Lab) -> str:
    document = json.loads(kubeconfig(lab).read_text())
    return str(document["contexts"][0]["context"]["namespace"])


def _pycapo() -> list[str]:
    script = Path(sysconfig.get_path("scripts")) / "pycapo"
    if script.exists():
        return [sys.executable, str(script)]
    return [sys.executable, "-c", "from pycapo.cli.main import app; app()"]
