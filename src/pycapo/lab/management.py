# SPDX-License-Identifier: Apache-2.0
"""The management cluster's control plane as processes: etcd, kube-apiserver, and the controllers that need no pods.

Rule: everything listens on 127.0.0.1, with TLS where it leaves the API server, and RBAC is on.
"""

import ssl
import urllib.request
from pathlib import Path

from pycapo.lab import process
from pycapo.lab.build import Built
from pycapo.lab.certificates import make_certificates
from pycapo.lab.kubeapi import KubeAPI, write_admin_kubeconfig
from pycapo.lab.places import Lab
from pycapo.lab.progress import Progress

# No scheduler and no kubelet: nothing runs in pods. Aggregation gives Cluster API its role on a provider's kinds.
PROCESSES = ("etcd", "kube-apiserver", "controllers")


def start_management(lab: Lab, built: Built, progress: Progress) -> None:
    """Start what does not run of the control plane, and return when its API is ready."""
    make_certificates(lab)
    write_admin_kubeconfig(lab)
    with progress.step("start etcd and kube-apiserver"):
        process.start(lab, "etcd", _etcd(lab, built.programs["etcd"]))
        # An API server that is refused once waits long before it tries again.
        process.wait_until(lab, lambda: answers(f"{lab.url('etcd')}/health"), watching=("etcd",), what="etcd")
        process.start(lab, "kube-apiserver", _apiserver(lab, built.programs["kube-apiserver"]), cwd=lab.pki)
        api = KubeAPI(lab)
        process.wait_until(lab, api.ready, watching=("etcd", "kube-apiserver"), seconds=120, what="kube-apiserver")
    process.start(lab, "controllers", _controllers(lab, built.programs["controllers"]))


def wait_for_controllers(lab: Lab) -> None:
    """Return when the garbage collector and the other controllers run."""
    name = "controllers"
    process.wait_until(lab, lambda: answers(controllers_health(lab)), watching=(name,), what=name)


def controllers_health(lab: Lab) -> str:
    """Return the URL that answers 200 while the controllers run."""
    return f"{lab.url('controllers')}/healthz"


def answers(url: str) -> bool:
    """Tell whether a loopback URL answers 200; the certificate of a health port is not looked at."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _etcd(lab: Lab, binary: Path) -> list[str | Path]:
    client, peer = lab.url("etcd"), lab.url("etcd_peer")
    return [
        binary,
        "--name=lab",
        f"--data-dir={lab.folder('etcd')}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=lab={peer}",
        "--unsafe-no-fsync",  # a lab may be lost with the machine; waiting for the disk would slow all writes
        "--log-level=warn",
    ]


def _apiserver(lab: Lab, binary: Path) -> list[str | Path]:
    pki = lab.pki
    return [
        binary,
        f"--etcd-servers={lab.url('etcd')}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={lab.ports['apiserver']}",
        f"--tls-cert-file={pki / 'tls.crt'}",
        f"--tls-private-key-file={pki / 'tls.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--token-auth-file={pki / 'tokens.csv'}",
        f"--cert-dir={pki}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'sa.pub'}",
        f"--service-account-signing-key-file={pki / 'sa.key'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",  # no nodes, so no endpoints of the kubernetes Service
        "--profiling=false",
    ]


def _controllers(lab: Lab, binary: Path) -> list[str | Path]:
    return [binary, f"--kubeconfig={lab.kubeconfig}", f"--health-address=127.0.0.1:{lab.ports['controllers']}"]
