# SPDX-License-Identifier: Apache-2.0
"""Comments of one YAML document: which field each belongs to, and putting them into another text.

Rule: a comment on a line of its own belongs to what follows, one at the end of a line to what the line says.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import yaml

Path = tuple[str | int, ...]
_START = re.compile(r"(?:^|(?<=\s))#")


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment with the field that it belongs to; None is the end of the document."""

    path: Path | None
    text: str
    own_line: bool


def places(node: yaml.Node | None, path: Path = ()) -> Iterator[tuple[int, Path]]:
    """Yield the line on which each field and each item of a list begins, in the order of the text."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield key.start_mark.line, inner
            yield from places(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield item.start_mark.line, (*path, index)
            yield from places(item, (*path, index))


def comments_of(text: str, root: yaml.Node | None) -> list[Comment]:
    """Return the comments of a document whose composed form is root."""
    known = list(places(root))
    scalars = list(_scalars(root))
    found: list[Comment] = []
    start = 0
    for number, line in enumerate(text.splitlines(keepends=True)):
        column = _comment_column(line, start, scalars)
        start += len(line)
        if column is None:
            continue
        own = not line[:column].strip()
        if own:
            path = next((where for at, where in known if at > number), None)
        else:
            path = next((where for at, where in reversed(known) if at <= number), None)
        found.append(Comment(path, line[column:].rstrip(), own))
    return found


def with_comments(text: str, comments: Iterable[Comment], moved: Callable[[Path], Path]) -> str:
    """Return a document's text with comments, each at the field where `moved` says that its field is now."""
    lines = text.splitlines()
    first: dict[Path, int] = {}
    for line, place in places(yaml.compose(text, Loader=yaml.SafeLoader)):
        first.setdefault(place, line)
    above: dict[int, list[str]] = {}
    behind: dict[int, list[str]] = {}
    for comment in comments:
        exact, path = _nearest(moved(comment.path) if comment.path is not None else None, first)
        if path is None:
            above.setdefault(len(lines), []).append(comment.text)
        elif comment.own_line or not exact or lines[first[path]].rstrip()[-1:] in ("|", ">", "-", "+"):
            above.setdefault(first[path], []).append(comment.text)
        else:
            behind.setdefault(first[path], []).append(comment.text.lstrip("# "))
    return "\n".join(_woven(lines, above, behind)) + "\n"


def _woven(lines: list[str], above: dict[int, list[str]], behind: dict[int, list[str]]) -> Iterator[str]:
    for number, line in enumerate(lines):
        indent = line[: len(line) - len(line.lstrip())]
        yield from (f"{indent}{text}" for text in above.get(number, ()))
        yield f"{line} # {'; '.join(behind[number])}" if number in behind else line
    yield from above.get(len(lines), ())


def _nearest(path: Path | None, known: dict[Path, int]) -> tuple[bool, Path | None]:
    """Return whether a text has a path, and the deepest part of it that it has."""
    found = path
    while found and found not in known:
        found = found[:-1]
    return found == path, (found or None)


def _scalars(node: yaml.Node | None) -> Iterator[tuple[int, int]]:
    """Yield where scalars begin and end in the text."""
    if isinstance(node, yaml.ScalarNode):
        yield node.start_mark.index, node.end_mark.index
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _scalars(part)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)


def _comment_column(line: str, start: int, scalars: list[tuple[int, int]]) -> int | None:
    for match in _START.finditer(line):
        if not any(begin <= start + match.start() < end for begin, end in scalars):
            return match.start()
    return None
