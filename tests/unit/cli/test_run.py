# SPDX-License-Identifier: Apache-2.0
"""`pycapo run`: what its flags mean, and that they reach the parts that they are for."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from memory_kube import MemoryKube
from pycapo.api.capi import IPAM_GROUP, IPAddress, IPAddressClaim
from pycapo.api.cluster import OpenStackCluster
from pycapo.cli import run as door
from pycapo.cli.main import app
from pycapo.cli.run import LEASE, Workers, controllers, default_host, own_namespace, seconds
from pycapo.cloud.login import Clouds
from pycapo.kube.leader import Terms
from serving_certificate import write_certificate


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10m", 600), ("1h30m", 5400), ("15s", 15), ("500ms", 0.5), ("1.5s", 1.5), ("0s", 0), ("90", 90), ("0.25", 0.25)],
)
def test_a_duration_is_read_as_kubernetes_writes_it(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "10x", "m", "10m!", "10 m", "ten s"])
def test_what_is_no_duration_is_refused_with_what_was_given(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is not a duration"):
        seconds(text)


def test_the_namespace_is_the_pods(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "namespace"
    monkeypatch.setattr(door, "_NAMESPACE_FILE", told)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    assert own_namespace() == "capo-system"

    told.write_text("from-the-account\n")
    assert own_namespace() == "from-the-account"

    monkeypatch.setenv("POD_NAMESPACE", "from-the-pod")
    assert own_namespace() == "from-the-pod"


@pytest.mark.parametrize(("kubeconfig", "host"), [(None, "0.0.0.0"), (Path("k"), "127.0.0.1")])
def test_only_in_a_pod_the_webhooks_listen_everywhere(kubeconfig: Path | None, host: str) -> None:
    assert default_host(kubeconfig) == host


def test_it_starts_where_the_kinds_of_ipam_are_missing() -> None:
    made = controllers(MemoryKube(OpenStackCluster), Clouds(), workers=Workers(), resync=7.0, watch_filter="")

    watches = [watch for controller in made for watch in controller.watches if watch.kind.api_group == IPAM_GROUP]
    assert {watch.kind for watch in watches} == {IPAddressClaim, IPAddress}
    assert all(watch.optional for watch in watches)


def test_every_kind_with_a_controller_gets_workers_period_and_filter() -> None:
    workers = Workers(clusters=3, machines=4, others=5)
    made = controllers(MemoryKube(OpenStackCluster), Clouds(), workers=workers, resync=7.0, watch_filter="blue")

    kinds = [controller.life.kind.kind for controller in made]
    assert kinds[:3] == ["OpenStackCluster", "OpenStackMachine", "OpenStackServer"]
    assert {controller.watch_filter for controller in made} == {"blue"}
    assert [controller._workers for controller in made] == [3, 4, 4, 5, 5]
    assert {controller._resync for controller in made} == {7.0}


class Wiring:
    """Stands in for what would reach out to the world; keeps with what it was made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.manager: dict[str, Any] = {}
        self.controllers: dict[str, Any] = {}
        self.webhooks: tuple[Any, ...] = ()
        self.election: dict[str, Any] = {}
        self.logs: tuple[Any, ...] = ()
        self.served: tuple[Any, ...] = ()
        for name in ("KUBECONFIG", "POD_NAMESPACE"):
            monkeypatch.setenv(name, "kept")
        monkeypatch.setattr(door, "Session", lambda: "session")
        monkeypatch.setattr(door, "Client", lambda session: session)
        monkeypatch.setattr(door, "Kube", lambda client: client)
        monkeypatch.setattr(door, "Fence", lambda session, allowed: (session, allowed))
        monkeypatch.setattr(door, "Clouds", lambda **kwargs: SimpleNamespace(forget="forget", **kwargs))
        monkeypatch.setattr(door, "prometheus_recorder", lambda registry: "recorder")
        monkeypatch.setattr(door, "prometheus_observer", lambda registry: "observer")
        monkeypatch.setattr(door.logs, "setup", lambda *args, **kwargs: setattr(self, "logs", (args, kwargs)))
        monkeypatch.setattr(door, "controllers", self._controllers)
        monkeypatch.setattr(door, "Manager", self._manager)
        monkeypatch.setattr(door, "Election", self._election)
        monkeypatch.setattr(door, "WebhookServer", self._webhooks)
        monkeypatch.setattr(door, "_serve", self._serve)

    def _controllers(self, kube: Any, clouds: Any, **kwargs: Any) -> list[str]:
        self.kube, self.clouds, self.controllers = kube, clouds, kwargs
        return ["controllers"]

    def _manager(self, kube: Any, made: Any, **kwargs: Any) -> Any:
        self.manager = kwargs
        self.made = SimpleNamespace(forget=None)
        return self.made

    def _election(self, client: Any, namespace: str, **kwargs: Any) -> Any:
        self.election = {"client": client, "namespace": namespace, **kwargs}
        return SimpleNamespace(holds="holds")

    def _webhooks(self, *args: Any, **kwargs: Any) -> str:
        self.webhooks = args
        return "webhooks"

    def _serve(self, *args: Any) -> None:
        self.served = args


