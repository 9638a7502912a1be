"""Streams answers of any size: rows are read, written and sent some hundreds at a time.

One that fails midway breaks the connection off, so that a part is not mistaken for the whole.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from typing import Any

import anyio
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

from taskyard.api.rights import Rights
from taskyard.core.errors import Busy
from taskyard.core.i18n import msg

CHUNK_ROWS = 500
MAX_AT_ONCE = 4  # of a process: each holds a connection to PostgreSQL
_running = threading.BoundedSemaphore(MAX_AT_ONCE)


def attachment(name: str) -> dict[str, str]:
    """Returns the headers of an answer that is saved as a file; `name` is of ASCII without quotes."""
    return {"content-disposition": f'attachment; filename="{name}"'}


async def streamed(
    rights: Rights, pieces: Callable[[], Generator[bytes, None, None]], media_type: str, name: str | None = None
) -> StreamingResponse:
    """Returns an answer of pieces that are made in a thread.

    The first is waited for, so that its errors are answered as such; raises them, and Busy if too many run. The
    others are made and sent as long as the sender's rights stay what they were.
    """
    if not _running.acquire(blocking=False):
        raise Busy(msg("{count} exports and bulk operations are running: try again", count=MAX_AT_ONCE))
    made = _Pieces(_released(pieces))
    try:
        first = await anyio.to_thread.run_sync(lambda: next(made, b""))
    except BaseException:
        await _closed(made)
        raise
    return StreamingResponse(
        _sent(rights, first, made), media_type=media_type, headers=attachment(name) if name is not None else None
    )


def written(rows: Iterator[Any], write: Callable[[Iterable[Any]], bytes], head: bytes) -> Generator[bytes, None, None]:
    """Yields the head and the rows as bytes, CHUNK_ROWS at a time, at least one piece."""
    yield head + write(list(itertools.islice(rows, CHUNK_ROWS)))
    while some := list(itertools.islice(rows, CHUNK_ROWS)):
        yield write(some)


def _released(pieces: Callable[[], Generator[bytes, None, None]]) -> Generator[bytes, None, None]:
    """Yields the pieces; their end, or an error, lets another stream begin."""
    try:
        yield from pieces()
    finally:
        _running.release()


class _Pieces:
    """Makes pieces in threads; whoever ends it waits for the one that is being made.

    A request whose time is up is cancelled while a thread goes on.
    """

    def __init__(self, made: Generator[bytes, None, None]) -> None:
        self._made = made
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._lock:
            return next(self._made)

    def close(self) -> None:
        with self._lock:
            self._made.close()


async def _sent(rights: Rights, first: bytes, pieces: _Pieces) -> AsyncIterator[bytes]:
    """Yields the pieces, made in a thread; a client that disconnects leaves nothing open."""
    try:
        yield first
        async for piece in iterate_in_threadpool(pieces):
            await rights.check()
            yield piece
    finally:
        await _closed(pieces)


async def _closed(pieces: _Pieces) -> None:
    """Ends the making of pieces, also of a request that is cancelled."""
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(pieces.close)
