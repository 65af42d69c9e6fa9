# SPDX-License-Identifier: Apache-2.0
"""What Nova tells a guest about its network: the document of the config drive and of the metadata service, from Nova's own code."""

import json
import subprocess
from pathlib import Path
from typing import Any

from pycapo.lab.cloud_config import CloudOptions, Site
from pycapo.lab.cloud_install import environment
from pycapo.lab.cloud_services import environment as variables
from pycapo.lab.places import Lab

STORED = Path(__file__).with_name("network_data.json")
"""What Nova tells of three NICs: DHCP and DHCPv6, static addresses and an MTU, DHCP and an address made of the MAC."""

Document = dict[str, Any]

_ASK = """
import sys
from nova import config, objects
from nova.api.metadata import base
config.parse_args(["nova"], default_config_files=[sys.argv[1]], init_rpc=False)
objects.register_all()
told = base.get_metadata_by_instance_id(sys.argv[2], "127.0.0.1")
print(told.lookup("/openstack/latest/network_data.json").decode())
"""


def network_data(lab: Lab, server: str) -> Document:
    """Return what the guest of a server is told, with names in the place of ids."""
    site = Site(lab, environment(), CloudOptions())
    command = [str(site.environment / "bin/python"), "-c", _ASK, str(lab.conf("nova", "nova.conf")), server]
    done = subprocess.run(command, env=variables(site), capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    return named(json.loads(done.stdout.splitlines()[-1]))


def named(document: Document) -> Document:
    """The document with the links in the order of their MACs, and with names for what Nova and Neutron number."""
    links = sorted(document["links"], key=lambda link: str(link["ethernet_mac_address"]))
    names = {link["id"]: f"tap{number}" for number, link in enumerate(links, 1)}
    networks = sorted(document["networks"], key=lambda it: (names[it["link"]], it["type"]))
    return {
        "links": [{**link, "id": names[link["id"]], "vif_id": f"port-{names[link['id']]}"} for link in links],
        "networks": [
            {**it, "id": f"network{number}", "link": names[it["link"]], "network_id": f"net-{names[it['link']]}"}
            for number, it in enumerate(networks)
        ],
        "services": document["services"],
    }
