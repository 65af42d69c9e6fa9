# SPDX-License-Identifier: Apache-2.0
"""The Go provider's command line: what means something is read as ours, the rest is told and refuses nothing."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pycapo.cli import main, run
from pycapo.cli.foreign import IGNORED, ours
from pycapo.cli.main import app
from unit.cli.test_run import Wiring

DOCS = Path(__file__).parents[3] / "docs"
DEPLOYED = (
    "--leader-elect",
    "--v=2",
    "--diagnostics-address=127.0.0.1:8080",
    "--insecure-diagnostics=true",
    "--feature-gates=PriorityQueue=true,AutoScaleFromZero=false",
)
"""The arguments of the Go provider's own Deployment."""
ALL = (
    *DEPLOYED,
    "--leader-elect-lease-duration=15s --leader-elect-renew-deadline=10s --leader-elect-retry-period=2s",
    "--namespace= --watch-filter=blue --sync-period=10m0s --profiler-address=localhost:6060",
    "--openstackcluster-concurrency=10 --openstackmachine-concurrency=10 --openstackmachinetemplate-concurrency=10",
    "--kube-api-qps=20 --kube-api-burst=30 --scope-cache-max-size 10 --lb-provider amphora",
    "--webhook-port=9443 --webhook-cert-dir=/tmp/k8s-webhook-server/serving-certs/ --health-addr=:9440",
    "--tls-min-version=VersionTLS13 --tls-cipher-suites=TLS_AES_128_GCM_SHA256 --logging-format=json",
    "--skip-crd-migration-phases=StorageVersionMigration --skip-crd-migration-phases=CleanupManagedFields",
    "--vmodule=a=3 --log-flush-frequency=5s --log-text-split-stream --log-text-info-buffer-size=0",
    "--log-json-split-stream=false --log-json-info-buffer-size=0",
)
"""Every flag that its manager has, but for --ca-certs and --version."""


def words(*lines: str) -> list[str]:
    return [word for line in lines for word in line.split()]


@pytest.mark.parametrize("flags", [DEPLOYED, ALL])
def test_a_deployment_that_was_written_for_the_go_provider_starts(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    wiring = Wiring(monkeypatch)

    result = CliRunner().invoke(app, ["run", *words(*flags)])

    assert result.exit_code == 0, result.output
    assert wiring.election["name"] == run.LEASE
    assert wiring.served[2:] == (":9440", "127.0.0.1:8080")


def test_what_is_ignored_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    Wiring(monkeypatch)
    monkeypatch.setattr(run.log, "warning", lambda _, flag: told.append(flag))

    CliRunner().invoke(app, ["run", "--kube-api-qps", "5", "--insecure-diagnostics"])

    assert told == [f"--{name}: {IGNORED[name]}" for name in ("kube-api-qps", "insecure-diagnostics")]


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("--leader-elect=true", "--leader-elect"),
        ("--leader-elect=false", ""),
        ("--watch_filter=a_b", "--watch-filter=a_b"),
        ("--namespace a", "--namespace a"),
        ("--v=4", "--log-level=debug"),
        ("-v=4", "--log-level=debug"),
        ("-v4", "--log-level=debug"),
        ("-v 2", "--log-level=info"),
        ("--logging-format=text", "--log-format=text"),
        ("--logging-format text", "--log-format text"),
        ("--v", "--log-level=info"),
        ("--help", "--help"),
    ],
)
def test_flags_are_read_as_ours(theirs: str, expected: str) -> None:
    assert list(ours(theirs.split())) == expected.split()


def test_a_flag_that_nobody_has_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    assert CliRunner().invoke(app, ["run", "--kube-api-qsp=1"]).exit_code == 2
    assert wiring.served == ()


@pytest.mark.parametrize("name", IGNORED)
def test_every_ignored_flag_stands_in_the_docs(name: str) -> None:
    assert f"`--{name}`" in (DOCS / "how-to" / "move-from-capo.md").read_text()


def test_the_manager_takes_flags_without_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["/manager", *DEPLOYED])

    with pytest.raises(SystemExit) as ended:
        main.manager()

    assert (ended.value.code, wiring.election["name"]) == (0, run.LEASE)


def test_the_manager_tells_its_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["/manager", "--version"])

    with pytest.raises(SystemExit):
        main.manager()

    assert capsys.readouterr().out.startswith("pycapo ")
