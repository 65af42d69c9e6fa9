# SPDX-License-Identifier: Apache-2.0
"""`pycapo lab`: a management cluster, an OpenStack and pycapo on this machine's loopback, for trying and for tests."""

import shlex
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from pycapo.cli.bench import bench
from pycapo.cli.demo import demo
from pycapo.deploy.components import components
from pycapo.lab import build, life, process
from pycapo.lab.cloud_bootstrap import ADMIN, TENANT, all_clouds_file, clouds_file
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.interruption import interruptible
from pycapo.lab.places import Lab, LabError, find_lab, open_lab
from pycapo.lab.progress import Progress

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="A management cluster and an OpenStack on this machine's loopback."
)
app.command()(demo)
app.command()(bench)

Name = Annotated[str, typer.Option("--name", help="Which lab; several can run side by side.")]
_MEBIBYTE = 1 << 20


@app.command()
def up(  # noqa: PLR0913 - to typer a flag is a parameter
    name: Name = "default",
    *,
    without_trunk: Annotated[bool, typer.Option("--without-trunk", help="Neutron has no trunk extension.")] = False,
    without_octavia: Annotated[bool, typer.Option("--without-octavia", help="There are no load balancers.")] = False,
    small_quotas: Annotated[bool, typer.Option("--small-quotas", help="A cluster does not fit the quota.")] = False,
    without_openstack: Annotated[bool, typer.Option("--without-openstack", help="Start no OpenStack.")] = False,
    without_controller: Annotated[bool, typer.Option("--without-controller", help="Do not run pycapo.")] = False,
    ipam: Annotated[bool, typer.Option("--ipam", help="Also run Cluster API's in-cluster IPAM provider.")] = False,
) -> None:
    """Bring a lab up: build what is missing, start what does not run, end when all of it is ready."""
    cloud = CloudOptions(trunk=not without_trunk, octavia=not without_octavia, small_quotas=small_quotas)
    options = life.Options(None if without_openstack else cloud, not without_controller, ipam)
    try:
        with interruptible(), Progress() as progress:
            life.up(open_lab(name), options, components(), progress=progress)
    except LabError as error:
        _fail(f"lab {name} is not up: {error}\nWhat runs stays: `pycapo lab up` continues, `pycapo lab down` ends it.")
    except KeyboardInterrupt:
        _fail(f"lab {name}: interrupted. `pycapo lab up` continues, `pycapo lab down` ends what runs.")
    typer.echo(f'lab {name} is up; `eval "$(pycapo lab env --name {name})"` points your shell at it', err=True)


@app.command("build")
def prepare() -> None:
    """Build and install what every lab needs (once, up to 15 minutes), so that the first `up` takes a minute."""
    try:
        with interruptible(), Progress() as progress:
            life.prepare(progress)
    except LabError as error:
        _fail(f"{error}\nWhat is done is kept: `pycapo lab build` continues.")
    except KeyboardInterrupt:
        _fail("interrupted. What is done is kept: `pycapo lab build` continues.")


@app.command()
def status(name: Name = "default") -> None:
    """Show each process of a lab; ends with 1 when one of them is not healthy."""
    rows = life.status(_find(name))
    table = Table("process", "pid", "url", "MiB", "healthy")
    for row in rows:
        pid = "ended" if row.pid is None else str(row.pid)
        table.add_row(row.name, pid, row.url, str(row.memory // _MEBIBYTE), "yes" if row.healthy else "NO")
    Console().print(table if rows else f"nothing runs in lab {name}")
    if not all(row.healthy for row in rows):
        raise typer.Exit(1)


@app.command()
def down(
    name: Name = "default",
    *,
    delete_state: Annotated[
        bool, typer.Option("--delete-state", help="Also delete its objects, logs and ports; the cache stays.")
    ] = False,
) -> None:
    """Stop everything of a lab; its objects are there again at the next `up`."""
    try:
        if lab := find_lab(name):
            life.down(lab, delete_state=delete_state)
    except LabError as error:
        _fail(f"lab {name}: {error}")


@app.command()
def env(
    name: Name = "default",
    *,
    admin: Annotated[bool, typer.Option("--admin", help="Be OpenStack's administrator, not a tenant.")] = False,
) -> None:
    """Print the exports that point kubectl, clusterctl and openstack at a lab, to be evaluated by a shell."""
    lab = _find(name)
    for variable, value in environment(lab, admin=admin).items():
        typer.echo(f"export {variable}={shlex.quote(value)}")
    typer.echo(f'export PATH={shlex.quote(str(lab.root / "bin"))}:"$PATH"')


@app.command()
def logs(
    process_name: Annotated[str, typer.Argument(metavar="NAME", help="A process that `pycapo lab status` lists.")],
    name: Name = "default",
    lines: Annotated[int, typer.Option(help="How many lines from its end.")] = 50,
) -> None:
    """Print the end of a process's log."""
    lab = _find(name)
    if not lab.log(process_name).exists():
        known = ", ".join(sorted(path.name for path in lab.folder("log").iterdir()))
        _fail(f"lab {name} has no log of {process_name!r}; it has {known or 'none'}")
    typer.echo(process.log_tail(lab, process_name, lines=lines))


@app.command()
def prune() -> None:
    """Delete Go's caches, which only the next version of the lab's programs would use again."""
    build.prune()


def environment(lab: Lab, *, admin: bool = False) -> dict[str, str]:
    """Return the variables, PATH aside, that point tools at a lab and, as a tenant or administrator, at its cloud."""
    return {
        "KUBECONFIG": str(lab.kubeconfig),
        "OS_CLIENT_CONFIG_FILE": str(all_clouds_file(lab) if admin else clouds_file(lab)),
        "OS_CLOUD": ADMIN if admin else TENANT,
        "CLUSTERCTL_DISABLE_VERSIONCHECK": "true",  # it would look for a newer version of itself at every call
    }


def _find(name: str) -> Lab:
    lab = find_lab(name)
    if lab is None:
        _fail(f"there is no lab {name}; `pycapo lab up --name {name}` makes it")
    return lab


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
