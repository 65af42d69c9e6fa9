# SPDX-License-Identifier: Apache-2.0
"""How pycapo grows with its machines: processor time, memory, requests and start-up at 10, 100, 1,000 and 5,000 of them.

    python tools/growth.py [SIZE...] [--with addresses|floating|attachment|networks]... [--profile]

    this process: an API server in memory, over HTTP           one process for each phase: pycapo as it is
      a cluster and SIZE Machines, as Cluster API makes them -> make:   until all are Ready
                                                             -> settle: a new process finds them; all are looked at again
                                                             -> remove: until all are gone

Rule: what is counted is the controller's; the cloud is in its memory in place of the wire, its own processor time is taken off,
and the picture is the real one.
"""

import argparse
import contextlib
import cProfile
import itertools
import json
import os
import pickle
import pstats
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import msgspec  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

import memory_neutron as neutron  # noqa: E402
from attachments import an_attachment, nic  # noqa: E402
from builders import CLOUDS_YAML, NAME, NAMESPACE, a_capi_cluster, a_cluster  # noqa: E402
from ground import Clouds  # noqa: E402
from machines import a_capi_machine, a_machine  # noqa: E402
from memory_cloud import MemoryCloud, a_memory_cloud  # noqa: E402
from memory_kube import Document, MemoryServer  # noqa: E402
from pycapo.api.capi import IPAddress, IPAddressClaim, Machine  # noqa: E402
from pycapo.api.cluster import OpenStackCluster  # noqa: E402
from pycapo.api.machine import OpenStackMachine  # noqa: E402
from pycapo.api.meta import API_GROUP, TypedLocalObjectReference  # noqa: E402
from pycapo.api.ports import FixedIP, PortOpts  # noqa: E402
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackServer  # noqa: E402
from pycapo.cli.run import Workers, controllers  # noqa: E402
from pycapo.cloud.inventory import Inventory  # noqa: E402
from pycapo.kube import conditions, logs  # noqa: E402
from pycapo.kube.client import Client  # noqa: E402
from pycapo.kube.errors import KubeError  # noqa: E402
from pycapo.kube.kube import Kube  # noqa: E402
from pycapo.kube.manager import Manager  # noqa: E402
from pycapo.kube.meta import document, key_of  # noqa: E402
from pycapo.kube.session import Session  # noqa: E402
from pycapo.lab.meter import usage  # noqa: E402
from pycapo.lab.tally import PAGE  # noqa: E402
from pycapo.model.kinds import Kind  # noqa: E402
from pycapo.model.records import Record  # noqa: E402
from pycapo.model.structs import learn_structs  # noqa: E402

PATIENCE = 540.0  # seconds for a phase
RESYNC = 600.0  # seconds that pass for the cloud before everything is looked at again
_MEBIBYTE = 1 << 20
EXTRAS = "addresses", "floating", "attachment", "networks"
POOL = TypedLocalObjectReference(api_group="ipam.cluster.x-k8s.io", kind="InClusterIPPool", name="nodes")
FLOATING = TypedLocalObjectReference(api_group=API_GROUP, kind=OpenStackFloatingIPPool.kind, name="public")
FLOATING_POOL: dict[str, Any] = {
    "metadata": {"namespace": NAMESPACE, "name": "public"},
    "spec": {"identityRef": {"name": "cloud-config", "cloudName": "dev"}, "reclaimPolicy": "Delete"},
}
OWN = [{"name": "own", "perMachine": {"subnets": [{"name": "v4", "from": ["10.64.0.0/12"], "prefixLength": 28}]}}]


