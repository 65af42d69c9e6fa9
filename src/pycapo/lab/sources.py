# SPDX-License-Identifier: Apache-2.0
"""Fits the sources of other modules' managers into the lab's own Go module, which their programs are built of.

Rule: text that is not there as often as expected is an error; a source that changed its shape is never guessed at.
"""

import re
from pathlib import Path

from pycapo.lab.places import LabError
from pycapo.lab.programs import ROOT, Manager

_BUILDER = re.compile(r"ctrl\.NewWebhookManagedBy\(mgr\)\.\s*For\((.+?)\)\.")
_ROLES = re.compile(r"\bWith(Defaulter|Validator)\(webhook\)")


def fit(manager: Manager, module: Path, target: Path) -> None:
    """Put what a manager's program is built of into the folder `target`; `module` is its unpacked module."""
    if not manager.whole:
        _put(loopback_only((module / manager.source / "main.go").read_text()), target / "main.go")
        return
    for source in sources(module):
        text = within(source.read_text(), manager, own=_own_module())
        fitted = loopback_only(text) if source == module / "main.go" else with_new_builders(text)
        _put(fitted, target / source.relative_to(module))


def sources(module: Path) -> list[Path]:
    """Return the Go files that a module's program can consist of."""
    found = (path for path in module.rglob("*.go") if not path.name.endswith("_test.go"))
    return sorted(path for path in found if path.relative_to(module).parts[0] != "hack")


def loopback_only(source: str) -> str:
    """Return a manager's main.go with its webhook server bound to 127.0.0.1, for which it has no flag."""
    options = "webhook.Options{"
    if source.count(options) != 1:
        raise LabError(f"main.go of a manager: {options} expected once, found {source.count(options)} times")
    return source.replace(options, f'{options}\n\t\t\t\tHost: "127.0.0.1",')


def within(source: str, manager: Manager, *, own: str) -> str:
    """Return a source that imports the packages of its module as packages of the module `own`."""
    return source.replace(f'"{manager.module}/', f'"{own}/{manager.name}/')


def with_new_builders(source: str) -> str:
    """Return a source that names the kind of a webhook where controller-runtime expects it since v0.23.

    Defaulters and validators of any kind are called custom ones there.
    """
    fitted = _BUILDER.sub(r"ctrl.NewWebhookManagedBy(mgr, \1).", source)
    if "NewWebhookManagedBy(mgr)" in fitted:
        raise LabError("a webhook of a manager: NewWebhookManagedBy(mgr).For(KIND) expected, found another form")
    return _ROLES.sub(r"WithCustom\1(webhook)", fitted)


def _own_module() -> str:
    return (ROOT / "go.mod").read_text().split("\n", 1)[0].removeprefix("module ").strip()


def _put(text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
