"""What one attempt writes to its standard output and error, on its way into its task's log: bounded, the newest kept.

The first HEAD_BYTES are passed on while it runs. Of the rest the newest TAIL_BYTES are kept until the attempt ends;
what is left out between them is counted and said.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from taskyard.core.threads import call_later

HEAD_BYTES = 16 << 10
TAIL_BYTES = 64 << 10
LIVE_SECONDS = 0.5  # between what is passed on
MESSAGE_CHARACTERS = 4_000  # of one entry of the task's log
PIECE_BYTES = 4 << 10  # that writes are joined to

STDOUT, STDERR = "stdout", "stderr"


class Capture:
    """The output of one attempt. Any thread may write; `emit` gets messages as of a handler's log."""

    __slots__ = (
        "_cancel_timer",
        "_emit",
        "_head_left",
        "_is_closed",
        "_left_out_bytes",
        "_left_out_lines",
        "_lock",
        "_passing",
        "_pieces",
        "_size",
    )

    def __init__(self, emit: Callable[[dict[str, Any]], object]) -> None:
        self._emit = emit
        self._lock = threading.Lock()
        self._passing = threading.Lock()  # so that what is passed on stays in order
        self._pieces: deque[tuple[str, bytearray]] | None = None  # most attempts write nothing
        self._size = 0
        self._head_left = HEAD_BYTES
        self._left_out_bytes = self._left_out_lines = 0
        self._cancel_timer: Callable[[], None] | None = None
        self._is_closed = False

    def write(self, stream: str, data: bytes | bytearray | memoryview) -> bool:
        """Takes what was written to STDOUT or STDERR; False once it is closed."""
        with self._lock:
            if self._is_closed:
                return False
            if not data:
                return True
            if self._pieces is None:
                self._pieces = deque()
            self._add(self._pieces, stream, memoryview(data).cast("B"))
            if self._cancel_timer is None and self._head_left > 0:
                self._arm()
            return True

    def leave_out(self, size_bytes: int) -> None:
        """Counts output that nobody has read."""
        with self._lock:
            self._left_out_bytes += size_bytes

    def close(self) -> None:
        """Passes on what is left; what comes later is another's."""
        if self._pieces is None:
            self._is_closed = True
            return
        with self._lock:
            self._is_closed = True
            cancel, self._cancel_timer = self._cancel_timer, None
        if cancel is not None:
            cancel()
        self._pass_on(None)

    def _add(self, pieces: deque[tuple[str, bytearray]], stream: str, data: memoryview) -> None:
        if len(data) > TAIL_BYTES:
            self._leave_out(bytes(data[:-TAIL_BYTES]))
            data = data[-TAIL_BYTES:]
        if pieces and pieces[-1][0] == stream and len(pieces[-1][1]) < PIECE_BYTES:
            pieces[-1][1].extend(data)
        else:
            pieces.append((stream, bytearray(data)))
        self._size += len(data)
        while self._size > TAIL_BYTES:
            _, oldest = pieces[0]
            excess = self._size - TAIL_BYTES
            if excess >= len(oldest):
                pieces.popleft()
                excess = len(oldest)
            self._leave_out(oldest[:excess])
            del oldest[:excess]
            self._size -= excess

    def _leave_out(self, data: bytes | bytearray) -> None:
        self._left_out_bytes += len(data)
        self._left_out_lines += data.count(b"\n")

    def _arm(self) -> None:
        try:
            self._cancel_timer = call_later(LIVE_SECONDS, self._pass_on_live)
        except RuntimeError:  # the system gives no thread: it is passed on when the attempt ends
            self._cancel_timer = None

    def _pass_on_live(self) -> None:
        self._pass_on(self._head_left)
        with self._lock:
            self._cancel_timer = None
            if not self._is_closed and self._size and self._head_left > 0:
                self._arm()

    def _pass_on(self, limit_bytes: int | None) -> None:
        """Passes on the oldest whole lines, or everything."""
        with self._passing:
            with self._lock:
                lines, size = self._left_out_lines, self._left_out_bytes
                self._left_out_lines = self._left_out_bytes = 0
                taken = list(self._taken(limit_bytes))
            if size:
                text = f"{lines:,} lines ({size:,} bytes) of output were left out here"
                self._emit({"kind": "output", "level": "warning", "message": text})
            for stream, data in taken:
                text = data.decode("utf-8", "backslashreplace")
                for start in range(0, len(text), MESSAGE_CHARACTERS):
                    message = text[start : start + MESSAGE_CHARACTERS].removesuffix("\n")
                    self._emit({"kind": "output", "level": stream, "message": message})

    def _taken(self, limit_bytes: int | None) -> Iterator[tuple[str, bytearray]]:
        """Takes pieces out, those of one stream that follow each other as one."""
        pieces = self._pieces
        joined: tuple[str, bytearray] | None = None
        while pieces:
            stream, data = pieces[0]
            if limit_bytes is not None:
                end = data.rfind(b"\n", 0, limit_bytes) + 1
                is_whole = end == len(data)
                data, rest = data[:end], data[end:]
                limit_bytes -= end
                self._head_left -= end
                pieces[0] = (stream, rest)
            else:
                is_whole = True
            self._size -= len(data)
            if is_whole:
                pieces.popleft()
            if data and joined is not None and joined[0] == stream:
                joined[1].extend(data)
            elif data:
                if joined is not None:
                    yield joined
                joined = (stream, data)
            if not is_whole:
                break
        if joined is not None:
            yield joined
