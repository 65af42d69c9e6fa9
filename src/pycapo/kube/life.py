# SPDX-License-Identifier: Apache-2.0
"""One turn of one object: get, skipped?, paused?, finalizer, live or retire, one status patch, backoff.

    turn ── gone ─────────────────────────> Gone
         ── moved elsewhere ──────────────> Settled, nothing written
         ── skip says why ────────────────> Settled, nothing written
         ── paused ───────────────────────> Settled, condition Paused=True and nothing else
         ── deletion asked, our finalizer ─> retire ── Gone ──> finalizer off
         ── else ── finalizer on ─────────> live

Rule: nothing here knows a kind. The finalizer is stored before live acts. Nothing is written when nothing changed.
An exception of a life may say `reason`, `message` and `retry_after` (seconds); what the life changed is still written.
"""

from collections.abc import Callable
from typing import ClassVar, Generic

import msgspec
import structlog

from pycapo.kube import conditions
from pycapo.kube.errors import Conflict, NotFound, Unreachable
from pycapo.kube.kube import Kube
from pycapo.kube.meta import K, Kind, ObjectKey, copy_of, deleting, key_of

log = structlog.get_logger(__name__)
PAUSED_ANNOTATION = "cluster.x-k8s.io/paused"
MOVED_ANNOTATION = "clusterctl.cluster.x-k8s.io/delete-for-move"
"""`clusterctl move` writes it, in the place of all other annotations, before it deletes what lives on in another cluster."""
WATCH_FILTER_LABEL = "cluster.x-k8s.io/watch-filter"
_ATTEMPTS = 3


class Settled(msgspec.Struct, frozen=True):
    """Nothing more to do until something changes."""


class Again(msgspec.Struct, frozen=True):
    """Look again after some seconds."""

    after: float
    why: str


class Gone(msgspec.Struct, frozen=True):
    """Nothing is left; of retire only: the finalizer may go."""


class Failed(msgspec.Struct, frozen=True):
    """The turn ended in an error; `after` None means the usual backoff. Only turn says so."""

    why: str
    after: float | None = None


Verdict = Settled | Again | Gone
Outcome = Verdict | Failed


class Life(Generic[K]):
    """What a controller does with one kind; derive from it and define live and retire."""

    kind: type[K]
    finalizer: ClassVar[str]  # empty: nothing is made for the kind, so nothing has to be taken away

    def live(self, obj: K) -> Verdict:
        """One pass for an object that shall exist; may change its labels, annotations, owners, spec and status."""
        raise NotImplementedError

    def retire(self, obj: K) -> Verdict:
        """One pass for an object whose deletion was asked for; Gone when nothing is left."""
        raise NotImplementedError

    def prepare(self, obj: K) -> None:
        """Set metadata (a mark, owners, labels) that must be stored, with the finalizer, before live acts."""

    def paused(self, obj: K) -> bool:
        """Tell whether something besides the object's own annotation pauses it, as its cluster."""
        return False

    def skip(self, obj: K) -> str | None:
        """Return why the object is left wholly alone, None when it is not."""
        return None


def moved(obj: Kind) -> bool:
    """Tell whether an object goes only here, because it was moved to another cluster: what it stands for has to stay."""
    return MOVED_ANNOTATION in (obj.metadata.annotations or {})


def turn(key: ObjectKey, life: Life[K], kube: Kube, *, watch_filter: str = "") -> Outcome:
    """Take one turn of the object at `key` and say what comes next; raises nothing but what ends the process."""
    for _ in range(_ATTEMPTS):
        try:
            return _turn(key, life, kube, watch_filter=watch_filter)
        except NotFound:
            kube.read(life.kind, *key)
            return Settled()
        except Conflict as error:
            log.debug("someone else wrote first", error=error.message)
            kube.read(life.kind, *key)
        except Exception as error:
            return _failed(kube.get(life.kind, *key), error, kube)
    return Failed("others write the object all the time")


def _turn(key: ObjectKey, life: Life[K], kube: Kube, *, watch_filter: str) -> Outcome:
    seen = kube.get(life.kind, *key)
    if seen is None:
        return Gone()
    why = "it was moved to another cluster" if moved(seen) else _other_filter(seen, watch_filter) or life.skip(seen)
    if why:
        log.debug("left alone", why=why)
        return Settled()
    if PAUSED_ANNOTATION in (seen.metadata.annotations or {}) or life.paused(seen):
        return _pause(seen, kube)
    if not deleting(seen):
        return _act(_prepared(seen, life, kube), life.live, kube)
    if life.finalizer not in (seen.metadata.finalizers or ()):
        return Settled()
    outcome = _act(seen, life.retire, kube)
    if isinstance(outcome, Gone):
        _release(seen, life.finalizer, kube)
    return outcome


def _other_filter(obj: Kind, watch_filter: str) -> str:
    label = (obj.metadata.labels or {}).get(WATCH_FILTER_LABEL, "")
    return (
        f"label {WATCH_FILTER_LABEL} is {label!r}, not {watch_filter!r}"
        if watch_filter and label != watch_filter
        else ""
    )


def _pause(seen: Kind, kube: Kube) -> Outcome:
    after = copy_of(seen)
    conditions.mark(after, "Paused", status=True, reason="Paused", message="The object or its cluster is paused")
    kube.patch_status(seen, after)
    return Settled()


def _prepared(seen: K, life: Life[K], kube: Kube) -> K:
    """Return the object with our finalizer and what the life wants stored before it acts."""
    after = copy_of(seen)
    if life.finalizer and life.finalizer not in (after.metadata.finalizers or ()):
        after.metadata.finalizers = [*(after.metadata.finalizers or ()), life.finalizer]
    life.prepare(after)
    return kube.patch(seen, after)


def _act(seen: K, act: Callable[[K], Verdict], kube: Kube) -> Outcome:
    """Run live or retire on a copy and write what it changed: first the object, then its status."""
    after = copy_of(seen)
    outcome: Outcome
    try:
        outcome = act(after)
    except Conflict:
        raise
    except Exception as error:
        outcome = _failed(seen, error, kube)
    if isinstance(outcome, Gone):
        return outcome
    conditions.carry(seen, after, "Paused")  # a life may have put a new status in the place of the old one
    conditions.mark(after, "Paused", status=False, reason="NotPaused")
    stored = kube.patch(seen, after)
    kube.patch_status(seen, after, onto=stored)
    return outcome


def _failed(obj: Kind | None, error: Exception, kube: Kube) -> Failed:
    """Log the error and tell an event; an error without a reason is a fault of ours and is logged with its trace."""
    reason = getattr(error, "reason", None)
    message = str(getattr(error, "message", None) or error)
    if reason is None:
        log.error("turn failed unexpectedly", error=message, exc_info=error)
    else:
        log.warning("turn failed", reason=str(reason), error=message)
    if obj is not None and not isinstance(error, Unreachable):  # there is nobody to tell
        kube.event(obj, "Warning", str(reason or "UnexpectedError"), message or type(error).__name__)
    after = getattr(error, "retry_after", None)
    return Failed(message, float(after) if after is not None else None)


def _release(seen: K, finalizer: str, kube: Kube) -> None:
    """Take our finalizer off the object as it is stored now."""
    current = kube.get(type(seen), *key_of(seen)) or seen
    after = copy_of(current)
    after.metadata.finalizers = [name for name in current.metadata.finalizers or () if name != finalizer]
    kube.patch(current, after)
