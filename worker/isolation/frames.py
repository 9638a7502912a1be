"""Defines the protocol of an agent and a slot's child: length-prefixed MessagePack over a socket pair."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from taskyard.core.errors import HandlerError, TransientError
from taskyard.core.protocol import AttemptEnd, Run, encode

T = TypeVar("T")
MAX_FRAME_BYTES = 160 << 20  # above the largest input or output (64 MB) with room for its escapes
_PREFIX_BYTES = 4
_READ_BYTES = 1 << 16
_KINDS: list[type[HandlerError]] = [HandlerError, *HandlerError.__subclasses__()]
_ERRORS = {kind.error_class.value: kind for kind in _KINDS}


class Frame(msgspec.Struct, array_like=True, tag=True, gc=False):
    """The base of all frames."""


class Start(Frame):
    """Tells the child to run this. JSON in MessagePack, because the input is JSON text that is not decoded."""

    run_json: bytes

    @classmethod
    def of(cls, run: Run) -> Start:
        """Returns the frame of a run."""
        return cls(encode(run))

    @property
    def run(self) -> Run:
        """Returns the run. Raises ProtocolError."""
        return _decoded(_decode_run, self.run_json)


class Cancel(Frame):
    """Tells the child that its task was cancelled."""

    task_id: str
    attempt: int


class Reply(Frame):
    """Answers the child's request of that number, with a value or an error."""

    result: Any = None
    error_class: str | None = None
    error_message: str = ""
    number: int = 0

    @property
    def value(self) -> Any:
        """Returns the value. Raises the HandlerError that the answer is."""
        if self.error_class is None:
            return self.result
        raise _ERRORS.get(self.error_class, TransientError)(self.error_message)


class Ready(Frame):
    """Reports that the child's task types are loaded; `problem` says why not.

    `types` has the version of each, by name; None from those that do not tell.
    """

    problem: str | None = None
    types: dict[str, str] | None = None


class Loading(Frame):
    """Reports what the child still loads."""

    remark: str


class Emit(Frame):
    """Passes on a report of the handler."""

    message: dict[str, Any]


class Request(Frame):
    """Asks the agent; the handler waits for a reply. A number tells apart those of one attempt at the same time."""

    message: dict[str, Any]
    number: int = 0


class End(Frame):
    """Ends the task; if `retiring`, the child ends now. `cpu_seconds` is its total usage."""

    done_json: bytes
    retiring: bool
    cpu_seconds: float

    @classmethod
    def of(cls, done: AttemptEnd, retiring: bool, cpu_seconds: float) -> End:
        """Returns the frame of an outcome."""
        return cls(encode(done), retiring, cpu_seconds)

    @property
    def done(self) -> AttemptEnd:
        """Returns the outcome. Raises ProtocolError."""
        return _decoded(_decode_done, self.done_json)


class ProtocolError(Exception):
    """Raised if the other side sent an invalid frame."""


_decode_run = msgspec.json.Decoder(Run).decode
_decode_done: Callable[[bytes | memoryview], AttemptEnd] = msgspec.json.Decoder(AttemptEnd).decode


def _decoded(decode: Callable[[bytes | memoryview], T], data: bytes | memoryview) -> T:
    try:
        return decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProtocolError(f"a frame could not be read: {error}") from error


CHILD_FRAMES = Start | Cancel | Reply | Ready | Loading | Emit | Request | End


class FrameStream:
    """One end of the socket pair. Sending is thread-safe, reading is not."""

    def __init__(self, connection: socket.socket, frames: Any = CHILD_FRAMES) -> None:
        self.connection = connection
        connection.settimeout(None)  # whatever default a task has set
        self.limit_bytes = MAX_FRAME_BYTES
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(frames)
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
            self._send_all(len(data).to_bytes(_PREFIX_BYTES, "big") + data)

    def _send_all(self, data: bytes) -> None:
        self.connection.sendall(data)

    def fill(self, wait: bool = True) -> bool:
        """Reads what has arrived. Returns False at the end of the stream, or if nothing is there and `wait` is
        false.
        """
        try:
            data = self.connection.recv(_READ_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            return False
        self._buffer += data
        return bool(data)

    def next(self) -> Frame | None:
        """Returns the next complete frame that has arrived, or None. Raises ProtocolError."""
        buffer = self._buffer
        if len(buffer) < _PREFIX_BYTES:
            return None
        end = _PREFIX_BYTES + int.from_bytes(buffer[:_PREFIX_BYTES], "big")
        if end > self.limit_bytes + _PREFIX_BYTES:
            raise ProtocolError(f"a frame of {end} bytes was announced")
        if len(buffer) < end:
            return None
        frame: Frame = _decoded(self._decoder.decode, memoryview(buffer)[_PREFIX_BYTES:end])
        del buffer[:end]
        return frame

    def receive(self) -> Frame | None:
        """Waits for the next frame; returns None at the end of the stream."""
        while (frame := self.next()) is None:
            if not self.fill():
                return None
        return frame

    def close(self) -> None:
        """Closes this end."""
        self.connection.close()
