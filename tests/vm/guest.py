# SPDX-License-Identifier: Apache-2.0
"""A virtual machine on the networks: an emulated computer with a real kernel, cloud-init and sshd, as Nova would define it.

Rule: it ends with whoever started it, and nothing that it writes outlives it.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neutron_like import PORT, address4, mac
from vm.image import Image
from vm.virtual_networks import VirtualNetworks, agent

BOOT = 1200  # seconds: on an emulated processor that others want too
_PROCESSOR = "qemu64,+rdrand,-svm"  # the less it has, the less drivers test themselves at boot
_NEEDLESS = "ata_piix,kvm,kvm_amd,cryptd,psmouse,pcspkr,i2c_piix4,powernow_k8"
_QUIET = "quiet systemd.show_status=0 mitigations=off audit=0 apparmor=0 nokaslr tsc=reliable no_timer_check"
_PATIENT = "systemd.default_timeout_start_sec=900 systemd.default_device_timeout_sec=900"
_SSH = (
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a guest boots from: the image, which kind of guest it becomes, its config drive, and the key that opens it."""

    image: Image
    kind: str
    drive: Path
    key: Path


class Guest:
    """One virtual machine with NICs on the first networks; more can be plugged in while it runs."""

    def __init__(self, world: VirtualNetworks, hardware: Hardware, place: Path, *, numbers: Iterable[int]) -> None:
        self._world, self._key, self._console = world, hardware.key, place / "console"
        self.booted: dict[str, float] = {}
        self._plugged: set[int] = set()
        started = time.monotonic()
        self._log = place / "emulator"
        self._process = world.emulate(self._log, *_computer(hardware, place), *_nics(numbers))
        self._monitor = Monitor(place / "monitor", self._process)
        self._until(self._answers, "no login")
        self.booted["first boot"] = time.monotonic() - started
        self._until(self._finished, "cloud-init is not done")  # it and logins would take the processor from each other

    def shell(self, script: str, *, within: float = 300) -> str:
        """Run a script as root and return what it prints; the way there needs no routes."""
        done = subprocess.run(
            self._world.entered(agent(1), *self._login(address4(1)), "sudo", "sh", "-e"),
            input=script,
            text=True,
            capture_output=True,
            check=False,
            timeout=within,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.console()}"
        return done.stdout

    def logins(self, addresses: Iterable[str], *, port: int = PORT, patience: int = 180) -> dict[str, str]:
        """Log in from outside through all of these addresses at once; returns address -> the guest's own address for it."""
        ask = ("echo", "$SSH_CONNECTION")
        calls = {it: self._world.launch("out", *self._login(it, patience, port=port), *ask) for it in addresses}
        deadline = time.monotonic() + 2 * patience
        found = {}
        for address, call in calls.items():
            try:
                told, _ = call.communicate(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                call.kill()
                told, _ = call.communicate()
            if call.returncode == 0:
                found[address] = told.split()[2]
        return found

    def logins_soon(self, wanted: Mapping[str, str], *, port: int = PORT, within: float = 900) -> dict[str, str]:
        """The same, tried again until it is as wanted or the time is over."""
        deadline = time.monotonic() + within
        while (found := self.logins(wanted, port=port)) != wanted and time.monotonic() < deadline:
            print(f"{len(found)} of {len(wanted)} answer: {found}")
            time.sleep(2)
        return found

    def settled(self) -> str:
        """Wait until cloud-init has done all that it was asked; returns its status."""
        return self.shell("cloud-init status --wait || true", within=BOOT)

    def reboot(self) -> None:
        """The guest's own reboot."""
        boot, started = self._boot(), time.monotonic()
        self.shell("systemd-run -q --on-active=3 systemctl reboot")  # once this connection has ended
        self._until(lambda: self._boot() not in ("", boot), "not rebooted")
        self.booted["reboot"] = time.monotonic() - started

    def plug(self, number: int) -> None:
        """A NIC on a network of its own, as Nova plugs it into a running server; once."""
        if number in self._plugged:
            return
        self._plugged.add(number)
        self._world.network(number)
        self._world.plug(number)
        self._monitor.call(
            "netdev_add", type="tap", id=f"net{number}", ifname=f"tap{number}", script="no", downscript="no"
        )
        self._monitor.call(
            "device_add", driver="virtio-net-pci", id=f"nic{number}", netdev=f"net{number}", mac=mac(number), romfile=""
        )

    def unplug(self, number: int) -> None:
        """Take it out again; returns when the guest has let go of it."""
        self._plugged.discard(number)
        self._monitor.call("device_del", id=f"nic{number}")
        self._monitor.wait("DEVICE_DELETED", device=f"nic{number}")
        self._monitor.call("netdev_del", id=f"net{number}")

    def console(self) -> str:
        """The last lines of the console."""
        text = self._console.read_text(errors="replace") if self._console.exists() else ""
        return "\n".join(text.splitlines()[-40:])

    def _login(self, address: str, patience: int = 60, *, port: int = PORT) -> tuple[str, ...]:
        return (
            "ssh",
            *_SSH,
            "-p",
            str(port),
            "-o",
            f"ConnectTimeout={patience}",
            "-i",
            str(self._key),
            f"debian@{address}",
        )

    def _boot(self) -> str:
        """The id of the running boot; empty when nobody answers."""
        return self._asked("cat", "/proc/sys/kernel/random/boot_id")

    def _asked(self, *words: str, otherwise: str = "") -> str:
        """What a command prints; something else when it could not be asked for."""
        line = self._world.entered(agent(1), *self._login(address4(1), 20), *words)
        try:
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        except subprocess.TimeoutExpired:
            return otherwise
        return done.stdout.strip() or otherwise

    def _answers(self) -> bool:
        return self._boot() != ""

    def _finished(self) -> bool:
        return "running" not in self._asked("cloud-init", "status", otherwise="running")

    def _until(self, happened: Any, otherwise: str) -> None:
        deadline = time.monotonic() + BOOT
        while not happened():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, f"{otherwise} within {BOOT} s; the console says:\n{self.console()}"
            time.sleep(1)


class Monitor:
    """The emulator's control connection (QMP)."""

    def __init__(self, path: Path, process: "subprocess.Popen[bytes]") -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(120)
        while not path.exists():
            assert process.poll() is None, path.with_name("emulator").read_text()
            time.sleep(0.1)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile()
        self._events: list[dict[str, Any]] = []
        self.call("qmp_capabilities")

    def call(self, command: str, **arguments: Any) -> None:
        """Run a command; an answer that is an error fails the test."""
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while "return" not in (answer := json.loads(self._lines.readline())):
            assert "error" not in answer, f"{command}: {answer}"
            self._events.append(answer)

    def wait(self, event: str, **data: Any) -> None:
        """Wait for an event that says at least this."""
        while True:
            while self._events:
                told = self._events.pop(0)
                if told.get("event") == event and data.items() <= told.get("data", {}).items():
                    return
            self._events.append(json.loads(self._lines.readline()))


def _computer(hardware: Hardware, place: Path) -> Iterable[str]:
    """The emulator and its computer, without NICs; `setpriv` ends it should we be killed."""
    yield from ("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64")
    cores = min(2, os.cpu_count() or 1)  # boots in little more than half the time where there are two
    yield from ("-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", _PROCESSOR, "-smp", str(cores), "-m", "768")
    yield from ("-nodefaults", "-no-user-config", "-display", "none")
    yield from ("-kernel", str(hardware.image.kernel), "-initrd", str(hardware.image.initial))
    ours = f"init=/sbin/as-kind kind={hardware.kind} modprobe.blacklist={_NEEDLESS}"
    yield from ("-append", f"root=/dev/vda rw console=ttyS0 {ours} {_QUIET} {_PATIENT}")
    yield from ("-drive", f"file={hardware.image.disk},format=raw,if=virtio,snapshot=on,cache=unsafe")
    yield from ("-drive", f"file={hardware.drive},format=raw,if=virtio,readonly=on")
    yield from ("-serial", f"file:{place / 'console'}", "-qmp", f"unix:{place / 'monitor'},server=on,wait=off")


def _nics(numbers: Iterable[int]) -> Iterable[str]:
    for number in numbers:
        yield from ("-netdev", f"tap,id=net{number},ifname=tap{number},script=no,downscript=no")
        yield from ("-device", f"virtio-net-pci,id=nic{number},netdev=net{number},mac={mac(number)},romfile=")
