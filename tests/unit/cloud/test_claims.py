# SPDX-License-Identifier: Apache-2.0
"""Changes of one load balancer go one after the other, and who comes second asks nothing."""

import pytest

from pycapo.cloud.claims import Claims
from pycapo.cloud.errors import InUse
from pycapo.cloud.inventory import Inventory
from pycapo.model.kinds import Kind
from pycapo.model.records import LoadBalancer, Owned, Pool


def the_claims(status: str = "ACTIVE") -> Claims:
    inventory = Inventory(lambda _: ())
    for name in ("a", "b"):
        inventory.put(Kind.LOAD_BALANCER, [LoadBalancer(id=f"lb-{name}", name=name, provisioning_status=status)])
        inventory.put(Kind.POOL, [Pool(id=f"pool-{name}", loadbalancers=(Owned(f"lb-{name}"),))])
    return Claims(inventory)


def test_a_second_change_of_a_load_balancer_comes_again_soon() -> None:
    claims = the_claims()

    with claims.changing(Kind.MEMBER, "pool-a"), pytest.raises(InUse, match="Load balancer a ") as refused:
        claims.changing(Kind.MEMBER, "pool-a").__enter__()

    assert refused.value.retry_after == 2.0


def test_who_was_refused_does_not_take_the_claim_of_the_first_away() -> None:
    claims = the_claims()

    with claims.changing(Kind.MEMBER, "pool-a"):
        for _ in range(2):
            with pytest.raises(InUse):
                claims.changing(Kind.MEMBER, "pool-a").__enter__()


def test_load_balancers_do_not_wait_for_each_other_nor_other_kinds_for_members() -> None:
    claims = the_claims()

    with (
        claims.changing(Kind.MEMBER, "pool-a"),
        claims.changing(Kind.MEMBER, "pool-b"),
        claims.changing(Kind.PORT, None),
        claims.changing(Kind.MEMBER, "unknown"),
    ):
        pass


def test_a_change_that_failed_lets_the_next_one_in() -> None:
    claims = the_claims()
    with pytest.raises(InUse, match="busy"), claims.changing(Kind.MEMBER, "pool-a"):
        raise InUse("busy")

    with claims.changing(Kind.MEMBER, "pool-a"):
        pass


def test_a_load_balancer_on_its_way_is_not_asked_at_all() -> None:
    with pytest.raises(InUse), the_claims("PENDING_UPDATE").changing(Kind.MEMBER, "pool-a"):
        pass
