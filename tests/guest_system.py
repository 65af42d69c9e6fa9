# SPDX-License-Identifier: Apache-2.0
"""A guest that is a system of its own in the namespace of a NeutronLike: real cloud-init, real network managers, our user data.

    this machine's /usr and /etc ─┐ overlay; what is written stays in memory
    unpacked Debian packages     ─┴► a root of its own, with own mounts, processes and host name
    config drive ─► cloud-init init --local ─► network manager ─► cloud-init init ─► our boothook ─► our service

Two things are missing, because they take a kernel of their own: udev (a read-only /sys tells network managers so) and systemd
as first process; a stand-in of `systemctl` starts our service.
"""

import base64
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neutron_like import NeutronLike, address4, address6, mac
from nova_metadata import STORED
from pycapo.plan.user_data import extended

PACKAGES = (
    *("cloud-init", "netplan.io", "systemd", "dbus", "ifupdown", "isc-dhcp-client", "network-manager"),
    *("iproute2", "nftables", "procps"),
)
ROOT_SCRIPT = Path(__file__).with_name("guest_root.sh")

BOOTSTRAP = b"""## template: jinja
#cloud-config
write_files:
- path: /run/bootstrapped
  content: this is {{ ds.meta_data.name }}
"""
_DRIVE = "/var/lib/cloud/seed/config_drive/openstack/latest"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CLOUD_CFG = """
datasource_list: [ConfigDrive]
cloud_init_modules: [write-files]
system_info: {{network: {{renderers: [{renderer}]}}}}
"""
_CONF = """
ALSO="ens*"
PATIENCE=3
"""
_SYSTEMCTL = r"""#!/bin/sh
# What systemd does for our service; a service is active that has a file in /run/active.
for name; do :; done
case $1 in
  is-enabled | is-active) [ -e "/run/active/$name" ] ;;
  start)
    unit=/etc/systemd/system/$name
    {
      sed -n 's/^ExecStartPre=-//p' "$unit" | sh
      while :; do sh -c "$(sed -n 's/^ExecStart=//p' "$unit")"; sleep 1; done
    } </dev/null >>/var/log/unit 2>&1 &
    echo $! >/run/unit.pid
    ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Manager:
    """A network manager as lines of shell: what starts it, and what people, packages and time do to it."""

    renderer: str
    service: str
    start: str
    restart: str
    reload: str


def _daemon(command: str) -> str:
    return f"setsid {command} </dev/null >>/var/log/manager 2>&1 & echo $! >/run/manager.pid"


_BUS = (
    "[ -S /run/dbus/system_bus_socket ] || { mkdir -p /run/dbus; dbus-daemon --system --fork --nopidfile; }; "
    "while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.1; done; "
)
_END = "pid=$(cat /run/manager.pid); kill $pid; while [ -e /proc/$pid ]; do sleep 0.1; done; "
_NETIF = "/run/systemd/netif"
_NETWORKD = _daemon("/usr/lib/systemd/systemd-networkd")
_START_NETWORKD = (
    # A veth has no permanent MAC, which is what netplan has networkd look for.
    "[ ! -d /run/systemd/network ] || sed -i s/PermanentMACAddress/MACAddress/ /run/systemd/network/*; "
    f"install -d -o systemd-network -g systemd-network {_NETIF} {_NETIF}/links {_NETIF}/leases {_NETIF}/lldp; "
    f"{_BUS} {_NETWORKD}"
)
_NETWORK_MANAGER = _daemon("NetworkManager --no-daemon")
_RELOAD = "networkctl reload"
_IFUP = "ifup -a --read-environment </dev/null >>/var/log/manager 2>&1"

_NETPLAN_RELOAD = f"{_RELOAD}; networkctl reconfigure ens4 ens5"

NETPLAN = Manager("netplan", "systemd-networkd", _START_NETWORKD, _END + _NETWORKD, _NETPLAN_RELOAD)
# Never `reconfigure` here: networkd 252 fails now and then at what cloud-init writes for it (a static default route beside DHCP).
NETWORKD = Manager("networkd", "systemd-networkd", _START_NETWORKD, _END + _NETWORKD, _RELOAD)
IFUPDOWN = Manager(
    "eni",
    "networking",
    _IFUP,
    f"ifdown -a --exclude=lo </dev/null >>/var/log/manager 2>&1; {_IFUP}",
    "{ ifdown ens5; ifup ens5; } </dev/null >>/var/log/manager 2>&1",
)
NETWORK_MANAGER = Manager(
    "network-manager",
    "NetworkManager",
    _BUS + _NETWORK_MANAGER,
    _END + _NETWORK_MANAGER,
    "nmcli general reload; nmcli device reapply ens4; nmcli connection up ifname ens5",
)


def facts() -> str:
    """What pycapo knows of the three NICs."""
    return "".join(
        f"{mac(number)} {address4(number)}/24 10.0.{number}.1\n{mac(number)} {address6(number)}/64 2001:db8:{number}::1\n"
        for number in (1, 2, 3)
    )


class GuestSystem:
    """The guest of a world, switched on; it ends with the world."""

    def __init__(self, world: NeutronLike, packages: Path, manager: Manager, *, bootstrap: bytes = BOOTSTRAP) -> None:
        self.world, self.manager = world, manager
        place = world.place / "system"
        place.mkdir()
        unshared = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child")
        process = world.start("vm", *unshared, "sh", str(ROOT_SCRIPT), str(place), str(packages))
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        self._first = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        self._install(extended(bootstrap, "cloud-init", facts=facts()))

    def run(self, *command: str, given: str = "") -> str:
        """Run a command in the guest and return what it prints."""
        enter = ("nsenter", "-t", self._first, "-m", "-u", "-p", "-n", "-r", "-w")
        environ = ("env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8")
        whole = [*enter, *environ, *command]
        done = subprocess.run(whole, input=given, text=True, capture_output=True, check=False, timeout=180)
        if done.returncode:
            raise AssertionError(f"guest: {' '.join(command)}: {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def shell(self, line: str) -> str:
        """Run a line of shell in the guest and return what it prints."""
        return self.run("sh", "-c", line)

    def write(self, path: str, text: str) -> None:
        """Write a file of the guest."""
        self.run("sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0"', path, given=text)

    def boot(self) -> None:
        """What happens until the network is up: cloud-init renders its configuration, the network manager reads it."""
        self.run("cloud-init", "init", "--local")
        self.shell(self.manager.start)
        wanted = [text for number in (1, 2, 3) for text in (address4(number), address6(number))]
        self.wait(
            lambda: all(text in self.run("ip", "-o", "address") for text in wanted), "every NIC has its addresses"
        )

    def provision(self) -> None:
        """What happens then: cloud-init takes the user data, whose boothook is ours."""
        self.run("cloud-init", "init")

    def wait(self, done: Callable[[], bool], what: str, *, within: float = 120) -> None:
        """Return when something is true."""
        deadline = time.monotonic() + within
        while not done():
            if time.monotonic() > deadline:
                logs = self.shell("ip address; tail -n 40 /var/log/manager /var/log/unit 2>&1; true")
                raise AssertionError(f"not within {within} s: {what}\n{logs}")
            time.sleep(0.3)

    def _install(self, user_data: bytes) -> None:
        """The image, and the config drive that Nova makes."""
        self.write("/etc/cloud/cloud.cfg.d/zz-test.cfg", _CLOUD_CFG.format(renderer=self.manager.renderer))
        self.write("/etc/pycapo/nic-routes.conf", _CONF)
        self.write("/usr/local/bin/systemctl", _SYSTEMCTL)
        self.write(f"/run/active/{self.manager.service}", "")
        self.run("chmod", "755", "/usr/local/bin/systemctl")
        self.write(f"{_DRIVE}/network_data.json", STORED.read_text())
        self.write(
            f"{_DRIVE}/meta_data.json", json.dumps({"uuid": "8367-91", "hostname": "worker-0", "name": "worker-0"})
        )
        self.shell(f"echo {base64.b64encode(user_data).decode()} | base64 -d >{_DRIVE}/user_data")
