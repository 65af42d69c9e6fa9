# SPDX-License-Identifier: Apache-2.0
"""A feed: it follows bookmarks, lists again after 410, and no error ends it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pycapo.kube import watch
from pycapo.kube.cache import Cache
from pycapo.kube.client import Client
from pycapo.kube.errors import Expired, KubeError, NotFound, Unreachable
from pycapo.kube.meta import document
from pycapo.kube.session import Lines, Params
from pycapo.kube.watch import Backoff, Feed
from toys import KEY, Boat, a_boat


def event(type_: str, version: int, name: str = "anna") -> bytes:
    return msgspec.json.encode({"type": type_, "object": document(a_boat(name, resource_version=str(version)))})


class Stream:
    def __init__(self, lines: list[bytes | Exception]) -> None:
        self.lines = lines

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            if isinstance(line, Exception):
                raise line
            yield line

    def cut(self) -> None:
        pass


class Server:
    """Answers lists and watches from a script and then stops the feed."""

    def __init__(self) -> None:
        self.lists: list[list[Boat] | Exception] = []
        self.streams: list[list[bytes | Exception] | Exception] = []
        self.watched: list[str] = []
        self.asked: list[dict[str, str]] = []

    def request(
        self, method: str, path: str, *, params: Params | None = None, body: Any = None, timeout: float | None = None
    ) -> bytes:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        items = [document(boat) for boat in answer]
        return msgspec.json.encode({"metadata": {"resourceVersion": "10"}, "items": items})

    @contextlib.contextmanager
    def stream(self, path: str, *, params: Params, idle: float) -> Iterator[Lines]:
        self.asked.append(dict(params))
        self.watched.append(params["resourceVersion"])
        answer = self.streams.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield Stream(answer)


@pytest.fixture
def server() -> Server:
    return Server()


def run(server: Server, steps: int, *, optional: bool = False) -> tuple[Cache[Boat], list[float]]:
    feed = Feed(Client(server), Cache(Boat), optional=optional)
    return feed.cache, [feed.step() for _ in range(steps)]


def test_it_lists_and_then_watches_from_there_with_bookmarks_and_a_timeout(server: Server) -> None:
    server.lists = [[a_boat(resource_version="9")]]
    server.streams = [[event("MODIFIED", 11)]]

    cache, _ = run(server, 1)

    assert cache.get(KEY) == a_boat(resource_version="11")
    assert server.watched == ["10"]
    assert server.asked[0]["allowWatchBookmarks"] == "true"
    assert 300 <= int(server.asked[0]["timeoutSeconds"]) <= 600


def test_after_the_end_of_a_stream_it_goes_on_from_the_last_bookmark(server: Server) -> None:
    server.lists = [[]]
    server.streams = [[event("ADDED", 11), event("BOOKMARK", 40)], []]

    run(server, 2)

    assert server.watched == ["10", "40"]


@pytest.mark.parametrize("end", [Unreachable("refused"), KubeError("internal", status=500)])
def test_a_failed_watch_goes_on_from_where_it_was(server: Server, end: Exception) -> None:
    server.lists = [[]]
    server.streams = [[event("ADDED", 11), end], end, []]

    run(server, 3)

    assert server.watched == ["10", "11", "11"]


GONE = msgspec.json.encode({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}})


@pytest.mark.parametrize("end", [Expired("too old", status=410), [GONE]])
def test_a_version_that_is_too_old_leads_to_a_new_list(server: Server, end: Any) -> None:
    server.lists = [[a_boat(resource_version="9")], []]
    server.streams = [end, []]

    cache, _ = run(server, 2)

    assert len(cache) == 0
    assert server.lists == []


def test_an_object_that_does_not_fit_its_type_hides_no_other(server: Server) -> None:
    bad = msgspec.json.encode({"type": "ADDED", "object": {"metadata": {"name": 5, "resourceVersion": "11"}}})
    server.lists = [[]]
    server.streams = [[bad, event("ADDED", 12)], []]

    cache, _ = run(server, 2)

    assert len(cache) == 1
    assert server.watched == ["10", "12"]


def test_garbage_on_the_line_leads_to_a_new_list_and_not_to_an_end(server: Server) -> None:
    server.lists = [[], [a_boat(resource_version="9")]]
    server.streams = [[b"<html>"], []]

    cache, _ = run(server, 2)

    assert len(cache) == 1


def test_an_optional_kind_that_is_missing_counts_as_empty_until_it_comes(server: Server) -> None:
    server.lists = [NotFound("no such kind"), [a_boat(resource_version="9")]]
    server.streams = [[]]

    cache, delays = run(server, 1, optional=True)
    synced = cache.synced.is_set()

    assert (synced, len(cache)) == (True, 0)
    assert delays[0] > 20


def test_a_needed_kind_that_is_missing_is_waited_for(server: Server) -> None:
    server.lists = [NotFound("no such kind")]

    cache, delays = run(server, 1)

    assert not cache.synced.is_set()
    assert delays[0] <= 10


def test_a_kind_that_goes_takes_its_objects_along(server: Server) -> None:
    server.lists = [[a_boat(resource_version="9")]]
    server.streams = [NotFound("the CRD is gone")]

    cache, _ = run(server, 1)

    assert len(cache) == 0


def test_delays_grow_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(1.0, 8.0)

    delays = [backoff.next() for _ in range(5)]
    backoff.reset()

    for delay, whole in zip([*delays, backoff.next()], [1, 2, 4, 8, 8, 1], strict=True):
        assert whole / 2 <= delay <= whole


def test_a_feed_runs_in_its_thread_until_stopped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.lists = [[a_boat(resource_version="9")]]
    monkeypatch.setattr(watch.random, "uniform", lambda low, high: 0.0)
    feed = Feed(Client(server), Cache(Boat))

    feed.start()
    synced = feed.cache.synced.wait(5)
    feed.stop()

    assert synced
    assert not feed.alive
