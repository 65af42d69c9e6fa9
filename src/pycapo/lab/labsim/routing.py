# SPDX-License-Identifier: Apache-2.0
"""Neutron's L3 service of the lab: no agents; ports of routers and floating IPs become ACTIVE by themselves."""

from neutron.services.l3_router import l3_router_plugin
from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory

OWNERS = (*constants.ROUTER_INTERFACE_OWNERS, constants.DEVICE_OWNER_ROUTER_GW)


class LabRouterPlugin(l3_router_plugin.L3RouterPlugin):
    """Routers without a data plane."""

    def create_floatingip(self, context, floatingip):
        """Make a floating IP that works at once."""
        return self._settled(context, super().create_floatingip(context, floatingip))

    def update_floatingip(self, context, id, floatingip):
        """Change a floating IP, which works at once."""
        return self._settled(context, super().update_floatingip(context, id, floatingip))

    def _settled(self, context, floating):
        used = floating.get("port_id")
        wanted = constants.FLOATINGIP_STATUS_ACTIVE if used else constants.FLOATINGIP_STATUS_DOWN
        if floating["status"] != wanted:
            self.update_floatingip_status(context.elevated(), floating["id"], wanted)
            floating["status"] = wanted
        return floating

    @registry.receives(resources.PORT, [events.AFTER_CREATE, events.AFTER_UPDATE])
    def _port_of_router(self, resource, event, trigger, payload=None):
        port = payload.latest_state
        if port.get("device_owner") in OWNERS and port.get("status") != constants.PORT_STATUS_ACTIVE:
            core = directory.get_plugin()
            core.update_port_status(contexts.get_admin_context(), port["id"], constants.PORT_STATUS_ACTIVE)
