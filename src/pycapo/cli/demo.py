# SPDX-License-Identifier: Apache-2.0
"""`pycapo lab demo`: a lab, a cluster on it from manifest to running nodes, and with --delete back to nothing."""

from typing import Annotated, NoReturn

import typer
from rich.console import Console

from pycapo.deploy.components import components
from pycapo.deploy.repository import templates
from pycapo.lab import demo as shown
from pycapo.lab import demo_record, life
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.cloud_inventory import Difference
from pycapo.lab.interruption import interruptible
from pycapo.lab.places import Lab, LabError, find_lab, open_lab
from pycapo.lab.progress import Progress

_WIDTH = 150  # of what is not a terminal: a file or a pipe has room for ids


def demo(
    name: Annotated[str, typer.Option("--name", help="Which lab it uses.")] = "demo",
    *,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the cluster, compare, end the lab.")] = False,
    seconds: Annotated[float, typer.Option("--timeout", help="Seconds the cluster may take.")] = 900,
) -> None:
    """Make a cluster of 3 control planes and 2 workers from its manifests, and show how; `--delete` takes it down."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)
    continues = "make demo-down" if delete else "make demo"
    try:
        with interruptible():
            _take_down(name, console, seconds) if delete else _show(name, console, seconds)
    except (LabError, OSError) as error:
        _fail(f"{error}\n`{continues}` continues where it is; `make demo-down` takes all of it down.")
    except KeyboardInterrupt:
        _fail(f"interrupted; `{continues}` continues where it is, `make demo-down` takes all of it down.")


def _show(name: str, console: Console, seconds: float) -> None:
    lab = open_lab(name)
    with Progress(console) as progress:
        _up(lab, progress)
    shown.run(shown.Demo(lab, console, Progress(console), seconds), templates() / "cluster-template.yaml")


def _take_down(name: str, console: Console, seconds: float) -> None:
    lab = find_lab(name)
    if lab is None:
        console.print(f"there is no lab {name}, so there is nothing to take down")
        return
    left = Difference({}, {})
    recorded = demo_record.load(lab) is not None
    if recorded:
        with Progress(console) as progress:
            _up(lab, progress)
        left = shown.delete(shown.Demo(lab, console, Progress(console), seconds))
    progress = Progress(console)
    with progress.step(f"end lab {name}"):
        life.down(lab)
    if left:
        _fail(f"OpenStack is not as it was before (+ is left, - is missing):\n{left}")
    told = "OpenStack is as it was before, and nothing" if recorded else "no demo was recorded, and nothing"
    console.print(f"{told} runs any more.")


def _up(lab: Lab, progress: Progress) -> None:
    life.up(lab, life.Options(CloudOptions()), components(), progress=progress)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
