"""Combines calls that several threads make at the same moment into one batch (group commit).

The first caller to arrive runs the batch; callers who arrive while it runs form the next one. With one thread this
adds a lock; with sixteen it turns sixteen commits into one or two. PostgreSQL's group commit of WAL flushes uses the
same idea one level below.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from taskyard.core.chunks import chunked

Item = TypeVar("Item")
Result = TypeVar("Result")
MAX_BATCH = 500


class _Call(Generic[Item, Result]):
    __slots__ = ("done", "error", "is_over", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.is_over = False
        self.done: threading.Lock | None = None


class GroupCommitter(Generic[Item, Result]):
    """Runs `commit(items) -> results` (parallel lists) for one or many callers at a time.

    A batch has at most BATCH_LIMIT items and PORTION_BYTES of data.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], size_of: Callable[[Item], int]) -> None:
        self._commit = commit
        self._size_of = size_of
        self._mutex = threading.Lock()
        self._queue: list[_Call[Item, Result]] = []
        self._is_running = False

    def run(self, item: Item) -> Result:
        """Returns the item's result once its batch is committed; raises what the batch raised."""
        call: _Call[Item, Result] = _Call(item)
        with self._mutex:
            self._queue.append(call)
            leads = not self._is_running
            if leads:
                self._is_running = True
            else:
                call.done = threading.Lock()
                call.done.acquire()
        if not leads:
            assert call.done is not None
            call.done.acquire()  # released with the result, or to hand over the lead
        if not call.is_over:
            self._lead()
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def _lead(self) -> None:
        with self._mutex:
            batch = next(chunked(self._queue, lambda call: self._size_of(call.item), MAX_BATCH))
            del self._queue[: len(batch)]
        try:
            results = self._commit([call.item for call in batch])
            for call, result in zip(batch, results, strict=True):
                call.result = result
        except BaseException as error:
            for call in batch:
                call.error = error
        for call in batch:
            call.is_over = True
        with self._mutex:
            # the longest waiting caller leads next, so that this one can return
            successor = self._queue[0] if self._queue else None
            self._is_running = successor is not None
        for call in batch:
            if call.done is not None:
                call.done.release()
        if successor is not None and successor.done is not None:
            successor.done.release()
