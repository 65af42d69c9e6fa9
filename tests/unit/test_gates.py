# SPDX-License-Identifier: Apache-2.0
"""The gates: what the house keeps about its own code. A waiver is an entry in WAIVED with its reason."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "pycapo"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "labsim" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("*.py"))
WAIVED: dict[str, str] = {}  # "path:name" -> reason

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(path: Path) -> Iterator[Definition]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Definition) and f"{name_of(path)}:{node.name}" not in WAIVED:
            yield node


def body_lines(node: Definition) -> int:
    """Lines of a body without its docstring."""
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def too_many(path: Path, node: Definition) -> str | None:
    where = f"{name_of(path)}:{node.lineno} {node.name}"
    if isinstance(node, ast.ClassDef):
        return f"{where}: class of {body_lines(node)} lines" if body_lines(node) >= 150 else None
    arguments = [arg.arg for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    count = len([name for name in arguments if name not in {"self", "cls"}])
    if "cli" in path.parts:
        count -= len(node.args.kwonlyargs)  # to typer a flag is a keyword parameter
    if body_lines(node) > 50:
        return f"{where}: body of {body_lines(node)} lines"
    return f"{where}: {count} parameters" if count > 5 else None


def test_functions_classes_and_parameter_lists_stay_small() -> None:
    found = [text for path in MODULES for node in definitions(path) if (text := too_many(path, node))]

    assert not found, "\n".join(found)


def test_modules_stay_small() -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    found = [f"{name}: {n} lines" for name, n in lengths.items() if n > (700 if "/api/" in name else 500)]

    assert not [text for text in found if text.split(":")[0] not in WAIVED], "\n".join(found)


def test_every_file_names_its_licence_and_says_what_it_is_for() -> None:
    for path in (*MODULES, *TESTS):
        text = path.read_text()
        if not text:
            continue
        assert text.removeprefix("#!/usr/bin/env python3\n").startswith("# SPDX-License-Identifier: Apache-2.0\n"), (
            name_of(path)
        )
        assert ast.get_docstring(ast.parse(text)), f"{name_of(path)} has no docstring"


def test_packages_have_an_empty_init() -> None:
    assert not [name_of(path) for path in MODULES if path.name == "__init__.py" and path.read_text().strip()]


def imports_of(path: Path) -> set[str]:
    """Modules of ours that a file imports anywhere: at the top, inside functions, under TYPE_CHECKING."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("pycapo.")}


def test_imports_have_no_circle() -> None:
    modules = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path for path in MODULES}
    edges = {name: imports_of(path) & modules.keys() - {name} for name, path in modules.items()}
    while leaves := [name for name, targets in edges.items() if not targets & edges.keys()]:
        for name in leaves:
            del edges[name]

    assert not edges, f"a circle runs through {sorted(edges)}"


@pytest.mark.parametrize("folder", ["plan", "api", "model"])
def test_deciding_is_tested_with_values_and_never_with_mocks(folder: str) -> None:
    for path in (ROOT / "tests" / "unit" / folder).rglob("*.py"):
        assert not re.search(r"\bmock\b|monkeypatch|MagicMock", path.read_text()), name_of(path)


def lines(paths: list[Path]) -> int:
    return sum(1 for path in paths for line in path.read_text().splitlines() if line.strip())


def test_there_is_at_least_as_much_test_as_code() -> None:
    """The lab is a test tool itself; what it does is shown by the tests that run on it."""
    code = [path for path in MODULES if "lab" not in path.relative_to(SOURCE).parts]

    assert lines(TESTS) >= 1.0 * lines(code), f"{lines(TESTS)} lines of tests for {lines(code)} lines of code"


BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|base|misc)$")


def test_names_are_of_the_domain() -> None:
    files = [name_of(path) for path in MODULES if BANNED_NAMES.search(path.stem)]
    functions = [
        f"{name_of(path)}:{node.name}"
        for path in MODULES
        for node in definitions(path)
        if re.match(r"_?(handle|process|do)_", node.name)
    ]

    assert not files + functions
