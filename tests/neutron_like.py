# SPDX-License-Identifier: Apache-2.0
"""Networks as Neutron makes them, in network namespaces of their own: what a packet meets between a client and a guest.

    client ── external ──┬── router 1 (floating IP 1) ── network 1 ── filter ── ens3 ┐
    (out)                ├── router 2 (floating IP 2) ── network 2 ── filter ── ens4 ├ guest (vm) ── pod
                         └── router 3 (floating IP 3) ── network 3 ── filter ── ens5 ┘

The filter is port security: a frame may carry only the MAC and the addresses of its port. With `shared`, router 1 is the router
of all networks. Floating IPs are DNAT and SNAT in the routers; IPv6 is routed, without NAT. With `lease`, routers answer DHCP
with the address of the port that asks, as Neutron's agents do.
"""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

CLIENT = "198.51.100.7"
EXTERNAL = "203.0.113"
PORT, NODE_PORT = 22, 30080
PATIENCE = 120.0
"""Seconds that a busy machine may take until everything answers."""
RENEWAL = 8
"""Seconds until a client asks for its lease again."""
GUEST_SCRIPT = Path(__file__).parents[1] / "src/pycapo/plan/guest/nic-routes.sh"
_SPACES = "out", "sw", "vm", "pod"
_NUMBERS = itertools.count()

SERVER = """
import socket, sys, threading
host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
listener = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
print("ready", flush=True)
def answer(conn):
    with conn:
        conn.settimeout(5)
        conn.sendall(b"SSH-2.0-" + conn.recv(99))
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
"""

CLIENTS = """
import json, socket, sys, threading
port, patience, reached = int(sys.argv[1]), float(sys.argv[2]), []
def ask(address):
    try:
        with socket.create_connection((address, port), patience) as conn:
            conn.settimeout(patience)
            conn.sendall(address.encode())
            if conn.recv(99) == b"SSH-2.0-" + address.encode():
                reached.append(address)
    except OSError:
        pass
threads = [threading.Thread(target=ask, args=(address,)) for address in sys.argv[3:]]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(sorted(reached)))
"""


def nic(number: int) -> str:
    """The name of a NIC in the guest."""
    return f"ens{number + 2}"


def mac(number: int) -> str:
    """The MAC of the port with a number."""
    return f"fa:16:3e:00:00:{number:02x}"


def floating_ip(number: int) -> str:
    """The floating IP of the port with a number."""
    return f"{EXTERNAL}.{10 + number}"


def address6(number: int, subnet: int | None = None) -> str:
    """The IPv6 address of the port with a number: the one that its MAC makes, so that it is the same however it is given."""
    return f"2001:db8:{subnet or number}:0:f816:3eff:fe00:{number:x}"


def address4(number: int, subnet: int | None = None) -> str:
    """The IPv4 address of the port with a number."""
    return f"10.0.{subnet or number}.{10 + number}"


