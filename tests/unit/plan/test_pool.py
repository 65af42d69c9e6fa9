# SPDX-License-Identifier: Apache-2.0
"""A pool decided: who gets which address, what is made, what is taken back."""

from typing import Any

import msgspec

from pycapo.api.v1alpha1 import OpenStackFloatingIPPool
from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark
from pycapo.model.records import FloatingIP, Network, Port, Record
from pycapo.model.seen import Seen
from pycapo.model.steps import Create, Delete, Update
from pycapo.plan.pool import AT_ONCE, NETWORK, Book, Grant, Held, plan_pool, pre_allocated_path, retire_pool

OWNER = "0123456789ab"
PUBLIC = Network(id="public", name="public", external=True)
GIVEN = "203.0.113.1"


def a_pool(**spec: Any) -> OpenStackFloatingIPPool:
    wanted = {"identityRef": {"name": "c", "cloudName": "d"}, "reclaimPolicy": "Delete", **spec}
    return OpenStackFloatingIPPool.from_dict({"metadata": {"namespace": "team", "name": "public"}, "spec": wanted})


def an_address(number: int, *, ours: bool = True, port: str | None = None) -> FloatingIP:
    return FloatingIP(
        id=f"fip-{number}",
        description=Mark(OWNER, "address").described("") if ours else "",
        floating_ip_address=f"203.0.113.{number}",
        floating_network_id="public",
        port_id=port,
    )


def seen_of(*ours: FloatingIP, beside: tuple[FloatingIP, ...] = (), **found: tuple[Record, ...]) -> Seen:
    paths = {NETWORK: found.get("network", (PUBLIC,)), pre_allocated_path(0): found.get("first", ())}
    return Seen(
        owner=OWNER,
        owned={Kind.FLOATING_IP: ours},
        found=paths,
        named={Kind.FLOATING_IP: tuple(it for it in beside if it.mark is None)},
        beside={Kind.FLOATING_IP: (*ours, *beside)},
    )


def test_a_free_address_is_given_before_another_is_made() -> None:
    plan = plan_pool(a_pool(), seen_of(an_address(1)), Book(wishes=("a", "b")))

    (made,) = plan.rest.steps
    assert plan.grants == (Grant("a", GIVEN),)
    assert isinstance(made, Create)
    assert (made.mark, made.body["floating_network_id"], made.key.role) == (Mark(OWNER, "address"), "public", "b")


def test_an_address_that_points_somewhere_or_is_held_is_not_free() -> None:
    seen = seen_of(an_address(1, port="p"), an_address(2))

    plan = plan_pool(a_pool(), seen, Book(wishes=("a",), held=(Held(name="x", address="203.0.113.2"),)))

    assert plan.grants == ()
    assert (plan.status.claimed_ips, plan.status.available_ips) == (["203.0.113.2"], [])


def test_a_server_keeps_the_address_that_it_has_when_its_claim_was_made_anew() -> None:
    port = Port(id="p", network_id="n", tags=(Mark("bbbbbbbbbbbb", "port-0").tag,))
    seen = seen_of(an_address(1, port="p"), an_address(2), an_address(3, port="q"))
    seen = msgspec.structs.replace(seen, beside={**seen.beside, Kind.PORT: (port,)})

    plan = plan_pool(a_pool(), seen, Book(wishes=("a", "b"), servers={"a": "aaaaaaaaaaaa", "b": "bbbbbbbbbbbb"}))

    assert set(plan.grants) == {Grant("a", "203.0.113.2"), Grant("b", "203.0.113.1")}
    assert plan.rest.steps == ()


def test_few_are_made_at_once_and_the_description_fits() -> None:
    pool = a_pool()
    pool.metadata.name = "x" * 250

    plan = plan_pool(pool, seen_of(), Book(wishes=tuple(f"c{n}" for n in range(40))))

    assert len(plan.rest.steps) == AT_ONCE
    (first, *_) = plan.rest.steps
    assert isinstance(first, Create)
    assert len(Mark(OWNER, "address").described(first.body["description"])) <= 255


def test_delete_deletes_what_is_ours_and_retain_points_it_nowhere() -> None:
    seen = seen_of(an_address(1, port="p"))
    book = Book(held=(Held(name="x", address=GIVEN, released=True),))

    deleted = plan_pool(a_pool(), seen, book)
    retained = plan_pool(a_pool(reclaimPolicy="Retain"), seen, book)

    assert [type(step) for step in deleted.releases.steps] == [Delete]
    assert [(type(step), step.body) for step in retained.releases.steps if isinstance(step, Update)] == [
        (Update, {"port_id": None})
    ]
    assert deleted.released == retained.released == ("x",)


def test_a_pre_allocated_address_that_comes_back_is_pointed_nowhere_even_with_delete() -> None:
    theirs = an_address(1, ours=False, port="p")
    pool = a_pool(preAllocatedFloatingIPs=[GIVEN])

    plan = plan_pool(
        pool, seen_of(beside=(theirs,), first=(theirs,)), Book(held=(Held(name="x", address=GIVEN, released=True),))
    )

    assert [type(step) for step in plan.releases.steps] == [Update]


def test_an_address_in_use_by_somebody_else_is_told_and_not_given() -> None:
    theirs = an_address(1, ours=False, port="p")

    plan = plan_pool(a_pool(preAllocatedFloatingIPs=[GIVEN]), seen_of(first=(theirs,)), Book())

    (wait,) = plan.rest.waits
    assert wait.told == f"spec.preAllocatedFloatingIPs[0]: floating IP {GIVEN} (fip-1) is in use at port p"
    assert plan.status.failed_ips == [GIVEN]


def test_a_network_that_is_not_external_is_told_as_what_it_is() -> None:
    inner = Network(id="inner", name="inner")

    plan = plan_pool(a_pool(floatingIPNetwork={"id": "inner"}), seen_of(network=(inner,)), Book(wishes=("a",)))

    assert (plan.rest.steps, plan.rest.waits[0].reason) == ((), "UnableToFindNetwork")


def test_marks_go_on_what_the_go_provider_made_before_anything_is_taken_back() -> None:
    words = "Created by cluster-api-provider-openstack OpenStackFloatingIPPool public"
    theirs = FloatingIP(id="f", description=words, floating_ip_address=GIVEN, floating_network_id="public")

    plan = plan_pool(a_pool(), seen_of(beside=(theirs,)), Book(held=(Held(name="x", address=GIVEN, released=True),)))

    assert plan.released == ()
    assert [type(step) for step in plan.releases.steps] == [Update]


def test_a_pool_that_goes_deletes_its_own_and_waits_for_what_is_in_use() -> None:
    plan = retire_pool(a_pool(reclaimPolicy="Retain"), seen_of(an_address(1), an_address(2, port="p")), Book())

    assert [step.id for step in plan.rest.steps if isinstance(step, Delete)] == ["fip-1"]
    assert [wait.reason for wait in plan.rest.waits] == ["InUse"]
