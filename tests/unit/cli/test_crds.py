# SPDX-License-Identifier: Apache-2.0
"""`pycapo crds` prints what a cluster can apply, the same each time."""

import base64
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from pycapo.api.crd import crds as definitions
from pycapo.cli.crds import client_config, crds

APP = typer.Typer()
APP.command()(crds)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(APP, list(arguments))


def printed(*arguments: str) -> list[dict[str, Any]]:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return list(yaml.load_all(result.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def test_all_kinds_are_printed_in_the_order_of_their_names() -> None:
    crds = printed()
    assert crds == definitions()
    names = [crd["metadata"]["name"] for crd in crds]
    assert names == sorted(names)


def test_the_same_bytes_are_printed_each_time() -> None:
    assert run("--kind", "OpenStackServer").stdout == run("--kind", "OpenStackServer").stdout


def test_one_kind_can_be_chosen() -> None:
    (crd,) = printed("--kind", "OpenStackClusterIdentity")
    assert crd["metadata"]["name"] == "openstackclusteridentities.infrastructure.cluster.x-k8s.io"
    assert crd["spec"]["scope"] == "Cluster"


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    result = run("--kind", "OpenStackRouter")
    assert result.exit_code == 2
    assert "OpenStackRouter" in result.output
    assert "OpenStackServer" in result.output


def test_the_webhook_is_reached_at_the_service_that_is_asked_for() -> None:
    (crd,) = printed("--kind", "OpenStackMachine", "--webhook-service", "here/hook")
    client = crd["spec"]["conversion"]["webhook"]["clientConfig"]
    assert client == {"service": {"namespace": "here", "name": "hook", "path": "/convert"}}


def test_the_webhook_can_be_reached_at_a_url_with_a_ca_of_its_own(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("certificate")
    config = client_config("https://127.0.0.1:1/convert", "a/b", ca)
    assert config == {"url": "https://127.0.0.1:1/convert", "caBundle": base64.b64encode(b"certificate").decode()}


@pytest.mark.parametrize("service", ["", "name", "/name", "namespace/"])
def test_a_service_without_namespace_and_name_is_refused(service: str) -> None:
    with pytest.raises(typer.BadParameter, match="NAMESPACE/NAME"):
        client_config(None, service, None)
