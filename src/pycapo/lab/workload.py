# SPDX-License-Identifier: Apache-2.0
"""The stand-in for workload clusters (`go/workload`): one process that answers for every cluster's endpoint.

Rule: it acts as a ServiceAccount that may read Clusters, Machines and Secrets, and change nothing.
"""

from pycapo.lab import process
from pycapo.lab.build import Built
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.management import answers
from pycapo.lab.places import Lab, write

NAME = "workload"
_NAMESPACE = "kube-system"
_ACCOUNT = "lab-workload"
_READ = ["get", "list", "watch"]
_RBAC = "rbac.authorization.k8s.io"


def start_workload(lab: Lab, built: Built) -> None:
    """Start the stand-in unless it runs."""
    if process.alive(lab, NAME):
        return
    api = KubeAPI(lab)
    api.apply(_OBJECTS)
    config = lab.conf("workload.kubeconfig")
    write(config, api.account_kubeconfig(_NAMESPACE, _ACCOUNT))
    address = f"127.0.0.1:{lab.ports['workload_health']}"
    process.start(lab, NAME, [built.programs[NAME], f"--kubeconfig={config}", f"--health-address={address}"])


def wait_for_workload(lab: Lab) -> None:
    """Return when the stand-in knows the management cluster."""
    process.wait_until(lab, lambda: answers(health(lab)), watching=(NAME,), what="workload clusters")


def health(lab: Lab) -> str:
    """Return the URL that answers 200 once the stand-in is ready."""
    return f"{lab.url('workload_health')}/readyz"


_OBJECTS = (
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _ACCOUNT, "namespace": _NAMESPACE}},
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": _ACCOUNT},
        "rules": [
            {"apiGroups": ["cluster.x-k8s.io"], "resources": ["clusters", "machines"], "verbs": _READ},
            {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        ],
    },
    {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": _ACCOUNT},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": _ACCOUNT},
        "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": _NAMESPACE}],
    },
)
