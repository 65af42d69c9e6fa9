# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a tenant: what leaked and what is missing is named, resource by resource."""

from pycapo.lab.cloud_inventory import Snapshot, difference


def test_counts_leave_out_what_there_is_none_of() -> None:
    assert Snapshot({"ports": {"1": "a", "2": "b"}, "trunks": {}}).counts == {"ports": 2}


def test_equal_snapshots_do_not_differ() -> None:
    found = difference(Snapshot({"ports": {"1": "a"}}), Snapshot({"ports": {"1": "renamed"}, "trunks": {}}))

    assert not found
    assert str(found) == "nothing differs"


def test_a_leak_is_named() -> None:
    found = difference(
        Snapshot({"ports": {"1": "a"}}), Snapshot({"ports": {"1": "a", "2": "b"}, "servers": {"3": "c"}})
    )

    assert str(found) == "+ ports 2 'b'\n+ servers 3 'c'"


def test_what_is_missing_is_named() -> None:
    found = difference(Snapshot({"ports": {"1": "a"}}), Snapshot({}))

    assert found
    assert (found.added, found.removed) == ({}, {"ports": {"1": "a"}})
