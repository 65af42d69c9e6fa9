# SPDX-License-Identifier: Apache-2.0
"""Plans: what they say about themselves."""

from pycapo.model.kinds import Kind
from pycapo.model.steps import Create, Key, Plan, Sealed, Wait


def a_wait(after: float | None) -> Wait:
    return Wait(condition="NetworkReady", reason="Waiting", message="not yet", path="spec.network", after=after)


def a_step() -> Create:
    return Create(key=Key(Kind.NETWORK, "network"), body={"name": "n"}, why="the cluster has no network")


def test_a_plan_with_steps_wants_another_look_at_once() -> None:
    assert Plan(steps=(a_step(),), waits=(a_wait(30),)).after == 0


def test_a_plan_that_waits_looks_again_when_the_first_wait_may_end() -> None:
    assert Plan(waits=(a_wait(30), a_wait(None), a_wait(5))).after == 5


def test_a_plan_that_waits_for_a_person_names_no_time() -> None:
    plan = Plan(waits=(a_wait(None),))

    assert plan.after is None
    assert not plan.settled


def test_an_empty_plan_is_settled() -> None:
    assert Plan().settled
    assert not Plan(steps=(a_step(),)).settled


def test_plans_add_up_in_order() -> None:
    both = Plan(steps=(a_step(),)) + Plan(waits=(a_wait(1),))

    assert (len(both.steps), len(both.waits)) == (1, 1)


def test_a_wait_tells_the_field_first() -> None:
    assert a_wait(1).told == "spec.network: not yet"
    assert Wait(condition="Ready", reason="R", message="m").told == "m"


def test_a_sealed_value_never_shows() -> None:
    sealed = Sealed("dG9wIHNlY3JldA==")
    plan = Plan(steps=(Create(key=Key(Kind.SERVER, "server"), body={"user_data": sealed}, why="w"),))

    assert "dG9w" not in f"{plan} {plan!r} {sealed} {sealed!r}"
