# SPDX-License-Identifier: Apache-2.0
"""The example of an attachment fits the kind, breaks no rule, and gives its NIC to a machine that runs."""

from pathlib import Path

import yaml

from attachments import AttachmentStage
from builders import NAME, NAMESPACE
from pycapo.api.rules import attachment as rules
from pycapo.api.v1alpha1 import OpenStackNetworkAttachment

EXAMPLE = Path(__file__).parents[3] / "examples" / "network-attachment.yaml"
DOCUMENT = yaml.safe_load(EXAMPLE.read_text())


def test_the_example_breaks_no_rule_and_says_nothing_that_the_kind_does_not_know() -> None:
    assert rules.check(DOCUMENT) == []
    assert OpenStackNetworkAttachment.from_dict(DOCUMENT).to_dict()["spec"] == DOCUMENT["spec"]


def test_the_example_gives_machines_their_nic() -> None:
    stage = AttachmentStage("control-0", "worker-0")
    attachment = OpenStackNetworkAttachment.from_dict(DOCUMENT)
    attachment.metadata.namespace, attachment.spec.cluster_name = NAMESPACE, NAME

    stage.kube.create(attachment)
    stage.settle()

    assert sorted(it.name for it in stage.nics()) == ["control-0-storage-data", "worker-0-storage-data"]
    assert {(it.security_groups, "storage" in it.tags) for it in stage.nics()} == {((), True)}
