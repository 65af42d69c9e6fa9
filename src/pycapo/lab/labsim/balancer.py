# SPDX-License-Identifier: Apache-2.0
"""Octavia's network of the lab: the VIP's port is a real one, the amphorae have none."""

import functools

from octavia.network.drivers.neutron.allowed_address_pairs import AllowedAddressPairsDriver
from octavia.network.drivers.noop_driver.driver import NoopNetworkDriver

REAL = (
    "allocate_vip",
    "deallocate_vip",
    "get_network",
    "get_subnet",
    "get_port",
    "get_network_by_name",
    "get_subnet_by_name",
    "get_port_by_name",
    "get_port_by_net_id_device_id",
    "get_qos_policy",
    "get_network_ip_availability",
)


@functools.cache
def neutron():
    """Return the one driver that talks to Neutron: Octavia makes a driver for each task, each asks for extensions."""
    return AllowedAddressPairsDriver()


class LabNetworkDriver(NoopNetworkDriver):
    """What concerns the VIP goes to Neutron; the rest does nothing."""

    def __init__(self):
        super().__init__()
        for name in REAL:
            setattr(self, name, getattr(neutron(), name))
