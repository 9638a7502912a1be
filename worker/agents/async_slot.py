"""Coroutine handlers of all slots on one event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import monotonic

from core.errors import ErrorClass
from core.protocol import Done, Run
from core.registry import TaskType
from core.supervision import OnEscape, start_thread
from worker.agents.context import Channel, CoroutineContext
from worker.agents.execution import HandlerStopped, context_of, execute_async, failed
from worker.agents.watchdog import GRACE_SECONDS, Watch, report_stuck

CLOSE_SECONDS = 2.0


class _Entry:
    """A run on the loop and the slot thread that waits for it."""

    def __init__(self, task_type: TaskType, watch: Watch) -> None:
        self.task_type = task_type
        self.watch = watch
        self.task: asyncio.Task[None] | None = None
        self.done: Done | None = None
        self.poked = threading.Event()  # it is over, or it was cancelled
        self.is_over = False


class AsyncRunner:
    """Runs coroutines; each calling slot thread waits for its own and keeps its deadline.

    A run that has to stop is cancelled. If it blocks the loop, the loop's thread is interrupted
    after half of the grace. What does not stop at all is given up and reported by `on_stuck`.
    """

    def __init__(self, slots: int, output_limit_bytes: int, on_stuck: Callable[[Run, Done], None]) -> None:
        self._entries: list[_Entry | None] = [None] * slots
        self._output_limit_bytes = output_limit_bytes
        self._on_stuck = on_stuck
        self._closed = False
        self._loop = asyncio.new_event_loop()
        try:
            self._thread = start_thread(
                "async-handlers", self._work, OnEscape.END_PROCESS, is_essential=True, is_over=lambda: self._closed
            )
        except RuntimeError:
            self._loop.close()
            raise

    def run(self, slot_index: int, task_type: TaskType, run: Run, channel: Channel) -> Done | None:
        """Runs a coroutine to its end; None if it was given up and reported."""
        # A coroutine hears of its cancellation by CancelledError, so it needs no grace before.
        watch = Watch(run, channel, self._thread.ident or 0, cancel_grace_seconds=0.0)
        entry = self._entries[slot_index] = _Entry(task_type, watch)
        try:
            if channel.is_cancelled():
                watch.cancel()
            self._loop.call_soon_threadsafe(self._begin, entry)
            while not entry.is_over and (seconds := watch.stop_at() - monotonic()) > 0:
                entry.poked.wait(seconds)
                entry.poked.clear()
            if not entry.is_over and not self._stop(entry):
                return None
        finally:
            self._entries[slot_index] = None
        return watch.verdict(entry.done)

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Cancels a run; False if it is not here."""
        for entry in self._entries:
            if entry is not None and entry.watch.matches(task_id, attempt):
                entry.watch.cancel()
                entry.poked.set()
                return True
        return False

    def close(self) -> None:
        """Cancels what runs and ends the loop; a loop that is blocked is left behind."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)

    def _stop(self, entry: _Entry) -> bool:
        """Stops a run by all means; False if it did not stop."""
        watch = entry.watch
        watch.demand_stop()
        self._loop.call_soon_threadsafe(self._cancel, entry)
        give_up_at = monotonic() + GRACE_SECONDS
        while not entry.is_over and (seconds := give_up_at - monotonic()) > 0:
            if seconds < GRACE_SECONDS / 2 and entry.task and asyncio.current_task(self._loop) is entry.task:
                watch.interrupt()
            entry.poked.wait(min(seconds, GRACE_SECONDS / 8))
        if entry.is_over or not watch.give_up():
            return True
        report_stuck(self._on_stuck, watch)
        return False

    def _begin(self, entry: _Entry) -> None:
        entry.task = self._loop.create_task(self._guarded(entry))
        entry.task.add_done_callback(lambda _: self._finish(entry))

    def _cancel(self, entry: _Entry) -> None:
        if entry.task is not None:
            entry.task.cancel()

    def _finish(self, entry: _Entry) -> None:
        entry.is_over = True
        entry.poked.set()

    async def _guarded(self, entry: _Entry) -> None:
        watch = entry.watch
        try:
            context = context_of(watch.run, watch, CoroutineContext)
            done = await execute_async(entry.task_type, watch.run, context, self._output_limit_bytes)
            if watch.end():
                entry.done = done
        except HandlerStopped:
            if watch.end() and not watch.interrupted:
                message = "stopped by mistake together with another task that blocked the event loop"
                seconds = monotonic() - watch.started_monotonic
                entry.done = failed(watch.run, ErrorClass.TRANSIENT, message, watch.started_at, seconds)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._closed:
            try:
                self._loop.run_forever()
            except HandlerStopped:
                continue  # it came after the handler had returned to the loop, which goes on
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._settled())
        self._loop.close()

    async def _settled(self) -> None:
        running = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        if running:
            await asyncio.wait(running, timeout=CLOSE_SECONDS / 2)
