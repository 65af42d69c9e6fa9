# SPDX-License-Identifier: Apache-2.0
"""The examples of attachments fit the kind, break no rule, and give their NICs to machines that run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from attachments import TRAFFIC, AttachmentStage
from builders import NAME, NAMESPACE
from ipam import Provider
from pycapo.api.rules import attachment as rules
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment
from pycapo.kube.meta import copy_of
from pycapo.model.kinds import Kind

EXAMPLE = Path(__file__).parents[3] / "examples" / "network-attachment.yaml"
DOCUMENTS = list(yaml.safe_load_all(EXAMPLE.read_text()))
FIRST, EDGE = DOCUMENTS


def apply(stage: AttachmentStage, document: dict[str, Any]) -> None:
    attachment = OpenStackNetworkAttachment.from_dict(document)
    attachment.metadata.namespace, attachment.spec.cluster_name = NAMESPACE, NAME
    stage.kube.create(attachment)


@pytest.mark.parametrize("document", DOCUMENTS, ids=[it["metadata"]["name"] for it in DOCUMENTS])
def test_the_example_breaks_no_rule_and_says_nothing_that_the_kind_does_not_know(document: dict[str, Any]) -> None:
    assert rules.check(document) == []
    assert OpenStackNetworkAttachment.from_dict(document).to_dict()["spec"] == document["spec"]


def test_the_example_gives_machines_their_nic() -> None:
    stage = AttachmentStage("control-0", "worker-0")

    apply(stage, FIRST)
    stage.settle()

    assert sorted(it.name for it in stage.nics()) == ["control-0-storage-data", "worker-0-storage-data"]
    assert {(it.security_groups, "storage" in it.tags) for it in stage.nics()} == {((), True)}


def test_the_second_example_gives_a_machine_nics_of_every_sort() -> None:
    stage = AttachmentStage("worker-0")
    (tenant,) = stage.cloud.create(Kind.NETWORK, [{"name": "tenant-a"}], marks=[None])
    stage.cloud.create(Kind.SUBNET, [{"network_id": tenant.id, "cidr": "10.30.0.0/24"}], marks=[None])
    stage.cloud.create(Kind.PORT, [{"name": "vip", "network_id": TRAFFIC}], marks=[None])
    machine = stage.machine("worker-0")
    after = copy_of(machine)
    after.metadata.labels = {**(machine.metadata.labels or {}), "edge": "true"}
    stage.kube.patch(machine, after)

    apply(stage, EDGE)
    Provider(stage, "10.20.0.60").settle()

    names = ["vip", "worker-0-edge-data", "worker-0-edge-public", "worker-0-edge-vlans"]
    assert (sorted(it.name for it in stage.nics("worker-0")), stage.ready("edge")[0]) == (names, "True")
