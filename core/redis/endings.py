"""Lets a caller wait until the leader tells that a task has ended, without asking PostgreSQL again and again.

It is a hint: who waits looks at the row, when it is told and from time to time in between. The leader tells of
awaited tasks only, after the commit of their ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis.exceptions import RedisError

from taskyard.core.errors import Unavailable
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.keys import Keys
from taskyard.core.redis.raw_commands import RawCommands, Script

AWAITED_SECONDS = 60  # renewed by each one that still waits
MAX_WAITING = 64  # at a time in this process, each on a connection of its own; others look at the row meanwhile
BEGINNING = b"0-0"

_Answer = TypeVar("_Answer")
Mending = Callable[[Callable[[], Any]], Any]


class Endings:
    """The ends of one installation's tasks, as `Broker.endings` has them."""

    def __init__(self, raw_commands: RawCommands, keys: Keys, expect: Script, mending: Mending) -> None:
        self._raw_commands = raw_commands
        self._keys = keys
        self._expect = expect
        self._mending = mending
        self.places = threading.BoundedSemaphore(MAX_WAITING)  # of those who wait in Redis
        self.away_until = 0.0  # monotonic seconds: until then those who wait do not ask Redis, which did not answer

    def expect(self, task_id: str) -> None:
        """Asks the leader to tell when the task ends, for AWAITED_SECONDS. Raises Unavailable."""
        with reaching_redis():
            self._mending(lambda: self._expect(*self._expected(task_id)))

    def expect_soon(self, task_id: str) -> bool:
        """Does what `expect` does, without an answer, if that takes no time; returns whether it did.

        Raises Unavailable.
        """

        def again() -> None:
            with suppress(Unavailable, RedisError):  # who waits looks from time to time
                self.expect(task_id)

        if not self._raw_commands.is_ready():
            return False
        with reaching_redis():
            self._expect.send(*self._expected(task_id), again)
        return True

    def wait(self, task_id: str, after: bytes, seconds: float) -> bytes:
        """Waits until the task's end is told, or the time is over; `after` is what the last call returned.

        Raises Unavailable.
        """
        words = ("XREAD", "BLOCK", max(1, int(seconds * 1000)), "STREAMS", self._keys.ended(task_id), after)
        with reaching_redis():
            told = self._mending(lambda: self._raw_commands.command(*words))
        return bytes(told[0][1][-1][0]) if told else after

    def forget(self, task_id: str) -> None:
        """Ends `expect` before its time, and returns without an answer. Raises Unavailable."""
        with reaching_redis():
            self._raw_commands.send(("SREM", self._keys.awaited, task_id), lambda: None)  # it ends by itself

    def _expected(self, task_id: str) -> tuple[list[str], list[Any]]:
        return [self._keys.awaited], [task_id, AWAITED_SECONDS]
