"""Defines what agent and seat say to each other besides the frames of a slot's child, and their connection.

The seat's connection is a FrameStream that never blocks in the system: both sides notice silence, and with TLS no two
threads are in the same connection at once.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from time import monotonic

from taskyard.worker.isolation.frames import (
    Cancel,
    Emit,
    End,
    Frame,
    FrameStream,
    Loading,
    Ready,
    Reply,
    Request,
    Start,
)

SEAT_VERSION = 1  # of what a seat says; an agent refuses one that it does not understand
MAX_STRANGER_BYTES = 4096  # of a frame before the other side has proved who it is
_READ_BYTES = 1 << 17
_SEND_BYTES = 1 << 17


class Challenge(Frame):
    """The desk's first word."""

    nonce: bytes


class Hello(Frame):
    """A seat's answer to the challenge; `proof` covers both nonces and its id."""

    version: int
    seat_id: str
    nonce: bytes
    proof: bytes
    node: str
    pid: int
    site: str = ""  # of a seat that dials in unasked; its key is made of this site's


class Admitted(Frame):
    """Admits a seat, once; `proof` is the desk's. A seat knows everything that it needs by this."""

    proof: bytes
    modules: tuple[str, ...]
    output_limit_bytes: int
    log_level: str
    lease_seconds: float
    beat_seconds: float


class Refused(Frame):
    """Tells a seat that it is not wanted; `for_good` if another start of the same id is not, either."""

    reason: str
    for_good: bool


class Ping(Frame):
    """A seat's beat."""

    number: int


class Pong(Frame):
    """Answers a beat: the seat's lease runs from when it sent that one."""

    number: int


class Leave(Frame):
    """Tells a seat without an attempt to end."""


class Draining(Frame):
    """Tells the agent that the seat's host drains: it should send it away once it runs nothing."""


class HandBack(Frame):
    """Tells the agent that the seat ends now, since its host does: what it runs goes back at no cost."""


SEAT_FRAMES = (
    Challenge | Hello | Admitted | Refused | Ping | Pong | Leave | Draining | HandBack
    | Start | Cancel | Reply | Ready | Loading | Emit | Request | End
)  # fmt: skip


class SeatStream(FrameStream):
    """One end of a seat's connection, plain or with TLS. Sending is thread-safe, reading is not."""

    def __init__(self, connection: socket.socket, patience_seconds: float) -> None:
        """`patience_seconds` is how long a send may make no progress."""
        super().__init__(connection, SEAT_FRAMES)
        self.limit_bytes = MAX_STRANGER_BYTES
        self.patience_seconds = patience_seconds
        self.heard_at = monotonic()  # when anything arrived last
        self._io = threading.Lock()
        with contextlib.suppress(OSError):  # not of a Unix socket
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)

    def receive_within(self, seconds: float) -> Frame | None:
        """Returns the next frame, or None after that time. Raises EOFError at the end of the stream, or OSError."""
        give_up_at = monotonic() + seconds
        while (frame := self.next()) is None:
            if not self._read(max(0.0, give_up_at - monotonic())):
                return None
        return frame

    def _read(self, seconds: float) -> bool:
        """Reads what has arrived, or arrives in that time; returns False if that is nothing."""
        give_up_at = monotonic() + seconds
        while True:
            wanted = select.POLLIN
            with self._io:
                try:
                    data = self.connection.recv(_READ_BYTES)
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
                except (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                    raise EOFError from None
                else:
                    if not data:
                        raise EOFError
                    self._buffer += data
                    self.heard_at = monotonic()
                    return True
            if not self._wait(wanted, give_up_at - monotonic()):
                return False

    def _send_all(self, data: bytes) -> None:
        rest = memoryview(data)
        moved_at = monotonic()
        while rest:
            wanted = select.POLLOUT
            with self._io:
                try:
                    sent = self.connection.send(rest[:_SEND_BYTES])
                except (BlockingIOError, ssl.SSLWantWriteError):
                    sent = 0
                except ssl.SSLWantReadError:
                    sent, wanted = 0, select.POLLIN
            if sent:
                rest, moved_at = rest[sent:], monotonic()
            elif not self._wait(wanted, moved_at + self.patience_seconds - monotonic()):
                raise TimeoutError(f"nothing could be sent for {self.patience_seconds:g} s")

    def _wait(self, wanted: int, seconds: float) -> bool:
        if seconds <= 0 or self.connection.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self.connection, wanted)
        return bool(poll.poll(seconds * 1000))

    def shut(self) -> None:
        """Ends the connection, from any thread; the one that reads it finds its end, and closes it."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
