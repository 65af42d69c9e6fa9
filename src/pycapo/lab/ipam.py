# SPDX-License-Identifier: Apache-2.0
"""Cluster API's in-cluster IPAM provider in the lab, which gives addresses of InClusterIPPools to those who claim them.

Rule: it is started only where it is asked for, and is no entry of clusterctl's inventory, so that a move to a cluster
without it is not refused.
"""

from pycapo.lab.build import Built
from pycapo.lab.capi import install, objects_of, start_manager, wait_for_manager
from pycapo.lab.kubeapi import KubeAPI
from pycapo.lab.places import Lab
from pycapo.lab.programs import IN_CLUSTER_IPAM
from pycapo.lab.progress import Progress

NAME = IN_CLUSTER_IPAM.name


def start_ipam(lab: Lab, built: Built, progress: Progress) -> None:
    """Install and start the provider unless it runs, and return when it is ready."""
    with progress.step("start the in-cluster IPAM provider"):
        install(lab, KubeAPI(lab), objects_of(lab, built, IN_CLUSTER_IPAM), mark=NAME)
        start_manager(lab, built, IN_CLUSTER_IPAM)
        wait_for_manager(lab, IN_CLUSTER_IPAM)
