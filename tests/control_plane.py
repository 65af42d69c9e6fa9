# SPDX-License-Identifier: Apache-2.0
"""A real control plane for tests: etcd, kube-apiserver and the controllers for garbage collection and namespaces."""

from pathlib import Path

from pycapo.lab import process
from pycapo.lab.build import Built
from pycapo.lab.management import start_management
from pycapo.lab.places import Lab
from pycapo.lab.progress import quiet


class ApiServer:
    """The control plane of one lab; `lab.kubeconfig` is its administrator's."""

    def __init__(self, lab: Lab, built: Built) -> None:
        self.lab = lab
        self._built = built

    @property
    def kubeconfig(self) -> Path:
        return self.lab.kubeconfig

    def stop(self) -> None:
        process.stop(self.lab, "kube-apiserver")

    def start(self) -> None:
        start_management(self.lab, self._built, quiet())
