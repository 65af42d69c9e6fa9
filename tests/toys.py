# SPDX-License-Identifier: Apache-2.0
"""Toy kinds and a toy life for the tests of the runtime: a Boat that shall have as many sails as its spec says."""

from typing import Any, ClassVar

import msgspec

from pycapo.kube.life import Life, Settled, Verdict
from pycapo.kube.meta import ObjectKey

KEY = ObjectKey("sea", "anna")
FINALIZER = "boat.toys.test"


class Part(msgspec.Struct, omit_defaults=True, rename="camel", kw_only=True):
    pass


class Owner(Part):
    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class Meta(Part):
    name: str = ""
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: list[str] | None = None
    owner_references: list[Owner] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Condition(Part):
    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int | None = None


class BoatSpec(Part):
    sails: int = 0
    captain: str | None = None


class BoatStatus(Part):
    sails: int = 0
    conditions: list[Condition] | None = None


class Boat(Part):
    api_version: ClassVar[str] = "toys.test/v1"
    kind: ClassVar[str] = "Boat"
    plural: ClassVar[str] = "boats"
    namespaced: ClassVar[bool] = True
    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: BoatSpec = msgspec.field(default_factory=BoatSpec)
    status: BoatStatus | None = None


class Sail(Part):
    api_version: ClassVar[str] = "toys.test/v1"
    kind: ClassVar[str] = "Sail"
    plural: ClassVar[str] = "sails"
    namespaced: ClassVar[bool] = True
    metadata: Meta = msgspec.field(default_factory=Meta)


def a_boat(name: str = "anna", *, sails: int = 1, **metadata: Any) -> Boat:
    return Boat(metadata=Meta(name=name, namespace="sea", **metadata), spec=BoatSpec(sails=sails))


def a_sail(name: str, owner: Boat | None = None, **metadata: Any) -> Sail:
    sail = Sail(metadata=Meta(name=name, namespace="sea", **metadata))
    if owner is not None and owner.metadata.uid:
        uid = owner.metadata.uid
        sail.metadata.owner_references = [
            Owner(api_version=owner.api_version, kind="Boat", name=owner.metadata.name, uid=uid)
        ]
    return sail


class BoatLife(Life[Boat]):
    """Does what its `scripts` say; without any it rigs the sails."""

    kind = Boat
    finalizer = FINALIZER

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.error: Exception | None = None
        self.verdict: Verdict = Settled()
        self.is_paused = False
        self.skipped: str | None = None

    def live(self, obj: Boat) -> Verdict:
        self.turns.append("live")
        obj.status = obj.status or BoatStatus()
        obj.status.sails = obj.spec.sails
        if self.error:
            raise self.error
        return self.verdict

    def retire(self, obj: Boat) -> Verdict:
        self.turns.append("retire")
        if self.error:
            raise self.error
        return self.verdict

    def prepare(self, obj: Boat) -> None:
        obj.metadata.annotations = {"mark": "m1", **(obj.metadata.annotations or {})}

    def paused(self, obj: Boat) -> bool:
        return self.is_paused

    def skip(self, obj: Boat) -> str | None:
        return self.skipped
