# SPDX-License-Identifier: Apache-2.0
"""The documentation says what the code does: names are collected from the source and looked for in the pages."""

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from pycapo.api import v1alpha1, v1beta1, v1beta2
from pycapo.api.meta import API_GROUP
from pycapo.api.rules.kinds import KINDS
from pycapo.cli.main import whole
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.cloud_faults import Faults
from pycapo.plan import roles
from pycapo.plan.plugging import NIC

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "pycapo"
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
WORDS = re.compile(r"^[A-Z][A-Za-z]+$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
VERSIONS = {"v1alpha1": v1alpha1, "v1beta1": v1beta1, "v1beta2": v1beta2}
TREES = {
    path: ast.parse(path.read_text())
    for floor in ("api", "model", "plan", "cloud", "kube", "controllers", "webhooks", "deploy")
    for path in (SOURCE / floor).rglob("*.py")
}


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


def quoted(text: str) -> set[str]:
    """What a page names as code."""
    return set(re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)))


def literals(node: ast.AST) -> Iterator[str]:
    """The texts that an expression may be; those of a condition's test are none of them."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from literals(value)
    elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "str":
        yield from literals(node.args[0])
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and WORDS.match(node.value):
        yield node.value


def reasons_in(tree: ast.AST) -> Iterator[str]:
    """Reasons of waits, conditions and errors: keywords and names `reason`, and what helpers take first or second."""
    positions = {"_wait": 0, "nic_wait": 0, "_hold": 0, "_false": 1}
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg="reason", value=value):
                yield from literals(value)
            case ast.Assign(targets=[ast.Name(id="reason")], value=value):
                yield from literals(value)
            case ast.Call(func=ast.Name(id=name), args=args) if name in positions and len(args) > positions[name]:
                yield from literals(args[positions[name]])
            case ast.ClassDef(name="Choice", body=body):
                yield from (text for part in body if isinstance(part, ast.Assign) for text in literals(part.value))
            case ast.FunctionDef(name="_verb") if any("Creating" in literals(part) for part in ast.walk(node)):
                yield from (text for part in ast.walk(node) for text in literals(part))


def constants(name: str) -> Iterator[str]:
    """The values of all constants of a name."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
                yield from literals(node.value)


@functools.cache
def condition_types() -> set[str]:
    names = (
        "CONDITION",
        "READY",
        "AUTHENTICATED",
        "BASTION",
        "NAMED_NETWORKS",
        "INSTANCE_READY",
        "INGRESS_READY",
        "ADDRESS_READY",
        "POOL_READY",
        "POLICY_ROUTING",
        "DEFAULT_ROUTE",
    )
    return {
        "Paused",
        *(value for name in names for value in constants(name) if value.endswith(("Ready", "eeded", "Condition"))),
    }


@functools.cache
def reasons() -> set[str]:
    without_parts = {"NotKnownYet"}  # of a summary, not a keyword
    return without_parts | {reason for tree in TREES.values() for reason in reasons_in(tree)}


def test_the_search_finds_what_it_is_for() -> None:
    assert {"NetworkReady", "InstanceReady", "APIServerIngressReady", "Paused"} <= condition_types()
    assert {"NotFound", "PortLost", "QuotaExceeded", "Deleting", "Creating", "NotPaused", "NameTaken"} <= reasons()
    assert {"WaitingForMachines", "WaitingForVolume", "VolumeFailed", "LoadBalancerMemberError"} <= reasons()


def test_every_condition_type_is_explained() -> None:
    assert not sorted(condition_types() - quoted(page("conditions.md")))


def test_every_reason_is_explained() -> None:
    assert not sorted(reasons() - quoted(page("conditions.md")))


def test_no_reason_is_explained_that_the_code_does_not_write() -> None:
    table = re.findall(r"^\| `([A-Z]\w+)` \|", page("conditions.md"), re.MULTILINE)

    assert not sorted(set(table) - reasons() - condition_types())


def metrics() -> set[str]:
    made = {"Counter", "Gauge", "Histogram", "Summary"}
    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = (call for call in calls if getattr(call.func, "id", "") in made and call.args)
    return {str(call.args[0].value) for call in named if isinstance(call.args[0], ast.Constant)}


def test_every_metric_is_explained_and_no_other() -> None:
    table = re.findall(r"^\| `([a-z_]+)` \|", page("metrics.md"), re.MULTILINE)

    assert len(metrics()) > 10
    assert sorted(table) == sorted(metrics())


def events() -> set[str]:
    """Reasons of events that are written out; those of steps are a pattern."""
    calls = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    told = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "event"]
    return {text for call in told if len(call.args) > 2 for text in literals(call.args[2])}


def test_every_event_is_explained() -> None:
    assert "SuccessfulCreateBastion" in events()
    assert not sorted(events() - quoted(page("events.md")))


def options(command: Any, path: str = "") -> Iterator[tuple[str, str]]:
    for option in command.params:
        if getattr(option, "hidden", False):
            continue
        yield from ((path, name) for name in option.opts if name.startswith("--") and name != "--help")
    for name, child in getattr(command, "commands", {}).items():
        yield from options(child, f"{path} {name}".strip())


