"""Hands the audit log to all who follow it, read once for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from taskyard.api.reading import read
from taskyard.api.services import Services
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.store import event_stream
from taskyard.core.postgres.store.event_stream import PAGE_EVENTS, Horizon, Position, StreamedEvent

POLL_SECONDS = 0.25
AWAY_SECONDS = 1.0  # between tries while PostgreSQL is away
MAX_BEHIND = 100  # portions that a slow follower may be behind; it then reads the log by itself

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Portion:
    """The events from one horizon to the next; `events` is None if they were too many to hand out."""

    low: Horizon
    high: Horizon
    events: list[StreamedEvent] | None


@dataclass(slots=True, eq=False)
class _Follower:
    """What one follower has still to send; an error is the last it gets."""

    portions: asyncio.Queue[Portion | Exception] = field(default_factory=lambda: asyncio.Queue(MAX_BEHIND))


class EventHub:
    """Reads new events while anybody follows."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._followers: set[_Follower] = set()
        self._reader: asyncio.Task[None] | None = None
        self._horizon: Horizon | None = None
        self._mutex = asyncio.Lock()

    async def follow(
        self, start: Position | None = None, task_id: str | None = None
    ) -> AsyncIterator[tuple[Position, StreamedEvent | None]]:
        """Yields events as they come, of all tasks or one, each with the position behind it.

        Without `start` only new ones. What was there already is followed by None, once, with the position reached: so
        a follower whose connection breaks before the next event misses none. Positions of one task's stream are no
        positions of the other.

        Raises Unavailable if PostgreSQL is away at the beginning; later it waits until it is back. Raises any other
        error of reading, which ends it for all who follow.
        """
        follower = _Follower()
        try:
            reached = await self._join(follower)
            if start is not None:
                begin = Horizon(start.high, start.low.since)
                async for item in self._read(start.low, start.high, start.count, task_id):
                    yield item
                async for item in self._read(begin, reached.transaction, 0, task_id):
                    yield item
            yield Position(reached, reached.transaction, 0), None
            while True:
                portion = await follower.portions.get()
                if isinstance(portion, Exception):
                    raise portion
                if portion.events is None:
                    async for item in self._read(portion.low, portion.high.transaction, 0, task_id):
                        yield item
                    continue
                wanted = [event for event in portion.events if task_id is None or event.task_id == task_id]
                for count, event in enumerate(wanted, 1):
                    yield Position(portion.low, portion.high.transaction, count), event
        finally:
            self._followers.discard(follower)

    async def _join(self, follower: _Follower) -> Horizon:
        """Adds a follower, who gets what comes behind the returned horizon."""
        async with self._mutex:
            if self._reader is None or self._reader.done():
                self._horizon = await read(self._services, event_stream.horizon)
                self._reader = asyncio.create_task(self._read_on())
            assert self._horizon is not None
            self._followers.add(follower)
            return self._horizon

    async def _read(
        self, low: Horizon, high: int, skip: int, task_id: str | None
    ) -> AsyncIterator[tuple[Position, StreamedEvent]]:
        while low.transaction < high:
            events = await read(self._services, event_stream.between, low, high, skip=skip, task_id=task_id)
            for count, event in enumerate(events, skip + 1):
                yield Position(low, high, count), event
            skip += len(events)
            if len(events) < PAGE_EVENTS:
                return

    async def _read_on(self) -> None:
        """Reads portion after portion until nobody follows."""
        is_away = False
        while self._followers:
            await asyncio.sleep(AWAY_SECONDS if is_away else POLL_SECONDS)
            try:
                await self._read_portion()
                is_away = False
            except Unavailable as error:
                if not is_away:
                    log.warning("followers of events wait for PostgreSQL: %s", error)
                is_away = True
            except Exception as error:  # whatever it is, nobody may wait for events that never come
                log.exception("events can't be read: their followers are ended")
                for follower in self._followers:
                    _end(follower, error)
                self._followers.clear()

    async def _read_portion(self) -> None:
        async with self._mutex:
            low = self._horizon
            assert low is not None
            high = await read(self._services, event_stream.horizon)
            if high.transaction == low.transaction:
                return
            found = await read(self._services, event_stream.between, low, high.transaction, limit=PAGE_EVENTS + 1)
            portion = Portion(low, high, found if len(found) <= PAGE_EVENTS else None)
            self._horizon = high
            if not found:
                return
            for follower in self._followers:
                _hand_over(follower, portion)


def _hand_over(follower: _Follower, portion: Portion) -> None:
    """Gives a follower a portion; one that is far behind reads from the oldest portion on by itself."""
    if not follower.portions.full():
        follower.portions.put_nowait(portion)
        return
    oldest = _emptied(follower)[0]
    assert isinstance(oldest, Portion)  # who got an error follows no longer
    follower.portions.put_nowait(Portion(oldest.low, portion.high, None))


def _end(follower: _Follower, error: Exception) -> None:
    """Ends a follower by an error; what it has not sent yet comes when it follows again."""
    _emptied(follower)
    follower.portions.put_nowait(error)


def _emptied(follower: _Follower) -> list[Portion | Exception]:
    """Takes everything that waits for a follower, and returns it."""
    return [follower.portions.get_nowait() for _ in range(follower.portions.qsize())]
