# SPDX-License-Identifier: Apache-2.0
"""The config drive of a server, as Nova writes it: what it says of the networks, and how it makes the file system.

subnet with DHCP     {"type": "ipv4_dhcp"}: neither address nor gateway
subnet without DHCP  address, netmask, and a default route for each of them
"""

import json
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neutron_like import address4, address6, mac

ID = "6f0c1f8e-6f1f-4c1e-9a43-0d4f3d4f7c11"
HOST = "worker-0.novalocal"
Document = dict[str, Any]


def network_data(numbers: Iterable[int], *, dhcp: bool) -> Document:
    """What Nova says of ports: IPv4 with DHCP or without, and IPv6 without."""
    documents = [_networks(place, number, dhcp) for place, number in enumerate(numbers)]
    links = [_link(number, None if dhcp else 1450) for number in numbers]
    return {"links": links, "networks": [network for pair in documents for network in pair], "services": []}


def config_drive(place: Path, *, user_data: bytes, networks: Document, key: str) -> Path:
    """Write the drive of a server with this user data; `key` is the public key that people log in with."""
    latest = place / "drive" / "openstack" / "latest"
    latest.mkdir(parents=True)
    (latest / "user_data").write_bytes(user_data)
    (latest / "network_data.json").write_text(json.dumps(networks))
    (latest / "meta_data.json").write_text(json.dumps(_meta_data(key)))
    path = place / "disk.config"
    options = ["-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-publisher", "nova", "-quiet", "-J", "-r"]
    line = ["genisoimage", "-o", str(path), *options, "-V", "config-2", str(place / "drive")]
    subprocess.run(line, check=True, capture_output=True)
    return path


def _meta_data(key: str) -> Document:
    return {
        "uuid": ID,
        "name": "worker-0",
        "hostname": HOST,
        "launch_index": 0,
        "availability_zone": "nova",
        "project_id": "5c9b6e0f9d0f4b3f8f0e6c1f7c1f2a10",
        "meta": {},
        "public_keys": {"lab": key},
        "keys": [{"name": "lab", "type": "ssh", "data": key}],
        "devices": [],
        "dedicated_cpus": [],
    }


def _link(number: int, mtu: int | None) -> Document:
    return {
        "id": f"tap{number:08x}-01",
        "vif_id": f"{number:08x}-0000-4000-8000-000000000000",
        "type": "ovs",
        "mtu": mtu,
        "ethernet_mac_address": mac(number),
    }


def _networks(place: int, number: int, dhcp: bool) -> Iterator[Document]:
    usual = {"link": f"tap{number:08x}-01", "network_id": f"{number:08x}-0000-4000-8000-00000000000f"}
    if dhcp:
        yield {"id": f"network{2 * place}", "type": "ipv4_dhcp", **usual}
    else:
        default = {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": f"10.0.{number}.1"}
        address = {"ip_address": address4(number), "netmask": "255.255.255.0", "routes": [default], "services": []}
        yield {"id": f"network{2 * place}", "type": "ipv4", **usual, **address}
    default = {"network": "::", "netmask": "::", "gateway": f"2001:db8:{number}::1"}
    address = {"ip_address": address6(number), "netmask": "ffff:ffff:ffff:ffff::", "routes": [default], "services": []}
    yield {"id": f"network{2 * place + 1}", "type": "ipv6", **usual, **address}