def test_every_flag_is_in_the_reference() -> None:
    sections = dict(re.findall(r"^## `pycapo ?([^`]*)`$(.*?)(?=^## |\Z)", page("cli.md"), re.MULTILINE | re.DOTALL))
    flags = list(options(whole()))

    assert len(flags) > 20
    assert not [f"{path} {flag}" for path, flag in flags if f"`{flag}`" not in sections.get(path, "")]


def test_every_flag_of_run_and_of_lab_up_is_in_a_how_to() -> None:
    flags = list(options(whole()))
    told = {"run": (DOCS / "how-to/install.md").read_text(), "lab up": (DOCS / "how-to/lab.md").read_text()}

    assert not [f"{path} {flag}" for path, flag in flags if path in told and f"`{flag}" not in told[path]]


def test_every_fault_of_the_lab_is_in_its_how_to() -> None:
    told = (DOCS / "how-to/lab.md").read_text()

    assert not [name for name in vars(Faults) if not name.startswith("_") and name != "strikes" and name not in told]
    assert CloudOptions().trunk


def annotations() -> set[str]:
    ends = ("_ANNOTATION", "_LABEL", "_KEY")
    names = {
        target.id: node.value
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.endswith(ends)
    }
    texts = {ast.unparse(value).strip("f'\"").replace("{API_GROUP}", API_GROUP) for value in names.values()}
    return {text for text in texts if text.startswith((API_GROUP, "pycapo", "cluster.x-k8s.io"))}


def test_every_annotation_and_label_is_explained() -> None:
    assert "infrastructure.cluster.x-k8s.io/openstack-owner" in annotations()
    assert not [text for text in annotations() if text not in page("ownership.md")]


def test_every_finalizer_is_explained() -> None:
    texts = (path.read_text() for path in TREES)
    found = {
        name for text in texts for name in re.findall(r'"(openstack\w+\.infrastructure\.cluster\.x-k8s\.io)"', text)
    }

    assert len(found) == 5
    assert not [name for name in found if name not in page("ownership.md")]


def test_every_mark_role_is_explained() -> None:
    fixed = {value for name, value in vars(roles).items() if name.isupper()}
    numbered = {f"{name}-<n>" for name in ("subnet", "port", "trunk", "volume")} | {"member-<port>"}
    numbered |= {f"{NIC}<attachment>-<fingerprint>-<n>"}
    assert not sorted((fixed | numbered) - quoted(page("ownership.md")))


def anchors(path: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        place, _, anchor = target.partition("#")
        if "://" in place:
            continue
        file = (path.parent / place) if place else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_names_a_registry_or_a_folder_of_one_machine(path: Path) -> None:
    assert not re.findall(r"(?<![\w~])/(?:root|work|home)/\S*|quay\.io|ghcr\.io|docker\.io", path.read_text())


def blocks() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every YAML document of the pages that is an object of ours."""
    for path in PAGES:
        for text in re.findall(r"^```ya?ml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            for found in yaml.safe_load_all(text):
                if isinstance(found, dict) and str(found.get("apiVersion", "")).startswith(API_GROUP):
                    yield f"{path.relative_to(ROOT)}: {found['kind']} {found['metadata']['name']}", found


BLOCKS = dict(blocks())


@pytest.mark.parametrize("found", BLOCKS.values(), ids=list(BLOCKS))
def test_every_manifest_is_one_that_we_accept(found: dict[str, Any]) -> None:
    version = found["apiVersion"].partition("/")[2]
    kind = getattr(VERSIONS[version], found["kind"])

    decoded = msgspec.convert(found, kind)

    assert not unknown(found["spec"], msgspec.to_builtins(decoded.spec))
    reviewed = next((it for it in KINDS if it.kind == found["kind"] and it.version == version), None)
    assert reviewed is None or not list(reviewed.rules.check(found))


def unknown(written: Any, understood: Any, path: str = "spec") -> list[str]:
    """The fields of a manifest that decoding lost: they are spelled wrong."""
    if isinstance(written, dict) and isinstance(understood, dict):
        lost = [f"{path}.{name}" for name in written if name not in understood and written[name] not in (None, {}, [])]
        kept = [name for name in written if name in understood]
        return lost + [text for name in kept for text in unknown(written[name], understood[name], f"{path}.{name}")]
    if isinstance(written, list) and isinstance(understood, list):
        pairs = enumerate(zip(written, understood, strict=True))
        return [text for place, (one, other) in pairs for text in unknown(one, other, f"{path}[{place}]")]
    return []


def test_tests_that_pages_name_are_there() -> None:
    written = {path: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    there = {name for text in written.values() for name in re.findall(r"def (test_\w+)", text)}
    files = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*.py")}
    named = {text for page in PAGES for text in re.findall(r"\btest_\w+(?!\.py|\w)", page.read_text())}
    paths = {text for page in PAGES for text in re.findall(r"tests/[\w/]+\.py", page.read_text())}

    assert named - {Path(path).stem for path in files} <= there
    assert paths <= files


def test_the_generated_pages_are_current() -> None:
    place = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert place is not None
    assert place.loader is not None
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)

    assert tool.stale() == [], "run: make docs"
