# SPDX-License-Identifier: Apache-2.0
"""Rewriting manifests of older versions as v1beta2, as text: comments stay where they belong, what changed is noted.

Rule: a document that is not ours, or not old, is passed on as it is, to the byte.
"""

import copy
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import yaml

from pycapo.api.conversion import HUB, KEPT_ANNOTATION, SPOKES, ConversionError, convert
from pycapo.api.crd import DEFINITIONS
from pycapo.api.known import drop_unknown
from pycapo.api.meta import API_GROUP
from pycapo.api.moves import ROOTS, Moves
from pycapo.api.rules import legacy
from pycapo.api.rules.change import changes, spell
from pycapo.api.rules.kinds import rules_of
from pycapo.cli.comments import Comment, Path, comments_of, places, with_comments

Json = dict[str, Any]
_SEPARATOR = re.compile(r"^(?:---(?=\s|$)|\.\.\.(?=\s|$))", re.MULTILINE)


class NotRewritten(ValueError):
    """A document that cannot be rewritten; the message names it, the field, and what to do."""


class _Loader(yaml.SafeLoader):
    """Loads YAML as Kubernetes does: a time is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, match) for tag, match in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(slots=True)
class Rewritten:
    """A text with every document in the newest version, and what was done or is to be known, for each document."""

    text: str = ""
    told: list[str] = field(default_factory=list)


def rewrite(text: str) -> Rewritten:
    """Return the text with all old documents rewritten; raises NotRewritten with the number of the first that cannot be."""
    result, number = Rewritten(), 0
    for separator, body in _documents(text):
        result.text += separator
        if not _has_content(body):
            result.text += body
            continue
        number += 1
        label = f"document {number}{_named(body)}"
        try:
            result.text += _document(body, label, result.told)
        except (ConversionError, NotRewritten, yaml.YAMLError) as error:
            raise NotRewritten(f"{label}: {error}") from error
    return result


def _documents(text: str) -> Iterator[tuple[str, str]]:
    """Yield each document with the separator line before it."""
    starts = [match.start() for match in _SEPARATOR.finditer(text)]
    if not starts or starts[0] > 0:
        yield "", text[: starts[0] if starts else len(text)]
    for start, end in pairwise([*starts, len(text)]):
        line_end = text.find("\n", start, end) + 1 or end
        yield text[start:line_end], text[line_end:end]


def _has_content(body: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in body.splitlines())


def _named(body: str) -> str:
    """Return kind and name of a document, as far as they can be read."""
    kind = re.search(r"^kind: *(\S+)", body, re.MULTILINE)
    name = re.search(r"^metadata:\n(?:[ ]+.*\n)*?[ ]+name: *(\S+)", body, re.MULTILINE)
    words = [match.group(1).strip("'\"") for match in (kind, name) if match]
    return f" ({' '.join(words)})" if words else ""


def _document(body: str, label: str, told: list[str]) -> str:
    obj = yaml.load(body, Loader=_Loader)
    version = _old_version(obj)
    if version is None:
        _refuse_list(obj)
        told += [f"{label}: {text}" for text in _mentions(obj)]
        return body
    kept_blank = body[len(body.rstrip("\n")) :][1:]  # blank lines before the next document
    converted = convert(obj, f"{API_GROUP}/{HUB}")
    told += [f"{label}: {path} is no field of {version}, the API server drops it" for path in _unknown(obj, version)]
    notes = _notes(converted, version, (obj.get("metadata") or {}).get("namespace") or "default")
    _check(converted, version)
    told.append(f"{label}: {version} is now {HUB}")
    told += [f"{label}: {note}" for note in notes]
    old = yaml.compose(body, Loader=_Loader)
    moves = Moves(version, obj)
    kept = comments_of(body, old)
    rewritten = with_comments(_dumped(converted, old, moves), kept, moves.new)
    warnings = [Comment(("spec",), f"# {note}", own_line=True) for note in notes]
    return with_comments(rewritten, [*warnings, *_renamed(old, moves, version)], lambda path: path) + kept_blank


def _renamed(old: yaml.Node | None, moves: Moves, version: str) -> Iterator[Comment]:
    """Yield a comment for each field that has another name now."""
    names: dict[Path, list[str]] = {}
    for _, path in places(old):
        target = moves.new(path)
        known = len(moves.root) + 1
        if len(path) == known and target[:known] != path:
            names.setdefault(target[:known], []).append(str(path[-1]))
    for target, before in names.items():
        yield Comment(target, f"# {version}: {', '.join(before)}", own_line=False)


def _unknown(obj: Json, version: str) -> Iterator[str]:
    """Yield the fields of a spec that its version does not have: misspelled, or out of their place."""
    types = {(served.types.kind, served.types.version): served.types for it in DEFINITIONS for served in it.versions}
    known = copy.deepcopy(obj)
    drop_unknown(known, types[obj["kind"], version])
    for change in changes(obj.get("spec"), known.get("spec"), ("spec",)):
        yield spell(change.path)


def _old_version(obj: Any) -> str | None:
    """Return the version of an object of ours that is to be rewritten; raises NotRewritten for one that is not known."""
    if not isinstance(obj, dict):
        return None
    group, _, version = str(obj.get("apiVersion")).rpartition("/")
    if group != API_GROUP or version == HUB or (obj.get("kind") not in ROOTS and version == "v1alpha1"):
        return None
    if version not in SPOKES:
        known = ", ".join(SPOKES)
        raise NotRewritten(
            f"apiVersion: {version} is not known here, only {known} are; let a release of CAPO that serves {version}"
            f" convert it first (apply it there, then kubectl get it as v1beta1)"
        )
    return version


def _refuse_list(obj: Any) -> None:
    """Raise NotRewritten for a List that holds old objects of ours."""
    items = obj.get("items") if isinstance(obj, dict) and str(obj.get("kind")).endswith("List") else None
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if _old_version(item):
            raise NotRewritten(f"items[{index}]: a List is not rewritten; write its items as documents of their own")


def _mentions(obj: Any, path: str = "") -> Iterator[str]:
    """Yield where an object of another group names an older version of ours: Cluster API looks up the version by itself."""
    for name, value in obj.items() if isinstance(obj, dict) else enumerate(obj) if isinstance(obj, list) else ():
        where = f"{path}[{name}]" if isinstance(name, int) else f"{path}.{name}".lstrip(".")
        if name == "apiVersion" and path and any(value == f"{API_GROUP}/{version}" for version in SPOKES):
            yield f"{where} names {value}; it was left as it is, because the document belongs to another API group"
        else:
            yield from _mentions(value, where)


def _notes(converted: Json, version: str, namespace: str) -> list[str]:
    """Return what is to be said of what v1beta2 cannot say, and take it out of the annotations."""
    annotations = (converted.get("metadata") or {}).get("annotations") or {}
    leftovers = legacy.kept(converted) if version == legacy.VERSION else []
    for name in [name for name in annotations if name.startswith(KEPT_ANNOTATION)]:
        del annotations[name]
    if not annotations:
        (converted.get("metadata") or {}).pop("annotations", None)
    return [f"{path} of {version} {text}" for path, text in legacy.ignored(leftovers, namespace)]


def _check(converted: Json, version: str) -> None:
    problems = list(rules_of(str(converted["kind"])).check(converted))
    if version == legacy.VERSION:
        problems += legacy.check(converted)
    if problems:
        raise NotRewritten("; ".join(map(str, problems)))


def _dumped(converted: Json, old: yaml.Node | None, moves: Moves) -> str:
    """Return an object as YAML: fields in the order of the old document, its scalars quoted as they were."""
    order: dict[Path, int] = {}
    for line, path in places(old):
        target = moves.new(path)
        for end in range(len(target) + 1):
            order.setdefault(target[:end], line)
    ordered = _ordered(converted, (), order)
    styles = {moves.new(path): node for path, node in _nodes(old)}
    root = yaml.SafeDumper(io.StringIO(), sort_keys=False).represent_data(ordered)
    for path, node in _nodes(root):
        was = styles.get(path)
        if isinstance(node, yaml.ScalarNode) and isinstance(was, yaml.ScalarNode) and node.value == was.value:
            node.style = was.style
    return str(yaml.serialize(root, Dumper=yaml.SafeDumper, width=4096, allow_unicode=True))


def _ordered(value: Any, path: Path, order: dict[Path, int]) -> Any:
    if isinstance(value, dict):
        last = max(order.values(), default=0) + 1
        names = sorted(value, key=lambda name: order.get((*path, name), last))
        return {name: _ordered(value[name], (*path, name), order) for name in names}
    if isinstance(value, list):
        return [_ordered(item, (*path, index), order) for index, item in enumerate(value)]
    return copy.deepcopy(value)


def _nodes(node: yaml.Node | None, path: Path = ()) -> Iterator[tuple[Path, yaml.Node]]:
    """Yield each node of a document with its path."""
    if node is not None:
        yield path, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _nodes(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _nodes(item, (*path, index))
