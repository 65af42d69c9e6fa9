# SPDX-License-Identifier: Apache-2.0
"""The lab that every test of the whole shares: brought up when the first one asks for it, gone after the last.

Rule: a checkout has one lab for its tests (with `-n`, one for each worker), whose name tells which; what a run before left
behind is continued, then ended. PYCAPO_KEEP_LAB=1 leaves it running, for whoever runs single tests again and again.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.workermanage import WorkerController

from lab_names import CHECKOUT, api_name, lab_name, other_name
from lab_traces import traces
from pycapo.deploy.components import components
from pycapo.lab import life
from pycapo.lab.cloud_config import CloudOptions
from pycapo.lab.places import Lab, find_lab, open_lab
from pycapo.lab.progress import Progress
from pycapo.model.structs import learn_structs

# A busy machine is no reason to fail: how long an example takes says nothing about whether it holds.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")

WORKERS: list[WorkerController] = []
KEPT = bool(os.environ.get("PYCAPO_KEEP_LAB"))
FROM_NOTHING = 2400  # seconds: the first test that uses the lab may have to wait until all of its programs are built


def pytest_configure() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: labs are ended before pytest is


def pytest_configure_node(node: WorkerController) -> None:
    WORKERS.append(node)


def pytest_unconfigure() -> None:
    """End what workers left running that were not given the time to do it: after Ctrl-C, or a crash."""
    for worker in WORKERS:
        for name in (of(worker.gateway.id) for of in (lab_name, api_name, other_name)):
            if (lab := find_lab(name)) and not KEPT:
                life.down(lab, delete_state=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Virtual machines are booted only where they are asked for: an emulated processor takes its time."""
    asked = any("tests/vm" in argument for argument in config.args)
    return True if collection_path == CHECKOUT / "tests" / "vm" and not asked else None


@pytest.hookimpl(tryfirst=True)  # before the workers' plugin reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    learn_structs()  # all modules are imported now, and many tests have threads
    for item in items:
        # A worker takes a whole file, and the folder that shares an API server as one.
        group = item.path.parent if item.path.parent.name == "apiserver" else item.path
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(CHECKOUT))))
        if "lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(FROM_NOTHING))


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    lab = open_lab(lab_name())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():  # whoever waits sees for what
            life.up(lab, life.Options(CloudOptions()), components(), progress=Progress())
        yield lab
    finally:
        if not KEPT:
            life.down(lab, delete_state=True)
            assert not traces(lab)
