"""The process of an engine's client: `python -m taskyard.worker.engines.client_main DESCRIPTOR PARENT`; see `apart`."""

from __future__ import annotations

import os
import signal
import socket
import sys

import msgspec

from taskyard.worker.engines.apart import CLIENT_FRAMES, Answer, Call
from taskyard.worker.engines.engine import Engine, EngineProblem, SeatCommand
from taskyard.worker.engines.known import open_here
from taskyard.worker.engines.settings import EngineSettings
from taskyard.worker.isolation.frames import FrameStream
from taskyard.worker.isolation.process_tree import die_with_parent


def main(descriptor: int, parent: int) -> None:
    """Answers the agent's calls until it closes the connection."""
    die_with_parent(parent)
    _leave_signals_to_the_agent()
    stream = FrameStream(socket.socket(fileno=descriptor), CLIENT_FRAMES)
    calls = Calls()
    while isinstance(call := stream.receive(), Call):
        stream.send(calls.answered(call))


class Calls:
    """Makes the calls of one engine."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._name = ""

    def answered(self, call: Call) -> Answer:
        """Returns the answer to a call, whatever it raises."""
        try:
            return Answer(str(self._call(call) or ""))
        except EngineProblem as problem:
            return Answer(problem=str(problem))
        except Exception as error:  # an engine's package raises what it likes
            asked = f"{self._name}, asked to {call.name}: {type(error).__name__}: {error}"
            return Answer(problem=asked.removesuffix(": "))

    def _call(self, call: Call) -> object:
        if call.name == "open":
            settings = msgspec.convert(call.arguments[0], EngineSettings)
            self._name = settings.name
            self._engine = open_here(settings)
            _leave_signals_to_the_agent()  # whatever the client has put there
            return None
        if call.name == "launch":
            seat_id, arguments, variables = call.arguments
            return self._engine.launch(seat_id, SeatCommand(tuple(arguments), variables))  # type: ignore[union-attr]
        return getattr(self._engine, call.name)(*call.arguments)


def _leave_signals_to_the_agent() -> None:
    """Ignores what a supervisor sends to all processes of a service: the agent drains, and needs its engine."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)  # whatever threads the client has left
