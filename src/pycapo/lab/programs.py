# SPDX-License-Identifier: Apache-2.0
"""The programs of the management plane and where each comes from: pinned versions, Go packages, build flags.

Rule: what is built is decided by the files in `go/` alone; their content names the folder that binaries are kept in. All
programs are of one Go module, so that Kubernetes' libraries, which most of them consist of, are compiled once.
"""

import hashlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

KUBERNETES, ETCD, CLUSTER_API, IPAM = "v1.36.3", "v3.6.16", "v1.14.0", "v1.1.0"
CLUSTER_API_MODULE = "sigs.k8s.io/cluster-api"


@dataclass(frozen=True, slots=True)
class Program:
    """One binary: its name, its version, and its Go package, the last element of whose path is the name."""

    name: str
    version: str
    package: str

    @property
    def key(self) -> str:
        """The name of the cache folder; changes with anything that changes the binary."""
        own = (ROOT / self.package).rglob("*") if self.package.startswith("./") else ()
        return f"{self.name}-{self.version}-{digest(ROOT / 'go.mod', ROOT / 'go.sum', *own)}"


@dataclass(frozen=True, slots=True)
class Manager:
    """One manager: its program, folder in its module, ServiceAccount, flags, and the flag of its health address.

    `whole` says that its main package needs more of its module than other modules may import.
    """

    name: str
    source: str
    namespace: str
    account: str
    flags: tuple[str, ...] = ()
    module: str = CLUSTER_API_MODULE
    version: str = CLUSTER_API
    health: str = "--health-addr"
    whole: bool = False

    @property
    def manifests(self) -> str:
        """The file name of its rendered manifests."""
        return f"{self.name}.json"

    @property
    def ports(self) -> str:
        """The stem of its port names."""
        return self.name.replace("-", "_")


ROOT = Path(str(resources.files("pycapo.lab"))) / "go"
"""The Go module: go.mod and go.sum, which pin versions and checksums, and the sources of our own programs."""
_REVISION = 2  # raise when build.py makes different binaries from the same files


def digest(*paths: Path) -> str:
    """Return what tells contents of files apart; folders among the paths do not count."""
    found = hashlib.sha256(repr((KUBERNETES, ETCD, CLUSTER_API, _REVISION)).encode())
    for path in sorted(filter(Path.is_file, paths)):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:10]


def _stamp(package: str, version: str) -> tuple[str, ...]:
    major, minor, _ = version.removeprefix("v").split(".")
    return f"{package}.gitVersion={version}", f"{package}.gitMajor={major}", f"{package}.gitMinor={minor}"


VARIABLES = (
    *_stamp("k8s.io/component-base/version", KUBERNETES),
    *_stamp("k8s.io/client-go/pkg/version", KUBERNETES),
    *_stamp("sigs.k8s.io/cluster-api/version", CLUSTER_API),
)
"""What the linker sets in all programs, as upstream's own builds do."""
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
IN_CLUSTER_IPAM = Manager(
    "in-cluster-ipam",
    "",
    "capi-ipam-in-cluster-system",
    "capi-ipam-in-cluster-controller-manager",
    module=f"{CLUSTER_API_MODULE}-ipam-provider-in-cluster",
    version=IPAM,
    health="--health-probe-bind-address",
    whole=True,
)
"""Gives addresses of InClusterIPPools; started only where it is asked for."""
PROGRAMS = (
    Program("etcd", ETCD, "./etcd"),
    Program("kube-apiserver", KUBERNETES, "k8s.io/kubernetes/cmd/kube-apiserver"),
    Program("kubectl", KUBERNETES, "k8s.io/kubernetes/cmd/kubectl"),
    Program("controllers", KUBERNETES, "./controllers"),
    *(Program(manager.name, manager.version, f"./{manager.name}") for manager in (*MANAGERS, IN_CLUSTER_IPAM)),
    Program("clusterctl", CLUSTER_API, "sigs.k8s.io/cluster-api/cmd/clusterctl"),
    Program("workload", CLUSTER_API, "./workload"),
)
