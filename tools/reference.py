# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reference from the code: kinds and fields from the CRDs, flags from the command line.

`python tools/reference.py --check` ends with 1 when a page is not what the code says.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer.main

from pycapo.api.crd import crds
from pycapo.cli.main import app

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def kinds() -> str:
    """The page of all kinds: one section for each, its newest version field by field."""
    lines = ["# Kinds and fields", "", "Made from the CRDs (`pycapo crds`); run `make docs` after a change.", ""]
    for crd in crds():
        spec = crd["spec"]
        versions = ", ".join(
            version["name"] + (" (stored)" if version["storage"] else "") for version in spec["versions"]
        )
        newest = next(version for version in spec["versions"] if version["storage"])
        names = ", ".join(f"`{name}`" for name in spec["names"].get("shortNames", ()))
        schema = newest["schema"]["openAPIV3Schema"]
        lines += [f"## {spec['names']['kind']}", "", _cell(schema.get("description", "")), ""]
        lines += [f"Versions: {versions}. Short names: {names or 'none'}. {spec['scope']}.", ""]
        lines += ["| field | type | meaning |", "|---|---|---|"]
        for part in ("spec", "status"):
            lines += [f"| `{path}` | {kind} | {_cell(text)} |" for path, kind, text in fields(part, schema["properties"].get(part, {}))]
        lines.append("")
    return "\n".join(lines)


def fields(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every field below a schema: its path, its type with default and values, its description."""
    for name, part in schema.get("properties", {}).items():
        items = part.get("items", {})
        kind = part.get("type", "any") + (f" of {items.get('type', 'any')}" if items else "")
        if "enum" in part:
            kind += ": " + ", ".join(map(str, part["enum"]))
        if "default" in part:
            kind += f" (default {part['default']})"
        if name in schema.get("required", ()):
            kind += ", required"
        yield f"{path}.{name}", kind, part.get("description", "")
        yield from fields(f"{path}.{name}[]" if items else f"{path}.{name}", items or part)


def commands() -> str:
    """The page of the command line: every command with its options."""
    lines = ["# Command line", "", "Made from the program itself; run `make docs` after a change.", ""]
    for path, command in _walk("pycapo", typer.main.get_command(app)):
        lines += [f"## `{path}`", "", _cell(command.help or ""), ""]
        options = [parameter for parameter in command.params if parameter.name != "help"]
        if options:
            lines += ["| option | default | meaning |", "|---|---|---|"]
        for option in options:
            names = ", ".join(f"`{name}`" for name in option.opts) if option.opts else option.name
            default = "" if option.default in (None, False, ()) or callable(option.default) else f"`{option.default}`"
            lines.append(f"| {names} | {default} | {_cell(getattr(option, 'help', '') or '')} |")
        lines.append("")
    return "\n".join(lines)


def _walk(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, child in sorted(command.commands.items()):
            yield from _walk(f"{path} {name}", child)
    else:
        yield path, command


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    """Write the pages, or compare them with --check."""
    pages = {"kinds.md": kinds(), "cli.md": commands()}
    stale = [name for name, text in pages.items() if not (PAGES / name).exists() or (PAGES / name).read_text() != text]
    if "--check" in sys.argv:
        print(f"stale: {', '.join(stale)}; run: make docs" if stale else "docs/reference is current")
        return bool(stale)
    PAGES.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (PAGES / name).write_text(pages[name])
    return 0


if __name__ == "__main__":
    sys.exit(main())
