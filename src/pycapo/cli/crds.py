# SPDX-License-Identifier: Apache-2.0
"""`pycapo crds`: the CustomResourceDefinitions as YAML, the same bytes for the same program."""

import base64
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from pycapo.api.crd import crds as definitions


def crds(
    kind: Annotated[list[str] | None, typer.Option(help="Print only this kind; may be given several times.")] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="URL of the conversion webhook instead of its service.")
    ] = None,
    webhook_service: Annotated[
        str, typer.Option(help="NAMESPACE/NAME of the conversion webhook's service.")
    ] = "capo-system/capo-webhook-service",
    ca_file: Annotated[
        Path | None, typer.Option(help="PEM file of the CA that signed the webhook's certificate.")
    ] = None,
) -> None:
    """Print the CustomResourceDefinitions as YAML."""
    wanted = definitions(client_config(webhook_url, webhook_service, ca_file))
    known = [definition["spec"]["names"]["kind"] for definition in wanted]
    unknown = [name for name in kind or [] if name not in known]
    if unknown:
        raise typer.BadParameter(f"no such kind: {', '.join(unknown)}; known: {', '.join(known)}", param_hint="--kind")
    chosen = [definition for definition, name in zip(wanted, known, strict=True) if not kind or name in kind]
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    yaml.dump_all(chosen, sys.stdout, Dumper=dumper, sort_keys=False, width=120, explicit_start=True)


def client_config(url: str | None, service: str, ca_file: Path | None) -> dict[str, Any]:
    """Return how the API server reaches the conversion webhook, as CRDs and webhook configurations have it."""
    namespace, _, name = service.partition("/")
    if not namespace or not name:
        raise typer.BadParameter(f"expected NAMESPACE/NAME, found {service!r}", param_hint="--webhook-service")
    config: dict[str, Any] = (
        {"url": url} if url else {"service": {"namespace": namespace, "name": name, "path": "/convert"}}
    )
    if ca_file:
        config["caBundle"] = base64.b64encode(ca_file.read_bytes()).decode()
    return config
