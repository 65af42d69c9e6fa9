# SPDX-License-Identifier: Apache-2.0
"""Network attachments for tests, and the stage on which machines get their NICs."""

from typing import Any

from builders import NAME, NAMESPACE
from machine_stage import Stage
from pycapo.api.meta import LabelSelector, ObjectMeta
from pycapo.api.ports import PortOpts
from pycapo.api.references import NetworkFilter, NetworkParam
from pycapo.api.v1alpha1 import (
    OpenStackNetworkAttachment,
    OpenStackNetworkAttachmentSpec,
    OpenStackNetworkAttachmentStatus,
)
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind
from pycapo.plan.plugging import NIC

STORAGE, TRAFFIC = "storage-id", "traffic-id"


def nic(network: str = "storage", **fields: Any) -> PortOpts:
    """An entry on a network by name."""
    return PortOpts(network=NetworkParam(filter=NetworkFilter(name=network)), **fields)


def an_attachment(
    *ports: PortOpts, name: str = "extra", labels: dict[str, str] | None = None, cluster: str = NAME
) -> OpenStackNetworkAttachment:
    """An attachment for all machines of the cluster, or for those with these labels."""
    selector = LabelSelector(match_labels=labels) if labels else None
    spec = OpenStackNetworkAttachmentSpec(cluster_name=cluster, machine_selector=selector, ports=list(ports) or [nic()])
    return OpenStackNetworkAttachment(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec)


class AttachmentStage(Stage):
    """A stage with the networks "storage" (10.20.0.0/24) and "traffic" (10.21.0.0/24), and workers that run."""

    def __init__(self, *machines: str, **knobs: Any) -> None:
        super().__init__(**knobs)
        for number, (id, name) in enumerate(((STORAGE, "storage"), (TRAFFIC, "traffic"))):
            self.cloud.create(Kind.NETWORK, [{"id": id, "name": name}], marks=[None])
            subnet = {"network_id": id, "cidr": f"10.{20 + number}.0.0/24", "name": name}
            self.cloud.create(Kind.SUBNET, [subnet], marks=[None])
        for machine in machines:
            self.add(machine, control_plane=machine.startswith("control"))
        self.settle()

    def attach(self, *ports: PortOpts, **fields: Any) -> None:
        self.kube.create(an_attachment(*ports, **fields))
        self.settle()

    def attachment(self, name: str = "extra") -> OpenStackNetworkAttachment:
        found = self.kube.get(OpenStackNetworkAttachment, NAMESPACE, name)
        assert found is not None
        return found

    def status(self, name: str = "extra") -> OpenStackNetworkAttachmentStatus:
        found = self.attachment(name).status
        assert found is not None
        return found

    def ready(self, name: str = "extra") -> tuple[str, str, str]:
        return self.told(self.attachment(name), "Ready")

    def edit(self, *ports: PortOpts, name: str = "extra") -> None:
        before = self.attachment(name)
        after = copy_of(before)
        after.spec.ports = list(ports)
        self.kube.patch(before, after)
        self.settle()

    def detach(self, name: str = "extra") -> None:
        self.kube.delete(OpenStackNetworkAttachment, NAMESPACE, name)
        self.settle()

    def tear_out(self, name: str = "extra") -> None:
        """Ends an attachment as who takes its finalizer off does; nobody has looked yet."""
        before = self.attachment(name)
        after = copy_of(before)
        after.metadata.finalizers = []
        self.kube.patch(before, after)
        self.kube.delete(OpenStackNetworkAttachment, NAMESPACE, name)

    def nics(self, machine: str = "") -> list[Any]:
        """The ports of attachments, of one machine or of all, in the order of their making."""
        ports = [it for it in self.cloud.all(Kind.PORT) if it.mark and it.mark.role.startswith(NIC)]
        return [it for it in ports if not machine or it.device_id == self.vm(machine)]

    def vm(self, machine: str) -> str:
        status = self.server(machine).status
        assert status is not None
        return status.instance_id or ""
