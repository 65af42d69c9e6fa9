# SPDX-License-Identifier: Apache-2.0
"""What every stage stands on: a management cluster with one Cluster and its credentials, over a memory cloud."""

from typing import Any

from builders import CLOUDS_YAML, NAME, NAMESPACE, a_capi_cluster, a_cluster
from memory_cloud import MemoryCloud, a_memory_cloud
from memory_kube import MemoryKube
from pycapo.api.cluster import OpenStackCluster
from pycapo.cloud.errors import CloudError
from pycapo.kube import conditions


class Clouds:
    """One cloud for whatever credentials; `refused` is raised instead, if set."""

    def __init__(self, cloud: MemoryCloud) -> None:
        self.cloud = cloud
        self.refused: CloudError | None = None

    def open(self, *, clouds_yaml: bytes, cacert: bytes | None, cloud: str, region: str | None) -> MemoryCloud:
        if self.refused:
            raise self.refused
        return self.cloud


class Ground:
    """Objects of these kinds, of which a cluster is there; `changes` are fields of its spec, by their wire names."""

    def __init__(self, *kinds: type[Any], cloud: MemoryCloud | None = None, **changes: Any) -> None:
        self.kube = MemoryKube(*kinds)
        self.cloud = cloud or a_memory_cloud()
        self.clouds = Clouds(self.cloud)
        self.kube.has_secret(NAMESPACE, "cloud-config", {"clouds.yaml": CLOUDS_YAML})
        self.kube.create(a_capi_cluster())
        self.kube.create(a_cluster(**changes))

    @property
    def cluster(self) -> OpenStackCluster:
        found = self.kube.get(OpenStackCluster, NAMESPACE, NAME)
        assert found is not None
        return found

    def change(self, **spec: Any) -> None:
        """Writes other values into fields of the cluster's spec, by their wire names."""
        before = self.cluster
        document = before.to_dict()
        document["spec"] |= spec
        self.kube.patch(before, OpenStackCluster.from_dict(document))

    def restart(self) -> None:
        """A new process on the same cloud and cluster."""
        self.cloud = self.clouds.cloud = self.cloud.restarted()


def told(obj: Any, condition: str) -> tuple[str, str, str]:
    """Status, reason and message of a condition; nothing of one that was not told."""
    found = conditions.find(obj, condition)
    return (found.status, found.reason, found.message) if found else ("", "", "")
