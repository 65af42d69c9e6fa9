# SPDX-License-Identifier: Apache-2.0
"""A cloud over canned answers, for the tests of what is asked and what is made of the answers."""

from collections.abc import Iterator

import pytest

from fake_openstack import Answer, FakeOpenStack, fake_openstack
from pycapo.cloud.login import Clouds
from pycapo.cloud.openstack import OpenStack


@pytest.fixture
def fake() -> Iterator[FakeOpenStack]:
    """Services that answer nothing but their extensions; a test says the rest."""
    with fake_openstack() as fake:
        fake.services["block-storage"] = "/volume/v3/project-1"
        aliases = ("tag-ports-during-bulk-creation", "standard-attr-tag", "router", "trunk")
        fake.answers["GET /network/v2.0/extensions"] = Answer({"extensions": [{"alias": alias} for alias in aliases]})
        yield fake


@pytest.fixture
def cloud(fake: FakeOpenStack) -> OpenStack:
    """One project of that cloud."""
    return Clouds().open(clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here")
