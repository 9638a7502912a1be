"""The engine `local`: seats are processes on this host, for development and tests; plain agents need none."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import IO

from taskyard.worker.engines.engine import SeatCommand
from taskyard.worker.engines.node import CLOSE_SECONDS, ended_text, last_words
from taskyard.worker.engines.settings import EngineSettings


@dataclass(slots=True)
class _Started:
    process: subprocess.Popen[bytes]
    said: IO[bytes]


class LocalEngine:
    """Starts each seat as a process of its own."""

    def __init__(self, settings: EngineSettings) -> None:
        self._started: dict[str, _Started] = {}

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        said = tempfile.TemporaryFile()  # noqa: SIM115 (closed with its process)
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        try:
            process = subprocess.Popen(
                [sys.executable, *command.arguments],
                env={**os.environ, "PYTHONPATH": paths, **command.variables},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        except BaseException:
            said.close()
            raise
        self._started[seat_id] = _Started(process, said)

    def cancel(self, seat_id: str) -> None:
        started = self._started.pop(seat_id, None)
        if started is not None:
            _end(started)

    def problem(self, seat_id: str) -> str:
        started = self._started[seat_id]
        code = started.process.poll()
        return "" if code is None else ended_text(code, last_words(started.said))

    def why(self, seat_id: str) -> str:
        return f"process {self._started[seat_id].process.pid} is starting"

    def close(self) -> None:
        for seat_id in list(self._started):
            self.cancel(seat_id)


def _end(started: _Started) -> None:
    """Asks the keeper to end its seat, which it does at once; kills it if it can't."""
    process = started.process
    with started.said:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
