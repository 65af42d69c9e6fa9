# SPDX-License-Identifier: Apache-2.0
"""Conditions from plans: True only for what was seen."""

from pycapo.cloud.errors import QuotaExceeded
from pycapo.model.kinds import Kind
from pycapo.model.steps import Create, Delete, Key, Plan, Step, Update, Wait
from pycapo.plan.report import condition_of, failed, ready, report, stopped, succeeded, whole

NETWORK = Create(key=Key(Kind.NETWORK, "network"), body={}, why="make network n")
ROUTER = Create(key=Key(Kind.ROUTER, "router"), body={}, why="make router r")
UPDATE = Update(kind=Kind.SUBNET, id="s", body={}, why="set the DNS servers")
DELETE = Delete(kind=Kind.SECURITY_GROUP_RULE, id="x", why="close ingress")


def wait(reason: str = "NotFound", message: str = "no network matches", path: str = "spec.network") -> Wait:
    return Wait(condition="NetworkReady", reason=reason, message=message, path=path)


def told(plan: Plan) -> tuple[str, str, str]:
    condition = condition_of("NetworkReady", plan, 3)
    assert condition.observed_generation == 3
    return condition.status, condition.reason, condition.message


def test_nothing_to_do_is_ready() -> None:
    assert told(Plan()) == ("True", "Ready", "")


def test_a_step_is_not_ready_before_its_work_was_seen() -> None:
    assert told(Plan(steps=(NETWORK,))) == ("False", "Creating", "make network n")


def test_the_verb_of_the_first_step_is_the_reason() -> None:
    reasons = [told(Plan(steps=(step,)))[1] for step in (UPDATE, DELETE)]

    assert reasons == ["Updating", "Deleting"]


def test_a_wait_is_told_with_its_field() -> None:
    assert told(Plan(waits=(wait(),))) == ("False", "NotFound", "spec.network: no network matches")


def test_a_wait_goes_before_steps() -> None:
    assert told(Plan(steps=(NETWORK,), waits=(wait(),)))[1] == "NotFound"


def test_only_the_first_messages_are_told() -> None:
    steps: tuple[Step, ...] = tuple(Update(kind=Kind.PORT, id="p", body={}, why=f"step {n}") for n in range(5))

    assert told(Plan(steps=steps))[2] == "step 0; step 1; step 2; and 2 more"


def test_the_same_message_is_told_once() -> None:
    assert told(Plan(waits=(wait(), wait())))[2] == "spec.network: no network matches"


def test_the_part_that_failed_tells_the_failure_and_later_parts_their_steps() -> None:
    parts = {"NetworkReady": Plan(steps=(NETWORK,)), "RouterReady": Plan(steps=(ROUTER,))}
    error = QuotaExceeded("no network left", path="spec.managedNetwork")

    network, router = report(parts, 1, failure=error, stopped_at=stopped(whole(parts), []))

    assert (network.reason, network.message) == ("QuotaExceeded", "spec.managedNetwork: no network left")
    assert (router.reason, router.message) == ("Creating", "make router r")


def test_applying_stops_at_the_step_after_the_last_one_done() -> None:
    plan = Plan(steps=(NETWORK, ROUTER))

    assert stopped(plan, [NETWORK]) is ROUTER
    assert stopped(plan, [NETWORK, ROUTER]) is None


def test_parts_join_in_their_order() -> None:
    parts = {"A": Plan(steps=(NETWORK,)), "B": Plan(steps=(ROUTER,), waits=(wait(),))}

    assert whole(parts) == Plan(steps=(NETWORK, ROUTER), waits=(wait(),))


def test_ready_sums_up_what_is_not() -> None:
    told = (succeeded("A", 1), failed("B", QuotaExceeded("no port left"), 1))

    summary = ready(told, 1)

    assert (summary.status, summary.reason, summary.message) == ("False", "QuotaExceeded", "B: no port left")


def test_ready_is_true_when_all_are() -> None:
    assert ready((succeeded("A", 1),), 1).status == "True"


def test_ready_while_deleting_tells_what_deletion_waits_for() -> None:
    summary = ready((), 1, retiring=Plan(waits=(wait("WaitingForMachines", "2 machines still exist", ""),)))

    assert (summary.status, summary.reason, summary.message) == ("False", "Deleting", "2 machines still exist")