def invoke(*flags: str) -> Result:
    return CliRunner().invoke(app, ["run", *flags])


def test_without_flags_everything_is_watched_without_election(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    assert invoke().exit_code == 0

    assert (wiring.manager["namespace"], wiring.manager["election"]) == ("", None)
    assert wiring.controllers == {"workers": Workers(), "resync": 600.0, "watch_filter": ""}
    assert wiring.webhooks == (("0.0.0.0", 9443), Path("/tmp/k8s-webhook-server/serving-certs"))
    assert wiring.served == (wiring.made, "webhooks", ":9440", "127.0.0.1:8080")
    assert wiring.clouds.allowed()


def test_flags_of_watching_reach_manager_and_controllers(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--namespace", "team", "--watch-filter", "blue", "--sync-period", "1h", "--concurrency", "2")

    assert wiring.manager["namespace"] == "team"
    assert wiring.controllers == {"workers": Workers(2, 2, 2), "resync": 3600.0, "watch_filter": "blue"}


@pytest.mark.parametrize(("flags", "namespace"), [((), "kept"), (("--leader-elect-namespace", "x"), "x")])
def test_the_lease_of_the_go_provider_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], namespace: str
) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--leader-elect", *flags)

    assert wiring.manager["election"].holds == "holds"
    assert (wiring.election["namespace"], wiring.election["name"]) == (namespace, LEASE)
    assert LEASE == "controller-leader-election-capo"


def test_the_times_of_the_election_are_those_of_its_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--leader-elect-lease-duration=60s", "--leader-elect-renew-deadline=40s", "--leader-elect-retry-period=5s")
    assert wiring.election == {}

    invoke("--leader-elect", "--leader-elect-lease-duration=1m0s", "--leader-elect-renew-deadline=40s")
    assert wiring.election["terms"] == Terms(lease=60.0, renew=40.0, retry=2.0)


def test_clusters_and_machines_may_have_workers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--openstackcluster-concurrency", "3", "--openstackmachine-concurrency", "7")

    assert wiring.controllers["workers"] == Workers(clusters=3, machines=7, others=10)


def test_authorities_of_a_file_are_trusted_where_a_secret_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wiring = Wiring(monkeypatch)
    write_certificate(tmp_path)

    invoke("--ca-certs", str(tmp_path / "tls.crt"))

    assert wiring.clouds.cacert == (tmp_path / "tls.crt").read_bytes()


def test_only_who_holds_the_lease_writes_and_a_new_term_begins_with_nothing_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--leader-elect")

    assert (wiring.kube, wiring.clouds.allowed) == (("session", "holds"), "holds")
    assert wiring.election["client"] == "session"  # the election itself is not fenced
    assert wiring.made.forget == "forget"


