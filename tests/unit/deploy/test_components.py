# SPDX-License-Identifier: Apache-2.0
"""What an operator installs."""

from typing import Any

import pytest
import typer
import yaml

from pycapo.api.rules.kinds import KINDS
from pycapo.cli.run import run
from pycapo.deploy.components import components, text
from pycapo.deploy.options import Options
from pycapo.deploy.repository import VARIABLES
from pycapo.webhooks.endpoints import CONVERT_PATH

Manifest = dict[str, Any]
CLUSTER_WIDE = {
    "Namespace",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "ValidatingWebhookConfiguration",
}


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return components(
        Options(namespace="elsewhere", image="registry.example/pycapo:v9", arguments=("--log-level=debug",))
    )


def one(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [manifest for manifest in manifests if manifest["kind"] == kind]
    return found


def services(manifests: list[Manifest]) -> list[Manifest]:
    """Return where each webhook is, as the manifests say it."""
    crds = [m["spec"] for m in manifests if m["kind"] == "CustomResourceDefinition" and "conversion" in m["spec"]]
    found = [spec["conversion"]["webhook"]["clientConfig"] for spec in crds]
    return [*found, *(w["clientConfig"] for w in one(manifests, "ValidatingWebhookConfiguration")["webhooks"])]


def test_every_object_is_labelled_for_clusterctl_and_in_the_namespace_if_it_has_one(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        metadata = manifest["metadata"]
        assert metadata["labels"]["cluster.x-k8s.io/provider"] == "infrastructure-openstack", metadata
        assert metadata.get("namespace") == (None if manifest["kind"] in CLUSTER_WIDE else "elsewhere"), metadata


def test_the_namespace_comes_first_and_the_deployment_last(manifests: list[Manifest]) -> None:
    assert manifests[0]["kind"] == "Namespace"
    assert manifests[0]["metadata"]["name"] == "elsewhere"
    assert manifests[-1]["kind"] == "Deployment"


def test_the_container_is_called_manager_and_owns_nothing_of_the_node(manifests: list[Manifest]) -> None:
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert container["name"] == "manager"
    assert container["image"] == "registry.example/pycapo:v9"
    assert container["args"][-1] == "--log-level=debug"
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_deployment_mounts_the_secret_that_the_certificate_fills(manifests: list[Manifest]) -> None:
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    secret = one(manifests, "Certificate")["spec"]["secretName"]

    (volume,) = [volume for volume in pod["volumes"] if volume.get("secret", {}).get("secretName") == secret]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == volume["name"]]
    assert f"--webhook-cert-dir={mount['mountPath']}" in pod["containers"][0]["args"]


def test_every_webhook_is_reached_at_the_service_that_the_certificate_names(manifests: list[Manifest]) -> None:
    host = one(manifests, "Certificate")["spec"]["dnsNames"][0]
    service = one(manifests, "Service")["metadata"]

    assert host == f"{service['name']}.{service['namespace']}.svc"
    for config in services(manifests):
        assert (config["service"]["name"], config["service"]["namespace"]) == (service["name"], "elsewhere")


def test_every_webhook_path_is_one_that_the_server_answers(manifests: list[Manifest]) -> None:
    paths = {config["service"]["path"] for config in services(manifests)}

    assert paths == {CONVERT_PATH, *(kind.path for kind in KINDS)}


def test_everything_with_a_webhook_gets_its_ca_from_the_certificate(manifests: list[Manifest]) -> None:
    for manifest in manifests:
        if "webhooks" in manifest or "conversion" in manifest.get("spec", {}):
            found = manifest["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
            assert found == "elsewhere/capo-serving-cert"


def test_text_is_the_same_manifests_without_anchors(manifests: list[Manifest]) -> None:
    written = text(manifests[:3] + manifests[-4:])

    assert list(yaml.safe_load_all(written)) == manifests[:3] + manifests[-4:]
    assert "&id0" not in written


def test_every_argument_is_an_option_of_the_command_that_the_container_runs(manifests: list[Manifest]) -> None:
    (container,) = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    known = {option for parameter in command().params for option in parameter.opts}

    assert container["command"] == ["pycapo"]
    assert container["args"][0] == "run"
    for argument in (*container["args"][1:], *VARIABLES):
        assert argument.partition("=")[0] in known


def command() -> Any:
    """Return the command `run` as typer parses it."""
    app = typer.Typer()
    app.command()(run)
    return typer.main.get_command(app)