class APIServer(MemoryServer):
    """The API server in memory; nothing of ours waits for the garbage collector, which is slow there."""

    def _collect(self, uid: str) -> None:
        pass

    def _store(self, type_: str, plural: str, document: Document) -> Document:
        """Be the IPAM provider too: a claim on a pool of addresses has one at once."""
        stored = super()._store(type_, plural, document)
        if plural != IPAddressClaim.plural or stored["spec"]["poolRef"]["kind"] != POOL.kind or "status" in stored:
            return stored
        name, number = stored["metadata"]["name"], next(self._addresses)
        spec = {"claimRef": {"name": name}, "poolRef": stored["spec"]["poolRef"]}
        spec |= {"address": f"10.0.{200 + number // 250}.{number % 250 + 1}", "prefix": 16}
        address = {"apiVersion": IPAddress.api_version, "kind": IPAddress.kind, "spec": spec}
        self.put(IPAddress.plural, address | {"metadata": {"name": name, "namespace": NAMESPACE}})
        return super()._store("MODIFIED", plural, stored | {"status": {"addressRef": {"name": name}}})

    def fill(self, size: int, extras: Collection[str]) -> None:
        """Make a cluster and its machines, as Cluster API and the bootstrap provider leave them; each fifth has the extras."""
        self._addresses = itertools.count()
        for name, data in (("cloud-config", {"clouds.yaml": CLOUDS_YAML}), ("boot", {"value": b"#cloud-config\n"})):
            body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}}
            self.put("secrets", body | {"data": {key: msgspec.to_builtins(value) for key, value in data.items()}})
        ports = [PortOpts(fixed_ips=[FixedIP(address_from=POOL)] if "addresses" in extras else None)]
        ports += [PortOpts(cluster_network="own")] if "networks" in extras else []
        special: dict[str, Any] = {"floating_ip_pool_ref": FLOATING if "floating" in extras else None}
        for obj in (
            a_capi_cluster(),
            a_cluster(managedSubnets=[{"cidr": "10.0.0.0/16"}], networks=OWN if "networks" in extras else None),
            *([an_attachment(nic("public"), labels={"fifth": "yes"})] if "attachment" in extras else []),
            *([OpenStackFloatingIPPool.from_dict(FLOATING_POOL)] if "floating" in extras else []),
        ):
            self.put(obj.plural, document(obj))
        for number in range(size):
            known: dict[str, Any] = {"name": f"m-{number}", "namespace": NAMESPACE, "cluster": NAME}
            self.put(Machine.plural, document(a_capi_machine(**known)))
            ours = a_machine(
                *(ports if extras and number % 5 == 0 else ()), **known, **(special if number % 5 == 0 else {})
            )
            ours.metadata.annotations = None
            ours.metadata.labels = {**(ours.metadata.labels or {}), **({"fifth": "yes"} if number % 5 == 0 else {})}
            self.put(OpenStackMachine.plural, document(ours))


@contextlib.contextmanager
def served(api: APIServer) -> Iterator[str]:
    """The API server over HTTP on the loopback; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            if "watch" in query:
                self._watch(parts.path, query)
                return
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            try:
                status, answer = 200, api.request(self.command, parts.path, body=json.loads(content or "null"))
            except KubeError as error:
                told = {"kind": "Status", "status": "Failure", "reason": error.reason, "message": error.message}
                status, answer = error.status or 500, json.dumps(told | {"code": error.status}).encode()
            self._head(status, ("Content-Length", str(len(answer))))
            self.wfile.write(answer)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET  # noqa: N815

        def _head(self, status: int, header: tuple[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header(*header)
            self.end_headers()

        def _watch(self, path: str, query: dict[str, str]) -> None:
            self._head(200, ("Transfer-Encoding", "chunked"))
            with api.stream(path, params=query, idle=0) as lines, contextlib.suppress(OSError):
                for line in lines:
                    self.wfile.write(b"%x\r\n%s\n\r\n" % (len(line) + 1, line))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


class TimedInventory(Inventory):
    """The real picture, which knows for how long it was written into."""

    writing_took = 0.0

    def _write(self, *args: Any) -> None:
        begun = time.thread_time()
        super()._write(*args)
        self.writing_took += time.thread_time() - begun


class PagedCloud(MemoryCloud):
    """The memory cloud for many threads at once, which counts a list by its pages and knows for how long it worked itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._one = threading.RLock()
        self.took = 0.0
        super().__init__(clock=clock)
        self._inventory: TimedInventory = TimedInventory(self._list, clock=clock)

    def create(self, kind: Kind, *args: Any, **kwargs: Any) -> tuple[Record, ...]:
        """One at a time."""
        with self._alone():
            return super().create(kind, *args, **kwargs)

    def update(self, kind: Kind, *args: Any, **kwargs: Any) -> Record:
        """One at a time."""
        with self._alone():
            return super().update(kind, *args, **kwargs)

    def delete(self, kind: Kind, *args: Any, **kwargs: Any) -> None:
        """One at a time."""
        with self._alone():
            super().delete(kind, *args, **kwargs)

    def find(self, kind: Kind, query: Mapping[str, str]) -> tuple[Record, ...]:
        """One at a time."""
        with self._alone():
            return super().find(kind, query)

    def _list(self, kind: Kind) -> Iterator[Record]:
        with self._alone():
            found = list(super()._list(kind))
            self.calls["look", kind] += max(len(found) - 1, 0) // PAGE
            return iter(found)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with self._one:
            begun = time.thread_time() - self._inventory.writing_took
            yield
            self.took += time.thread_time() - self._inventory.writing_took - begun


