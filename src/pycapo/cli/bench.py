# SPDX-License-Identifier: Apache-2.0
"""`pycapo lab bench`: the requests of each kind of work against their budgets, as a table and as JSON."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pycapo.deploy.components import components
from pycapo.lab import life
from pycapo.lab.bench import Bench
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.interruption import interruptible, shielded
from pycapo.lab.places import Lab, LabError, find_lab, open_lab
from pycapo.lab.progress import Progress
from pycapo.lab.tally import Figures, Row, broken, write_json

_MEBIBYTE = 1 << 20


def bench(
    *,
    name: Annotated[str, typer.Option("--name", help="Which lab; one of its own keeps the figures its own.")] = "bench",
    output: Annotated[Path, typer.Option(help="Where the figures are written as JSON.")] = Path("build/bench.json"),
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab running.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Also list the requests of each row.")] = False,
) -> None:
    """Count the OpenStack requests of each kind of work; ends with 1 when a budget is broken."""
    found = Figures()
    unfinished = _attempt(name, found, keep=keep)
    if found.rows or not unfinished:
        _report(found, output, explain=explain)
    if unfinished:
        typer.echo(f"bench in lab {name}: not finished, {len(found.rows)} rows so far: {unfinished}", err=True)
    raise typer.Exit(1 if unfinished or broken(found.rows) else 0)


def _report(found: Figures, output: Path, *, explain: bool) -> None:
    write_json(found.rows, output)
    console = Console()
    console.print(figures(found.rows))
    if explain:
        console.print(requests(found.rows))
    cpu, peak = found.usage.seconds, found.usage.peak // _MEBIBYTE
    console.print(f"controller: {cpu:.1f} s of CPU, {peak} MiB at most; figures are in {output}", highlight=False)
    for row in broken(found.rows):
        console.print(f"over budget: {row.work.name}: {row.requests:g} of {row.work.budget:g}", style="red")


def figures(rows: Sequence[Row]) -> Table:
    """Return the table of all work; requests and writes are those of one object of a batch."""
    table = Table(
        "work", caption="requests and writes are for each object; Keystone and discovery have a row of their own"
    )
    for heading in ("batch", "requests", "writes", "budget", "Go provider", "seconds", "ok"):
        table.add_column(heading, justify="right")
    for row in rows:
        work = row.work
        ok = "[green]yes[/]" if row.kept else "[red]NO[/]"
        numbers = (f"{row.requests:g}", f"{row.writes:g}", f"{work.budget:g}", work.peer or "-")
        table.add_row(work.name, str(work.batch), *numbers, f"{row.seconds:.0f}", ok)
    return table


def requests(rows: Sequence[Row]) -> Table:
    """Return the table of what was asked, how often, in each row."""
    table = Table("work", "service", "method", "path", "times")
    for row in rows:
        for (service, method, path), times in sorted(row.asked.items()):
            table.add_row(row.work.name, service, method, path, str(times))
        table.add_section()
    return table


def _attempt(name: str, found: Figures, *, keep: bool) -> str:
    """Run the bench and return why it did not come to its end, or nothing; what was found until then is in `found`."""
    try:
        with interruptible():
            _run(name, found, keep=keep)
    except LabError as error:
        return str(error)
    except KeyboardInterrupt:
        return "interrupted"
    return ""


def _run(name: str, found: Figures, *, keep: bool) -> None:
    """Run the bench in a lab, which is taken down, and forgotten if it is new, however the run ends."""
    new = find_lab(name) is None
    lab = open_lab(name)
    began = time.monotonic()
    with Progress() as progress:
        try:
            life.up(lab, life.Options(CloudOptions()), components(), progress=progress)
            Bench(lab, progress, found).run()
            progress.note(f"{time.monotonic() - began:.0f} s in all")
        finally:
            if not keep:
                _down(lab, progress, forget=new)


def _down(lab: Lab, progress: Progress, *, forget: bool) -> None:
    with shielded(), progress.step(f"take lab {lab.name} down"):
        life.down(lab, delete_state=forget)
