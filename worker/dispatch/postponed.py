"""Keeps what a tick could not do because of locked rows or tables, and retries it after a growing pause.

Nothing is lost with this process: the entries of the results stream behind it are deleted only once it is done, and
the rest is found again by the next leader's recovery.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from taskyard.worker.dispatch.batch import Batch, Child

FIRST_PAUSE_SECONDS = 0.02
MAX_PAUSE_SECONDS = 1.0
MAX_BACKLOG = 20_000  # items: from then on nothing more is read from the results stream
MAX_BACKLOG_BYTES = 64 << 20  # of their outputs, states and inputs
SLICE = 2_000  # ends of attempts that one transaction settles: some 100 ms
ENDS = ("settlements", "completions", "suspensions")
Key = tuple[str, str]  # kind, and a name that is unique in it

# The lists of a batch whose items can be kept, and what names one of them.
_NAMES: dict[str, Any] = {
    "completions": lambda item: item.id,
    "settlements": lambda item: item.id,
    "suspensions": lambda item: item.id,
    "started": lambda item: item[0],
    "checkpoints": lambda item: item.request_id,
    "children": lambda item: item.request_id,
    "outcomes_asked": lambda item: item.request_id,
    "arrivals": lambda item: item.id,
    "endings": lambda item: item[0],
    "kept": lambda item: item.digest,
    "kept_done": str,
    "stale": id,
    "logs": id,
    "dropped_hedges": id,
    "takeovers": lambda item: item.id,
}


@dataclass(slots=True)
class _Thing:
    payload: Any
    entries: Sequence[bytes]
    pause: float
    since: float  # monotonic seconds of the first try
    size: int  # bytes, of what can be large


class Postponed:
    """Holds what is still to be committed. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._things: dict[Key, _Thing] = {}
        self._due: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._needed: dict[bytes, int] = {}  # entry → how many things still need it
        self._read: set[bytes] = set()  # entries that are no longer needed by anything else
        self._bytes = 0
        self.cap = SLICE  # of ends in one tick

    def __len__(self) -> int:
        return len(self._things)

    @property
    def is_full(self) -> bool:
        """Returns True if so much is left that nothing more should be read."""
        return len(self._things) >= MAX_BACKLOG or self._bytes >= MAX_BACKLOG_BYTES

    def holds_end(self, task_id: str, attempt: int) -> bool:
        """Returns True if the end of this attempt is known and only not yet recorded."""
        return any(
            (thing := self._things.get((kind, task_id))) is not None and thing.payload.attempt == attempt
            for kind in ENDS
        )

    def next_due(self) -> float | None:
        """Returns when something is to be tried again."""
        return self._due[0][0] if self._due else None

    def waiting_since(self) -> Iterator[tuple[str, float]]:
        """Yields the tasks whose ends or starts could not be recorded, and since when. Thread-safe."""
        for (kind, name), thing in list(self._things.items()):
            if kind in (*ENDS, "started"):
                yield name, thing.since

    def add_due(self, batch: Batch, now: float) -> None:
        """Adds what is due to a batch; what exceeds one tick's limit waits for the next one."""
        room = self.cap
        while self._due and self._due[0][0] <= now and room > 0:
            key = heapq.heappop(self._due)[2]
            getattr(batch, key[0]).insert(0, self._things[key].payload)
            batch.retried.append(key)
            room -= 1
        for kind in ENDS:
            excess = sum(len(getattr(batch, each)) for each in ENDS) - self.cap
            items = getattr(batch, kind)
            kept = max(0, len(items) - max(0, excess))
            for item in items[kept:]:
                self._add((kind, item.id), item, _entries_of(batch, kind, item, ()), now, 0.0)
            del items[kept:]

    def settle(self, batch: Batch, left: Batch, now: float) -> list[bytes]:
        """Stores what a committed batch left undone; returns the entries of the stream that may be deleted."""
        everything = tuple(batch.consumed)
        undone = set()
        for kind, name_of in _NAMES.items():
            for item in getattr(left, kind):
                key = kind, str(name_of(item))
                undone.add(key)
                self._keep(key, item, _entries_of(batch, kind, item, everything), now)
        freed: list[bytes] = []
        for key in batch.retried:
            if key not in undone:
                freed += self._drop(key)
        for entry in batch.consumed:
            if entry in self._needed:
                self._read.add(entry)
            else:
                freed.append(entry)
        return freed

    def _keep(self, key: Key, payload: Any, entries: Iterable[bytes], now: float) -> None:
        known = self._things.get(key)
        if known is None:
            self._add(key, payload, entries, now, FIRST_PAUSE_SECONDS)
            return
        known.payload = payload
        known.pause = min(MAX_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * known.pause))
        heapq.heappush(self._due, (now + known.pause, next(self._order), key))

    def _add(self, key: Key, payload: Any, entries: Iterable[bytes], now: float, pause: float) -> None:
        self._things[key] = _Thing(payload, tuple(entries), pause, now, _size_of(payload))
        self._bytes += self._things[key].size
        for entry in self._things[key].entries:
            self._needed[entry] = self._needed.get(entry, 0) + 1
        heapq.heappush(self._due, (now + pause, next(self._order), key))

    def _drop(self, key: Key) -> list[bytes]:
        freed = []
        thing = self._things.pop(key)
        self._bytes -= thing.size
        for entry in thing.entries:
            self._needed[entry] -= 1
            if not self._needed[entry]:
                del self._needed[entry]
                if entry in self._read:
                    self._read.discard(entry)
                    freed.append(entry)
        return freed


def _size_of(payload: Any) -> int:
    if isinstance(payload, Child):
        return len(payload.submission.input_json)
    return sum(len(getattr(payload, name, None) or "") for name in ("output", "state"))


def _entries_of(batch: Batch, kind: str, item: Any, everything: Sequence[bytes]) -> Sequence[bytes]:
    """Returns the entries of the results stream behind an item; for an item without an id, all that were read."""
    if kind in ("stale", "logs", "arrivals", "endings", "dropped_hedges"):
        return everything
    if kind == "kept":
        return (item.entry,)
    name = f"start {item[0]}" if kind == "started" else str(_NAMES[kind](item))
    entry = batch.sources.get(name)
    return () if entry is None else (entry,)