class Figures(msgspec.Struct):
    """What a piece of work took: seconds by the clock and of processor, turns, requests to both sides, peak bytes."""

    work: str
    seconds: float = 0.0
    processor: float = 0.0
    turns: int = 0
    openstack: int = 0
    kubernetes: int = 0
    peak: int = 0


class Phase:
    """A controller's process: the real runtime and lives; the cloud's world comes from a file and goes back to it."""

    def __init__(self, world: Path) -> None:
        self._world = world
        self._passed = 0.0
        self.cloud = PagedCloud(self._now)
        self.cloud.world = a_memory_cloud().world
        self.cloud.world.drop(Kind.SUBNET, "public-subnet")
        wide = {"id": "public-subnet", "name": "public", "network_id": "public-id", "cidr": "198.18.0.0/15"}
        neutron.create_subnet(self.cloud.world, wide, "admin")
        if world.exists():
            self.cloud.world.records, self.cloud.world.counts = pickle.loads(world.read_bytes())
        self.session = Session()
        self.kube = Kube(Client(self.session))
        every: Any = Clouds(self.cloud)
        self.controllers = controllers(self.kube, every, workers=Workers(), resync=1e9, watch_filter="")
        self.manager = Manager(self.kube, self.controllers)
        self._thread = threading.Thread(target=self.manager.run, name="manager")
        self.figures: list[Figures] = []

    def _now(self) -> float:
        return time.monotonic() + self._passed

    def measure(self, work: str, begin: Callable[[], object], done: Callable[[], bool]) -> None:
        """Begin some work and note what it took until it was done and nobody wants to look again soon."""
        before, clock, processor = self._counts(), time.monotonic(), self._processor()
        begin()
        while not (done() and self._quiet()):
            if time.monotonic() - clock > PATIENCE:
                raise TimeoutError(f"{work}: not after {PATIENCE} s")
            time.sleep(0.05)
        turns, openstack, kubernetes = (now - then for now, then in zip(self._counts(), before, strict=True))
        took = Figures(work, time.monotonic() - clock, self._processor() - processor, turns, openstack, kubernetes)
        took.peak = usage(os.getpid()).peak
        self.figures.append(took)

    def start(self) -> None:
        """Start the manager."""
        self._thread.start()

    def end(self) -> None:
        """Stop it and keep the cloud's world."""
        self.manager.stop()
        self._thread.join()
        self._world.write_bytes(pickle.dumps((self.cloud.world.records, self.cloud.world.counts)))

    def later(self) -> None:
        """Let the cloud be old and have everything looked at again."""
        self._passed += RESYNC
        for controller in self.controllers:
            for obj in self.kube.list(controller.life.kind):
                controller.queue.add(key_of(obj), low=True)

    def remove(self) -> None:
        """Ask for the end of every machine, as Cluster API does."""
        for machine in self.kube.list(OpenStackMachine):
            self.kube.delete(OpenStackMachine, *key_of(machine))

    def ready(self, size: int) -> bool:
        """Whether so many machines are Ready, and the cluster."""
        found = [*self.kube.list(OpenStackMachine), *self.kube.list(OpenStackCluster)]
        return len(found) == size + 1 and all(_is_ready(obj) for obj in found)

    def looked(self) -> bool:
        """Whether the caches are filled and every object had its turn."""
        return not self.manager.ready() and self._counts()[0] >= sum(
            len(self.kube.list(controller.life.kind)) for controller in self.controllers
        )

    def gone(self) -> bool:
        """Whether no machine is left."""
        return not self.kube.list(OpenStackMachine) and not self.kube.list(OpenStackServer)

    def _processor(self) -> float:
        return time.process_time() - self.cloud.took

    def _quiet(self) -> bool:
        queues = [controller.queue for controller in self.controllers]
        soon = time.monotonic() + 60
        return all(queue.idle() and all(due > soon for due, _ in list(queue._due.values())) for queue in queues)

    def _counts(self) -> tuple[int, int, int]:
        return _total("controller_runtime_reconcile"), sum(self.cloud.calls.values()), _total("rest_client_requests")


