# SPDX-License-Identifier: Apache-2.0
"""`pycapo run`: the controller. Wires credentials, clouds, lives, webhooks and doors together, then runs until told to end."""

import os
import re
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import structlog
import typer
import typer.main
from prometheus_client import REGISTRY

from pycapo.api.conversion import convert
from pycapo.cli.foreign import ManagerCommand
from pycapo.cloud.login import Clouds
from pycapo.cloud.metrics import prometheus_recorder
from pycapo.controllers import attachment, cluster, machine, pool, server
from pycapo.kube import logs
from pycapo.kube.client import Client
from pycapo.kube.controller import Controller
from pycapo.kube.doors import Door, application, health_routes, metrics_routes
from pycapo.kube.kube import Kube
from pycapo.kube.leader import Election, Fence, Terms
from pycapo.kube.manager import Manager
from pycapo.kube.session import NoCredentials, Session
from pycapo.model.structs import learn_structs
from pycapo.webhooks.metrics import prometheus_observer
from pycapo.webhooks.server import WebhookServer
from pycapo.webhooks.tls import Limit, limit

LEASE = "controller-leader-election-capo"
"""The Lease of the Go provider: whoever holds it acts, so the two never act together."""

app = typer.Typer(add_completion=False)
log = structlog.get_logger(__name__)
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """Read a duration as Kubernetes writes it (10m, 1h30m, 15s, 500ms) or plain seconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a duration such as 10m or 15s") from None


@app.command(cls=ManagerCommand)
def run(  # noqa: PLR0913 - to typer a flag is a parameter
    *,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Credentials; in a pod its service account by default.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Watch one namespace only; all by default.")] = "",
    watch_filter: Annotated[
        str, typer.Option(help="Only objects whose label cluster.x-k8s.io/watch-filter has this value.")
    ] = "",
    sync_period: Annotated[str, typer.Option(help="How often everything is looked at again.")] = "10m",
    concurrency: Annotated[int, typer.Option(min=1, help="Objects of each kind that are worked on at once.")] = 10,
    openstackcluster_concurrency: Annotated[
        int | None, typer.Option(min=1, help="The same for clusters only.", show_default=False)
    ] = None,
    openstackmachine_concurrency: Annotated[
        int | None, typer.Option(min=1, help="The same for machines and servers only.", show_default=False)
    ] = None,
    leader_elect: Annotated[bool, typer.Option("--leader-elect", help="Act only while holding the Lease.")] = False,
    leader_elect_namespace: Annotated[str, typer.Option(help="Namespace of the Lease; the pod's by default.")] = "",
    leader_elect_lease_duration: Annotated[
        str, typer.Option(help="How long others wait for a Lease that is not renewed.")
    ] = "15s",
    leader_elect_renew_deadline: Annotated[
        str, typer.Option(help="How long a leader that cannot renew the Lease still acts; less than the duration.")
    ] = "10s",
    leader_elect_retry_period: Annotated[
        str, typer.Option(help="How often the Lease is renewed or asked for; well below the deadline.")
    ] = "2s",
    ca_certs: Annotated[
        Path | None,
        typer.Option(help="PEM file of the CAs to trust where a Secret has no cacert; the system's if none."),
    ] = None,
    webhook_port: Annotated[int, typer.Option(help="Port of the webhooks; 0 serves none.")] = 9443,
    webhook_host: Annotated[str, typer.Option(help="Address the webhooks listen on.")] = "",
    webhook_cert_dir: Annotated[Path, typer.Option(help="Folder of tls.crt and tls.key.")] = Path(
        "/tmp/k8s-webhook-server/serving-certs"
    ),
    tls_min_version: Annotated[
        str, typer.Option(help="Oldest TLS of the webhooks: VersionTLS12 or VersionTLS13.")
    ] = "VersionTLS12",
    tls_cipher_suites: Annotated[
        str, typer.Option(help="Cipher suites of TLS 1.2 for the webhooks, with commas; OpenSSL's choice if none.")
    ] = "",
    health_addr: Annotated[str, typer.Option(help="Where /healthz and /readyz answer.")] = ":9440",
    diagnostics_address: Annotated[str, typer.Option(help="Where /metrics answers; 0 serves none.")] = "127.0.0.1:8080",
    log_format: Annotated[str, typer.Option(help="json or text.")] = "json",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    ignored: Annotated[list[str] | None, typer.Option("--ignored", hidden=True)] = None,
) -> None:
    """Run the controller until SIGTERM or SIGINT."""
    logs.setup("text" if log_format == "text" else "json", level=log_level)
    for told in ignored or ():
        log.warning("a flag of the Go provider is ignored", flag=told)
    if kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(kubeconfig)
    terms = election_terms(leader_elect_lease_duration, leader_elect_renew_deadline, leader_elect_retry_period)
    tls = tls_limit(tls_min_version, tls_cipher_suites)
    learn_structs()  # before the first thread
    session, election = logged_in(), None
    if leader_elect:
        election = Election(Client(session), leader_elect_namespace or own_namespace(), name=LEASE, terms=terms)
    allowed = election.holds if election else _always
    kube = Kube(Client(Fence(session, allowed)))
    clouds = Clouds(recorder=prometheus_recorder(REGISTRY), allowed=allowed)
    clouds.cacert = trusted_certificates(ca_certs)
    workers = Workers(
        clusters=openstackcluster_concurrency or concurrency,
        machines=openstackmachine_concurrency or concurrency,
        others=concurrency,
    )
    manager = Manager(
        kube,
        controllers(kube, clouds, workers=workers, resync=seconds(sync_period), watch_filter=watch_filter),
        namespace=namespace,
        election=election,
    )
    manager.forget = clouds.forget
    webhooks = None
    if webhook_port:
        address = webhook_host or default_host(kubeconfig), webhook_port
        observe = prometheus_observer(REGISTRY)
        webhooks = WebhookServer(address, webhook_cert_dir, convert=convert, observe=observe, tls=tls)
    _serve(manager, webhooks, health_addr, diagnostics_address)


class Workers(msgspec.Struct, frozen=True):
    """How many objects of a kind are worked on at once."""

    clusters: int = 10
    machines: int = 10
    others: int = 10


def logged_in() -> Session:
    """Open a session with the API server; ends with a word to whoever started the program where there are no credentials."""
    try:
        return Session()
    except NoCredentials as error:
        raise typer.BadParameter(str(error), param_hint="--kubeconfig") from error


def election_terms(lease: str, renew: str, retry: str) -> Terms:
    """Read the times of an election; they have client-go's order, for who renews too late would act beside the next leader."""
    terms = Terms(lease=seconds(lease), renew=seconds(renew), retry=seconds(retry))
    if not (terms.lease >= 1 and terms.lease > terms.renew > 1.2 * terms.retry > 0):
        raise typer.BadParameter(
            f"--leader-elect-lease-duration {lease} > --leader-elect-renew-deadline {renew} > 1.2 x "
            f"--leader-elect-retry-period {retry} > 0 and a lease of a second or more were looked for"
        )
    return terms


