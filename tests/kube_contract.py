# SPDX-License-Identifier: Apache-2.0
"""What the facade promises over any API server: run against the one in memory and against a real one.

The module that derives from KubeContract has the fixtures `kube` (its cache of boats follows the server) and `namespace`.
"""

from typing import Any

import pytest

from pycapo.kube import conditions
from pycapo.kube.errors import AlreadyExists, Conflict, Invalid
from pycapo.kube.kube import Kube
from pycapo.kube.life import Gone, Settled, turn
from pycapo.kube.meta import ObjectKey, copy_of
from toys import FINALIZER, Boat, BoatLife, BoatStatus, a_boat


def put(kube: Kube, namespace: str, name: str = "anna", **metadata: Any) -> ObjectKey:
    boat = a_boat(name, sails=2, **metadata)
    boat.metadata.namespace = namespace
    kube.create(boat)
    return ObjectKey(namespace, name)


def stored(kube: Kube, key: ObjectKey) -> Boat:
    found = kube.client.read(Boat, *key)
    assert found is not None
    return found


def dict_of(boat: Boat) -> dict[str, Any]:
    found = conditions.find(boat, "Painted")
    return {
        "type": found.type,  # type: ignore[union-attr]
        "status": "True",
        "reason": "Red",
        "message": "",
        "lastTransitionTime": conditions.now(),
    }


class KubeContract:
    """Promises of the facade and of turn."""

    def test_a_turn_writes_finalizer_mark_and_status_and_the_next_nothing(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace)

        first = turn(key, BoatLife(), kube)
        version = stored(kube, key).metadata.resource_version
        second = turn(key, BoatLife(), kube)

        boat = stored(kube, key)
        assert (first, second) == (Settled(), Settled())
        assert (boat.metadata.finalizers, boat.metadata.annotations) == ([FINALIZER], {"mark": "m1"})
        assert boat.status is not None
        assert boat.status.sails == 2
        assert boat.metadata.resource_version == version

    def test_removal_takes_the_finalizer_off_and_the_cache_knows(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace)
        life = BoatLife()
        turn(key, life, kube)
        kube.delete(Boat, *key)
        life.verdict = Gone()

        outcome = turn(key, life, kube)

        assert outcome == Gone()
        assert kube.get(Boat, *key) is None
        assert kube.client.read(Boat, *key) is None

    def test_names_uids_and_lists_are_guarded(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace)
        old = stored(kube, key)
        new = copy_of(old)
        new.metadata.finalizers = ["a.test/b"]
        kube.patch(old, new)

        with pytest.raises(AlreadyExists):
            put(kube, namespace)
        with pytest.raises(Conflict):
            kube.delete(Boat, *key, uid="another")
        with pytest.raises(Conflict):
            kube.patch(old, new)

    def test_conditions_of_others_stay(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace)
        ours, theirs, seen = stored(kube, key), stored(kube, key), stored(kube, key)
        conditions.mark(theirs, "Painted", status=True, reason="Red")
        kube.client.patch(theirs, {"status": {"conditions": [dict_of(theirs)]}}, subresource="status")
        conditions.mark(ours, "Ready", status=True, reason="Rigged")

        kube.patch_status(seen, ours)

        assert {c.type for c in conditions.conditions_of(stored(kube, key))} == {"Painted", "Ready"}

    def test_events_and_secrets_are_what_kubernetes_expects(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace)
        secret = {"metadata": {"name": "key"}, "data": {"a": "MQ=="}}
        kube.client.transport.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body=secret)

        kube.event(stored(kube, key), "Normal", "Sail", "up")
        kube.recorder.flush()

        assert b'"Sail"' in kube.client.transport.request("GET", f"/api/v1/namespaces/{namespace}/events")
        assert kube.secret(namespace, "key") == {"a": b"1"}
        assert kube.secret(namespace, "missing") is None

    def test_a_list_is_read_in_pages(self, kube: Kube, namespace: str) -> None:
        for number in range(25):
            put(kube, namespace, f"b{number}")

        found, version = kube.client.list(Boat, namespace, page=10)

        assert len(found) == 25
        assert int(version) > 0

    def test_what_was_patched_counts_generations_only_for_the_spec(self, kube: Kube, namespace: str) -> None:
        old = stored(kube, put(kube, namespace))
        new = copy_of(old)
        new.metadata.labels = {"a": "b"}
        labelled = kube.patch(old, new)
        new.spec.sails = 7

        respecified = kube.patch(labelled, new)

        assert (old.metadata.generation, labelled.metadata.generation, respecified.metadata.generation) == (1, 1, 2)

    def test_a_patch_of_the_object_leaves_its_status_and_the_other_way_round(self, kube: Kube, namespace: str) -> None:
        old = stored(kube, put(kube, namespace))
        body = {"spec": {"captain": "ada"}, "status": {"sails": 5}}

        kube.client.patch(old, body)
        first = stored(kube, ObjectKey(namespace, "anna"))
        kube.client.patch(old, {"spec": {"captain": "bob"}, "status": {"sails": 6}}, subresource="status")
        second = stored(kube, ObjectKey(namespace, "anna"))

        assert (first.spec.captain, first.status) == ("ada", None)
        assert second.spec.captain == "ada"
        assert second.status is not None
        assert second.status.sails == 6

    def test_a_patch_that_changes_nothing_makes_no_new_version(self, kube: Kube, namespace: str) -> None:
        old = stored(kube, put(kube, namespace))

        same = kube.client.patch(old, {"spec": {"sails": 2}})

        assert same.metadata.resource_version == old.metadata.resource_version

    def test_a_status_is_not_created(self, kube: Kube, namespace: str) -> None:
        boat = a_boat(sails=2)
        boat.metadata.namespace = namespace
        boat.status = BoatStatus(sails=9)

        assert kube.create(boat).status is None

    def test_an_object_needs_a_name(self, kube: Kube, namespace: str) -> None:
        with pytest.raises(Invalid):
            put(kube, namespace, "")

    def test_a_second_deletion_changes_nothing(self, kube: Kube, namespace: str) -> None:
        key = put(kube, namespace, finalizers=["a.test/b"])
        kube.delete(Boat, *key)
        first = stored(kube, key)

        kube.delete(Boat, *key)

        assert first.metadata.deletion_timestamp
        assert stored(kube, key) == first
