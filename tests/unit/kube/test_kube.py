# SPDX-License-Identifier: Apache-2.0
"""The facade: differences, secrets, events, and the API server in memory that the tests of lives stand on."""

import pytest

from memory_kube import MemoryKube
from pycapo.kube import events
from pycapo.kube.errors import AlreadyExists, Conflict
from pycapo.kube.meta import copy_of
from toys import KEY, Boat, Sail, a_boat, a_sail


@pytest.fixture
def kube() -> MemoryKube:
    return MemoryKube(Boat, Sail)


@pytest.fixture
def boat(kube: MemoryKube) -> Boat:
    return kube.create(a_boat(sails=2))


def test_what_was_created_is_found_at_once(kube: MemoryKube, boat: Boat) -> None:
    kube.hold()
    kube.create(a_sail("main", boat))

    assert kube.get(Boat, *KEY) == boat
    assert [sail.metadata.name for sail in kube.owned(Sail, boat)] == ["main"]
    assert len(kube.list(Sail, namespace="sea")) == 1
    assert kube.list(Sail, namespace="land") == []


def test_a_name_is_taken_once(kube: MemoryKube, boat: Boat) -> None:
    with pytest.raises(AlreadyExists):
        kube.create(a_boat())


def test_a_kind_without_a_cache_is_read_and_cannot_be_listed() -> None:
    kube = MemoryKube()
    kube.create(a_boat())

    assert kube.get(Boat, *KEY) is not None
    with pytest.raises(LookupError, match="Boat is not cached"):
        kube.list(Boat)


def test_equal_objects_need_no_request(kube: MemoryKube, boat: Boat) -> None:
    kube.server.requests.clear()

    assert kube.patch(boat, copy_of(boat)) is boat
    assert kube.patch_status(boat, copy_of(boat)) is boat
    assert kube.server.requests == []


def test_a_patch_leaves_fields_that_we_do_not_know(kube: MemoryKube, boat: Boat) -> None:
    kube.server.edit("boats", "sea", "anna", {"spec": {"anchor": "heavy"}})
    after = copy_of(boat)
    after.spec.sails = 3

    kube.patch(boat, after)

    assert kube.stored("boats", *KEY)["spec"] == {"sails": 3, "anchor": "heavy"}  # type: ignore[index]


def test_lists_of_metadata_are_written_only_over_what_was_seen(kube: MemoryKube, boat: Boat) -> None:
    kube.hold()
    kube.server.edit("boats", "sea", "anna", {"metadata": {"finalizers": ["other/one"]}})
    after = copy_of(boat)
    after.metadata.finalizers = ["ours/one"]

    with pytest.raises(Conflict):
        kube.patch(boat, after)


def test_labels_are_written_whatever_others_did(kube: MemoryKube, boat: Boat) -> None:
    kube.server.edit("boats", "sea", "anna", {"metadata": {"labels": {"theirs": "1"}}})
    after = copy_of(boat)
    after.metadata.labels = {"ours": "1"}

    assert kube.patch(boat, after).metadata.labels == {"ours": "1", "theirs": "1"}


def test_deletion_waits_for_finalizers_and_takes_what_is_owned_along(kube: MemoryKube) -> None:
    boat = kube.create(a_boat(finalizers=["a/b"]))
    kube.create(a_sail("main", boat))

    kube.delete(Boat, *KEY)
    seen = kube.get(Boat, *KEY)
    after = copy_of(seen)  # type: ignore[type-var]
    after.metadata.finalizers = []  # type: ignore[union-attr]
    kube.patch(seen, after)  # type: ignore[type-var]

    assert seen.metadata.deletion_timestamp  # type: ignore[union-attr]
    assert (kube.get(Boat, *KEY), kube.list(Sail)) == (None, [])


def test_only_the_object_with_the_uid_is_deleted(kube: MemoryKube, boat: Boat) -> None:
    with pytest.raises(Conflict):
        kube.delete(Boat, *KEY, uid="another")

    kube.delete(Boat, *KEY, uid=boat.metadata.uid or "")
    kube.delete(Boat, *KEY)

    assert kube.read(Boat, *KEY) is None


def test_a_secret_is_read_at_most_every_few_seconds_and_a_change_is_seen(kube: MemoryKube) -> None:
    time = [100.0]
    kube.clock = lambda: time[0]
    kube.has_secret("sea", "key", {"a": b"1"})
    first = [kube.secret("sea", "key") for _ in range(3)]
    reads = len(kube.server.requests)
    kube.server.edit("secrets", "sea", "key", {"data": {"a": "Mg=="}})
    time[0] += 60

    assert (first, reads) == ([{"a": b"1"}] * 3, 2 + 1)
    assert kube.secret("sea", "key") == {"a": b"2"}


def test_a_secret_that_was_missing_is_seen_as_soon_as_it_is_there(kube: MemoryKube) -> None:
    before = kube.secret("sea", "key")
    kube.server.put("secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "sea", "name": "key"}})

    assert (before, kube.secret("sea", "key")) == (None, {})


def test_the_same_event_is_counted_and_another_is_told(
    kube: MemoryKube, boat: Boat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.0)

    for message in ("up", "up", "down"):
        kube.event(boat, "Normal", "Sail", message)

    assert kube.events() == [("Normal", "Sail", "up"), ("Normal", "Sail", "down")]
    assert sorted(d["count"] for (k, _), d in kube.server.objects.items() if k == "events") == [1, 2]


def test_an_event_that_was_collected_is_told_anew(
    kube: MemoryKube, boat: Boat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.0)
    kube.event(boat, "Normal", "Sail", "up")
    kube.events()
    kube.server.objects = {key: d for key, d in kube.server.objects.items() if key[0] != "events"}

    for _ in range(2):
        kube.event(boat, "Normal", "Sail", "up")
        told = kube.events()

    assert told == [("Normal", "Sail", "up")]


def test_an_event_that_cannot_be_sent_is_no_error(kube: MemoryKube, boat: Boat) -> None:
    kube.server.absent.add("events")

    kube.event(boat, "Normal", "Sail", "up")

    assert kube.events() == []


def test_events_are_sent_by_their_thread(kube: MemoryKube, boat: Boat) -> None:
    kube.recorder.start()
    kube.event(boat, "Normal", "Sail", "up")
    kube.recorder.stop()

    assert kube.events() == [("Normal", "Sail", "up")]
