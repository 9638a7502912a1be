"""Brings a host's orders to the seats that it keeps: to drain, and to hand back what they run.

They come over a pipe that a seat inherits from its host, not as signals: whatever a handler makes of signals, and
whoever else sends them, the order arrives. A seat that an engine has launched has none.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from taskyard.core.threads import OnEscape, start_thread

VARIABLE = "TASKYARD_SEAT_ORDERS"  # has the number of the descriptor
DRAIN = b"d"  # take no more attempts, and end
HAND_BACK = b"b"  # end now; what runs goes back at no cost


class OrderPipe:
    """The host's end of a seat's pipe. `descriptor` is the seat's: it is passed on, then closed by `pass_on`."""

    def __init__(self) -> None:
        """Raises OSError."""
        self.descriptor, self._writer = os.pipe()

    def pass_on(self) -> None:
        """Closes this process's copy of the seat's end."""
        os.close(self.descriptor)

    def send(self, order: bytes) -> None:
        """Sends an order; a seat that has ended needs none."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writer, order)

    def close(self) -> None:
        """Closes the host's end."""
        os.close(self._writer)


class Orders:
    """The seat's end. Until somebody obeys, each order ends the process: nothing runs yet that could be lost."""

    def __init__(self) -> None:
        """Takes the descriptor out of the environment, which handlers inherit, and starts listening."""
        self._on_drain: Callable[[], object] = _end
        self._on_hand_back: Callable[[], object] = _end
        if given := os.environ.pop(VARIABLE, ""):
            descriptor = int(given)
            os.set_inheritable(descriptor, False)
            start_thread("seat-orders", lambda: self._listen(descriptor), OnEscape.END_THREAD)

    def obey(self, on_drain: Callable[[], object], on_hand_back: Callable[[], object]) -> None:
        """Sets what orders do, in a thread of their own."""
        self._on_drain, self._on_hand_back = on_drain, on_hand_back

    def _listen(self, descriptor: int) -> None:
        while order := os.read(descriptor, 1):
            (self._on_drain if order == DRAIN else self._on_hand_back)()


def _end() -> None:
    os._exit(0)
