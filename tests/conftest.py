# SPDX-License-Identifier: Apache-2.0
"""The lab that every test of the whole shares: brought up when the first one asks for it, gone after the last.

Rule: a checkout has one lab for its tests, whose name tells which; what a run before left behind is continued, then ended.
PYCAPO_KEEP_LAB=1 leaves it running, for whoever runs single tests again and again.
"""

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lab_traces import traces
from pycapo.deploy.components import components
from pycapo.lab import life
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.places import Lab, open_lab
from pycapo.lab.progress import Progress
from pycapo.model.structs import learn_structs

# A busy machine is no reason to fail: how long an example takes says nothing about whether it holds.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

CHECKOUT = Path(__file__).resolve().parents[1]
FROM_NOTHING = 2400  # seconds: the first test that uses the lab may have to wait until all of its programs are built


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: labs are ended before pytest is


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    learn_structs()  # all modules are imported now, and many tests have threads
    for item in items:
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(FROM_NOTHING))


def lab_name() -> str:
    return f"e2e-{hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]}"


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = open_lab(lab_name())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():  # whoever waits sees for what
            life.up(lab, life.Options(CloudOptions()), components(), progress=Progress())
        yield lab
    finally:
        if not os.environ.get("PYCAPO_KEEP_LAB"):
            life.down(lab, delete_state=True)
            assert not traces(lab)
