# SPDX-License-Identifier: Apache-2.0
"""`pycapo components`: the manifests of the controller, for kubectl or as a clusterctl repository."""

from pathlib import Path
from typing import Annotated

import typer

from pycapo.deploy.components import components as all_components
from pycapo.deploy.components import text
from pycapo.deploy.options import Options
from pycapo.deploy.repository import FilesMissing, write_repository


def components(
    namespace: Annotated[str, typer.Option(help="Namespace to install into.")] = "capo-system",
    image: Annotated[str, typer.Option(help="Image of the controller; that of this version by default.")] = "",
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Write a clusterctl repository (infrastructure-openstack/VERSION/) below this folder."),
    ] = None,
) -> None:
    """Print everything that installs the controller, or write it as a clusterctl repository."""
    options = Options(namespace=namespace, image=image)
    if output_dir is None:
        typer.echo(text(all_components(options)), nl=False)
        return
    try:
        place = write_repository(output_dir, options)
    except FilesMissing as error:
        typer.echo(f"components: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(place)
