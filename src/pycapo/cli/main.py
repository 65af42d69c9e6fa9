# SPDX-License-Identifier: Apache-2.0
"""The command `pycapo`: its doors, each in a file of its own. The only floor where things are wired together.

Rule: a door is imported when it is called, so that help and short commands do not wait for what they do not use.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

DOORS: Mapping[str, str] = {
    "run": "Run the controller until SIGTERM or SIGINT.",
    "crds": "Print the CustomResourceDefinitions as YAML.",
    "convert": "Rewrite manifests of v1alpha3 and v1beta1 as v1beta2; other documents and comments stay as they are.",
    "components": "Print everything that installs the controller, or write it as a clusterctl repository.",
    "lab": "A management cluster and an OpenStack on this machine's loopback.",
}
"""The commands and what each is for; `pycapo.cli.<name>` has it as a function of its name or as `app`."""


class Doors(TyperGroup):
    """The commands by their names; one that is called is imported first."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command that the arguments call, and the rest of them."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, opened(name) if name else listed, rest


app = typer.Typer(
    cls=Doors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="Cluster API infrastructure provider for OpenStack.",
)


def opened(name: str) -> Any:
    """Import a door and return its command."""
    module = importlib.import_module(f"pycapo.cli.{name}")
    door = getattr(module, "app", None)
    if door is None:
        door = typer.Typer(add_completion=False)
        door.command(name)(getattr(module, name))
    return typer.main.get_command(door)


def whole() -> Any:
    """Return the command with every door imported, for who describes it."""
    command: Any = typer.main.get_command(app)
    command.commands = {name: opened(name) for name in DOORS}
    return command


def manager() -> None:
    """Run the controller as the Go provider's image does: all arguments are its flags."""
    version = "--version" in sys.argv[1:]
    (app if version else opened("run"))(["--version"] if version else sys.argv[1:], prog_name="manager")


def _listed() -> Callable[[], None]:
    """Stand in for a door in the list of commands."""
    return lambda: None


for _name, _help in DOORS.items():
    app.command(_name, help=_help)(_listed())


def _version(show: bool) -> None:
    if show:
        typer.echo(f"pycapo {importlib.metadata.version('pycapo')}")
        raise typer.Exit


@app.callback()
def main(
    show: bool = typer.Option(False, "--version", help="Print the version and end.", callback=_version, is_eager=True),
) -> None:
    """Cluster API infrastructure provider for OpenStack."""
