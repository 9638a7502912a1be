"""Task types that read their agent's mailbox, in each isolation; children load this module by its name."""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from typing import Any

from pydantic import BaseModel

from taskyard.core.task_types.registry import RetryPolicy, task_type
from taskyard.worker.agents.mail import MAX_HELD
from taskyard.worker.attempts.context import AsyncTaskContext, TaskContext


class Ask(BaseModel):
    how: str = "read"
    seconds: float = 5.0


class Got(BaseModel):
    got: list[Any] = []


ONCE = RetryPolicy(max_attempts=1)


def _read(given: Ask, context: TaskContext) -> Got:
    sends = {"send to nobody": ("", 1), "send nan": ("reader-1", math.nan), "send to a full mailbox": ("full-1", 1)}
    if given.how in sends:
        context.send(*sends[given.how])
    if given.how == "too many":
        for _ in range(MAX_HELD + 1):
            context.receive(given.seconds)
    if given.how == "all, acknowledged":
        bodies = []
        while (one := context.receive(0)) is not None:
            bodies.append(one.body)
            context.ack(one)
        raise RuntimeError(f"read {bodies}")
    message = context.receive(given.seconds)
    if given.how == "hold at first" and message is not None and message.deliveries == 1:
        time.sleep(600)
    _misbehave(given.how)
    return Got(got=[] if message is None else [message.sender, message.body, message.deliveries])


def _misbehave(how: str) -> None:
    if how == "fail":
        raise RuntimeError("as it should")
    if how == "hang":
        threading.Event().wait()  # within the interpreter's own code, where no exception arrives
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)


@task_type("mail.process", retry=ONCE)
def in_process(given: Ask, context: TaskContext) -> Got:
    return _read(given, context)


@task_type("mail.thread", retry=ONCE, isolation="thread")
def in_thread(given: Ask, context: TaskContext) -> Got:
    return _read(given, context)


@task_type("mail.coroutine", retry=ONCE)
async def in_coroutine(given: Ask, context: AsyncTaskContext) -> Got:
    message = await context.receive(given.seconds)
    _misbehave(given.how)
    return Got(got=[] if message is None else [message.sender, message.body, message.deliveries])