class NeutronLike:
    """One set of networks, a client and a guest; `close` leaves nothing behind."""

    def __init__(self, place: Path, *, shared: bool = False) -> None:
        self.place, self.shared = place, shared
        self._prefix = f"pycapo{os.getpid()}x{next(_NUMBERS)}"
        self._started: list[subprocess.Popen[bytes]] = []
        self._routers = (1,) if shared else (1, 2, 3)
        self._spaces = (*_SPACES, *(f"r{number}" for number in self._routers))
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End what was started here and remove the namespaces."""
        for process in reversed(self._started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        for space in self._spaces:
            subprocess.run(["ip", "netns", "del", self._name(space)], check=False, capture_output=True)

    def run(self, space: str, *command: str, given: str = "", check: bool = True) -> str:
        """Run a command in a namespace and return what it prints."""
        whole = ["ip", "netns", "exec", self._name(space), *command]
        done = subprocess.run(whole, input=given, text=True, capture_output=True, check=False, timeout=120)
        if check and done.returncode:
            raise AssertionError(f"{space}: {' '.join(command)}: {done.stderr or done.stdout}")
        return done.stdout

    def ip(self, space: str, *lines: str) -> None:
        """Run lines of `ip` in a namespace."""
        whole = ["ip", "-netns", self._name(space), "-batch", "-"]
        done = subprocess.run(
            whole, input="\n".join(lines) + "\n", text=True, capture_output=True, check=False, timeout=120
        )
        if done.returncode:
            raise AssertionError(f"{space}: {'; '.join(lines)}: {done.stderr or done.stdout}")

    def serve(self, space: str, host: str, port: int) -> None:
        """Start a server that answers each client what it sent, as an SSH server greets."""
        stream = self.start(space, sys.executable, "-IS", "-c", SERVER, host, str(port)).stdout
        assert stream is not None
        assert stream.readline() == b"ready\n"

    def start(self, space: str, *command: str) -> "subprocess.Popen[bytes]":
        """Start a command in a namespace; it ends with `close`."""
        whole = ["ip", "netns", "exec", self._name(space), *command]
        process = subprocess.Popen(whole, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        self._started.append(process)
        return process

    def reached(self, addresses: Iterable[str], *, port: int = PORT, patience: float = 1.2) -> list[str]:
        """Which of the addresses answer a client outside when all are asked at the same time."""
        asked = [sys.executable, "-IS", "-c", CLIENTS, str(port), str(patience), *addresses]
        found: list[str] = json.loads(self.run("out", *asked))
        return found

    def reached_soon(self, addresses: Sequence[str], *, port: int = PORT, within: float = PATIENCE) -> list[str]:
        """The same, asked again and ever more patiently until all answer at one time or the time is over."""
        deadline, patience = time.monotonic() + within, 0.5
        while True:
            found = self.reached(addresses, port=port, patience=patience)
            if found == sorted(addresses) or time.monotonic() > deadline:
                return found
            patience = min(2 * patience, 5)
            time.sleep(0.2)

    def network(self, number: int) -> None:
        """A network with its router interface, an IPv4 and an IPv6 subnet."""
        router = 1 if self.shared or number > 3 else number
        inside, other = f"r{router}", f"qr{number}"
        self.ip("sw", f"link add br{number} type bridge", f"link set br{number} up")
        self._veth(inside, other, "sw", f"p-qr{number}")
        self.ip("sw", f"link set p-qr{number} master br{number}")
        self.ip(
            inside, f"addr add 10.0.{number}.1/24 dev {other}", f"addr add 2001:db8:{number}::1/64 dev {other} nodad"
        )
        gateway = f"2001:db8:ffff::{200 + router}"
        self.ip("out", f"route add 2001:db8:{number}::/64 via {gateway}")

    def plug(self, number: int, *, subnet: int | None = None) -> None:
        """A port with its filter, its floating IP, and its NIC in the guest: down, without addresses."""
        network = subnet or number
        router = 1 if self.shared or network > 3 else network
        tap, fixed, floating = f"tap{number}", address4(number, subnet), floating_ip(number)
        self._wire(number, tap)
        self.ip("sw", f"link set {tap} master br{network}")
        self.run("sw", "nft", "-f", "-", given=_filter(tap, number, fixed, address6(number, subnet)))
        self.ip(f"r{router}", f"addr replace {floating}/32 dev qg")
        self.run(
            f"r{router}",
            *("nft", "-f", "-"),
            given=f"add rule ip nat pre ip daddr {floating} dnat to {fixed}\n"
            f"insert rule ip nat post ip saddr {fixed} oifname qg snat to {floating}\n",
        )

    def unplug(self, number: int) -> None:
        """Take a NIC out of the running guest."""
        self.ip("vm", f"link del {nic(number)}")

    def address(self, number: int, *, subnet: int | None = None, metric: int | None = None) -> None:
        """What DHCP or cloud-init does for a NIC: addresses and, with a metric, default routes."""
        name, network = nic(number), subnet or number
        self.ip(
            "vm",
            f"link set {name} up",
            f"addr replace {address4(number, subnet)}/24 dev {name}",
            f"addr replace {address6(number, subnet)}/64 dev {name} nodad",
        )
        if metric is not None:
            self.ip(
                "vm",
                f"route append default via 10.0.{network}.1 dev {name} metric {metric}",
                f"route append default via 2001:db8:{network}::1 dev {name} metric {metric}",
            )

    def lease(self, number: int, *, slaac: bool = False, mtu: int = 1400) -> None:
        """Have the router of a network give the port of the same number its addresses; leases are renewed every few seconds."""
        known = f"{mac(number)},{address4(number)}" + ("" if slaac else f",[{address6(number)}]")
        self.start(
            f"r{1 if self.shared or number > 3 else number}",
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="),
            *("--bind-interfaces", f"--interface=qr{number}", "--except-interface=lo", "--no-ping", "--log-dhcp"),
            *("--dhcp-authoritative", f"--dhcp-leasefile={self.place}/leases-{number}", f"--dhcp-host={known}"),
            f"--log-facility={self._leases(number)}",
            f"--dhcp-range=10.0.{number}.0,static,255.255.255.0,120",
            f"--dhcp-option=option:router,10.0.{number}.1",
            f"--dhcp-option=option:classless-static-route,169.254.169.254/32,10.0.{number}.2,0.0.0.0/0,10.0.{number}.1",
            f"--dhcp-option=option:mtu,{mtu}",
            f"--dhcp-option=option:T1,{RENEWAL}",
            *("--enable-ra", f"--ra-param=qr{number},mtu:{mtu},4,1800"),
            f"--dhcp-range=2001:db8:{number}::,{'slaac,64' if slaac else 'static,64,120'}",
        )

    def leased(self, number: int) -> int:
        """How often the port of a number was given its IPv4 address."""
        log = self._leases(number)
        return log.read_text().count(f"DHCPACK(qr{number}) {address4(number)} ") if log.exists() else 0

    def _leases(self, number: int) -> Path:
        return self.place / f"dhcp-{number}.log"

    def rp_filter(self, value: int) -> None:
        """What the guest's distribution sets."""
        names = ("all", "default", *(nic(number) for number in (1, 2, 3)))
        for name in names:
            self.run("vm", "sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter={value}")

    def pod(self) -> None:
        """A pod on the guest behind a port of the node, as a CNI and kube-proxy make it."""
        four, six, hop = "10.244.0.5", "fd00:244::5", ("169.254.1.1", "fe80::1:1")
        self._veth("vm", "cali0", "pod", "eth0")
        self.ip(
            "pod",
            *("link set lo up", f"addr add {four}/32 dev eth0", f"route add {hop[0]} dev eth0"),
            *(f"route add default via {hop[0]}", f"addr add {six}/128 dev eth0 nodad"),
            f"route add default via {hop[1]} dev eth0",
        )
        self.ip(
            "vm",
            *(f"addr add {hop[0]}/32 dev cali0", f"route add {four} dev cali0"),
            *(f"addr add {hop[1]}/64 dev cali0 nodad", f"route add {six} dev cali0"),
        )
        self.run("vm", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for family, address in (("ip", four), ("ip6", f"[{six}]")):
            self.run(
                "vm",
                *("nft", "-f", "-"),
                given=f"table {family} proxy {{\n chain pre {{ type nat hook prerouting priority -100;\n"
                f"  tcp dport {NODE_PORT} dnat to {address}:8080\n }}\n}}\n",
            )
        self.serve("pod", "::", 8080)

    def boot(self, steps: str, script: Path, *, programs: Sequence[str], fake: dict[str, str], calls: Path) -> str:
        """Run steps of a boot in the guest on a file system view of its own: `script` is $0, `fake` are stand-ins for programs."""
        path = only(self.place / "boot", [*programs, "mount", "ls", "env"])
        for name, text in fake.items():
            (Path(path) / name).write_text(text)
            (Path(path) / name).chmod(0o755)
        return self.run("vm", "env", f"PATH={path}", f"CALLS={calls}", "sh", "-c", steps, str(script))

    def _name(self, space: str) -> str:
        return f"{self._prefix}-{space}"

    def _veth(self, space: str, name: str, other_space: str, other: str, *, address: str = "") -> None:
        """A cable between two namespaces; an end with an address is down, as a NIC that somebody is still to configure."""
        given = ("address", address) if address else ()
        near, far = ("netns", self._name(space)), ("netns", self._name(other_space))
        line = ["ip", "link", "add", name, *given, *near, "type", "veth", "peer", "name", other, *far]
        subprocess.run(line, check=True, capture_output=True)
        self.ip(other_space, f"link set {other} up")
        if not address:
            self.ip(space, f"link set {name} up")

    def _build(self) -> None:
        for space in self._spaces:
            subprocess.run(["ip", "netns", "add", self._name(space)], check=True)
            self.ip(space, "link set lo up")
            off = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0")
            self.run(
                space, "sysctl", "-qw", *off, "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_ra=0"
            )
        self.ip("sw", "link add ext type bridge", "link set ext up")
        self._veth("out", "eth0", "sw", "p-out")
        self.ip("sw", "link set p-out master ext")
        self.ip("out", f"addr add {EXTERNAL}.1/24 dev eth0", f"addr add {CLIENT}/32 dev lo")
        self.ip("out", "addr add 2001:db8:ffff::1/64 dev eth0 nodad")
        for number in self._routers:
            self._router(number)
        for number in (1, 2, 3):
            self.network(number)
            self.plug(number)
        self._guest()

    def _wire(self, number: int, tap: str) -> None:
        """The NIC of a port in the guest, and the compute host's end of it."""
        self._veth("vm", nic(number), "sw", tap, address=mac(number))

    def _guest(self) -> None:
        """Who answers in the guest."""
        self.serve("vm", "::", PORT)

    def _router(self, number: int) -> None:
        space, own = f"r{number}", f"{EXTERNAL}.{200 + number}"
        self.run(space, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        self._veth(space, "qg", "sw", f"p-qg{number}")
        self.ip("sw", f"link set p-qg{number} master ext")
        self.ip(space, f"addr add {own}/24 dev qg", f"addr add 2001:db8:ffff::{200 + number}/64 dev qg nodad")
        self.ip(space, f"route add default via {EXTERNAL}.1", "route add default via 2001:db8:ffff::1")
        self.run(
            space,
            *("nft", "-f", "-"),
            given="table ip nat {\n chain pre { type nat hook prerouting priority -100; }\n"
            f' chain post {{ type nat hook postrouting priority 100;\n  oifname "qg" snat to {own}\n }}\n}}\n',
        )


def _filter(tap: str, number: int, fixed: str, fixed6: str) -> str:
    """Port security of one port."""
    return textwrap.dedent(
        f"""
        table bridge security {{
          chain {tap} {{
            ether saddr != {mac(number)} counter drop
            ip saddr != {{ 0.0.0.0, {fixed} }} counter drop
            arp saddr ip != {{ 0.0.0.0, {fixed} }} counter drop
            ip6 saddr != {{ ::, fe80::/10, {fixed6} }} counter drop
          }}
          chain spoof {{
            type filter hook prerouting priority -200;
            iifname "{tap}" jump {tap}
          }}
        }}
        """
    )


class Guest:
    """The guest's end: what pycapo gave it, run as its service would run it."""

    def __init__(self, world: NeutronLike, *, programs: Sequence[str] = ()) -> None:
        self._world = world
        self._etc, self._run = world.place / "etc", world.place / "run"
        self._etc.mkdir(exist_ok=True)
        self._path = only(world.place / "bin", programs) if programs else os.environ["PATH"]
        self.facts(1, 2, 3)
        self.conf('ALSO="ens*"')

    def facts(self, *numbers: int, subnets: dict[int, int] | None = None) -> None:
        """The facts of these ports, the first one has the default route."""
        lines = []
        for number in numbers:
            network = (subnets or {}).get(number, number)
            lines += [f"{mac(number)} {address4(number, network)}/24 10.0.{network}.1"]
            lines += [f"{mac(number)} {address6(number, network)}/64 2001:db8:{network}::1"]
        (self._etc / "nic-routes.facts").write_text("\n".join(lines) + "\n")

    def conf(self, *lines: str) -> None:
        """What people set."""
        (self._etc / "nic-routes.conf").write_text("\n".join(lines) + "\n")

    def routes(self, command: str = "sync") -> str:
        """One run of the script."""
        return self._world.run("vm", *self._call(command))

    def forget(self) -> None:
        """What a guest that is switched off forgets: rules, tables, and what is in /run."""
        self.routes("clear")
        shutil.rmtree(self._run)

    def watch(self) -> None:
        """The script as a service."""
        with suppress(FileNotFoundError):
            (self._run / "due").unlink()
        self._world.start("vm", *self._call("watch"))

    def rules(self) -> list[str]:
        """The guest's routing rules of both families, those of one preference in no order."""
        return sorted(f"{family} {line}" for family in "46" for line in self._lines(family))

    def _lines(self, family: str) -> list[str]:
        return self._world.run("vm", "ip", f"-{family}", "rule").splitlines()

    def rules_soon(self, wanted: Callable[[list[str]], bool], *, within: float = PATIENCE) -> list[str]:
        """The rules when they are as wanted, or when the time is over."""
        deadline = time.monotonic() + within
        while not wanted(found := self.rules()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return found

    def _call(self, command: str) -> list[str]:
        setting = {"ETC": self._etc, "RUN": self._run, "PATH": self._path, "SETTLE": "0.3", "PATIENCE": "1"}
        return ["env", *(f"{name}={value}" for name, value in setting.items()), "sh", str(GUEST_SCRIPT), command]


def only(folder: Path, programs: Sequence[str]) -> str:
    """A PATH with nothing but these programs."""
    folder.mkdir(exist_ok=True)
    for program in programs:
        found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        assert found, program
        (folder / program).symlink_to(Path(found).resolve())  # /etc/alternatives may be out of sight
    return str(folder)
