# SPDX-License-Identifier: Apache-2.0
"""`pycapo convert`: manifests of older versions rewritten as the newest one, without a cluster."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pycapo.cli.rewrite import NotRewritten, Rewritten, rewrite

STDIN = Path("-")


def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Manifests; - is standard input.")],
    in_place: Annotated[
        bool, typer.Option("--in-place", "-i", help="Write the files again instead of printing them.")
    ] = False,
) -> None:
    """Rewrite manifests of v1alpha3 and v1beta1 as v1beta2; other documents and comments stay as they are."""
    if in_place and STDIN in files:
        raise typer.BadParameter("standard input cannot be written in place", param_hint="--in-place")
    found = [(file, _read(file)) for file in files]
    try:
        done = [(file, text, _rewritten(file, text)) for file, text in found]
    except NotRewritten as error:
        typer.echo(f"convert: {error}; nothing was written", err=True)
        raise typer.Exit(1) from error
    for file, _, result in done:
        for line in result.told:
            typer.echo(f"{file}: {line}", err=True)
    if in_place:
        for file, text, result in done:
            if result.text != text:
                file.write_text(result.text)
    else:
        typer.echo(_joined([result.text for _, _, result in done]), nl=False)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if file == STDIN else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"convert: {file}: {error}", err=True)
        raise typer.Exit(1) from error


def _rewritten(file: Path, text: str) -> Rewritten:
    try:
        return rewrite(text)
    except NotRewritten as error:
        raise NotRewritten(f"{file}: {error}") from error


def _joined(texts: list[str]) -> str:
    """Return several files as one, each a document of its own."""
    whole = texts[0]
    for text in texts[1:]:
        whole = whole if whole.endswith("\n") or not whole else f"{whole}\n"
        whole += text if text.startswith("---") else f"---\n{text}"
    return whole
