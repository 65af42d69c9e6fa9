# SPDX-License-Identifier: Apache-2.0
"""Requests are counted by service, verb, kind and status, those without an answer too."""

from prometheus_client import CollectorRegistry

from fake_openstack import Answer, FakeOpenStack
from pycapo.cloud.errors import CloudError
from pycapo.cloud.login import Clouds
from pycapo.cloud.metrics import Request, prometheus_recorder
from pycapo.model.kinds import Kind

NAME = "openstack_api_request_duration_seconds"


def counted(registry: CollectorRegistry, status: str, *, verb: str = "GET") -> float | None:
    labels = {"service": "network", "verb": verb, "kind": "network", "status": status}
    return registry.get_sample_value(f"{NAME}_count", labels)


def test_a_request_is_counted_with_its_duration() -> None:
    registry = CollectorRegistry()
    record = prometheus_recorder(registry)

    record(Request("network", "GET", "network", 200, 0.25))
    record(Request("network", "GET", "network", 200, 0.5))

    labels = {"service": "network", "verb": "GET", "kind": "network", "status": "200"}
    assert counted(registry, "200") == 2
    assert registry.get_sample_value(f"{NAME}_sum", labels) == 0.75


def test_refusals_and_silence_are_counted_under_names_of_their_own(fake: FakeOpenStack) -> None:
    registry = CollectorRegistry()
    cloud = Clouds(recorder=prometheus_recorder(registry)).open(
        clouds_yaml=fake.clouds_yaml(), cacert=None, cloud="here"
    )
    for answer in (Answer({"message": "no"}, 403), Answer(hang_up=True)):
        fake.answers["GET /network/v2.0/networks"] = answer
        try:
            cloud.look({Kind.NETWORK}, max_age=0)
        except CloudError:
            continue

    assert (counted(registry, "403"), counted(registry, "none"), counted(registry, "200")) == (1, 1, None)
