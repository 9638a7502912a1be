"""Runs an engine's client in a process of its own, which may end without the agent, or be hung.

Ray's client takes over its process's signals, and ends the process once its cluster was away for a minute: in the
agent that would be the end of everything that its seats run, and of draining.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from time import monotonic
from typing import Any

import msgspec

from taskyard.worker.engines.engine import EngineProblem, SeatCommand
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.isolation.frames import Frame, FrameStream

OPEN_SECONDS = 120.0  # that a client may take to connect
CALL_SECONDS = 60.0  # … and to answer
CLOSE_SECONDS = 10.0
CLIENT_MODULE = "taskyard.worker.engines.client_main"


class Call(Frame):
    """Asks the client's process for one call of an engine; the first one is "open"."""

    name: str
    arguments: list[Any]


class Answer(Frame):
    """Answers a call; a problem is what it raised, in one line."""

    said: str = ""
    problem: str | None = None


CLIENT_FRAMES = Call | Answer


class ApartEngine:
    """An engine whose calls are made by a process of its own; it is lost once that has ended."""

    def __init__(self, settings: EngineSettings) -> None:
        """Starts the process, which dies with this thread, and connects. Raises EngineProblem."""
        self._name = settings.name
        own_end, other_end = socket.socketpair()
        self._stream = FrameStream(own_end, CLIENT_FRAMES)
        self._arrived = select.poll()
        self._arrived.register(own_end, select.POLLIN)
        paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
        with other_end:
            self._process = subprocess.Popen(
                [sys.executable, "-m", CLIENT_MODULE, str(other_end.fileno()), str(os.getpid())],
                env={**os.environ, "PYTHONPATH": paths},
                stdin=subprocess.DEVNULL,
                pass_fds=[other_end.fileno()],
                start_new_session=True,
            )
        try:
            self._ask("open", msgspec.to_builtins(settings), seconds=OPEN_SECONDS)
        except BaseException:
            self._end()
            raise

    def launch(self, seat_id: str, command: SeatCommand) -> None:
        self._ask("launch", seat_id, list(command.arguments), command.variables)

    def cancel(self, seat_id: str) -> None:
        self._ask("cancel", seat_id)

    def problem(self, seat_id: str) -> str:
        return self._ask("problem", seat_id)

    def why(self, seat_id: str) -> str:
        return self._ask("why", seat_id)

    def is_lost(self) -> bool:
        if self._process.poll() is None:
            return False
        self._stream.close()
        return True

    def close(self) -> None:
        """Lets the client end what it launched, and ends its process."""
        try:
            self._ask("close", seconds=CLOSE_SECONDS)
        finally:
            self._end()

    def _ask(self, name: str, *arguments: Any, seconds: float = CALL_SECONDS) -> str:
        """Returns the answer to a call. Raises EngineProblem, also if the process has ended, or does not answer."""
        try:
            self._stream.send(Call(name, list(arguments)))
            answer = self._answer(seconds)
        except OSError:
            answer = None
        if answer is None:
            self._end()
            raise EngineProblem(f"the client of {self._name} has ended, asked to {name}")
        if answer.problem is not None:
            raise EngineProblem(answer.problem)
        return answer.said

    def _answer(self, seconds: float) -> Answer | None:
        """Returns the next answer; None at the end of the process. Raises EngineProblem after that time."""
        give_up_at = monotonic() + seconds
        while (frame := self._stream.next()) is None:
            if not self._arrived.poll(max(0.0, give_up_at - monotonic()) * 1000):
                self._end()
                raise EngineProblem(f"the client of {self._name} has not answered for {seconds:g} s")
            if not self._stream.fill():
                return None
        assert isinstance(frame, Answer)
        return frame

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._stream.close()
