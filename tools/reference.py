# SPDX-License-Identifier: Apache-2.0
"""Writes docs/reference from the code: kinds and fields from the CRDs, flags from the command line.

`python tools/reference.py --check` ends with 1 when a page is not what the code says.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pycapo.api.crd import crds
from pycapo.api.meta import Kind
from pycapo.api.record import Record
from pycapo.api.schema import record_schema
from pycapo.cli.main import whole

PAGES = Path(__file__).parents[1] / "docs" / "reference"
HEAD = ["| field | type | meaning |", "|---|---|---|"]
Schema = dict[str, Any]


class Parts:
    """The structures that several fields share: each gets a section of its own, to which the fields link."""

    def __init__(self, roots: list[Schema]) -> None:
        self._names = {_shape(record_schema(struct)): struct.__name__ for struct in _structs(Record)}
        self._uses: Counter[str] = Counter()
        self.schemas: dict[str, Schema] = {}
        for root in roots:
            self._count(root)

    def name(self, schema: Schema) -> str | None:
        """The name of a structure that is used more than once."""
        name = self._names.get(_shape(schema)) if schema.get("properties") else None
        return name if name and self._uses[name] > 1 else None

    def _count(self, schema: Schema) -> None:
        for part in schema.get("properties", {}).values():
            inner = part.get("items") or part
            name = self._names.get(_shape(inner)) if inner.get("properties") else None
            if name:
                self._uses[name] += 1
                if name in self.schemas:
                    continue
                self.schemas[name] = inner
            self._count(inner)


def kinds() -> str:
    """The page of all kinds: the newest version of each, field by field, then what several of them share."""
    found = [(crd["spec"], _newest(crd["spec"])) for crd in crds()]
    parts = Parts([schema["properties"][name] for _, schema in found for name in _sides(schema)])
    lines = ["# Kinds and fields", "", "Made from the CRDs (`pycapo crds`); run `make docs` after a change."]
    lines += ["Structures that several fields share are at the end. The older version of a kind has the same fields,"]
    lines += ["some under other names: see [upgrade-api-versions](../how-to/upgrade-api-versions.md).", ""]
    lines += [f"* [{spec['names']['kind']}](#{spec['names']['kind'].lower()})" for spec, _ in found]
    for spec, schema in found:
        lines += ["", *_kind(spec, schema, parts)]
    lines += ["", "# Shared structures"]
    for name in sorted(name for name, schema in parts.schemas.items() if parts.name(schema)):
        lines += ["", f"## {name}", "", *HEAD, *_rows("", parts.schemas[name], parts)]
    return "\n".join(lines) + "\n"


def _newest(spec: Schema) -> Schema:
    schema: Schema = next(version for version in spec["versions"] if version["storage"])["schema"]["openAPIV3Schema"]
    return schema


def _sides(schema: Schema) -> list[str]:
    return [name for name in ("spec", "status") if name in schema["properties"]]


def _kind(spec: Schema, schema: Schema, parts: Parts) -> Iterator[str]:
    """The section of one kind."""
    versions = ", ".join(
        f"`{version['name']}`" + (" (stored)" if version["storage"] else "") for version in spec["versions"]
    )
    names = ", ".join(f"`{name}`" for name in spec["names"].get("shortNames", ())) or "none"
    scope = "in a namespace" if spec["scope"] == "Namespaced" else "cluster-wide"
    yield from (f"## {spec['names']['kind']}", "", _cell(schema.get("description", "")))
    yield from ("", f"Versions: {versions}. Short names: {names}. Lives {scope}.", "", *HEAD)
    for side in _sides(schema):
        yield from _rows(side, schema["properties"][side], parts)


def _rows(path: str, schema: Schema, parts: Parts) -> Iterator[str]:
    """Every field below a schema: its path, its type with default and values, its description."""
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        inner = part.get("items") or part
        shared = parts.name(inner)
        required = name in schema.get("required", ())
        yield f"| `{where}` | {_type(part, shared, required=required)} | {_cell(part.get('description', ''))} |"
        if shared is None:
            yield from _rows(where + ("[]" if "items" in part else ""), inner, parts)


def _type(part: Schema, shared: str | None, *, required: bool) -> str:
    """The type of a field in words: what it is, its values, its default, whether it has to be there."""
    inner = part.get("items") or part
    told = f"[{shared}](#{shared.lower()})" if shared else str(inner.get("type", "any"))
    told = f"list of {told}" if "items" in part else told
    values = inner.get("enum")
    if values:
        told += ": " + ", ".join(f"`{value}`" for value in values)
    if "default" in part:
        told += f" (default `{json.dumps(part['default'])}`)"
    return told + (", required" if required else "")


def _structs(struct: type[Record]) -> Iterator[type[Record]]:
    """The structs of the newest versions, in a steady order."""
    for child in sorted(struct.__subclasses__(), key=lambda item: (item.__module__, item.__name__)):
        if child.__module__.endswith(".v1beta1") or issubclass(child, Kind):
            continue
        yield child
        yield from _structs(child)


def _shape(schema: Schema) -> str:
    return json.dumps(schema.get("properties", {}), sort_keys=True)


def commands() -> str:
    """The page of the command line: every command with its options."""
    lines = ["# Command line", "", "Made from the program itself; run `make docs` after a change."]
    for path, command in _walk("pycapo", whole()):
        lines += ["", f"## `{path}`", "", _cell(command.help or "")]
        shown = [option for option in command.params if option.name != "help" and not getattr(option, "hidden", False)]
        rows = [_option(option) for option in shown]
        if rows:
            lines += ["", "| option | default | meaning |", "|---|---|---|", *rows]
    return "\n".join(lines) + "\n"


def _option(option: Any) -> str:
    is_flag = option.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in option.opts) if is_flag else f"`{option.metavar or option.name}`"
    default = "" if option.default in (None, False, (), "") or callable(option.default) else f"`{option.default}`"
    return f"| {names} | {default} | {_cell(getattr(option, 'help', '') or '')} |"


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """A command, or every command below a group; a group's own options come first."""
    children = getattr(command, "commands", None)
    if children is None or any(option.name != "help" for option in command.params):
        yield path, command
    for name, child in sorted((children or {}).items()):
        yield from _walk(f"{path} {name}", child)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {"kinds.md": kinds(), "cli.md": commands()}


def stale() -> list[str]:
    """The names of the pages that are not what the code says."""
    found = {name: (PAGES / name, text) for name, text in pages().items()}
    return [name for name, (path, text) in found.items() if not path.exists() or path.read_text() != text]


def main() -> int:
    """Write the pages, or compare them with --check."""
    if "--check" in sys.argv:
        old = stale()
        print(f"stale: {', '.join(old)}; run: make docs" if old else "docs/reference is current")
        return bool(old)
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
