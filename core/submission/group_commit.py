"""Combines calls that several threads make at the same moment into one batch (group commit).

The first caller to arrive runs the batch; callers who arrive while it runs form the next one. With one thread this
adds a lock; with sixteen it turns sixteen commits into one or two. PostgreSQL's group commit of WAL flushes uses the
same idea one level below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from taskyard.core.chunks import chunked
from taskyard.core.errors import Unavailable
from taskyard.core.i18n import msg

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_BATCH = 500
LOOK_SECONDS = 0.5  # between looks at whether the leader is still there
_UNKNOWN = object()  # in place of a result


class _Call(Generic[Item, Result]):
    __slots__ = ("batch", "done", "error", "is_gone", "is_over", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Any = _UNKNOWN
        self.error: BaseException | None = None
        self.is_over = False
        self.is_gone = False  # its caller was interrupted
        self.done: threading.Lock | None = None
        self.batch: Sequence[_Call[Item, Result]] = ()  # what it commits, while it leads

    def end(self) -> None:
        """Says that result or error are there. May be repeated."""
        self.is_over = True
        self.wake()

    def wake(self) -> None:
        """Has its caller go on, if that waits."""
        if self.done is not None:
            with suppress(RuntimeError):  # it was woken before
                self.done.release()


class GroupCommitter(Generic[Item, Result]):
    """Runs `commit(items) -> results` (parallel lists) for one or many callers at a time.

    A batch has at most MAX_BATCH items and PORTION_BYTES of data.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], size_of: Callable[[Item], int]) -> None:
        self._commit = commit
        self._size_of = size_of
        self._mutex = threading.Lock()
        self._queue: list[_Call[Item, Result]] = []
        self._leader: _Call[Item, Result] | None = None

    def run(self, item: Item) -> Result:
        """Returns the item's result once its batch is committed; raises what the batch raised.

        Whoever is interrupted (Ctrl-C, an exception from another thread) leaves the others a leader.
        """
        call: _Call[Item, Result] = _Call(item)
        try:
            with self._mutex:
                self._queue.append(call)
                if self._leader is None:
                    self._leader = call
                else:
                    call.done = threading.Lock()
                    call.done.acquire()
            if call.done is not None:
                self._replace_gone()
                while not call.done.acquire(timeout=LOOK_SECONDS):  # released with the result, or to hand over the lead
                    self._replace_gone()
            if not call.is_over:
                self._lead(call)
        except BaseException:
            call.is_gone = True  # at once: what follows may be interrupted, too
            self._leave(call)
            raise
        if call.error is not None:
            raise call.error
        result: Result = call.result
        return result

    def _lead(self, leader: _Call[Item, Result]) -> None:
        with self._mutex:
            batch = leader.batch = next(chunked(self._queue, lambda call: self._size_of(call.item), MAX_BATCH))
            del self._queue[: len(batch)]
        try:
            results = self._commit([call.item for call in batch])
            for call, result in zip(batch, results, strict=True):
                call.result = result
        except Exception as error:
            for call in batch:
                call.error = error
        self._leave(leader)

    def _replace_gone(self) -> None:
        leader = self._leader
        if leader is not None and leader.is_gone:
            self._leave(leader)

    def _leave(self, call: _Call[Item, Result]) -> None:
        """Ends the calls of its batch, and hands over the lead if it has that. May be repeated."""
        gone = {call, *call.batch}
        with self._mutex:
            if self._queue:  # it was interrupted if these are still there
                self._queue[:] = [one for one in self._queue if one not in gone]
            if self._leader is call:
                # the longest waiting caller leads next, so that this one can return
                self._leader = self._queue[0] if self._queue else None
            leader = self._leader
        for one in call.batch:
            if one.result is _UNKNOWN and one.error is None and one is not call:
                text = msg("another thread was interrupted while it stored this task, too: it may be stored, or not")
                one.error = Unavailable(text)
            one.end()
        if leader is not None:
            leader.wake()