def tls_limit(minimum: str, suites: str) -> Limit:
    """Read what the webhooks' TLS is limited to."""
    try:
        return limit(minimum, [name for name in suites.split(",") if name])
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def trusted_certificates(file: Path | None) -> bytes | None:
    """Read the CAs that clouds are trusted by where their Secret has none; None where no file is named."""
    if file is None:
        return None
    try:
        content = file.read_bytes()
        ssl.create_default_context(cadata=content.decode("ascii"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--ca-certs {file}: certificates in PEM form were looked for: {error}") from error
    return content


def controllers(
    kube: Kube, clouds: Clouds, *, workers: Workers, resync: float, watch_filter: str
) -> list[Controller[Any]]:
    """The controllers of all kinds; watch_filter goes to every one of them."""
    lives: list[tuple[Any, Sequence[Any], int]] = [
        (cluster.ClusterLife(kube, clouds), cluster.watches(kube), workers.clusters),
        (machine.MachineLife(kube, clouds), machine.watches(kube), workers.machines),
        (server.ServerLife(kube, clouds), server.watches(kube), workers.machines),
        (pool.PoolLife(kube, clouds), pool.watches(kube), workers.others),
        (attachment.AttachmentLife(kube, clouds), attachment.watches(kube), workers.others),
    ]
    made = [Controller(life, workers=count, watches=watches, resync=resync) for life, watches, count in lives]
    for controller in made:
        controller.watch_filter = watch_filter
    return made


def _always() -> bool:
    return True


def own_namespace() -> str:
    """The namespace that this process runs in, as its pod knows it."""
    if found := os.environ.get("POD_NAMESPACE"):
        return found
    return _NAMESPACE_FILE.read_text().strip() if _NAMESPACE_FILE.exists() else "capo-system"


def default_host(kubeconfig: Path | None) -> str:
    """All addresses in a pod, loopback for a process that was started by hand with a kubeconfig."""
    return "0.0.0.0" if kubeconfig is None else "127.0.0.1"


def _serve(manager: Manager, webhooks: WebhookServer | None, health: str, diagnostics: str) -> None:
    def missing() -> list[str]:
        return [*manager.ready(), *([] if webhooks is None or webhooks.ready() else ["webhooks"])]

    doors = [Door(application(*health_routes(missing)), health)]
    if diagnostics != "0":
        doors.append(Door(application(*metrics_routes()), diagnostics))
    if webhooks is not None:
        webhooks.start()
    for door in doors:
        door.open()
    try:
        manager.run()
    finally:
        for door in doors:
            door.close()
        if webhooks is not None:
            webhooks.stop()
