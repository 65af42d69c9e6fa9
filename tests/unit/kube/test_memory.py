# SPDX-License-Identifier: Apache-2.0
"""The API server in memory keeps the promises that the real one keeps; so what is proved over it holds."""

import pytest

from kube_contract import KubeContract
from memory_kube import MemoryKube
from toys import Boat


@pytest.fixture
def kube() -> MemoryKube:
    return MemoryKube(Boat)


@pytest.fixture
def namespace() -> str:
    return "sea"


class TestMemory(KubeContract):
    """The promises, kept in memory."""
