# SPDX-License-Identifier: Apache-2.0
"""A management cluster and a cloud in memory, with the lives of clusters, machines and servers, as `pycapo run` wires them.

stage = Stage()                              # a cluster whose infrastructure is there
stage.add("worker-0")                        # a Machine with its OpenStackMachine and bootstrap Secret
stage.settle()                               # turns until nobody wants to look again soon
stage.machine("worker-0"), stage.server("worker-0")
"""

from collections.abc import Iterator
from typing import Any

from builders import NAME, NAMESPACE
from ground import Ground, told
from machines import a_capi_machine, a_machine
from memory_cloud import MemoryCloud
from pycapo.api.capi import Cluster, IPAddress, IPAddressClaim, Machine
from pycapo.api.cluster import OpenStackCluster
from pycapo.api.machine import OpenStackMachine, OpenStackMachineTemplate
from pycapo.api.meta import OwnerReference
from pycapo.api.ports import PortOpts
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool, OpenStackNetworkAttachment, OpenStackServer
from pycapo.controllers.attachment import AttachmentLife
from pycapo.controllers.cluster import ClusterLife
from pycapo.controllers.machine import MachineLife
from pycapo.controllers.pool import PoolLife
from pycapo.controllers.server import ServerLife
from pycapo.kube.life import Again, Failed, Outcome, turn
from pycapo.kube.meta import ObjectKey, copy_of, key_of
from pycapo.model.kinds import Kind

SOON = 30.0
"""An Again of fewer seconds is taken at once."""


KINDS = (
    *(OpenStackCluster, Cluster, Machine, OpenStackMachine, OpenStackServer),
    *(OpenStackFloatingIPPool, IPAddressClaim, IPAddress, OpenStackNetworkAttachment, OpenStackMachineTemplate),
)


class Stage(Ground):
    """Everything that a machine's life plays on; `changes` are fields of the cluster's spec, by their wire names."""

    def __init__(self, *, cloud: MemoryCloud | None = None, settled: bool = True, **changes: Any) -> None:
        super().__init__(*KINDS, cloud=cloud, **changes)
        self.lives = (
            ClusterLife(self.kube, self.clouds),
            MachineLife(self.kube, self.clouds),
            ServerLife(self.kube, self.clouds),
            PoolLife(self.kube, self.clouds),
            AttachmentLife(self.kube, self.clouds),
        )
        if settled:
            self.settle()

    def add(self, name: str, *ports: PortOpts, control_plane: bool = False, zone: str = "", **spec: Any) -> None:
        """A Machine whose bootstrap data are there, and the OpenStackMachine that it owns."""
        known: dict[str, Any] = {"name": name, "namespace": NAMESPACE, "cluster": NAME, "control_plane": control_plane}
        self.kube.has_secret(NAMESPACE, "boot", {"value": b"#cloud-config\n"})
        owner = self.kube.create(a_capi_machine(**known, zone=zone))
        machine = a_machine(*ports, **known, **spec)
        machine.metadata.uid = None
        machine.metadata.annotations = None
        machine.metadata.owner_references = [
            OwnerReference(api_version=owner.api_version, kind="Machine", name=name, uid=owner.metadata.uid or "")
        ]
        self.kube.create(machine)

    def machine(self, name: str) -> OpenStackMachine:
        found = self.kube.get(OpenStackMachine, NAMESPACE, name)
        assert found is not None
        return found

    def server(self, name: str) -> OpenStackServer:
        found = self.kube.get(OpenStackServer, NAMESPACE, name)
        assert found is not None
        return found

    def told(self, obj: Any, condition: str) -> tuple[str, str, str]:
        return told(obj, condition)

    def delete(self, name: str) -> None:
        self.kube.delete(OpenStackMachine, NAMESPACE, name)

    def turn(self, kind: type[Any], name: str) -> Outcome:
        """One turn of one object."""
        life = next(life for life in self.lives if life.kind is kind)
        return turn(ObjectKey(NAMESPACE, name), life, self.kube)

    def settle(self, most: int = 40) -> None:
        """Rounds of turns of every object, until nothing was written and nobody wants another look soon."""
        for _ in range(most):
            before = len(self._written())
            outcomes = list(self._round())
            soon = any(_soon(outcome) for outcome in outcomes)
            if not soon and len(self._written()) == before:
                return
        raise AssertionError(f"no end: {outcomes}")

    def lose_status(self, name: str) -> None:
        """What clusterctl move does to a machine and its server."""
        for kind in (OpenStackMachine, OpenStackServer):
            before = self.kube.get(kind, NAMESPACE, name)
            assert before is not None
            after = copy_of(before)
            after.status = None
            self.kube.patch_status(before, after)

    def count(self, *kinds: Kind) -> dict[Kind, int]:
        return {kind: len(self.cloud.all(kind)) for kind in kinds}

    def _round(self) -> Iterator[Outcome]:
        for life in self.lives:
            for obj in self.kube.list(life.kind):
                yield turn(key_of(obj), life, self.kube)

    def _written(self) -> list[tuple[str, str]]:
        events = "/events"
        return [it for it in self.kube.server.requests if it[0] != "GET" and events not in it[1]]


def _soon(outcome: Outcome) -> bool:
    match outcome:
        case Again(after=after):
            return after < SOON
        case Failed():
            return True
    return False
