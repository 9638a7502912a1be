"""What an agent and a slot's child say to each other: length-prefixed MessagePack over a socket pair."""

from __future__ import annotations

import socket
import threading
from typing import Any

import msgspec

from worker.agents.execution import Outcome, Run

MAX_FRAME_BYTES = 160 << 20  # above the largest input or output (64 MB) with room for its escapes
_PREFIX_BYTES = 4
_READ_BYTES = 1 << 16


class Frame(msgspec.Struct, array_like=True, tag=True, gc=False):
    """The root of what is sent."""


class Start(Frame):
    """To the child: run this."""

    run: Run


class Cancel(Frame):
    """To the child: this task was cancelled."""

    task_id: str
    attempt: int


class Reply(Frame):
    """To the child: the answer to its request, or the error."""

    result: Any = None
    error_class: str | None = None
    error_message: str = ""


class Ready(Frame):
    """From the child: its task types are loaded; `problem` says why not."""

    problem: str | None = None


class Emit(Frame):
    """From the child: a report of the handler."""

    message: dict[str, Any]


class Request(Frame):
    """From the child: the handler waits for a reply."""

    message: dict[str, Any]


class Done(Frame):
    """From the child: the task is over; if `retiring`, the child ends now."""

    outcome: Outcome
    retiring: bool


class ProtocolError(Exception):
    """The other side sent what is no frame."""


class FrameStream:
    """One end of the socket pair. Sending is safe from several threads, reading is not."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Start | Cancel | Reply | Ready | Emit | Request | Done)
        self._buffer = bytearray()
        self._send_lock = threading.Lock()

    def send(self, frame: Frame) -> None:
        """Sends a frame whole.

        Raises OSError if the other side is gone, TypeError or ValueError if it can't be encoded.
        """
        data = self._encoder.encode(frame)
        if len(data) > MAX_FRAME_BYTES:
            raise ValueError(f"a message of {len(data)} bytes is over the limit of {MAX_FRAME_BYTES}")
        with self._send_lock:
            self.connection.sendall(len(data).to_bytes(_PREFIX_BYTES, "big") + data)

    def fill(self, wait: bool = True) -> bool:
        """Reads what has arrived. False at the end of the stream, or if nothing is there and `wait` is false."""
        try:
            data = self.connection.recv(_READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return False
        self._buffer += data
        return bool(data)

    def next(self) -> Frame | None:
        """The next frame that has arrived whole, or None. Raises ProtocolError."""
        buffer = self._buffer
        if len(buffer) < _PREFIX_BYTES:
            return None
        end = _PREFIX_BYTES + int.from_bytes(buffer[:_PREFIX_BYTES], "big")
        if end > MAX_FRAME_BYTES + _PREFIX_BYTES:
            raise ProtocolError(f"a frame of {end} bytes was announced")
        if len(buffer) < end:
            return None
        try:
            frame = self._decoder.decode(memoryview(buffer)[_PREFIX_BYTES:end])
        except msgspec.MsgspecError as error:
            raise ProtocolError(f"a frame could not be read: {error}") from error
        del buffer[:end]
        return frame

    def receive(self) -> Frame | None:
        """Waits for the next frame; None at the end of the stream."""
        while (frame := self.next()) is None:
            if not self.fill():
                return None
        return frame

    def close(self) -> None:
        """Closes this end."""
        self.connection.close()
