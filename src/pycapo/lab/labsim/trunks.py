# SPDX-License-Identifier: Apache-2.0
"""Neutron's trunks of the lab: subports follow their parent port, as the agent of a real host would let them."""

from neutron.objects import ports
from neutron.services.trunk.drivers import base
from neutron.services.trunk.drivers.ovn import trunk_driver as ovn
from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.db import api as database
from neutron_lib.services.trunk import constants as trunk_constants

INTERFACES = (*ovn.SUPPORTED_INTERFACES, portbindings.VIF_TYPE_HW_VEB)


class LabTrunkDriver(base.DriverBase):
    """Tells the trunk service that ports of the lab can be trunks, and plays the agent."""

    @property
    def is_loaded(self):
        """The mechanism driver made it, so it is."""
        return True

    @registry.receives(resources.TRUNK_PLUGIN, [events.AFTER_INIT])
    def register(self, resource, event, trigger, payload=None):
        """Listen to what happens to trunks once their service is there."""
        super().register(resource, event, trigger, payload=payload)
        registry.subscribe(_trunk_made, resources.TRUNK, events.AFTER_CREATE)
        registry.subscribe(_trunk_gone, resources.TRUNK, events.AFTER_DELETE)
        registry.subscribe(_subports_added, resources.SUBPORTS, events.AFTER_CREATE)
        registry.subscribe(_subports_removed, resources.SUBPORTS, events.AFTER_DELETE)
        registry.subscribe(_parent_changed, resources.PORT, events.AFTER_UPDATE)


def trunk_driver():
    """Return the driver for all interface types of the lab."""
    return LabTrunkDriver("labsim", INTERFACES, ovn.SUPPORTED_SEGMENTATION_TYPES, None, can_trunk_bound_port=True)


def _trunk_made(resource, event, plugin, payload):
    trunk = payload.states[0]
    _join(trunk, trunk.sub_ports)
    trunk.update(status=trunk_constants.TRUNK_ACTIVE_STATUS)


def _trunk_gone(resource, event, plugin, payload):
    _leave(payload.states[0].sub_ports)


def _subports_added(resource, event, plugin, payload):
    trunk = payload.states[0]
    _join(trunk, payload.metadata["subports"])
    trunk.update(status=trunk_constants.TRUNK_ACTIVE_STATUS)


def _subports_removed(resource, event, plugin, payload):
    _leave(payload.metadata["subports"])
    payload.states[0].update(status=trunk_constants.TRUNK_ACTIVE_STATUS)


def _parent_changed(resource, event, plugin, payload):
    new, old = payload.latest_state, payload.states[0]
    if new.get("trunk_details") and new.get("status") != old.get("status"):
        _set([sub["port_id"] for sub in new["trunk_details"]["sub_ports"]], status=new["status"])


def _join(trunk, subports):
    parent = ports.Port.get_object(contexts.get_admin_context(), id=trunk.port_id)
    status = parent.status if parent else constants.PORT_STATUS_DOWN
    _set([sub.port_id for sub in subports or []], status=status, owner=trunk_constants.TRUNK_SUBPORT_OWNER)


def _leave(subports):
    _set([sub.port_id for sub in subports or []], status=constants.PORT_STATUS_DOWN, owner="")


def _set(ids, *, status, owner=None):
    context = contexts.get_admin_context()
    with database.CONTEXT_WRITER.using(context):
        for id in ids:
            if port := ports.Port.get_object(context, id=id):
                port.status = status
                port.device_owner = port.device_owner if owner is None else owner
                port.update()
