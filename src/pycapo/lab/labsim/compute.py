# SPDX-License-Identifier: Apache-2.0
"""Nova's hypervisor of the lab: Nova's own fake one, made to survive restarts and to fail when asked.

Its nodes keep their ids over restarts, and compute-1 owns virtual functions for ports of type `direct`.
"""

import json
import time
import uuid

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.virt import fake

from .faults import RULES

CONF = nova.conf.CONF
VIRTUAL_FUNCTIONS = 16
HOST_WITH_FUNCTIONS = "compute-1"


class LabDriver(fake.FakeDriverWithoutFakeNodes):
    """A hypervisor without hardware."""

    vcpus, memory_mb, local_gb = 100_000, 100_000_000, 100_000_000

    def init_host(self, host):
        """Start, knowing the servers that were on this host before."""
        super().init_host(host)
        from nova import context, objects

        for instance in objects.InstanceList.get_by_host(context.get_admin_context(), self._host):
            running = instance.power_state == power_state.RUNNING
            state = power_state.RUNNING if running else power_state.SHUTDOWN
            self.instances[instance.uuid] = fake.FakeInstance(instance.name, state, instance.uuid)

    def spawn(self, context, instance, *arguments, **options):
        """Make a server, unless a rule says otherwise."""
        name = instance.display_name
        if rule := RULES.driver("spawn-delay", self._host, name):
            time.sleep(rule["seconds"])
        if rule := RULES.driver("spawn-hang", self._host, name):
            while RULES.holds(rule):
                time.sleep(0.5)
        if RULES.driver("spawn-fail", self._host, name):
            raise exception.InstanceDeployFailure("the lab was asked to fail this server")
        if RULES.driver("spawn-abort", self._host, name):
            raise exception.BuildAbortException(instance_uuid=instance.uuid, reason="the lab was asked to abort it")
        return super().spawn(context, instance, *arguments, **options)

    def get_nodenames_by_uuid(self, refresh=False):
        """Return node id -> name; the id follows from the name, so it is the same after a restart."""
        return {_node_id(name): name for name in self.get_available_nodes()}

    def get_available_resource(self, nodename):
        """Return the node's capacity."""
        resources = super().get_available_resource(nodename)
        if resources:
            resources["uuid"] = _node_id(nodename)
        if resources and CONF.pci.device_spec and nodename == HOST_WITH_FUNCTIONS:
            resources["pci_passthrough_devices"] = json.dumps(_devices())
        return resources


def _node_id(name):
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _devices():
    """Return a network card as Nova's PCI manager describes one: a physical function and its virtual ones."""
    card = "0000:81:00.0"
    shared = {"vendor_id": "8086", "status": "available", "numa_node": 0, "label": "lab"}
    physical = {"address": card, "product_id": "1528", "dev_type": "type-PF", "parent_addr": None, **shared}
    virtual = {"product_id": "1515", "dev_type": "type-VF", "parent_addr": card, "parent_ifname": "ens4", **shared}
    addresses = [f"0000:81:{1 + number // 8:02x}.{number % 8}" for number in range(VIRTUAL_FUNCTIONS)]
    return [physical, *({"address": address, **virtual} for address in addresses)]
