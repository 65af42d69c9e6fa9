# SPDX-License-Identifier: Apache-2.0
"""Everything that an operator applies to have the controller in a management cluster.

Rule: what is printed, what clusterctl installs and what the lab applies is the same list, made here.
"""

from collections.abc import Iterable
from typing import Any

import yaml

from pycapo.deploy.admission import admission, definitions
from pycapo.deploy.deployment import deployment
from pycapo.deploy.options import Manifest, Options, metadata
from pycapo.deploy.permissions import permissions


def components(options: Options | None = None) -> list[Manifest]:
    """Return all manifests in the order in which they can be applied."""
    chosen = options or Options()
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata(chosen.namespace, labels={"control-plane": "controller-manager"}),
    }
    return [namespace, *definitions(chosen), *permissions(chosen), *admission(chosen), deployment(chosen)]


def text(manifests: Iterable[Manifest]) -> str:
    """Return manifests as one YAML text."""
    documents = (dict(manifest) for manifest in manifests)
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120, explicit_start=True)


class _Plain(yaml.CSafeDumper):
    """YAML without anchors: people read it and envsubst edits it."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value again where it is used again."""
        return True
