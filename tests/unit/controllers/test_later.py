# SPDX-License-Identifier: Apache-2.0
"""Kinds without behaviour yet say so, and never keep anybody from deleting them."""

from typing import Any

from memory_kube import MemoryKube
from pycapo.api.v1alpha1 import OpenStackFloatingIPPool
from pycapo.controllers.later import LaterLife
from pycapo.kube import conditions
from pycapo.kube.life import Gone, Settled, turn
from pycapo.kube.meta import ObjectKey

KEY = ObjectKey("team", "it")


def a_pool() -> OpenStackFloatingIPPool:
    document = {
        "metadata": {"namespace": "team", "name": "it", "generation": 3},
        "spec": {"identityRef": {"name": "c", "cloudName": "d"}, "reclaimPolicy": "Retain"},
    }
    return OpenStackFloatingIPPool.from_dict(document)


def test_an_object_that_nobody_acts_on_says_so() -> None:
    kube = MemoryKube(OpenStackFloatingIPPool)
    kube.create(a_pool())

    outcome = turn(KEY, LaterLife(OpenStackFloatingIPPool), kube)

    found = kube.get(OpenStackFloatingIPPool, *KEY)
    told: Any = conditions.find(found, "Ready")
    assert outcome == Settled()
    assert (told.status, told.reason) == ("False", "NotYetSupported")
    assert told.message.startswith("OpenStackFloatingIPPool is stored, but this version of pycapo does not act on it")


def test_it_is_told_once_and_not_at_every_turn() -> None:
    kube = MemoryKube(OpenStackFloatingIPPool)
    kube.create(a_pool())
    life = LaterLife(OpenStackFloatingIPPool)
    turn(KEY, life, kube)
    before = len([asked for asked in kube.server.requests if asked[0] != "GET"])

    turn(KEY, life, kube)

    assert len([asked for asked in kube.server.requests if asked[0] != "GET"]) == before


def test_no_finalizer_keeps_it_from_going() -> None:
    kube = MemoryKube(OpenStackFloatingIPPool)
    kube.create(a_pool())
    life = LaterLife(OpenStackFloatingIPPool)
    turn(KEY, life, kube)

    kube.delete(OpenStackFloatingIPPool, *KEY)

    assert kube.get(OpenStackFloatingIPPool, *KEY) is None
    assert turn(KEY, life, kube) == Gone()


def test_nothing_was_made_so_nothing_has_to_be_taken_away() -> None:
    assert LaterLife(OpenStackFloatingIPPool).retire(a_pool()) == Gone()
