# SPDX-License-Identifier: Apache-2.0
"""Sources of managers are fitted to the lab, or refused when they are not what was expected."""

import re
from pathlib import Path

import pytest

from pycapo.lab.places import LabError
from pycapo.lab.programs import IN_CLUSTER_IPAM, MANAGERS
from pycapo.lab.sources import fit, loopback_only, sources, with_new_builders, within

MAIN = "server := webhook.NewServer(\n\twebhook.Options{\n\t\tPort: port,\n\t})"
WEBHOOK = "ctrl.NewWebhookManagedBy(mgr).\n\t\tFor(&v1alpha2.Pool{}).\n\t\tWithValidator(webhook)"


def a_module(folder: Path) -> Path:
    for name, text in {
        "main.go": MAIN,
        "main_test.go": "",
        "hack/pass.go": "",
        "internal/webhooks/pool.go": f'import "{IN_CLUSTER_IPAM.module}/api"\n{WEBHOOK}',
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_manager_is_bound_to_loopback() -> None:
    assert re.search(r'webhook\.Options\{\s*Host: "127\.0\.0\.1",\s*Port: port', loopback_only(MAIN))


@pytest.mark.parametrize("source", ["package main", "webhook.Options{} webhook.Options{}"])
def test_a_manager_that_changed_its_shape_is_not_guessed_at(source: str) -> None:
    with pytest.raises(LabError, match=r"expected once, found \d times"):
        loopback_only(source)


def test_a_webhook_names_its_kind_where_the_newer_library_wants_it() -> None:
    fitted = with_new_builders(WEBHOOK)

    assert "".join(fitted.split()) == "ctrl.NewWebhookManagedBy(mgr,&v1alpha2.Pool{}).WithCustomValidator(webhook)"


def test_a_webhook_of_another_form_is_not_guessed_at() -> None:
    with pytest.raises(LabError, match="another form"):
        with_new_builders("ctrl.NewWebhookManagedBy(mgr).Complete()")


def test_packages_of_a_whole_module_are_imported_from_the_labs_own() -> None:
    theirs, others = f'"{IN_CLUSTER_IPAM.module}/api/v1alpha2"', '"sigs.k8s.io/cluster-api/util"'

    fitted = within(f"{theirs}\n{others}", IN_CLUSTER_IPAM, own="example/lab")

    assert fitted == f'"example/lab/{IN_CLUSTER_IPAM.name}/api/v1alpha2"\n{others}'


def test_tests_and_tools_of_a_module_are_left_out(tmp_path: Path) -> None:
    module = a_module(tmp_path)

    assert sources(module) == [module / "internal/webhooks/pool.go", module / "main.go"]


def test_a_whole_module_comes_with_its_packages(tmp_path: Path) -> None:
    fit(IN_CLUSTER_IPAM, a_module(tmp_path / "module"), tmp_path / "own")

    assert "127.0.0.1" in (tmp_path / "own/main.go").read_text()
    webhook = (tmp_path / "own/internal/webhooks/pool.go").read_text()
    assert f"lab/{IN_CLUSTER_IPAM.name}/api" in webhook


def test_of_cluster_api_the_main_package_is_enough(tmp_path: Path) -> None:
    core = MANAGERS[0]
    a_module(tmp_path / "module" / core.source)

    fit(core, tmp_path / "module", tmp_path / "own")

    assert [path.name for path in (tmp_path / "own").rglob("*.go")] == ["main.go"]
