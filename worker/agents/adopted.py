"""Watches the process of an agent, whether this process started or only adopted it."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Protocol


class AgentProcess(Protocol):
    """A child of this process: what `subprocess.Popen` and `Adopted` have in common."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass(slots=True)
class Adopted:
    """A child that another process made; any thread may use it."""

    pid: int
    returncode: int | None = None  # negative: the signal that ended it
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def poll(self) -> int | None:
        """Returns its exit code; None while it runs."""
        with self._lock:
            return self._poll()

    def kill(self) -> None:
        """Kills it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, sig: int, /) -> None:
        """Sends it a signal, unless it has ended; no other process can have its id until that was noticed here."""
        with self._lock:
            if self._poll() is None:
                os.kill(self.pid, sig)

    def _poll(self) -> int | None:
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode
