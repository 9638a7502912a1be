"""Handlers that give their slots back, in every isolation."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from taskyard import AsyncTaskContext, RetryAfter, TaskContext, children, signal, task_type


class Go(BaseModel):
    n: int


class Wanted(BaseModel):
    what: str


class Found(BaseModel):
    attempt: int
    found: Any = None


def wait(given: Wanted, context: TaskContext) -> Found:
    found: Any = context.last_checkpoint
    try:
        if given.what == "seconds" and found is None:
            context.suspend(0.2, state={"big": 2**53})
        if given.what == "signal":
            got = context.suspend(signal("go", Go))
            found = got and got.n
        if given.what == "children":
            if found is None:
                for number in range(3):
                    context.submit(f"{context.task_type.partition('.')[0]}.noop", {"number": number}, key=str(number))
            found = [(one.key, one.output) for one in context.suspend(children(), state="waiting")]
        if given.what == "retry after" and context.attempt == 1:
            raise RetryAfter(0.2, "429")
    except RetryAfter:
        raise
    except Exception as error:
        raise AssertionError("a suspension is none of these") from error
    return Found(attempt=context.attempt, found=found)


@task_type("process.wait")
def in_process(given: Wanted, context: TaskContext) -> Found:
    return wait(given, context)


@task_type("thread.wait", isolation="thread")
def in_thread(given: Wanted, context: TaskContext) -> Found:
    return wait(given, context)


@task_type("async.wait", isolation="async")
async def in_coroutine(given: Wanted, context: AsyncTaskContext) -> Found:
    return wait(given, context)
