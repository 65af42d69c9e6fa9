# SPDX-License-Identifier: Apache-2.0
"""The templates and components of a release, rendered by clusterctl and taken by a real API server."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pycapo.deploy.repository import write_repository
from pycapo.lab.build import Built, build
from pycapo.lab.progress import quiet
from served import Api

pytestmark = pytest.mark.apiserver

Json = dict[str, Any]
PLURALS = {"OpenStackCluster": "openstackclusters", "ClusterClass": "clusterclasses", "Secret": "secrets"}
ANSWERS = {
    "OPENSTACK_CLOUD": "openstack",
    "OPENSTACK_CLOUD_YAML_B64": "Y2xvdWRzOiB7fQo=",
    "OPENSTACK_IMAGE_NAME": "ubuntu-24.04",
    "OPENSTACK_CONTROL_PLANE_MACHINE_FLAVOR": "m1.medium",
    "OPENSTACK_NODE_MACHINE_FLAVOR": "m1.small",
    "OPENSTACK_DNS_NAMESERVERS": "10.6.0.2, 10.6.0.3",
    "OPENSTACK_EXTERNAL_NETWORK_ID": "6d1a3f6e-0000-4000-8000-000000000001",
}


@dataclass(frozen=True)
class Release:
    """A local repository of this version, and the clusterctl that reads it."""

    folder: Path
    clusterctl: Path

    def render(self, *words: str) -> list[Json]:
        """Return what `clusterctl generate` prints."""
        entry = {"name": "openstack", "type": "InfrastructureProvider"}
        config = self.folder / "clusterctl.yaml"
        url = str(self.folder / "infrastructure-components.yaml")
        config.write_text(json.dumps({"providers": [{**entry, "url": url}]}))
        command = [self.clusterctl, "generate", *words, f"--infrastructure=openstack:{self.folder.name}"]
        quiet_home = {"CLUSTERCTL_DISABLE_VERSIONCHECK": "true", "XDG_CONFIG_HOME": str(self.folder)}
        environment = {**os.environ, **ANSWERS, **quiet_home}
        arguments = [*map(str, command), f"--config={config}"]
        done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.load_all(done.stdout, yaml.CSafeLoader) if document]


@pytest.fixture(scope="module")
def built() -> Built:
    return build(quiet())


@pytest.fixture(scope="module")
def release(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Release:
    return Release(write_repository(tmp_path_factory.mktemp("release")), built.programs["clusterctl"])


def dry_run(api: Api, document: Json) -> Json:
    """Create an object without keeping it; an unknown field is an error."""
    plural = PLURALS.get(document["kind"], f"{document['kind'].lower()}s")
    group = "api" if "/" not in document["apiVersion"] else "apis"
    path = f"{group}/{document['apiVersion']}/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict"
    return dict(api.kube.request("POST", path, document))


@pytest.mark.parametrize("flavor", ["", "without-lb", "topology"])
def test_clusterctl_renders_what_the_api_server_takes(api: Api, release: Release, flavor: str) -> None:
    counts = ("--control-plane-machine-count=3", "--worker-machine-count=2")
    which = ("-n=default", "--kubernetes-version=v1.36.3", *counts, *([f"--flavor={flavor}"] if flavor else []))

    documents = release.render("cluster", "basic-1", *which)

    assert len(documents) == 8
    for document in documents:
        assert dry_run(api, document)["metadata"]["uid"]


def test_clusterctl_installs_into_another_namespace(release: Release) -> None:
    documents = release.render("provider", "--target-namespace=elsewhere")

    assert {d["metadata"]["namespace"] for d in documents if "namespace" in d["metadata"]} == {"elsewhere"}
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "--sync-period=10m" in container["args"]
    (certificate,) = [document for document in documents if document["kind"] == "Certificate"]
    assert certificate["spec"]["dnsNames"][0] == "capo-webhook-service.elsewhere.svc"
