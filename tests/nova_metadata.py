# SPDX-License-Identifier: Apache-2.0
"""What Nova tells a guest about its network: the document of the config drive and of the metadata service, from Nova's own code.

Neutron's answers, written here -> Nova's network information -> network_data.json; no service of OpenStack has to run
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from neutron_like import address4, address6, mac

STORED = Path(__file__).with_name("network_data.json")
"""What Nova tells of three NICs: DHCP and DHCPv6, static addresses, DHCP and an IPv6 address made of the MAC."""

Answers = dict[str, list[dict[str, Any]]]

_ASK = """
import json, sys
from types import SimpleNamespace
from unittest import mock
from nova import config, context
from nova.network import model, neutron
from nova.virt import netutils
config.parse_args(["nova"], default_config_files=[], configure_db=False, init_rpc=False)
answers = json.load(sys.stdin)
def listed(kind):
    def found(**wanted):
        ids = wanted.get("id")
        hits = [it for it in answers.get(kind, ()) if "device_owner" not in wanted and (not ids or it["id"] in ids)]
        return {kind: hits}
    return found
client = SimpleNamespace(list_subnets=listed("subnets"), list_ports=listed("ports"), list_floatingips=listed("floatingips"))
client.show_network = lambda id, **_: {"network": next(it for it in answers["networks"] if it["id"] == id)}
client.list_extensions = lambda **_: {"extensions": []}
with mock.patch.object(neutron, "get_client", lambda *_, **__: client):
    api, asked = neutron.API(), context.get_admin_context()
    vifs = [api._build_vif_model(asked, client, port, answers["networks"], []) for port in answers["ports"]]
print(json.dumps(netutils.get_network_metadata(model.NetworkInfo(vifs))))
"""


def network_data(python: Path) -> Any:
    """Return what Nova, installed beside a Python, tells a guest on the networks that routing is tested with."""
    command = [str(python), "-W", "ignore", "-c", _ASK]
    done = subprocess.run(
        command, input=json.dumps(answers()), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def answers() -> Answers:
    """What Neutron would answer about a port on each of three networks."""
    found: Answers = {"networks": [], "subnets": [], "ports": []}
    for number, mode in enumerate(("dhcpv6-stateful", None, "slaac"), 1):
        network = {"id": f"net-{number}", "name": f"net-{number}", "mtu": 1400, "tenant_id": "p"}
        found["networks"].append(network)
        cidrs = (4, f"10.0.{number}.0/24", f"10.0.{number}.1"), (6, f"2001:db8:{number}::/64", f"2001:db8:{number}::1")
        for family, cidr, gateway in cidrs:
            subnet = {
                "id": f"{network['id']}-{family}",
                "network_id": network["id"],
                "cidr": cidr,
                "gateway_ip": gateway,
            }
            settings = {"enable_dhcp": bool(mode), "ipv6_address_mode": mode if family == 6 else None}
            found["subnets"].append({**subnet, **settings, "dns_nameservers": [], "host_routes": []})
        addresses = ((4, address4(number)), (6, address6(number)))
        fixed = [{"subnet_id": f"{network['id']}-{family}", "ip_address": address} for family, address in addresses]
        port = {"id": f"port-{number}-of-the-guest", "network_id": network["id"], "mac_address": mac(number)}
        binding = {"binding:vif_type": "ovs", "binding:vif_details": {}, "binding:profile": {}, "status": "ACTIVE"}
        found["ports"].append({**port, **binding, "fixed_ips": fixed, "admin_state_up": True, "tenant_id": "p"})
    return found
