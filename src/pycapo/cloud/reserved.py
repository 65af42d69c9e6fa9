# SPDX-License-Identifier: Apache-2.0
"""Which field of a spec a policy of Neutron refused.

Rule: Neutron's words hold every attribute that it has a rule for, not the one that was refused. Those that clouds reserve for
administrators by default are named alone; without any of them, all that the request has.
"""

import re
from collections.abc import Iterable

from pycapo.model.steps import Create, Step

ADVICE = "leave it out, or use credentials that may set it"

_RULE = re.compile(r"rule:create_(?:port|network):([a-z_:]+)")
_RESERVED = {
    "binding:host_id": "hostID",
    "binding:profile": "bindingProfile",
    "hints": "hints",
    "provider:network_type": "provider",
    "provider:physical_network": "provider",
    "provider:segmentation_id": "provider",
}
_SOMETIMES = {
    "allowed_address_pairs": "allowedAddressPairs",
    "binding:vnic_type": "vnicType",
    "fixed_ips": "fixedIPs",
    "mac_address": "macAddress",
    "mtu": "mtu",
    "port_security_enabled": "enablePortSecurity",
}
"""By attribute of Neutron the field: what only administrators may set, and what others may not on networks of others."""


def reserved(steps: Iterable[Step], message: str) -> tuple[str, ...]:
    """The paths of the fields of several creations in one request, of which one was refused; empty when it cannot be told."""
    said = {attribute.rstrip(":") for attribute in _RULE.findall(message)}
    for known in (_RESERVED, _SOMETIMES):
        asked = [
            (step, it) for step in steps if isinstance(step, Create) for it in known if it in said & set(step.body)
        ]
        if asked:
            return tuple(dict.fromkeys(f"{step.path}.{known[attribute]}" for step, attribute in asked))
    return ()
