# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with etcd and garbage collection, and our kinds in it: once for all tests of this folder."""

from collections.abc import Iterator

import pytest

from control_plane import ApiServer
from lab_names import api_name
from pycapo.lab import process
from pycapo.lab.build import build
from pycapo.lab.management import PROCESSES, wait_for_controllers
from pycapo.lab.places import forget_lab, open_lab
from pycapo.lab.progress import quiet
from served import Api, installed


@pytest.fixture(scope="package")
def apiserver() -> Iterator[ApiServer]:
    built = build(quiet())
    lab = open_lab(api_name())
    server = ApiServer(lab, built)
    try:
        server.start()
        wait_for_controllers(lab)
        yield server
    finally:
        for name in reversed(PROCESSES):
            process.stop(lab, name)
        forget_lab(lab)


@pytest.fixture(scope="package")
def api(apiserver: ApiServer) -> Iterator[Api]:
    """Our kinds with their webhooks and roles, and Cluster API's kinds without."""
    with installed(apiserver) as found:
        yield found
