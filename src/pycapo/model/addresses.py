# SPDX-License-Identifier: Apache-2.0
"""How IP addresses are spelled, so that the same one is always the same text."""

import ipaddress


def plain(address: str) -> str:
    """An address in its shortest spelling, as Neutron gives it; what is none stays as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address
