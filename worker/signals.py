"""What SIGINT and SIGTERM do to a main process."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType


class Signals:
    """SIGINT and SIGTERM: the first asks for a stop, the second for one without grace."""

    def __init__(self) -> None:
        self.told = threading.Event()
        self.on_second = lambda: os._exit(130)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.told.is_set():
            self.on_second()
        self.told.set()
