# SPDX-License-Identifier: Apache-2.0
"""The runtime's metrics, under the names that controller-runtime and client-go use, so that dashboards fit."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)

QUEUE_DEPTH = Gauge("workqueue_depth", "Keys that are due and wait for a worker.", ["name"])
QUEUE_ADDS = Counter("workqueue_adds_total", "Keys added.", ["name"])
QUEUE_RETRIES = Counter("workqueue_retries_total", "Keys added again after a failure.", ["name"])
QUEUE_WAIT = Histogram("workqueue_queue_duration_seconds", "From due to taken by a worker.", ["name"], buckets=_SECONDS)
TURNS = Counter("controller_runtime_reconcile_total", "Turns by result.", ["controller", "result"])
TURN_SECONDS = Histogram("controller_runtime_reconcile_time_seconds", "A turn.", ["controller"], buckets=_SECONDS)
ACTIVE_WORKERS = Gauge("controller_runtime_active_workers", "Workers in a turn.", ["controller"])
REQUESTS = Counter("rest_client_requests_total", "Requests to the API server.", ["method", "code"])
RELISTS = Counter("pycapo_relists_total", "Whole lists read from the API server.", ["kind"])
WATCH_FAILURES = Counter("pycapo_watch_failures_total", "Lists and watches that ended in an error.", ["kind"])
CACHED = Gauge("pycapo_cached_objects", "Objects in the cache.", ["kind"])
LEADER = Gauge("leader_election_master_status", "1 while this process holds the Lease.", ["name"])
