"""Captures an attempt's standard output and error for its task's log, bounded, with both ends kept.

The first HEAD_BYTES, and the line that they end in, are passed on while it runs. Of the rest the newest TAIL_BYTES
are kept until the attempt ends; the bytes left out between them are counted and reported. Lines stay whole,
whatever pieces they are written in: an unfinished line is passed on once it ends or gets too long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from taskyard.core.payload.storable_text import CUT
from taskyard.core.threads import call_later

HEAD_BYTES = 16 << 10
TAIL_BYTES = 64 << 10
LINE_BYTES = 16 << 10  # of a line that stays whole in memory
LIVE_SECONDS = 0.5  # between what is passed on
MESSAGE_CHARACTERS = 4_000  # of one entry of the task's log, …
LINE_CHARACTERS = 9_000  # … but for one line that is longer; what is longer than this becomes several entries
PIECE_BYTES = 4 << 10  # that writes are joined to
ABANDONED_SECONDS = 1.0  # for which the lock is waited for at the end

STDOUT, STDERR = "stdout", "stderr"

Pieces = deque[tuple[str, bytearray]]


class Capture:
    """The output of one attempt. Thread-safe; `emit` gets messages as of a handler's log."""

    __slots__ = (
        "_begun",
        "_cancel_timer",
        "_emit",
        "_head",
        "_head_left",
        "_is_closed",
        "_left_out_bytes",
        "_left_out_lines",
        "_lock",
        "_passing",
        "_tail",
        "_tail_bytes",
    )

    def __init__(self, emit: Callable[[dict[str, Any]], object]) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._passing = threading.Lock()  # so that what is passed on stays in order
        self._begun: dict[str, bytearray] | None = None  # a line of each stream; most attempts write nothing
        self._head: Pieces = deque()
        self._tail: Pieces = deque()
        self._head_left = HEAD_BYTES
        self._tail_bytes = 0
        self._left_out_bytes = self._left_out_lines = 0
        self._cancel_timer: Callable[[], None] | None = None
        self._is_closed = False

    def write(self, stream: str, data: bytes | bytearray | memoryview) -> bool:
        """Adds what was written to STDOUT or STDERR; returns False once it is closed."""
        with self._lock:
            if self._is_closed:
                return False
            if not data:
                return True
            if self._begun is None:
                self._begun = {}
            begun = self._begun.setdefault(stream, bytearray())
            begun += data
            end = len(begun) if len(begun) - (end := begun.rfind(b"\n") + 1) > LINE_BYTES else end
            if end:
                self._begun[stream] = begun[end:]
                self._add(stream, begun[:end])
            if self._cancel_timer is None and self._head:
                self._arm()
            return True

    def leave_out(self, size_bytes: int) -> None:
        """Counts output that was not read: later output is no longer the beginning."""
        if size_bytes <= 0:
            return
        with self._lock:
            self._end_lines()
            self._head_left = 0
            self._left_out_bytes += size_bytes

    def close(self) -> None:
        """Passes on what is left; later output belongs to another attempt."""
        if self._begun is None and not self._left_out_bytes:
            self._is_closed = True
            self._emit = _drop  # what it belongs to refers to this, and only the collector of garbage would free both
            return
        # A handler that was interrupted in the midst of printing may have left it locked; it has ended by now.
        is_locked = self._lock.acquire(timeout=ABANDONED_SECONDS)
        try:
            self._is_closed = True
            self._end_lines()
            cancel, self._cancel_timer = self._cancel_timer, None
        finally:
            if is_locked or self._lock.locked():
                self._lock.release()
        if cancel is not None:
            cancel()
        self._pass_on(everything=True)

    def _end_lines(self) -> None:
        """Ends unfinished lines."""
        for stream, data in (self._begun or {}).items():
            if data:
                self._add(stream, data)
        self._begun = {}

    def _add(self, stream: str, data: bytearray) -> None:
        if self._head_left > 0:
            end = _line_end(data, self._head_left)
            _append(self._head, stream, data[:end])
            self._head_left -= end
            data = data[end:]
        if len(data) > TAIL_BYTES:
            start = _line_end(data, len(data) - TAIL_BYTES)
            self._leave_out(data[:start])
            data = data[start:]
        if not data:
            return
        _append(self._tail, stream, data)
        self._tail_bytes += len(data)
        while (excess := self._tail_bytes - TAIL_BYTES) > 0:
            _, oldest = self._tail[0]
            start = _line_end(oldest, excess)
            self._leave_out(oldest[:start])
            self._tail_bytes -= start
            if start == len(oldest):
                self._tail.popleft()
            else:
                del oldest[:start]

    def _leave_out(self, data: bytearray) -> None:
        self._left_out_bytes += len(data)
        self._left_out_lines += data.count(b"\n")

    def _arm(self) -> None:
        try:
            self._cancel_timer = call_later(LIVE_SECONDS, self._pass_on_live)
        except RuntimeError:  # the system can't start a thread: it is passed on when the attempt ends
            self._cancel_timer = None

    def _pass_on_live(self) -> None:
        self._pass_on(everything=False)
        with self._lock:
            self._cancel_timer = None
            if not self._is_closed and self._head:
                self._arm()

    def _pass_on(self, everything: bool) -> None:
        """Passes on the beginning, or everything."""
        with self._passing:
            with self._lock:
                taken, self._head = self._head, deque()
                last: Pieces = deque()
                if everything:
                    last, self._tail = self._tail, deque()
                lines, size = self._left_out_lines, self._left_out_bytes
            if not (everything and size):
                taken += last
                last = deque()
            self._emit_all(taken)
            if everything and size:
                text = f"{lines:,} lines ({size:,} bytes) of output left out"
                self._emit({"kind": "output", "level": "warning", "message": text})
            self._emit_all(last)

    def _emit_all(self, pieces: Pieces) -> None:
        for stream, data in _joined(pieces):
            for message in _messages(data.decode("utf-8", "backslashreplace")):
                self._emit({"kind": "output", "level": stream, "message": message})


