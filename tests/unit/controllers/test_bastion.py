# SPDX-License-Identifier: Apache-2.0
"""A cluster's bastion, from the wish to its end; the server's own life is played by the test."""

from typing import Any

from builders import NAME, NAMESPACE
from pycapo.api.v1alpha1 import OpenStackServer
from pycapo.kube.life import Again, Gone, Settled
from pycapo.model.kinds import Kind
from stage import Stage

BASTION: dict[str, Any] = {
    "enabled": True,
    "availabilityZone": "az2",
    "spec": {"flavor": {"filter": {"name": "m1.small"}}, "image": {"id": "image-ubuntu"}, "sshKeyName": "ops"},
}


class WithBastion(Stage):
    """A cluster that asks for a bastion."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(bastion={**BASTION, **changes})

    @property
    def server(self) -> OpenStackServer | None:
        return self.kube.get(OpenStackServer, NAMESPACE, f"{NAME}-bastion")

    def runs(self) -> str:
        """Let the server's life bring it up; the id of its port."""
        network = self.cloud.all(Kind.NETWORK)[0].id
        (port,) = self.cloud.create(Kind.PORT, [{"network_id": network, "name": "bastion-0"}], marks=[None])
        status = {
            "ready": True,
            "instanceID": "vm",
            "instanceState": "ACTIVE",
            "addresses": [{"type": "InternalIP", "address": "10.6.0.20"}],
            "resources": {"ports": [{"id": port.id}]},
        }
        self.kube.server.edit("openstackservers", NAMESPACE, f"{NAME}-bastion", {"status": status})
        return str(port.id)


def test_a_bastion_is_a_server_in_the_bastions_group() -> None:
    stage = WithBastion()

    stage.settle()

    server = stage.server
    assert server is not None
    group = next(item for item in stage.cloud.all(Kind.SECURITY_GROUP) if item.name.endswith("bastion"))
    (port,) = server.spec.ports
    assert [item.id for item in port.security_groups or ()] == [group.id]
    assert (server.spec.availability_zone, server.spec.ssh_key_name) == ("az2", "ops")


def test_a_cluster_is_provisioned_before_its_bastion_runs() -> None:
    stage = WithBastion()

    assert stage.settle() == Settled()

    assert stage.cluster.status is not None
    assert stage.cluster.status.initialization is not None
    assert stage.told("BastionReady") == ("False", "WaitingForServer", "spec.bastion: the bastion server is not ready")
    assert stage.told("Ready")[0] == "False"


def test_a_bastion_that_runs_gets_a_floating_ip_and_is_told() -> None:
    stage = WithBastion()
    stage.settle()
    port = stage.runs()

    stage.settle()

    address = next(item for item in stage.cloud.all(Kind.FLOATING_IP) if item.port_id == port)
    status = stage.cluster.status
    assert status is not None
    assert status.bastion is not None
    assert (status.bastion.ip, status.bastion.floating_ip) == ("10.6.0.20", address.floating_ip_address)
    assert stage.told("Ready")[0] == "True"


def test_a_floating_ip_that_the_user_names_is_used() -> None:
    stage = WithBastion(floatingIP="203.0.113.99")
    (theirs,) = stage.cloud.create(
        Kind.FLOATING_IP, [{"floating_network_id": "public-id", "floating_ip_address": "203.0.113.99"}], marks=[None]
    )
    stage.settle()
    port = stage.runs()

    stage.settle()

    assert stage.cloud.world.get(Kind.FLOATING_IP, theirs.id).port_id == port


def test_a_changed_bastion_is_made_anew() -> None:
    stage = WithBastion()
    stage.settle()
    first = stage.server
    stage.change(bastion={**BASTION, "spec": {**BASTION["spec"], "sshKeyName": "other"}})

    stage.turn()  # deletes the server of before
    stage.turn()

    assert first is not None
    assert stage.server is not None
    assert stage.server.metadata.uid != first.metadata.uid
    assert stage.server.spec.ssh_key_name == "other"


def test_a_bastion_of_another_controller_is_not_made_anew() -> None:
    stage = WithBastion()
    stage.settle()
    stage.kube.server.edit("openstackservers", NAMESPACE, f"{NAME}-bastion", {"metadata": {"annotations": None}})
    first = stage.server

    stage.change(bastion={**BASTION, "availabilityZone": "az1"})
    stage.settle()

    assert first is not None
    assert stage.server is not None
    assert stage.server.metadata.uid == first.metadata.uid


def test_a_bastion_that_is_not_wanted_any_more_leaves_nothing() -> None:
    stage = WithBastion()
    stage.settle()
    port = stage.runs()
    stage.settle()
    stage.change(bastion={**BASTION, "enabled": False})

    stage.turn()
    stage.cloud.delete(Kind.PORT, port)  # as the server's life does
    stage.settle()

    assert stage.server is None
    assert len(stage.cloud.all(Kind.FLOATING_IP)) == 1
    assert not [item for item in stage.cloud.all(Kind.SECURITY_GROUP) if item.name.endswith("bastion")]
    assert stage.told("BastionReady") == ("", "", "")
    assert stage.told("Ready")[0] == "True"


def test_a_namesake_of_the_bastion_is_not_touched() -> None:
    stage = WithBastion()
    theirs = OpenStackServer.from_dict(
        {
            "metadata": {"namespace": NAMESPACE, "name": f"{NAME}-bastion"},
            "spec": {
                "identityRef": {"name": "x", "cloudName": "y"},
                "image": {"id": "i"},
                "ports": [],
                "sshKeyName": "",
            },
        }
    )
    stage.kube.create(theirs)

    stage.settle()

    assert stage.told("BastionReady")[1] == "NameTaken"
    stage.delete()
    assert stage.settle() == Gone()
    assert stage.server is not None


def test_deletion_asks_the_bastion_to_go_first() -> None:
    stage = WithBastion()
    stage.settle()
    stage.kube.server.edit("openstackservers", NAMESPACE, f"{NAME}-bastion", {"metadata": {"finalizers": ["held"]}})
    stage.delete()

    outcome = stage.turn()

    assert outcome == Again(5.0, f"1 machines still exist: {NAME}-bastion")
    assert stage.server is not None
    assert stage.server.metadata.deletion_timestamp
    stage.kube.server.edit("openstackservers", NAMESPACE, f"{NAME}-bastion", {"metadata": {"finalizers": None}})
    assert stage.settle() == Gone()
