# SPDX-License-Identifier: Apache-2.0
"""The tables that a demo ends with: the requests it took, its durations, and what OpenStack has before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from pycapo.lab.cloud_inventory import Snapshot
from pycapo.lab.cloud_log import Request

_FIRST_ERROR = 400


def request_table(requests: Sequence[Request]) -> Table:
    """Return the requests counted by service: reads, writes, and how many of them were answered with an error."""
    table = Table(title="OpenStack requests of pycapo", title_justify="left", show_footer=True)
    services = sorted({request.service for request in requests})
    rows = {service: _counted([one for one in requests if one.service == service]) for service in services}
    total = _counted(requests)
    table.add_column("service", "total")
    for heading, number in zip(("reads", "writes", "all", "answered >= 400"), total, strict=True):
        table.add_column(heading, str(number), justify="right")
    for service, numbers in rows.items():
        table.add_row(service, *map(str, numbers))
    return table


def duration_table(milestones: Mapping[str, float]) -> Table:
    """Return when each milestone was reached, in seconds after the manifests were applied."""
    table = Table("reached", "after", title="durations", title_justify="left")
    for name, seconds in sorted(milestones.items(), key=lambda item: item[1]):
        table.add_row(name, f"{seconds:.0f} s")
    return table


def inventory_table(before: Snapshot, made: Mapping[str, int], now: Snapshot) -> Table:
    """Return how many resources of each kind there were before, with the cluster, and now."""
    table = Table("resource", title="OpenStack, resource by resource", title_justify="left")
    for heading in ("before", "with the cluster", "now", ""):
        table.add_column(heading, justify="right")
    for kind in sorted({*before.resources, *made, *now.resources}):
        old, new = before.resources.get(kind, {}), now.resources.get(kind, {})
        verdict = "same" if set(old) == set(new) else "DIFFERS"
        table.add_row(kind, str(len(old)), str(made.get(kind, 0)), str(len(new)), verdict)
    return table


def _counted(requests: Sequence[Request]) -> tuple[int, int, int, int]:
    writes = sum(1 for request in requests if request.writes)
    refused = sum(1 for request in requests if request.status >= _FIRST_ERROR)
    return len(requests) - writes, writes, len(requests), refused