def _drop(message: dict[str, Any]) -> None:
    """Takes a message of an attempt that wrote nothing."""


def _append(pieces: Pieces, stream: str, data: bytearray) -> None:
    if pieces and pieces[-1][0] == stream and len(pieces[-1][1]) < PIECE_BYTES:
        pieces[-1][1].extend(data)
    else:
        pieces.append((stream, data))


def _line_end(data: bytearray, least: int) -> int:
    """Returns the end of the line around position `least`, or that position if the line is too long."""
    if least >= len(data):
        return len(data)
    end = data.find(b"\n", least - 1, least + LINE_BYTES) + 1
    if end:
        return end
    return least if len(data) - least > LINE_BYTES else len(data)


def _joined(pieces: Iterable[tuple[str, bytearray]]) -> Iterator[tuple[str, bytearray]]:
    """Joins consecutive pieces of one stream."""
    joined: tuple[str, bytearray] | None = None
    for stream, data in pieces:
        if joined is not None and joined[0] == stream:
            joined[1].extend(data)
            continue
        if joined is not None:
            yield joined
        joined = (stream, data)
    if joined is not None:
        yield joined


def _messages(text: str) -> Iterator[str]:
    """Yields entries of the task's log: some lines, or a marked part of a line that is too long."""
    start = 0
    while start < len(text):
        end = text.rfind("\n", start, start + MESSAGE_CHARACTERS) + 1 or text.find("\n", start) + 1 or len(text)
        if len(text) - start <= MESSAGE_CHARACTERS:
            end = len(text)
        if end - start > LINE_CHARACTERS:
            end = start + LINE_CHARACTERS
            yield text[start:end] + CUT
        else:
            yield text[start:end].removesuffix("\n")
        start = end
