# SPDX-License-Identifier: Apache-2.0
"""The programs of the management plane and where each comes from: pinned versions, Go module roots, build flags.

Rule: what is built is decided by the files in `go/` alone; their content names the folder that binaries are kept in.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

KUBERNETES, ETCD, CLUSTER_API = "v1.36.3", "v3.6.16", "v1.14.0"


@dataclass(frozen=True, slots=True)
class Program:
    """One binary: its name, the module root in `go/` it is built in, its Go package, variables set by the linker."""

    name: str
    root: str
    package: str
    variables: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The module root: go.mod and go.sum, which pin versions and checksums."""
        return Path(str(resources.files("pycapo.lab"))) / "go" / self.root

    @property
    def key(self) -> str:
        """The name of the cache folder; changes with anything that changes the binary."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
        digest.update(repr((_VERSIONS, _REVISION)).encode())
        return f"{self.root}-{_VERSIONS[self.root]}-{digest.hexdigest()[:10]}"


@dataclass(frozen=True, slots=True)
class Manager:
    """One Cluster API manager: its program, manifests in the module, ServiceAccount, port names' stem and flags."""

    name: str
    source: str
    namespace: str
    account: str
    flags: tuple[str, ...] = ()

    @property
    def manifests(self) -> str:
        """The file name of its rendered manifests."""
        return f"{self.name}.json"

    @property
    def ports(self) -> str:
        """The stem of its port names."""
        return self.name.replace("-", "_")


_VERSIONS = {"kube": KUBERNETES, "etcd": ETCD, "capi": CLUSTER_API, "workload": CLUSTER_API}
_REVISION = 1  # raise when build.py makes different binaries from the same files


def _stamp(package: str, version: str) -> tuple[str, ...]:
    major, minor, _ = version.removeprefix("v").split(".")
    return f"{package}.gitVersion={version}", f"{package}.gitMajor={major}", f"{package}.gitMinor={minor}"


_KUBE = (
    *_stamp("k8s.io/component-base/version", KUBERNETES),
    *_stamp("k8s.io/client-go/pkg/version", KUBERNETES),
)
_CAPI = _stamp("sigs.k8s.io/cluster-api/version", CLUSTER_API)
_GATES = "--feature-gates=ClusterTopology=true,MachinePool=true"

MANAGERS = (
    Manager("capi-core", "core", "capi-system", "capi-manager", (_GATES,)),
    Manager(
        "capi-bootstrap",
        "bootstrap/kubeadm",
        "capi-kubeadm-bootstrap-system",
        "capi-kubeadm-bootstrap-manager",
        (_GATES,),
    ),
    Manager(
        "capi-controlplane",
        "controlplane/kubeadm",
        "capi-kubeadm-control-plane-system",
        "capi-kubeadm-control-plane-manager",
        (_GATES,),
    ),
)
PROGRAMS = (
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    *(
        Program(name, "kube", f"k8s.io/kubernetes/cmd/{name}", _KUBE)
        for name in ("kube-apiserver", "kubectl", "kube-controller-manager")
    ),
    *(Program(manager.name, "capi", f"./{manager.source}", _CAPI) for manager in MANAGERS),
    Program("clusterctl", "capi", "sigs.k8s.io/cluster-api/cmd/clusterctl", _CAPI),
    Program("workload", "workload", "."),
)
