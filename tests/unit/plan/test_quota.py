# SPDX-License-Identifier: Apache-2.0
"""A server that does not fit into a quota: told with what is missing, before anything is made."""

import pytest

from machines import a_server
from pycapo.model.kinds import Kind
from pycapo.model.records import Flavor, Quota
from pycapo.model.seen import Seen
from pycapo.plan.quota import deducted, missing, needs, quota_waits

FLAVOR = Flavor(id="f", name="m1.small", vcpus=2, ram=2048)


def a_picture(**room: Quota) -> Seen:
    return Seen(owner="o", found={"spec.flavor": (FLAVOR,)}, room=room)


def test_a_server_takes_itself_and_what_its_flavor_says() -> None:
    assert needs(a_picture()) == {"instances": 1, "cores": 2, "ram": 2048}


@pytest.mark.parametrize("found", [(), (FLAVOR, FLAVOR)])
def test_a_flavor_that_is_not_known_takes_nothing(found: tuple[Flavor, ...]) -> None:
    assert needs(Seen(owner="o", found={"spec.flavor": found})) == {}


def test_a_quota_that_is_just_enough_is_enough() -> None:
    seen = a_picture(instances=Quota(10, 9), cores=Quota(20, 18), ram=Quota(8192, 6144))

    assert list(quota_waits(a_server(), seen)) == []


def test_what_is_missing_is_told_of_every_quota_with_the_field() -> None:
    seen = a_picture(instances=Quota(10, 0), cores=Quota(10, 9), ram=Quota(4096, 4096))

    (wait,) = quota_waits(a_server(), seen)

    assert (wait.reason, wait.path) == ("QuotaExceeded", "spec.flavor")
    assert wait.message == (
        "the project's quota is short by 1 cores (2 needed, 1 of 10 left), "
        "short by 2048 MiB of RAM (2048 needed, 0 of 4096 left)"
    )
    assert wait.after


def test_the_field_is_the_one_that_was_written() -> None:
    seen = Seen(owner="o", found={"spec.flavorID": (FLAVOR,)}, room={"cores": Quota(1, 0)})

    (wait,) = quota_waits(a_server(flavor=None, flavor_id="f"), seen)

    assert wait.path == "spec.flavorID"


def test_what_others_are_about_to_take_is_used_up() -> None:
    left = deducted({"cores": Quota(10, 2)}, [{"cores": 2, "ram": 7}, {"cores": 4}])

    assert left == {"cores": Quota(10, 8)}
    assert missing(left, {"cores": 3, "ram": 9999}) == {"cores": 1}


def test_a_quota_that_was_made_smaller_than_what_is_used_leaves_nothing() -> None:
    (wait,) = quota_waits(a_server(), a_picture(cores=Quota(4, 6)))

    assert "short by 4 cores (2 needed, 0 of 4 left)" in wait.message


def test_no_kind_of_resource_is_a_quota_of_servers() -> None:
    assert not needs(a_picture()).keys() & {str(kind) for kind in Kind}
