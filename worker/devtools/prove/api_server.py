"""Runs one process of the HTTP API, which is killed while clients wait for its answers."""

from __future__ import annotations

import math
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections: one of those could take the port while the API is down.
PORTS = range(20_000, 32_000)
SENDING_PATIENCE_SECONDS = 10.0  # clients pause up to 5 s before they try again
STAGES_SECONDS = 0.01  # about what a request takes: a death meets it before, in and after its commit
STOP_SECONDS = 20.0  # longer than the API gives requests that it is answering
POLL_SECONDS = 0.001
# The API of the user's settings may demand tokens, limit rates or have several processes; this one has none of that.
VARIABLES = {
    "TASKYARD_API_HOST": HOST,
    "TASKYARD_API_HOSTS": "",
    "TASKYARD_API_WORKERS": "1",
    "TASKYARD_API_RATE_PER_SECOND": "0",
    "TASKYARD_AUTH": "loopback",
}


class ApiServer:
    """A process of the API at a fixed port; `start` is called with its variables whenever it has to run again."""

    def __init__(self, start: Callable[[dict[str, str]], subprocess.Popen[bytes]]) -> None:
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.cut_off = 0
        self._start = start
        self._process: subprocess.Popen[bytes] | None = None
        self._mutex = threading.Lock()
        self._sending: dict[object, float] = {}
        self._up_since = math.inf

    def tend(self) -> None:
        """Starts it if it does not run."""
        if self._process is None or self._process.poll() is not None:
            self._process = self._start({**VARIABLES, "TASKYARD_API_PORT": str(self.port)})

    def is_up(self) -> bool:
        """Returns True if it accepts connections."""
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=1):
            self._up_since = min(self._up_since, time.monotonic())
            return True
        return False

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Notes that a client waits for an answer during the block."""
        this = object()
        with self._mutex:
            self._sending[this] = time.monotonic()
        try:
            yield
        finally:
            with self._mutex:
                del self._sending[this]

    def _waiting(self) -> tuple[int, int]:
        """Returns how many clients wait for the answer of this process, and how many still for a former one's."""
        with self._mutex:
            new = sum(began > self._up_since for began in self._sending.values())
            return new, len(self._sending) - new

    def kill(self, which: float) -> str:
        """Kills it while a client waits for its answer; `which`, in [0, 1), says how far that has come.

        What the last death cut off has been answered before that, so that each repetition is put to the proof.
        """
        if self._process is None:
            return ""
        deadline = time.monotonic() + SENDING_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            new, old = self._waiting()
            if new and not old:
                time.sleep(which * STAGES_SECONDS)
                if self._waiting()[0]:
                    break
            time.sleep(POLL_SECONDS)
        self._process.kill()
        self.cut_off += self._waiting()[0]
        self._up_since = math.inf
        self._process.wait()
        return f"api {self._process.pid}"

    def stop(self) -> None:
        """Stops it as an operator would."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def free_port() -> int:
    """Returns a port of loopback that nobody uses; raises OSError if there is none."""
    for port in random.sample(PORTS, len(PORTS)):
        with suppress(OSError), socket.create_server((HOST, port)):
            return port
    raise OSError(f"no free port from {PORTS.start} to {PORTS.stop - 1}")