def _is_ready(obj: Any) -> bool:
    found = conditions.find(obj, "Ready")
    return found is not None and found.status == "True"


def _total(name: str) -> int:
    from prometheus_client import REGISTRY

    samples = (sample for family in REGISTRY.collect() if family.name == name for sample in family.samples)
    return int(sum(sample.value for sample in samples if sample.name == f"{name}_total"))


def phase(name: str, size: int, world: Path) -> list[Figures]:
    """Run one phase in this process."""
    logs.setup(level="error")
    learn_structs()  # before the first thread
    played = Phase(world)
    match name:
        case "make":
            played.measure("make", played.start, lambda: played.ready(size))
        case "settle":
            played.measure("start", played.start, played.looked)
            before = played._counts()[0]
            objects = sum(len(played.kube.list(controller.life.kind)) for controller in played.controllers)
            played.measure("resync", played.later, lambda: played._counts()[0] - before >= objects)
        case "remove":
            played.start()
            while not played.ready(size):
                time.sleep(0.1)
            played.measure("remove", played.remove, played.gone)
    played.end()
    return played.figures


def run(size: int, extras: Collection[str], *, profiled: bool) -> Iterator[Figures]:
    """All phases at one size, each in a process of its own; a profile is of one process and of all its threads."""
    with tempfile.TemporaryDirectory() as folder, served(api := APIServer()) as url:
        api.fill(size, extras)
        config = Path(folder) / "kubeconfig"
        config.write_text(_kubeconfig(url))
        for name in ("make", "settle", "remove"):
            command = [sys.executable, __file__, str(size), "--phase", name, "--world", f"{folder}/world"]
            command += ["--profile"] if profiled else []
            done = subprocess.run(
                command, env={**os.environ, "KUBECONFIG": str(config)}, stdout=subprocess.PIPE, text=True, check=True
            )
            yield from msgspec.json.decode(done.stdout, type=list[Figures])


def _kubeconfig(url: str) -> str:
    parts: dict[str, Any] = {
        "clusters": [{"name": "here", "cluster": {"server": url}}],
        "users": [{"name": "here", "user": {"token": "none"}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "here"}}],
    }
    return json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "here", **parts})


def table(rows: dict[int, list[Figures]]) -> Table:
    """The figures of all sizes, for each machine where that is the question."""
    shown = Table("machines", "work")
    for heading in ("seconds", "CPU s", "turns", "CPU ms/turn", "OpenStack requests", "API requests", "peak MiB"):
        shown.add_column(heading, justify="right")
    for size, figures in rows.items():
        for it in figures:
            each = 1000 * it.processor / max(it.turns, 1)
            numbers = (f"{it.seconds:.1f}", f"{it.processor:.1f}", str(it.turns), f"{each:.2f}")
            shown.add_row(
                str(size), it.work, *numbers, str(it.openstack), str(it.kubernetes), str(it.peak // _MEBIBYTE)
            )
        shown.add_section()
    return shown


def main() -> None:
    """Print the table of the sizes that are asked for."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("sizes", nargs="*", type=int, default=[10, 100, 1000, 5000])
    asked.add_argument("--with", dest="extras", action="append", choices=EXTRAS, help="what each fifth machine has")
    asked.add_argument("--profile", action="store_true", help="also print where the time of all threads went")
    asked.add_argument("--phase", help=argparse.SUPPRESS)
    asked.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if not given.phase:
        rows: dict[int, list[Figures]] = {}
        for size in given.sizes:
            for figures in run(size, given.extras or (), profiled=given.profile):
                rows.setdefault(size, []).append(figures)
                print(figures, file=sys.stderr, flush=True)
        Console(width=120).print(table(rows))
        return
    profiles: list[cProfile.Profile] = []

    def profiled(*_: object) -> None:
        """Called first in each thread: one profile of several threads would mix up their stacks."""
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].enable()

    if given.profile:
        threading.setprofile(profiled)
    print(msgspec.json.encode(phase(given.phase, given.sizes[0], given.world)).decode())
    if profiles:
        pstats.Stats(*profiles, stream=sys.stderr).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
