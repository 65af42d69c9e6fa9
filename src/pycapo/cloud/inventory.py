# SPDX-License-Identifier: Apache-2.0
"""The shared picture of a project: filled by lists and by our own writes, read by everybody.

    look ── young enough? ── yes ──────────────────────────► picture
                └── no ── somebody lists? ── wait for him ──►
                              └── list, put own later writes on top ──►

Rule: an own write is in the picture at once, and a list that started before it never undoes it. What is uncertain is in doubt
and listed again at the next look, so that an absence in the picture can be believed.
"""

import copy
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from pycapo.cloud.errors import Busy, CloudError, InUse, NotFound, RetryNow
from pycapo.cloud.page import EMPTY, Page, Snapshot, listed_as, page_of
from pycapo.model.kinds import Kind
from pycapo.model.records import Port, Record

Lister = Callable[[Kind], Iterable[Record]]
PARTS = frozenset({Kind.LISTENER, Kind.POOL, Kind.HEALTH_MONITOR, Kind.MEMBER})
"""What a load balancer consists of."""
_BALANCING = PARTS | {Kind.LOAD_BALANCER}
_UNPLUGGING = 10.0  # seconds for which Nova may take its time to unplug a port before it is asked again
_MOVING_AGES = 2.0, 10.0  # seconds between two lists while something moves: at first, and in the end


class _Flight:
    """One list on its way; those who need it wait for `landed`."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.landed = threading.Event()
        self.error: CloudError | None = None
        self.writes: dict[str, Record | None] = {}


class _Shelf:
    """One kind: its page, how old it is, and the list on its way."""

    def __init__(self) -> None:
        self.page = EMPTY
        self.listed = float("-inf")
        self.written = float("-inf")
        self.stirred = float("-inf")
        self.took = 0.0
        self.doubted = False
        self.flight: _Flight | None = None
        self.unplugging: dict[str, tuple[float, str]] = {}  # ports: when Nova was asked, and of which server

    def noted(self, writes: Mapping[str, Record | None], now: float) -> None:
        """Remember which ports an own write had Nova unplug, and which it plugged in again."""
        for id, record in writes.items():
            self.unplugging.pop(id, None)
            if isinstance(record, Port) and record.leaving:
                self.unplugging[id] = now, record.device_id

    def told(self, page: Page, now: float) -> Page:
        """The page with what no list tells: ports that Nova was asked to unplug a moment ago are still leaving."""
        self.unplugging = {id: it for id, it in self.unplugging.items() if now - it[0] < _UNPLUGGING}
        ports = {id: page.records.get(id) for id in self.unplugging}
        leaving: dict[str, Record | None] = {
            id: msgspec.structs.replace(port, leaving=True)
            for id, port in ports.items()
            if isinstance(port, Port) and port.device_id == self.unplugging[id][1]
        }
        return page.changed(leaving) if leaving else page

    def good(self, now: float, max_age: float) -> bool:
        """Whether the page is young enough: while something moves the younger, the younger the movement is.

        A list that took long is not asked for at once again: a service that is slow is busy. What our own write has just
        set in motion is not looked at yet."""
        if self.doubted or now - self.listed > max_age:
            return False
        first, last = _MOVING_AGES
        age = max(first, min(last, (now - self.written) / 3)) + 2 * self.took
        return not self.page.moving or now - max(self.listed, self.stirred) <= age


class Inventory:
    """The pages of a project. `lister` asks the services for one kind; `clock` tells seconds."""

    def __init__(self, lister: Lister, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._lister = lister
        self._clock = clock
        self._lock = threading.Lock()
        self._shelves = {kind: _Shelf() for kind in Kind}

    def look(self, kinds: Collection[Kind], *, max_age: float) -> Snapshot:
        """The picture with these kinds no older than `max_age` seconds."""
        asked = self._clock()
        for kind in sorted(set(map(listed_as, kinds)), key=list(Kind).index):
            self._refresh(kind, asked, max_age)
        with self._lock:
            return Snapshot({kind: shelf.page for kind, shelf in self._shelves.items()})

    def get(self, kind: Kind, id: str) -> Record | None:
        """What is known of one resource, however old."""
        with self._lock:
            return self._shelves[listed_as(kind)].page.records.get(id)

    def known(self, kind: Kind) -> tuple[Record, ...]:
        """What is known of a kind, however old."""
        with self._lock:
            return self._shelves[listed_as(kind)].page.records.all()

    def put(self, kind: Kind, records: Iterable[Record]) -> None:
        """Take in what an own write brought."""
        self._write(kind, {record.id: record for record in records})

    def drop(self, kind: Kind, ids: Iterable[str]) -> None:
        """Take out what an own write removed."""
        self._write(kind, dict.fromkeys(ids))

    def doubt(self, kinds: Iterable[Kind]) -> None:
        """Have these kinds listed again at the next look, whatever their age."""
        with self._lock:
            for kind in kinds:
                shelf = self._shelves[listed_as(kind)]
                shelf.doubted, shelf.flight = True, None

    @contextmanager
    def writing(self, kind: Kind) -> Iterator[None]:
        """Around a write: whatever ends it without a clear answer, or contradicts the picture, puts it in doubt."""
        try:
            yield
        except CloudError as error:
            if isinstance(error, RetryNow | InUse | NotFound) and not _untouched(error):
                self.doubt(_touched(kind))
            raise
        except BaseException:
            self.doubt(_touched(kind))
            raise

    def _write(self, kind: Kind, writes: Mapping[str, Record | None]) -> None:
        with self._lock:
            shelf = self._shelves[listed_as(kind)]
            still = not shelf.page.moving
            shelf.page = shelf.page.changed(writes)
            shelf.written = self._clock()
            shelf.noted(writes, shelf.written)
            if still:
                shelf.stirred = shelf.written
            if shelf.flight:
                shelf.flight.writes.update(writes)

    def _refresh(self, kind: Kind, asked: float, max_age: float) -> None:
        """Return when the kind is young enough: list it, or wait for whoever does."""
        shelf = self._shelves[kind]
        while True:
            with self._lock:
                if shelf.good(asked, max_age):
                    return
                flight, mine = shelf.flight, False
                if flight is None:
                    flight = shelf.flight = _Flight(self._clock())
                    mine = True
            if mine:
                self._list(kind, shelf, flight)
                continue
            flight.landed.wait()
            if flight.error and flight.started >= asked:
                raise copy.copy(flight.error)

    def _list(self, kind: Kind, shelf: _Shelf, flight: _Flight) -> None:
        page: Page | None = None
        try:
            page = page_of(self._lister(kind))
        except CloudError as error:
            flight.error = error
            raise
        finally:
            with self._lock:
                if shelf.flight is flight:
                    shelf.flight = None
                    if page is not None:
                        page = page.changed(flight.writes) if flight.writes else page
                        shelf.page = shelf.told(page, self._clock())
                        shelf.listed, shelf.doubted = flight.started, False
                        shelf.took = self._clock() - flight.started
            flight.landed.set()


def _untouched(error: CloudError) -> bool:
    """Whether the service surely did nothing: it, or our own limit, refused the request for being one too many."""
    return isinstance(error, Busy) and error.status in (None, 429)


def _touched(kind: Kind) -> Collection[Kind]:
    """The kinds of which the picture may be wrong when a write of this kind went astray."""
    if kind in _BALANCING:
        return _BALANCING
    if kind in (Kind.SERVER, Kind.VOLUME, Kind.SERVER_GROUP):
        return {kind}
    return {listed_as(kind), Kind.PORT}
