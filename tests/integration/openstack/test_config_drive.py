# SPDX-License-Identifier: Apache-2.0
"""The config drive that our virtual machines boot with says of networks what Nova's own code says of them."""

import json
import subprocess

import pytest

from neutron_like import address4, address6, mac
from pycapo.lab.cloud_install import installed
from pycapo.lab.progress import Progress
from vm.config_drive import network_data

NOVA = """
import json, sys
from nova.network import model
from nova.virt import netutils

def subnet(version, cidr, address, gateway, dhcp):
    fixed = [model.FixedIP(address=address)]
    known = {"dhcp_server": dhcp, "enable_dhcp": True} if dhcp else {}
    return model.Subnet(cidr=cidr, gateway=model.IP(address=gateway), ips=fixed, version=version, **known)

vifs = []
for port in json.load(sys.stdin):
    subnets = [subnet(*line) for line in port["subnets"]]
    network = model.Network(id=port["network"], label="n", subnets=subnets, mtu=1450)
    vifs.append(model.VIF(id=port["id"], address=port["mac"], network=network, type="ovs", devname=port["tap"]))
print(json.dumps(netutils.get_network_metadata(model.NetworkInfo(vifs))))
"""


@pytest.mark.parametrize("dhcp", [True, False], ids=["with DHCP", "without DHCP"])
def test_it_says_of_networks_what_nova_says(dhcp: bool) -> None:
    ours = network_data((1, 2), dhcp=dhcp)
    ports = [
        {
            "id": link["vif_id"],
            "mac": mac(number),
            "tap": link["id"],
            "network": f"{number:08x}-0000-4000-8000-00000000000f",
            "subnets": [
                (4, f"10.0.{number}.0/24", address4(number), f"10.0.{number}.1", dhcp and f"10.0.{number}.2"),
                (6, f"2001:db8:{number}::/64", address6(number), f"2001:db8:{number}::1", None),
            ],
        }
        for number, link in zip((1, 2), ours["links"], strict=True)
    ]
    line = [str(installed(Progress()) / "bin" / "python"), "-W", "ignore", "-c", NOVA]

    told = subprocess.run(line, input=json.dumps(ports), text=True, capture_output=True, check=False, timeout=300)

    assert told.returncode == 0, told.stderr
    assert ours == json.loads(told.stdout)
