# SPDX-License-Identifier: Apache-2.0
"""What pycapo may do to OpenStack: a plan is a tuple of frozen steps and of things to wait for.

    Plan = steps (create, update, delete: taken in order) + waits (what keeps it from being finished)

A step names what it needs by `Key`, never by an id that nobody can know yet: `apply` keeps the ledger Key -> id. So a whole
plan can be shown before its first step is taken. Steps are data; only `cloud.apply` acts.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pycapo.model.kinds import Kind
from pycapo.model.marks import Mark


class Key(msgspec.Struct, frozen=True):
    """A resource that this plan makes, named by its kind and the role it plays for its owner."""

    kind: Kind
    role: str

    def __str__(self) -> str:
        return f"<{self.kind} {self.role}>"


Ref = Key | str  # a key of this plan, or the id of something that exists


class Sealed(msgspec.Struct, frozen=True):
    """A secret value inside a step (user data, base64 text): it is sent, but never printed or logged."""

    value: str

    def __repr__(self) -> str:
        return f"<sealed, {len(self.value)} characters>"

    __str__ = __repr__


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Make a resource. `body` is the service's own request body (without its envelope), where values at any depth may be
    `Key` or `Sealed`; `tags` in it are the user's, the cloud adds the mark. `parent` is the pool of a member, the router of a
    router interface, the server of a server interface. `path` is the field of the spec that asks for it."""

    key: Key
    body: Mapping[str, Any]
    why: str
    mark: Mark | None = None
    parent: Ref | None = None
    path: str = ""


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """Change fields of a resource that exists. `tags` in `body` is the whole new set."""

    kind: Kind
    id: str
    body: Mapping[str, Any]
    why: str
    parent: str | None = None
    path: str = ""


class Delete(msgspec.Struct, frozen=True, kw_only=True):
    """Remove a resource of ours. What is gone already counts as removed."""

    kind: Kind
    id: str
    why: str
    parent: str | None = None
    body: Mapping[str, Any] = {}


Step = Create | Update | Delete


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Something that keeps the plan from being finished.

    `condition` is the condition type that it makes False, `reason` and `message` its words; `path` the field of the spec that
    it is about, if any. `after` is in how many seconds a look may show a change; None means: only when somebody changes
    something (a bad spec), at the next resync at the latest.
    """

    condition: str
    reason: str
    message: str
    path: str = ""
    after: float | None = 10.0

    @property
    def told(self) -> str:
        """The message as people read it: the field first."""
        return f"{self.path}: {self.message}" if self.path else self.message


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now and what to wait for; both empty when all is as the spec says."""

    steps: tuple[Step, ...] = ()
    waits: tuple[Wait, ...] = ()

    def __add__(self, other: "Plan") -> "Plan":
        return Plan(steps=self.steps + other.steps, waits=self.waits + other.waits)

    @property
    def settled(self) -> bool:
        """Nothing to do and nothing to wait for."""
        return not self.steps and not self.waits

    @property
    def after(self) -> float | None:
        """Seconds until another look makes sense: at once after steps, the shortest wait, or None."""
        if self.steps:
            return 0.0
        return min((wait.after for wait in self.waits if wait.after is not None), default=None)

    def waits_of(self, condition: str) -> tuple[Wait, ...]:
        """The waits that make one condition False."""
        return tuple(wait for wait in self.waits if wait.condition == condition)
