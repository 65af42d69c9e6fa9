# SPDX-License-Identifier: Apache-2.0
"""The kinds of v1beta2, the version that is stored and that the controllers work with."""

from pycapo.api.cluster import OpenStackCluster, OpenStackClusterTemplate
from pycapo.api.machine import OpenStackMachine, OpenStackMachineTemplate

__all__ = ["OpenStackCluster", "OpenStackClusterTemplate", "OpenStackMachine", "OpenStackMachineTemplate"]
