# SPDX-License-Identifier: Apache-2.0
"""Whole lives of machines whose ports have names of their own."""

from attachments import AttachmentStage, nic
from machine_stage import Stage
from pycapo.api.ports import PortBody, PortOpts, Subport
from pycapo.model.kinds import Kind
from pycapo.model.records import Assignment, Port


def names(stage: Stage) -> dict[str, str | None]:
    return {port.name: port.dns_name for port in stage.cloud.all(Kind.PORT) if port.name.startswith("worker-0")}


def test_a_port_is_named_once_its_server_has_it() -> None:
    stage = Stage()
    child = Subport(segmentation_id=7, port=PortBody(dns_name="below"))
    stage.add("worker-0", PortOpts(), PortOpts(dns_name="www"), PortOpts(subports=[child]))
    stage.settle()

    assert stage.told(stage.machine("worker-0"), "Ready")[0] == "True"
    assert names(stage) == {
        "worker-0-0": "worker-0",
        "worker-0-1": "www",
        "worker-0-2": "worker-0",
        "worker-0-2-0": "below",
    }
    writes = stage.cloud.writes
    stage.settle()
    assert stage.cloud.writes == writes


def test_a_name_that_somebody_changed_is_put_back() -> None:
    stage = Stage()
    stage.add("worker-0", PortOpts(dns_name="www"))
    stage.settle()
    (port,) = (it for it in stage.cloud.all(Kind.PORT) if it.name == "worker-0-0")

    stage.cloud.update(Kind.PORT, port.id, {"dns_name": "stranger"})
    stage.settle()

    assert names(stage) == {"worker-0-0": "www"}


def test_a_neutron_that_keeps_no_names_is_told_and_not_asked_again() -> None:
    stage = Stage()
    stage.add("worker-0", PortOpts(dns_name="www"))
    stage.settle()
    (port,) = (it for it in stage.cloud.all(Kind.PORT) if it.name == "worker-0-0")
    plain = (Assignment(fqdn="host-10-6-0-9.openstacklocal."),)
    stage.cloud.world.change(Kind.PORT, port.id, {"dns_name": "", "dns_assignment": plain})
    writes = stage.cloud.writes

    stage.settle()

    told = stage.told(stage.machine("worker-0"), "InstanceReady")
    assert told[:2] == ("False", "NotSupported")
    assert told[2].startswith("spec.ports[0].dnsName: Neutron keeps no names of ports while its dns_domain is ")
    assert stage.cloud.writes == writes


def test_the_nic_of_an_attachment_is_named_too() -> None:
    stage = AttachmentStage("worker-0")
    stage.attach(nic(dns_name="first"))
    (before,) = stage.nics()

    assert isinstance(before, Port)
    assert before.dns_name == "first"
