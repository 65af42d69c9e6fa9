# SPDX-License-Identifier: Apache-2.0
"""Metrics of the webhooks."""

from prometheus_client import CollectorRegistry

from pycapo.webhooks.metrics import prometheus_observer


def test_requests_are_counted_by_path_and_code_and_timed_by_path() -> None:
    registry = CollectorRegistry()
    observe = prometheus_observer(registry)

    observe("/convert", 200, 0.004)
    observe("/convert", 500, 0.004)

    name = "controller_runtime_webhook_requests_total"
    assert registry.get_sample_value(name, {"webhook": "/convert", "code": "200"}) == 1
    assert registry.get_sample_value("controller_runtime_webhook_latency_seconds_count", {"webhook": "/convert"}) == 2
