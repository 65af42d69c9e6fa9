# SPDX-License-Identifier: Apache-2.0
"""Metrics of the webhooks, under the names that controller-runtime uses, so that dashboards fit."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from pycapo.webhooks.endpoints import Observe

_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 5, 10)


def prometheus_observer(registry: CollectorRegistry) -> Observe:
    """Return what WebhookServer takes as `observe`; registers two metrics, so call it once for a registry."""
    requests = Counter(
        "controller_runtime_webhook_requests_total", "Requests answered.", ["webhook", "code"], registry=registry
    )
    latency = Histogram(
        "controller_runtime_webhook_latency_seconds",
        "From request to answer.",
        ["webhook"],
        registry=registry,
        buckets=_SECONDS,
    )

    def observe(path: str, status: int, seconds: float) -> None:
        requests.labels(path, str(status)).inc()
        latency.labels(path).observe(seconds)

    return observe