def test_port_zero_serves_no_webhooks(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--webhook-port", "0", "--health-addr", ":1", "--diagnostics-address", ":2")

    assert wiring.webhooks == ()
    assert wiring.served == (wiring.made, None, ":1", ":2")


def test_flags_of_the_webhooks_reach_their_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--webhook-host", "192.0.2.1", "--webhook-port", "1", "--webhook-cert-dir", str(tmp_path))

    assert wiring.webhooks == (("192.0.2.1", 1), tmp_path)


def test_a_kubeconfig_is_used_and_keeps_the_webhooks_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    wiring = Wiring(monkeypatch)

    invoke("--kubeconfig", "/some/where")

    assert door.os.environ["KUBECONFIG"] == "/some/where"
    assert wiring.webhooks[0] == ("127.0.0.1", 9443)


@pytest.mark.parametrize(
    ("flags", "format", "level"),
    [((), "json", "info"), (("--log-format", "text", "--log-level", "debug"), "text", "debug")],
)
def test_logs_are_json_unless_somebody_wants_to_read_them(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], format: str, level: str
) -> None:
    wiring = Wiring(monkeypatch)

    invoke(*flags)

    assert wiring.logs == ((format,), {"level": level})


WRONG = (
    ("--sync-period", "soon"),
    ("--concurrency", "0"),
    ("--unknown",),
    ("--leader-elect-renew-deadline", "15s"),
    ("--leader-elect-retry-period", "9s"),
    ("--leader-elect-lease-duration", "0s"),
    ("--tls-min-version", "VersionTLS10"),
    ("--tls-cipher-suites", "TLS_ECDHE_RSA_WITH_NOTHING"),
    ("--ca-certs", "/nowhere/ca.pem"),
)


@pytest.mark.parametrize("flags", WRONG)
def test_a_wrong_flag_ends_before_anything_begins(monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]) -> None:
    wiring = Wiring(monkeypatch)

    assert invoke(*flags).exit_code == 2
    assert wiring.served == ()


class Part:
    """A door, manager or webhook server that notes what is done with it."""

    log: list[str]

    def __init__(self, name: str, log: list[str], *, fails: bool = False) -> None:
        self.name, self.log, self.fails = name, log, fails

    def __getattr__(self, verb: str) -> Any:
        def act() -> int:
            self.log.append(f"{self.name} {verb}")
            if self.fails and verb == "run":
                raise RuntimeError("broken")
            return 0

        return act


@pytest.mark.parametrize("fails", [False, True])
def test_doors_are_open_while_the_manager_runs_and_closed_whatever_happens(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    log: list[str] = []
    monkeypatch.setattr(door, "Door", lambda application, address: Part(address, log))
    manager: Any = Part("manager", log, fails=fails)
    webhooks: Any = Part("webhooks", log)

    try:
        door._serve(manager, webhooks, "health", "metrics")
    except RuntimeError:
        assert fails

    begun, ended = ["webhooks start", "health open", "metrics open"], ["health close", "metrics close", "webhooks stop"]
    assert log == [*begun, "manager run", *ended]


@pytest.mark.parametrize("content", [None, "", "{}", "clusters: ["])
def test_who_starts_it_without_credentials_is_told_where_was_looked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    monkeypatch.setenv("KUBECONFIG", "kept")
    monkeypatch.setattr(door.logs, "setup", lambda *args, **kwargs: None)
    file = tmp_path / "kubeconfig"
    if content is not None:
        file.write_text(content)

    result = CliRunner().invoke(
        app, ["run", "--kubeconfig", str(file)], env={"COLUMNS": "400", "TERMINAL_WIDTH": "400"}
    )

    assert result.exit_code == 2
    assert f"looked for in {file}" in result.output


def test_metrics_may_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(door, "Door", lambda application, address: Part(address, log))
    manager: Any = Part("manager", log)

    door._serve(manager, None, "health", "0")

    assert log == ["health open", "manager run", "health close"]


def test_the_version_is_printed() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert result.exit_code == 0
    assert result.output.startswith("pycapo ")


def test_without_a_command_the_doors_are_listed() -> None:
    output = CliRunner().invoke(app, []).output

    assert all(name in output for name in ("run", "crds", "components", "lab"))
