# SPDX-License-Identifier: Apache-2.0
"""The same networks for a guest that is a virtual machine: taps where its NICs plug in, and the DHCP agent of each network.

The agent's namespace is also where the guest is looked after from: a neighbour reaches it whatever its routes are.
"""

import subprocess
from pathlib import Path

from neutron_like import NeutronLike, address4, mac


class VirtualNetworks(NeutronLike):
    """Networks whose guest somebody else boots."""

    def network(self, number: int) -> None:
        """A network with its router interface and its DHCP agent; as Neutron's, the agent answers only ports that it knows."""
        super().network(number)
        space = agent(number)
        self._spaces = (*self._spaces, space)
        subprocess.run(["ip", "netns", "add", self._name(space)], check=True)
        self._veth(space, "eth0", "sw", f"p-{space}")
        self.ip("sw", f"link set p-{space} master br{number}")
        self.ip(space, "link set lo up", f"addr add 10.0.{number}.2/24 dev eth0")
        routes = f"169.254.169.254/32,10.0.{number}.2,0.0.0.0/0,10.0.{number}.1"
        self.start(
            space,
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=0"),
            *("--user=root", "--pid-file=", "--leasefile-ro", "--interface=eth0", "--bind-interfaces"),
            f"--dhcp-range=set:subnet,10.0.{number}.0,static,255.255.255.0,86400s",
            f"--dhcp-host={mac(number)},set:port,{address4(number)},host-10-0-{number}-{10 + number}",
            f"--dhcp-option=tag:subnet,option:classless-static-route,{routes}",
            f"--dhcp-option=tag:subnet,option:router,10.0.{number}.1",
        )

    def entered(self, space: str, *command: str) -> list[str]:
        """The command that runs a command in a namespace."""
        return ["ip", "netns", "exec", self._name(space), *command]

    def launch(self, space: str, *command: str) -> "subprocess.Popen[str]":
        """Start a command and leave it to the caller to read what it says and to end it."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(self.entered(space, *command), text=True, **streams)

    def emulate(self, log: Path, *command: str) -> "subprocess.Popen[bytes]":
        """Start the machine's emulator where the taps are; what it complains of goes into a file, and it ends with `close`."""
        with log.open("wb") as file:
            streams = {"stdin": subprocess.DEVNULL, "stdout": file, "stderr": file}
            process = subprocess.Popen(self.entered("sw", *command), start_new_session=True, **streams)
        self._started.append(process)
        return process

    def _wire(self, number: int, tap: str) -> None:
        self.ip("sw", f"tuntap add dev {tap} mode tap", f"link set {tap} up")

    def _guest(self) -> None:
        """Nobody yet."""


def agent(number: int) -> str:
    """The namespace of a network's DHCP agent."""
    return f"d{number}"
