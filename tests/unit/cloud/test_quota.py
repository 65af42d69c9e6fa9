# SPDX-License-Identifier: Apache-2.0
"""Nova's quotas as a server tells them: one request for many, another only where they seem to be too small."""

from collections.abc import Iterator

import pytest

from fake_openstack import Answer, FakeOpenStack, fake_openstack
from pycapo.cloud.errors import RetryNow
from pycapo.cloud.login import Clouds
from pycapo.cloud.openstack import OpenStack
from pycapo.cloud.quota import ANEW
from pycapo.model.records import Quota

LIMITS = "GET /compute/v2.1/limits"
ABSOLUTE = {
    "maxTotalInstances": 10,
    "totalInstancesUsed": 3,
    "maxTotalCores": 20,
    "totalCoresUsed": 6,
    "maxTotalRAMSize": -1,
    "totalRAMUsed": 6144,
    "maxServerMeta": 128,
}


@pytest.fixture
def fake() -> Iterator[FakeOpenStack]:
    with fake_openstack() as fake:
        fake.answers[LIMITS] = Answer({"limits": {"rate": [], "absolute": ABSOLUTE}})
        yield fake


@pytest.fixture
def cloud(fake: FakeOpenStack) -> OpenStack:
    return Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")


def test_what_is_limited_is_told_and_what_is_not_is_left_out(cloud: OpenStack) -> None:
    assert cloud.room().quotas == {"instances": Quota(10, 3), "cores": Quota(20, 6)}


def test_many_who_ask_share_one_reading_even_when_they_doubt_it(fake: FakeOpenStack, cloud: OpenStack) -> None:
    for anew in (False, True, False, True):
        cloud.room(anew=anew)

    assert fake.told.count(LIMITS) == 1


def test_a_reading_that_is_doubted_after_a_while_is_made_anew(fake: FakeOpenStack, cloud: OpenStack) -> None:
    now = [0.0]
    cloud._room._clock = lambda: now[0]
    cloud.room()

    now[0] = ANEW + 1
    cloud.room()
    cloud.room(anew=True)

    assert fake.told.count(LIMITS) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_quotas_that_we_may_not_see_are_none(fake: FakeOpenStack, cloud: OpenStack, status: int) -> None:
    fake.answers[LIMITS] = Answer({"forbidden": {"code": status, "message": "Policy does not allow it"}}, status)

    assert cloud.room().quotas == {}


def test_a_nova_that_fails_is_told(fake: FakeOpenStack, cloud: OpenStack) -> None:
    fake.answers[LIMITS] = Answer({"computeFault": {"code": 500, "message": "no"}}, 500)

    with pytest.raises(RetryNow):
        cloud.room()
