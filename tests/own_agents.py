"""Agent classes for the tests of pool files."""

from __future__ import annotations

import abc
from time import time

import msgspec

from core.protocol import Done, Pair, Run
from worker.agents.base import BaseAgent
from worker.agents.channel import AgentChannel
from worker.agents.task_agent import TaskAgent


class Mine(BaseAgent):
    """Says who it is, whatever the task is."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        output = msgspec.Raw(msgspec.json.encode({"by": self.info.name}))
        return Done(run.task_id, run.attempt, output, None, time(), 0.0)

    def stop_execution(self, run_pair: Pair) -> None:
        """Nothing runs for long here."""


class Quiet(TaskAgent):
    """Runs registered types, as the shipped one does."""


class Abstract(BaseAgent, abc.ABC):
    """Does not define execute."""


class Wanting(Mine):
    """Wants more than agents get."""

    def __init__(self, info: object, queue: object, heart_queue: object, *, colour: str, **others: object) -> None:
        raise NotImplementedError


NO_CLASS = 3
