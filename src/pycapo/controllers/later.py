# SPDX-License-Identifier: Apache-2.0
"""Kinds that are served before they do anything: they say so.

Rule: an object that nobody acts on is never left without a word.
"""

from typing import ClassVar

from pycapo.kube import conditions
from pycapo.kube.life import Gone, Life, Settled, Verdict
from pycapo.kube.meta import K


class LaterLife(Life[K]):
    """Marks every object of a kind as not acted on yet."""

    finalizer: ClassVar[str] = ""

    def __init__(self, kind: type[K]) -> None:
        self.kind = kind

    def live(self, obj: K) -> Verdict:
        """Tell that the object is understood and stored, and that nothing comes of it in this version."""
        message = f"{obj.kind} is stored, but this version of pycapo does not act on it yet"
        conditions.mark(obj, "Ready", status=False, reason="NotYetSupported", message=message)
        return Settled()

    def retire(self, obj: K) -> Verdict:
        """Nothing was made, so nothing is left."""
        return Gone()
