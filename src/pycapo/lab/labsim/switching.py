# SPDX-License-Identifier: Apache-2.0
"""Neutron's L2 of the lab: an ML2 mechanism driver that binds every port at once, unless a rule says otherwise."""

from neutron.services.qos.drivers.ovn import driver as ovn_qos
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import base as qos
from oslo_config import cfg

from .faults import RULES
from .trunks import trunk_driver

DIRECT = (portbindings.VNIC_DIRECT, portbindings.VNIC_DIRECT_PHYSICAL, portbindings.VNIC_MACVTAP)


class LabQosDriver(qos.DriverBase):
    """Says that every kind of QoS rule can be kept."""

    @property
    def is_loaded(self):
        """The mechanism driver made it, so it is."""
        return True


class LabMechanismDriver(api.MechanismDriver):
    """Plays the agent of every host."""

    _explicitly_not_supported_extensions = frozenset()

    def initialize(self):
        """Register with the trunk and QoS services where they are configured."""
        plugins = cfg.CONF.service_plugins
        self.trunks = trunk_driver() if "trunk" in plugins else None
        interfaces = [portbindings.VIF_TYPE_OVS, portbindings.VIF_TYPE_HW_VEB]
        kinds = [portbindings.VNIC_NORMAL, portbindings.VNIC_DIRECT]
        self.qos = LabQosDriver("labsim", interfaces, kinds, ovn_qos.SUPPORTED_RULES, False)

    @property
    def connectivity(self):
        """L2, as that of agents is."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Bind the port to its first segment."""
        name = context.current.get("name")
        if RULES.driver("bind-fail", context.host, name):
            return
        down = RULES.driver("bind-down", context.host, name)
        status = constants.PORT_STATUS_DOWN if down else constants.PORT_STATUS_ACTIVE
        for segment in context.segments_to_bind[:1]:
            context.set_binding(segment[api.ID], *_interface(context.current, segment), status)

    def filter_hosts_with_segment_access(self, context, segments, candidate_hosts, agent_getter):
        """Every host reaches every segment."""
        return set(candidate_hosts)


def _interface(port, segment):
    """Return the type and the details of the interface of a port."""
    if port.get(portbindings.VNIC_TYPE) in DIRECT:
        vlan = str(segment.get(api.SEGMENTATION_ID) or 0)
        return portbindings.VIF_TYPE_HW_VEB, {portbindings.CAP_PORT_FILTER: False, portbindings.VIF_DETAILS_VLAN: vlan}
    details = {portbindings.CAP_PORT_FILTER: True, portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2}
    return portbindings.VIF_TYPE_OVS, details
