# SPDX-License-Identifier: Apache-2.0
"""The story of a cluster says what is new once, and the diagnosis says what is not as wanted and why."""

from dataclasses import replace

from pycapo.lab.cluster_view import Condition, Event, Machine, View, events_of, machine_of, one_line
from pycapo.lab.story import changes, describe, diagnosis

GOOD = Condition("True", "Ready")
WORKER = Machine("demo-md-0", "worker", "Running", node="demo-md-0", address="10.6.0.7", zone="az1")
WHOLE = View(exists=True, wanted=1, conditions={"Available": GOOD}, machines=(WORKER,))


def test_the_first_view_tells_everything_that_is_there() -> None:
    assert list(changes(None, WHOLE)) == [
        "cluster Available: True",
        "machine demo-md-0: Running in az1 at 10.6.0.7, has its node",
    ]


def test_the_same_view_again_tells_nothing() -> None:
    assert list(changes(WHOLE, WHOLE)) == []


def test_a_machine_that_got_on_is_told_with_where_it_got_to() -> None:
    before = replace(WHOLE, machines=(Machine("demo-md-0", "worker", "Provisioning"),))

    assert list(changes(before, WHOLE)) == ["machine demo-md-0: Running in az1 at 10.6.0.7, has its node"]


def test_a_machine_that_is_no_longer_there_is_gone() -> None:
    assert list(changes(WHOLE, replace(WHOLE, machines=()))) == ["machine demo-md-0: gone"]


def test_the_end_of_a_cluster_is_told() -> None:
    assert list(changes(replace(WHOLE, machines=()), View())) == ["cluster is gone"]


def test_an_event_is_told_once_and_a_warning_is_loud() -> None:
    event = Event("1", 5.0, "OpenStackCluster demo", "no quota", warning=True)
    after = replace(WHOLE, events=(event,))

    assert list(changes(WHOLE, after)) == ["WARNING OpenStackCluster demo: no quota"]
    assert list(changes(after, after)) == []


def test_only_status_and_reason_of_a_condition_are_news() -> None:
    waits = replace(WHOLE, conditions={"Available": Condition("False", "Waiting", "for 2")})
    still = replace(WHOLE, conditions={"Available": Condition("False", "Waiting", "for 1")})

    assert list(changes(WHOLE, waits)) == ["cluster Available: False (Waiting, for 2)"]
    assert list(changes(waits, still)) == []


def test_a_condition_without_words_is_its_status() -> None:
    assert describe(Condition("Unknown")) == "Unknown"


def test_the_diagnosis_names_what_machines_wait_for() -> None:
    machine = replace(WORKER, phase="Pending", node="", address="", troubles=("InfrastructureReady: no such zone",))
    view = replace(WHOLE, wanted=2, machines=(machine,), conditions={"Available": Condition("False", "No", "0 of 2")})

    assert diagnosis(view) == [
        "Available: False (No, 0 of 2)",
        "machines: 2 are wanted, 1 exist",
        "machine demo-md-0: Pending in az1",
        "    InfrastructureReady: no such zone",
    ]


def test_there_is_nothing_to_diagnose_in_a_complete_cluster() -> None:
    assert WHOLE.complete
    assert diagnosis(WHOLE) == []
    assert diagnosis(View()) == ["there is no cluster"]


def test_a_cluster_with_a_machine_too_many_is_not_complete() -> None:
    assert not replace(WHOLE, machines=(WORKER, replace(WORKER, name="other"))).complete
    assert not replace(WHOLE, wanted=0, machines=()).complete
    assert not replace(WHOLE, deleting=True).complete


def test_messages_of_several_lines_become_one() -> None:
    assert one_line("* Machine a:\n  * NodeHealthy: Waiting\n* b") == "Machine a: NodeHealthy: Waiting; b"


def test_a_machine_says_only_troubles_with_words() -> None:
    conditions = [
        {"type": "InfrastructureReady", "status": "False", "message": "no zone"},
        {"type": "NodeReady", "status": "Unknown", "message": ""},
        {"type": "Deleting", "status": "False", "message": "not deleting"},
    ]
    labels = {"cluster.x-k8s.io/control-plane": ""}
    thing = {
        "metadata": {"name": "m", "labels": labels},
        "spec": {"failureDomain": "az2"},
        "status": {"conditions": conditions},
    }

    assert machine_of(thing) == Machine("m", "control plane", zone="az2", troubles=("InfrastructureReady: no zone",))


def event(kind: str, name: str, type: str = "Normal") -> dict:
    about = {"kind": kind, "name": name}
    metadata = {"uid": f"{kind}/{name}", "creationTimestamp": "2026-11-24T07:00:00Z"}
    return {"metadata": metadata, "involvedObject": about, "type": type, "message": "m"}


def test_events_are_ours_or_warnings_and_of_this_cluster_only() -> None:
    items = [
        event("OpenStackCluster", "demo"),
        event("OpenStackMachine", "demo-1"),
        event("OpenStackCluster", "demonstration"),
        event("KubeadmControlPlane", "demo-control-plane"),
        event("Machine", "demo-1", "Warning"),
    ]

    assert [found.uid for found in events_of(items, "demo")] == [
        "OpenStackCluster/demo",
        "OpenStackMachine/demo-1",
        "Machine/demo-1",
    ]


def test_events_of_an_earlier_cluster_of_that_name_are_left_out() -> None:
    (found,) = events_of([event("OpenStackCluster", "demo")], "demo")

    assert events_of([event("OpenStackCluster", "demo")], "demo", since=found.time + 1) == ()
