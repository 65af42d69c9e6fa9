# SPDX-License-Identifier: Apache-2.0
"""A release as clusterctl reads it."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from pycapo.deploy import repository
from pycapo.deploy.options import Options

VARIABLE = re.compile(r"\$\{[^}]*\}")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository.write_repository(tmp_path_factory.mktemp("repository"), release="v0.1.0")


def test_a_release_has_the_layout_of_a_local_repository(release: Path) -> None:
    assert release.parts[-2:] == ("infrastructure-openstack", "v0.1.0")
    names = {path.name for path in release.iterdir()}
    assert {"infrastructure-components.yaml", "metadata.yaml", "cluster-template.yaml"} <= names
    assert {"cluster-template-without-lb.yaml", "cluster-template-topology.yaml"} <= names
    assert "clusterclass-openstack-default.yaml" in names


def test_the_metadata_knows_the_series_and_its_contract(release: Path) -> None:
    metadata = yaml.safe_load((release / "metadata.yaml").read_text())

    assert metadata["kind"] == "Metadata"
    assert {"major": 0, "minor": 1, "contract": "v1beta2"} in metadata["releaseSeries"]


def test_the_components_need_no_variable_to_be_set(release: Path) -> None:
    found = VARIABLE.findall((release / "infrastructure-components.yaml").read_text())

    assert len(found) == len(repository.VARIABLES)
    assert all(":=" in variable for variable in found)


def test_a_release_without_its_files_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "_ROOT", tmp_path)

    with pytest.raises(repository.FilesMissing, match=re.escape(str(tmp_path / "deploy"))):
        repository.write_repository(tmp_path, Options())


def test_the_command_prints_manifests_or_writes_a_release(tmp_path: Path) -> None:
    import typer

    from pycapo.cli.components import components

    app = typer.Typer()
    app.command()(components)

    printed = CliRunner().invoke(app, ["--namespace", "n", "--image", "i:v1"])
    written = CliRunner().invoke(app, ["--output-dir", str(tmp_path)])

    assert "image: i:v1" in printed.stdout
    assert "${" not in printed.stdout
    assert (Path(written.stdout.strip()) / "metadata.yaml").exists()
