# SPDX-License-Identifier: Apache-2.0
"""The bench's rows: counted for each object of a batch, held against a budget, and written as JSON."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from pycapo.cli.bench import figures, requests
from pycapo.lab.cloud_log import Request
from pycapo.lab.tally import Row, Work, broken, lists, once_a_process, picture_budget, row, write_json

PORTS = "/v2.0/ports"


def asked(method: str = "GET", path: str = PORTS, query: str = "", service: str = "neutron") -> Request:
    return Request(1.0, service, method, path, query, 200, 0.1, "pycapo/0.1")


def a_batch() -> Iterator[Request]:
    for _ in range(10):
        yield asked("POST")
        yield asked("POST", "/v2.1/servers", service="nova")
    yield from (asked(query="limit=500") for _ in range(5))


def test_requests_and_writes_are_those_of_one_object_of_the_batch() -> None:
    counted = row(Work("worker", 3, batch=10), a_batch())

    assert (counted.requests, counted.writes) == (2.5, 2.0)
    assert counted.asked["nova", "POST", "/v2.1/servers"] == 10


@pytest.mark.parametrize(("budget", "kept"), [(2.4, False), (2.5, True), (3, True)])
def test_a_budget_is_broken_by_more_requests_than_it_has(budget: float, kept: bool) -> None:
    counted = row(Work("worker", budget, batch=10), a_batch())

    assert counted.kept is kept
    assert broken([counted]) == ([] if kept else [counted])


def test_a_budget_of_nothing_is_kept_by_no_request_at_all() -> None:
    assert row(Work("settled", 0), []).kept
    assert not row(Work("settled", 0, batch=1000), [asked()] * 10).kept


@pytest.mark.parametrize(
    ("request_", "once"),
    [
        (asked("POST", "/v3/auth/tokens", service="keystone"), True),
        (asked(path="/v2.0/extensions"), True),
        (asked(path="/v2.0/networks"), False),
        (asked(path="/v2.1/flavors/detail", service="nova"), False),
    ],
)
def test_logins_and_extensions_are_what_comes_once_a_process(request_: Request, once: bool) -> None:
    assert once_a_process(request_) is once


@pytest.mark.parametrize(
    ("request_", "page"),
    [
        (asked(query="project_id=p&limit=500"), True),
        (asked(query="project_id=p&limit=500&marker=x"), True),
        (asked(path="/v2.1/os-availability-zone", service="nova"), True),
        (asked(query="name=ubuntu&limit=500"), False),
        (asked("POST"), False),
        (asked(path=f"{PORTS}/1"), False),
    ],
)
def test_pages_of_the_picture_are_told_from_other_requests(request_: Request, page: bool) -> None:
    assert lists(request_) is page


@pytest.mark.parametrize(("largest", "pages"), [(0, 2), (500, 2), (501, 4), (1200, 6)])
def test_a_refresh_may_read_as_many_pages_as_the_largest_kind_has(largest: int, pages: int) -> None:
    found = [asked(query="limit=500"), asked(query="limit=500&marker=x"), asked(path="/v2.0/networks")]

    assert picture_budget(found, largest) == pages


def test_the_figures_are_a_list_of_work_requests_writes_and_budget(tmp_path: Path) -> None:
    write_json([row(Work("worker", 3, "23", 10), a_batch())], tmp_path / "build" / "bench.json")

    written = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert written == [{"work": "worker", "requests": 2.5, "writes": 2.0, "budget": 3}]


def printed(*rows: Row) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(figures(rows), requests(rows))
    return captured.get()


def test_the_table_shows_figures_budget_and_the_go_providers_figure() -> None:
    text = printed(row(Work("worker", 3, "23", 10), a_batch(), seconds=12.4))

    (line,) = [line for line in text.splitlines() if "yes" in line]
    assert [cell.strip() for cell in line.split("│")[1:-1]] == ["worker", "10", "2.5", "2", "3", "23", "12", "yes"]


def test_the_table_shows_a_broken_budget_and_what_was_asked() -> None:
    text = printed(row(Work("settled", 0), [asked(path=f"{PORTS}/1")]))

    assert "NO" in text
    assert f"{PORTS}/{{id}}" in text
