"""Brings orders to the seats that a host keeps: to drain, and to hand back what they run. A seat says where it is.

They come over a pair of sockets of which a seat inherits one, not as signals: whatever a handler makes of signals, and
whoever else sends them, the order arrives. A seat that an engine has launched has none.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

from taskyard.core.threads import OnEscape, start_thread

VARIABLE = "TASKYARD_SEAT_ORDERS"  # has the number of the descriptor
DRAIN = b"d"  # take no more attempts, and end
HAND_BACK = b"b"  # end now; what runs goes back at no cost
MAX_NEWS_BYTES = 200  # of the address that a seat tells


class OrderPipe:
    """The host's end of the pair. `descriptor` is the seat's: it is passed on, then closed by `pass_on`."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._ours, self._seats = socket.socketpair()
        self._ours.setblocking(False)
        self.descriptor = self._seats.fileno()

    def pass_on(self) -> None:
        """Closes this process's copy of the seat's end."""
        self._seats.close()

    def send(self, order: bytes) -> None:
        """Sends an order; a seat that has ended needs none."""
        with contextlib.suppress(ConnectionError):
            self._ours.send(order)

    def admitted_at(self) -> str:
        """Returns the address of the desk that has admitted the seat, the first time that it is asked; else ""."""
        try:
            return self._ours.recv(MAX_NEWS_BYTES).decode("utf-8", "replace")
        except (BlockingIOError, ConnectionError):  # nothing yet, or it has ended
            return ""

    def close(self) -> None:
        """Closes the host's end."""
        self._ours.close()


class Orders:
    """The seat's end. Until somebody obeys, each order ends the process: nothing runs yet that could be lost."""

    def __init__(self) -> None:
        """Takes the descriptor out of the environment, which handlers inherit, and starts listening."""
        self._on_drain: Callable[[], object] = _end
        self._on_hand_back: Callable[[], object] = _end
        self._descriptor: int | None = None
        if given := os.environ.pop(VARIABLE, ""):
            self._descriptor = descriptor = int(given)
            os.set_inheritable(descriptor, False)
            start_thread("seat-orders", lambda: self._listen(descriptor), OnEscape.END_THREAD)

    def obey(self, on_drain: Callable[[], object], on_hand_back: Callable[[], object]) -> None:
        """Sets what orders do, in a thread of their own."""
        self._on_drain, self._on_hand_back = on_drain, on_hand_back

    def tell_admitted(self, address: str) -> None:
        """Tells the host which desk has admitted this seat; a host that is gone need not know."""
        if self._descriptor is not None:
            with contextlib.suppress(ConnectionError):
                os.write(self._descriptor, address.encode()[:MAX_NEWS_BYTES])

    def _listen(self, descriptor: int) -> None:
        while order := os.read(descriptor, 1):
            (self._on_drain if order == DRAIN else self._on_hand_back)()


def _end() -> None:
    os._exit(0)
