"""Agent classes as users write them: one that works, and what their code may do."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
import orjson

from taskyard.core.errors import ErrorClass
from taskyard.core.protocol import Done, Failure, Pair, Run
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.agents.task_agent import TaskAgent
from taskyard.worker.attempts.channel import AgentChannel


class Mine(BaseAgent):
    """Answers with what it was given and who it is, or misbehaves as the input says."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        given = orjson.loads(bytes(run.input))
        value = given.get("value")
        output = msgspec.Raw(orjson.dumps({"value": [value, type(self).__name__, self.info.kind, os.getpid()]}))
        good = Done(run.task_id, run.attempt, output, None, time.time(), 0.0)
        odd: dict[str, Any] = {
            "text": "done",
            "another's": msgspec.structs.replace(good, task_id="0" * 36),
            "no JSON": msgspec.structs.replace(good, output=msgspec.Raw(b'{"a":')),
            "no class": msgspec.structs.replace(good, failure=Failure("odd", "oh")),
            "long ago": msgspec.structs.replace(good, run_seconds=-1.0),
            "an object": msgspec.structs.replace(good, output=object()),
        }
        if value == "raises":
            raise RuntimeError("as it should")
        if value == "waits":
            while not channel.is_cancelled():
                time.sleep(0.01)
            return msgspec.structs.replace(good, failure=Failure(ErrorClass.CANCELLED.value, "it was cancelled"))
        return odd.get(value, good)  # type: ignore[no-any-return]

    def stop_execution(self, run_pair: Pair) -> None:
        raise RuntimeError("can't be stopped")

    def close_execution(self) -> None:
        raise RuntimeError("can't be closed")


class OfTasks(TaskAgent):
    """The shipped one with something of its own."""


class WithoutExecute(BaseAgent):
    pass


class WrongExecute(BaseAgent):
    def execute(self, run: Run) -> Done | None:  # type: ignore[override]
        return None


class Coroutine(BaseAgent):
    async def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:  # type: ignore[override]
        return None


class WrongInit(BaseAgent):
    def __init__(self, info: object) -> None:
        pass

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        return None


class Wanting(Mine):
    """Wants more than agents get."""

    def __init__(self, info: object, queue: object, heartbeat_broker: object, *, colour: str, **others: object) -> None:
        pass


class CannotBeMade(Mine):
    def __init__(self, *given: Any, **named: Any) -> None:
        raise RuntimeError("no ledger\nis there")


class ForgetsOurs(Mine):
    def __init__(self, *given: Any, **named: Any) -> None:
        self.own = given


class Another:
    pass


AN_INSTANCE = Another()
