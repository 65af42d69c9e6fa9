# SPDX-License-Identifier: Apache-2.0
"""The cache: indexes, handlers, and that our own writes are never undone by older news."""

from typing import Any

import pytest

from pycapo.kube.cache import Cache, by_label
from pycapo.kube.meta import ObjectKey
from toys import KEY, Boat, Sail, a_boat, a_sail

Change = tuple[int | None, int | None]


@pytest.fixture
def cache() -> Cache[Boat]:
    return Cache(Boat, {"port": by_label("port")})


@pytest.fixture
def changes(cache: Cache[Boat]) -> list[Change]:
    heard: list[Change] = []
    cache.subscribe(lambda old, new: heard.append((version(old), version(new))))
    return heard


def version(obj: Boat | None) -> int | None:
    return int(obj.metadata.resource_version or 0) if obj else None


def boat(number: int, name: str = "anna", **metadata: Any) -> Boat:
    return a_boat(name, resource_version=str(number), **metadata)


def test_a_list_is_told_as_what_came_changed_and_went(cache: Cache[Boat], changes: list[Change]) -> None:
    cache.replace([boat(1), boat(2, "bert"), boat(3, "carl")], "3")
    changes.clear()

    cache.replace([boat(1), boat(5, "bert")], "6")

    assert sorted(changes, key=str) == [(2, 5), (3, None)]
    assert len(cache) == 2


def test_events_change_what_is_there(cache: Cache[Boat], changes: list[Change]) -> None:
    cache.replace([], "1")

    cache.apply("ADDED", boat(2))
    cache.apply("MODIFIED", boat(3))
    cache.apply("DELETED", boat(4))

    assert changes == [(None, 2), (2, 3), (3, None)]
    assert cache.get(KEY) is None


def test_an_event_that_was_seen_already_is_not_told_again(cache: Cache[Boat], changes: list[Change]) -> None:
    cache.replace([boat(2)], "2")

    cache.apply("ADDED", boat(2))

    assert changes == [(None, 2)]


def test_our_write_is_there_at_once_and_told_once(cache: Cache[Boat], changes: list[Change]) -> None:
    cache.replace([boat(2)], "2")

    cache.wrote(boat(5))
    cache.apply("MODIFIED", boat(4))
    cache.apply("MODIFIED", boat(5))

    assert changes == [(None, 2), (2, 5)]


def test_our_write_does_not_bring_back_what_the_watch_saw_deleted(cache: Cache[Boat]) -> None:
    cache.replace([], "1")
    cache.apply("ADDED", boat(2))
    cache.apply("DELETED", boat(3))

    cache.wrote(boat(2))

    assert cache.get(KEY) is None


def test_the_answer_without_the_last_finalizer_means_gone(cache: Cache[Boat]) -> None:
    cache.replace([boat(2)], "2")

    cache.wrote(boat(3, deletion_timestamp="2026-01-01T00:00:00Z"))
    cache.apply("MODIFIED", boat(3, deletion_timestamp="2026-01-01T00:00:00Z", finalizers=["a/b"]))

    assert cache.get(KEY) is None


def test_an_object_of_the_same_name_but_another_uid_stays(cache: Cache[Boat]) -> None:
    cache.replace([boat(9, uid="new")], "9")

    cache.wrote(boat(3, uid="old", deletion_timestamp="2026-01-01T00:00:00Z"))

    assert cache.get(KEY) is not None


def test_a_list_from_before_our_write_does_not_undo_it(cache: Cache[Boat]) -> None:
    cache.replace([boat(2)], "2")
    cache.wrote(boat(7))
    cache.wrote(boat(8, "bert"))

    cache.replace([boat(2)], "5")

    assert version(cache.get(KEY)) == 7
    assert version(cache.get(ObjectKey("sea", "bert"))) == 8


def test_a_list_from_after_our_write_is_the_truth(cache: Cache[Boat]) -> None:
    cache.replace([boat(2)], "2")
    cache.wrote(boat(7))

    cache.replace([], "9")

    assert cache.get(KEY) is None


def test_versions_that_went_back_mean_a_restored_server_whose_list_is_the_truth(cache: Cache[Boat]) -> None:
    cache.replace([boat(100)], "100")
    cache.wrote(boat(110))

    cache.replace([boat(50)], "60")

    assert version(cache.get(KEY)) == 50


def test_indexes_follow_the_objects(cache: Cache[Boat]) -> None:
    cache.replace([boat(1, labels={"port": "kiel"}), boat(2, "bert", labels={"port": "kiel"})], "2")

    cache.apply("MODIFIED", boat(3, labels={"port": "lima"}))
    cache.apply("DELETED", boat(4, "bert"))

    assert cache.list("port", "sea/kiel") == []
    assert [obj.metadata.name for obj in cache.list("port", "sea/lima")] == ["anna"]
    assert len(cache.list("namespace", "sea")) == 1


def test_owned_objects_are_found_by_their_owners_name() -> None:
    sails = Cache(Sail)
    owner = a_boat(uid="u1")

    sails.replace([a_sail("main", owner, resource_version="1"), a_sail("jib", resource_version="2")], "2")

    assert [sail.metadata.name for sail in sails.list("owner", "Boat sea/anna")] == ["main"]


def test_a_handler_that_fails_keeps_nothing_from_the_others(cache: Cache[Boat]) -> None:
    def broken(old: object, new: object) -> None:
        raise ValueError("broken")

    heard: list[object] = []
    cache.subscribe(broken)
    cache.subscribe(lambda old, new: heard.append(new))

    cache.replace([boat(1)], "1")

    assert len(heard) == 1


def test_a_late_handler_hears_what_is_there(cache: Cache[Boat]) -> None:
    cache.replace([boat(1)], "1")
    heard: list[object] = []

    cache.subscribe(lambda old, new: heard.append(new))

    assert heard == [boat(1)]
