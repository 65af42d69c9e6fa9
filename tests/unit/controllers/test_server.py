# SPDX-License-Identifier: Apache-2.0
"""A server on its own: no machine, no cluster, real turns."""

import base64
from typing import Any

import pytest

from builders import CLOUDS_YAML
from ground import Clouds
from machines import NETWORK, SECRET, SUBNET, a_server
from memory_cloud import MemoryCloud, a_memory_cloud
from memory_kube import MemoryKube
from pycapo.api.capi import Cluster, IPAddressClaim
from pycapo.api.machine import OpenStackMachine
from pycapo.api.meta import Condition, ObjectMeta
from pycapo.api.orc import Image as ImageObject
from pycapo.api.orc import ImageStatus
from pycapo.api.ports import PortStatus
from pycapo.api.references import ImageParam, ResourceReference
from pycapo.api.v1alpha1 import OpenStackServer, OpenStackServerStatus, ServerResources
from pycapo.controllers.server import ServerLife
from pycapo.kube import conditions
from pycapo.kube.life import Again, Gone, Outcome, Settled, turn
from pycapo.kube.meta import ObjectKey
from pycapo.model.kinds import Kind
from pycapo.plan.machine import SERVER_FINALIZER

KEY = ObjectKey("default", "worker-0")


class Alone:
    """A management cluster with one OpenStackServer, over a memory cloud with a network."""

    def __init__(self, server: OpenStackServer) -> None:
        self.kube = MemoryKube(OpenStackServer, OpenStackMachine, Cluster, IPAddressClaim)
        self.cloud = a_memory_cloud()
        self.cloud.create(Kind.NETWORK, [{"id": NETWORK, "name": "net"}], marks=[None])
        self.cloud.create(Kind.SUBNET, [{"id": SUBNET, "network_id": NETWORK, "cidr": "10.6.0.0/24"}], marks=[None])
        self.kube.has_secret("default", "cloud-config", {"clouds.yaml": CLOUDS_YAML})
        self.life = ServerLife(self.kube, Clouds(self.cloud))
        self.kube.create(server)

    @property
    def server(self) -> OpenStackServer:
        found = self.kube.get(OpenStackServer, *KEY)
        assert found is not None
        return found

    def settle(self) -> Outcome:
        for _ in range(20):
            outcome = turn(KEY, self.life, self.kube)
            if not (isinstance(outcome, Again) and outcome.after < 10):
                return outcome
        raise AssertionError(outcome)

    def told(self) -> tuple[str, str]:
        found = conditions.find(self.server, "InstanceReady")
        return (found.reason, found.message) if found else ("", "")


def vms(cloud: MemoryCloud) -> list[Any]:
    return list(cloud.all(Kind.SERVER))


def test_a_server_that_belongs_to_nobody_lives_and_goes() -> None:
    alone = Alone(a_server())
    before = alone.cloud.snapshot()

    assert alone.settle() == Settled()
    assert alone.server.status is not None
    assert (alone.server.status.ready, len(vms(alone.cloud))) == (True, 1)
    assert alone.server.status.resolved is not None

    alone.kube.delete(OpenStackServer, *KEY)
    assert alone.settle() == Gone()
    assert alone.cloud.snapshot() == before


def test_the_user_data_are_the_secrets_value_in_base64_and_in_no_event_or_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = Alone(a_server(user_data_ref=SECRET))
    sent: list[str] = []
    create = alone.cloud.create

    def spy(kind: Kind, bodies: Any, **rest: Any) -> Any:
        sent.extend(body["user_data"] for body in bodies if "user_data" in body)
        return create(kind, bodies, **rest)

    monkeypatch.setattr(alone.cloud, "create", spy)
    alone.settle()
    assert alone.told()[0] == "WaitingForBootstrapData"
    alone.kube.has_secret("default", "boot", {"value": b"#cloud-config secret"})
    alone.settle()

    encoded = base64.b64encode(b"#cloud-config secret").decode()
    assert sent == [encoded]
    assert encoded not in repr((alone.kube.events(), alone.kube.stored("openstackservers", *KEY)))


def test_an_image_object_is_read_when_it_is_there_and_waited_for_when_not() -> None:
    alone = Alone(a_server(image=ImageParam(image_ref=ResourceReference(name="noble"))))
    alone.settle()
    assert alone.told()[0] == "WaitingForImage"
    available = Condition(
        type="Available", status="True", reason="Success", message="", last_transition_time="2026-01-01T00:00:00Z"
    )
    status = ImageStatus(id="image-ubuntu", conditions=[available])

    made = alone.kube.create(ImageObject(metadata=ObjectMeta(name="noble", namespace="default")))
    alone.kube.patch_status(made, ImageObject(metadata=made.metadata, status=status))
    alone.settle()

    assert len(vms(alone.cloud)) == 1


def test_a_server_of_the_go_provider_that_is_deleted_takes_its_vm_and_ports_with_it() -> None:
    server = a_server()
    server.metadata.annotations, server.metadata.finalizers = None, [SERVER_FINALIZER]
    alone = Alone(server)
    before = alone.cloud.snapshot()
    (port,) = alone.cloud.create(Kind.PORT, [{"name": "worker-0-0", "network_id": NETWORK}], marks=[None])
    body = {
        "name": "worker-0",
        "flavorRef": "flavor-small",
        "imageRef": "image-ubuntu",
        "networks": [{"port": port.id}],
    }
    (vm,) = alone.cloud.create(Kind.SERVER, [body], marks=[None])
    after = alone.server.from_dict(alone.server.to_dict())
    after.status = OpenStackServerStatus(instance_id=vm.id, resources=ServerResources(ports=[PortStatus(id=port.id)]))
    alone.kube.patch_status(alone.server, after)

    alone.kube.delete(OpenStackServer, *KEY)

    assert alone.settle() == Gone()
    assert alone.cloud.snapshot() == before


def test_a_missing_flavor_is_told_and_looked_for_again_later() -> None:
    alone = Alone(a_server(flavor="m9.huge"))

    outcome = alone.settle()

    assert isinstance(outcome, Again)
    assert outcome.after == 60.0
    assert alone.told() == ("NotFound", 'spec.flavor: no flavor matches name "m9.huge"')
    assert alone.cloud.all(Kind.PORT) == ()


def test_what_was_done_is_told_as_events_in_the_words_of_the_plan() -> None:
    alone = Alone(a_server())
    alone.settle()

    events = alone.kube.events()

    assert ("Normal", "SuccessfulCreatePort", "make port worker-0-0 of server worker-0") in events
    assert ("Normal", "SuccessfulCreateServer", "make server worker-0") in events


def test_what_somebody_has_to_mend_is_told_as_a_warning_with_the_field() -> None:
    alone = Alone(a_server(flavor="m9.nowhere"))
    alone.settle()

    warnings = [(reason, message) for type_, reason, message in alone.kube.events() if type_ == "Warning"]

    assert warnings == [("NotFound", 'spec.flavor: no flavor matches name "m9.nowhere"')]
