# SPDX-License-Identifier: Apache-2.0
"""One change of a load balancer at a time: Octavia answers any other 409, and that answer would put the whole picture in doubt.

Rule: nobody waits here. Who comes second is told to come again, without a request.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pycapo.cloud.balancer import balancer_of
from pycapo.cloud.errors import InUse
from pycapo.cloud.inventory import Inventory
from pycapo.model.kinds import Kind

_AGAIN = 2.0  # seconds: about as long as a load balancer takes for a member


class Claims:
    """The load balancers that somebody is changing the members of."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    @contextmanager
    def changing(self, kind: Kind, parent: str | None) -> Iterator[None]:
        """Around a change of a pool's members; raises InUse while the load balancer is changed already."""
        id = self._claim(parent) if kind is Kind.MEMBER and parent else None
        try:
            yield
        finally:
            with self._lock:
                self._claimed.discard(id or "")

    def _claim(self, pool: str) -> str | None:
        with self._lock:
            balancer = balancer_of(self._inventory, Kind.POOL, self._inventory.get(Kind.POOL, pool))
            if balancer is None:
                return None
            if balancer.id in self._claimed or balancer.provisioning_status.startswith("PENDING"):
                message = f"Load balancer {balancer.name} is being changed, and takes one change at a time"
                raise InUse(message, retry_after=_AGAIN)
            self._claimed.add(balancer.id)
            return balancer.id
