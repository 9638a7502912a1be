"""Runs the coroutine handlers of all slots on one event loop in its own thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from time import monotonic

from taskyard.core.protocol import AttemptEnd, Done, Run
from taskyard.core.task_types.registry import TaskType
from taskyard.core.threads import OnEscape, count_escape, start_thread
from taskyard.worker.attempts.context import AsyncTaskContext, Channel
from taskyard.worker.attempts.execution import HandlerStopped, context_of, execute_async, kept_from_running
from taskyard.worker.isolation.async_entry import Entry
from taskyard.worker.isolation.loop_watch import NOTICED_SECONDS, POLL_SECONDS, Blockage, LoopWatch
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.streams import ContextExecutor, Outlet, bind_output
from taskyard.worker.isolation.watch import MAX_EXTENSION_SECONDS, RETRY_SECONDS, RunThread, Watch
from taskyard.worker.isolation.watchdog import GRACE_SECONDS, report_stuck

CLOSE_SECONDS = 2.0
HAND_BACK_SECONDS = 1.0  # of a blocked loop, after which what has not begun goes back

log = logging.getLogger(__name__)


class AsyncRunner:
    """Runs coroutines; each calling slot thread waits for its own and enforces its deadline.

    A run that has to stop is cancelled. If it blocks the loop, the loop's thread is interrupted after half of the
    grace period. A run that does not stop at all is given up and reported by `on_stuck`.

    A run's time begins with its first step on the loop, and does not pass while another run blocks the loop. Runs
    that have not begun by then, or would exceed their time, go back at no cost (`kept_from_running`). `on_hopeless`
    is called once if the loop can no longer be used.
    """

    def __init__(
        self,
        slots: int,
        output_limit_bytes: int,
        on_stuck: Callable[[Run, Done], None],
        on_hopeless: Callable[[str], None],
        raw_output: RawOutput | None = None,
    ) -> None:
        self._raw_output = raw_output
        self._entries: list[Entry | None] = [None] * slots
        self._output_limit_bytes = output_limit_bytes
        self._on_stuck, self._on_hopeless = on_stuck, on_hopeless
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ContextExecutor(thread_name_prefix="coroutines"))
        try:
            self._thread = start_thread(
                "async-handlers", self._work, OnEscape.END_PROCESS, is_essential=True, is_over=lambda: self._closed
            )
            self._run_thread = RunThread(self._thread.ident or 0)
            self._watch = LoopWatch(
                self._loop,
                self._thread,
                on_lost=self._note_lost,
                on_report=self._report,
                is_owned=lambda run: self._entry_of(run) is not None,
                on_hopeless=on_hopeless,
            )
        except RuntimeError:
            self._closed = True
            self._loop.close()
            raise

    def run(self, slot_index: int, task_type: TaskType, run: Run, channel: Channel) -> AttemptEnd | None:
        """Runs a coroutine to its end; returns None if it was given up and reported."""
        # A coroutine hears of its cancellation by CancelledError, so it needs no grace before.
        watch = Watch(run, channel, self._run_thread, cancel_grace_seconds=0.0)
        entry = self._entries[slot_index] = Entry(task_type, watch)
        if self._raw_output is not None:
            self._raw_output.begin(watch.output)
        try:
            if channel.is_cancelled():
                watch.cancel()
            self._watch.begin()
            self._loop.call_soon_threadsafe(self._begin, entry)
            done = self._outcome(entry)
            entry.report_end_of_block()  # the loop's watch may be too late for its log
            return done
        finally:
            if self._raw_output is not None:
                self._raw_output.end(watch.output)
            watch.output.close()
            self._entries[slot_index] = None
            if not any(self._entries):
                self._watch.rest()

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Cancels a run; returns False if it is not here."""
        for entry in self._entries:
            if entry is not None and entry.watch.matches(task_id, attempt):
                entry.watch.cancel()
                entry.poked.set()
                return True
        return False

    def close(self) -> None:
        """Cancels all runs and ends the loop; a blocked loop is left behind."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_SECONDS)
        self._watch.close()
        for entry in self._entries:
            if entry is not None:
                entry.poked.set()

    # what a slot's thread waits for

    def _outcome(self, entry: Entry) -> AttemptEnd | None:
        watch = entry.watch
        while not entry.is_over:
            if not entry.has_begun:
                if (done := self._withdrawn(entry)) is not None:
                    return done
                entry.poked.wait(HAND_BACK_SECONDS)
            elif (seconds := watch.stop_at() - monotonic()) > 0:
                entry.poked.wait(seconds)
            else:
                self._await_answer()
                if watch.stop_at() <= monotonic():
                    return self._ended(entry)
            entry.poked.clear()
        return entry.verdict()

    def _await_answer(self) -> None:
        """Waits until a blocked loop has been noticed, since another run may be the cause."""
        answered = threading.Event()
        self._loop.call_soon_threadsafe(answered.set)
        answered.wait(NOTICED_SECONDS + 2 * POLL_SECONDS)
        self._watch.catch_up()

    def _withdrawn(self, entry: Entry) -> AttemptEnd | None:
        """Returns the outcome of a run that need not, or can't, begin; None if it may, or has begun."""
        blocked_seconds = self._watch.blocked_seconds()
        is_cancelled = entry.watch.is_cancelled()
        if not (is_cancelled or blocked_seconds >= HAND_BACK_SECONDS) or not entry.withdraw():
            return None
        entry.watch.end()
        if is_cancelled:
            entry.watch.demand_stop()
            return entry.watch.stopped()
        return kept_from_running(entry.watch.run, f"{self._reason(entry)}, so it did not start")

    def _ended(self, entry: Entry) -> AttemptEnd | None:
        """Returns the outcome of a run whose time is up."""
        watch = entry.watch
        if self._is_in_the_way_of(entry):
            if not self._leave(entry):
                return entry.verdict()
            if watch.is_cancelled():
                watch.demand_stop()
                return watch.stopped()
            return kept_from_running(watch.run, f"{self._reason(entry)}, so it could not continue")
        return entry.verdict() if self._stop(entry) else None

    def _is_in_the_way_of(self, entry: Entry) -> bool:
        """Returns True if another run keeps this one from ending."""
        blockage = self._watch.blockage
        is_blocked_now = blockage is not None and not blockage.blames(entry.watch.run)
        return is_blocked_now or entry.watch.lost_seconds > MAX_EXTENSION_SECONDS

    def _reason(self, entry: Entry) -> str:
        return (self._watch.blockage or entry.hindrance or Blockage(0.0, {})).told()

    def _stop(self, entry: Entry) -> bool:
        """Stops a run by all means; returns False if it did not stop and was reported."""
        watch = entry.watch
        watch.demand_stop()
        self._loop.call_soon_threadsafe(self._cancel, entry)
        left_seconds = GRACE_SECONDS  # of time in which this process runs; on a busy machine at most twice as long
        give_up_at = monotonic() + GRACE_SECONDS + min(GRACE_SECONDS, MAX_EXTENSION_SECONDS - watch.lost_seconds)
        while not entry.is_over and left_seconds > 0 and (now := monotonic()) < give_up_at:
            blockage, pause_seconds = self._watch.blockage, GRACE_SECONDS / 8
            if left_seconds < GRACE_SECONDS / 2 and blockage is not None and blockage.blames(watch.run):
                watch.interrupt()
                pause_seconds = pause_seconds if watch.interrupted else RETRY_SECONDS
            entry.poked.wait(pause_seconds)
            entry.poked.clear()
            left_seconds -= min(monotonic() - now, pause_seconds)
        if entry.is_over:
            return True
        if self._is_in_the_way_of(entry):  # reported too late for this one, but its thread is not the cause
            self._leave(entry)
            return True
        if not watch.give_up():
            return True
        report_stuck(self._on_stuck, watch, entry.blame())
        while not (entry.is_over or self._closed):  # its slot is free once it has stopped running
            entry.poked.wait()
            entry.poked.clear()
        return False

    def _leave(self, entry: Entry) -> bool:
        """Abandons a run that another one keeps from ending; returns False if it has ended in the meantime."""
        if not entry.watch.give_up():
            return False
        self._loop.call_soon_threadsafe(self._end_left, entry)
        return True

    # calls to the loop; all but `_work` run in its thread

    def _begin(self, entry: Entry) -> None:
        if not entry.is_withdrawn:
            entry.task = self._loop.create_task(self._guarded(entry))
            entry.task.add_done_callback(lambda _: self._finish(entry))

    def _cancel(self, entry: Entry) -> None:
        if entry.task is not None:
            entry.task.cancel()

    def _end_left(self, entry: Entry) -> None:
        self._cancel(entry)
        self._loop.call_later(GRACE_SECONDS, self._check_left, entry)

    def _check_left(self, entry: Entry) -> None:
        if not entry.is_over:
            run = entry.watch.run
            self._on_hopeless(f"task {run.task_id} of type {run.task_type} still runs after it was handed back")

    def _finish(self, entry: Entry) -> None:
        entry.is_over = True
        entry.poked.set()

    async def _guarded(self, entry: Entry) -> None:
        watch = entry.watch
        if not entry.begin():
            return
        try:
            context = context_of(watch.run, watch, AsyncTaskContext)
            bind_output(Outlet(watch.write))
            done = await execute_async(entry.task_type, watch.run, context, self._output_limit_bytes)
            if watch.end():
                entry.done = done
        except HandlerStopped:
            if watch.end() and not watch.interrupted:
                entry.done = kept_from_running(
                    watch.run, "it was stopped by mistake together with another task that blocked its event loop"
                )

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._closed:
            try:
                self._loop.run_forever()
            except HandlerStopped:
                continue  # it arrived after the handler had returned to the loop, which goes on
            except BaseException as error:  # asyncio lets SystemExit and KeyboardInterrupt of any task through
                count_escape("async-handlers")
                log.error("a coroutine's own task tried to end the process: %s: %s", type(error).__name__, error)
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._settled())
        self._loop.close()

    async def _settled(self) -> None:
        running = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        if running:
            await asyncio.wait(running, timeout=CLOSE_SECONDS / 2)

    # calls from the loop's watch

    def _entry_of(self, run: Run | None) -> Entry | None:
        return next((one for one in self._entries if one is not None and run is one.watch.run), None)

    def _note_lost(self, seconds: float, blockage: Blockage | None) -> None:
        """Excludes time in which no run, or only the blocking one, could run."""
        entries = [entry for entry in self._entries if entry is not None and not entry.is_over]
        for entry in entries:
            if entry.has_begun:
                entry.note_lost(seconds, blockage)
        if blockage is not None:
            others = sum(not blockage.blames(entry.watch.run) for entry in entries)
            blockage.others = max(blockage.others, others)

    def _report(self, blockage: Blockage, is_over: bool) -> None:
        """Reports a loop that has been blocked for a while, or was until now."""
        run = blockage.place.run
        entry = self._entry_of(run)
        if entry is not None:
            entry.tell(blockage, is_over)
        log.warning(
            "%s blocked the event loop for %.1f s%s, so that %d others could not run: %s\n%s",
            "code of no running task" if run is None else f"task {run.task_id} of type {run.task_type}",
            blockage.seconds,
            "" if is_over else " so far",
            blockage.others,
            blockage.place.where,
            blockage.place.stack,
        )
        for one in self._entries:
            if one is not None:
                one.poked.set()
