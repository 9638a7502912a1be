"""Handlers that ask their agent: progress, messages, children, checkpoints, lines of log."""

from __future__ import annotations

import os
import signal

from taskyard.core.errors import PermanentError
from taskyard.core.task_types.registry import RetryPolicy
from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Case, Nothing, Number, Value, both


@both("talk")
def talk(given: Value, context: TaskContext) -> Value:
    context.progress(0.5, "half")
    context.log("a line", level="warning")
    context.checkpoint({"step": 3})
    child = context.submit("demo.child", {"a": 1})
    context.send("other", {"hello": given.value})
    print("this goes to the log")
    return Value(value=[child, context.last_checkpoint, context.attempt])


@both("receive")
def receive(given: Nothing, context: TaskContext) -> Value:
    message = context.receive(1.5)
    assert context.receive() is None
    return Value(value=[message.body, message.sender] if message else None)


@both("refused")
def refused(given: Nothing, context: TaskContext) -> Nothing:
    context.submit("demo.unknown")
    return Nothing()


@both("slow_request")
def slow_request(given: Nothing, context: TaskContext) -> Nothing:
    context.checkpoint("slow")
    return Nothing()


@both("log_surrogate")
def log_surrogate(given: Nothing, context: TaskContext) -> Nothing:
    context.log("half \ud800")
    return Nothing()


@both("checkpoint_object")
def checkpoint_object(given: Nothing, context: TaskContext) -> Nothing:
    context.checkpoint(object())
    return Nothing()


@both("logs")
def logs(given: Number, context: TaskContext) -> Nothing:
    for number in range(given.number):
        context.log(f"line {number}")
    return Nothing()


@both("bear", retry=RetryPolicy(backoff_seconds=0.0))
def bear(given: Case, context: TaskContext) -> Value:
    """Submits equal children, and is killed in the middle of it in each of its first attempts."""
    if given.case == "forked":
        return Value(value=_asked_of_a_fork(context))
    done = context.last_checkpoint or 0
    for number in range(done, 4):
        context.submit(
            "diagnostic.echo", {"value": "equal"}, after=[], requires=set(), title=f"of {given.case}", max_attempts=2
        )
        if context.attempt == number + 1:
            os.kill(os.getpid(), signal.SIGKILL)
        context.checkpoint(number + 1)
    return Value(value=context.attempt)


def _asked_of_a_fork(context: TaskContext) -> str:
    """What a forked process is told when it submits."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            said = context.submit("diagnostic.echo", {"value": "forked"})
        except PermanentError as error:
            said = str(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        return answer.read()
