"""Handlers that run in an event loop, and those that block, end or ignore it."""

from __future__ import annotations

import asyncio
import ctypes
import sys
import time

from taskyard.core.task_types.registry import task_type
from taskyard.worker.attempts.context import TaskContext
from tests.task_types.models import Case, Nothing, Number, Place, Seconds


@task_type("async.noop")
async def async_noop(given: Number, context: TaskContext) -> Number:
    await asyncio.sleep(0)
    return given


@task_type("async.sleep")
async def async_sleep(given: Seconds, context: TaskContext) -> Nothing:
    await asyncio.sleep(given.seconds)
    return Nothing()


@task_type("async.says_and_sleeps")
async def async_says_and_sleeps(given: Seconds, context: TaskContext) -> Nothing:
    context.log("it runs")
    await asyncio.sleep(given.seconds)
    return Nothing()


@task_type("async.blocking_sleep")
async def async_blocking_sleep(given: Seconds, context: TaskContext) -> Nothing:
    time.sleep(given.seconds)
    return Nothing()


@task_type("async.blocks_elsewhere")
async def async_blocks_elsewhere(given: Place, context: TaskContext) -> Nothing:
    """Blocks its loop in what it started, or while it is being stopped."""

    def block() -> None:
        until = time.monotonic() + given.seconds
        while time.monotonic() < until:
            pass

    async def child() -> None:
        block()

    if given.where == "child":
        await asyncio.create_task(child())
    elif given.where == "callback":
        asyncio.get_running_loop().call_soon(block)
        await asyncio.sleep(0.05)
    elif given.where == "finally":
        try:
            await asyncio.sleep(30)
        finally:
            block()
    elif given.where == "checkpoint":
        context.checkpoint({})
    elif given.where == "gil":
        ctypes.PyDLL(None).usleep(int(given.seconds * 1_000_000))
    elif given.where == "left behind":
        asyncio.get_running_loop().call_later(0.1, block)
    return Nothing()


@task_type("async.ends_others")
async def async_ends_others(given: Case, context: TaskContext) -> Nothing:
    """Cancels every task of its loop but itself, ends the process from a task of its own, or stops the loop."""
    if given.case == "cancel":
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
    elif given.case == "exit":

        async def leave() -> None:
            sys.exit(3)

        await asyncio.create_task(leave())
    elif given.case == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
    return Nothing()


@task_type("async.spin")
async def async_spin(given: Nothing, context: TaskContext) -> Nothing:
    while True:
        pass


@task_type("async.stubborn")
async def async_stubborn(given: Seconds, context: TaskContext) -> Nothing:
    until = time.monotonic() + given.seconds
    while time.monotonic() < until:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue
    return Nothing()
