# SPDX-License-Identifier: Apache-2.0
"""How long OpenStack takes, counted by service, verb, kind and status."""

from collections.abc import Callable

import msgspec
from prometheus_client import CollectorRegistry, Histogram


class Request(msgspec.Struct, frozen=True):
    """One request that was made; `status` 0 means that no answer came."""

    service: str
    verb: str
    kind: str
    status: int
    seconds: float


Recorder = Callable[[Request], None]


def prometheus_recorder(registry: CollectorRegistry) -> Recorder:
    """A recorder into `openstack_api_request_duration_seconds`."""
    histogram = Histogram(
        "openstack_api_request_duration_seconds",
        "Duration of requests to OpenStack APIs",
        ("service", "verb", "kind", "status"),
        registry=registry,
    )

    def record(request: Request) -> None:
        labels = request.service, request.verb, request.kind, str(request.status or "none")
        histogram.labels(*labels).observe(request.seconds)

    return record
