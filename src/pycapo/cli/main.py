# SPDX-License-Identifier: Apache-2.0
"""The command `pycapo`: its doors, each in a file of its own. The only floor where things are wired together."""

import importlib.metadata

import typer

from pycapo.cli import lab

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Cluster API infrastructure provider for OpenStack.",
)


@app.callback(invoke_without_command=True)
def version(show: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
    """Cluster API infrastructure provider for OpenStack."""
    if show:
        typer.echo(f"pycapo {importlib.metadata.version('pycapo')}")
        raise typer.Exit
