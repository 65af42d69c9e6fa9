# SPDX-License-Identifier: Apache-2.0
"""The command `pycapo`: its doors, each in a file of its own. The only floor where things are wired together."""

import importlib.metadata

import typer

from pycapo.cli import lab
from pycapo.cli.components import components
from pycapo.cli.crds import crds
from pycapo.cli.run import run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Cluster API infrastructure provider for OpenStack.",
)
app.command()(run)
app.command()(crds)
app.command()(components)
app.add_typer(lab.app, name="lab")


def _version(show: bool) -> None:
    if show:
        typer.echo(f"pycapo {importlib.metadata.version('pycapo')}")
        raise typer.Exit


@app.callback()
def main(
    show: bool = typer.Option(False, "--version", help="Print the version and end.", callback=_version, is_eager=True),
) -> None:
    """Cluster API infrastructure provider for OpenStack."""
