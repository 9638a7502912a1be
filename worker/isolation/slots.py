"""Runs tasks with the isolation that their types ask for: in a child process, in the slot's thread, or on a loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import thread_time

from taskyard.core.errors import UnknownTaskType
from taskyard.core.protocol import AttemptEnd, Done, Run
from taskyard.core.task_types.registry import Isolation, Registry, TaskType
from taskyard.worker.attempts.context import Channel
from taskyard.worker.attempts.execution import HandlerStopped, cannot_run, context_of, execute
from taskyard.worker.isolation.async_slot import AsyncRunner
from taskyard.worker.isolation.fork_server import ForkServer, ForkServerLost
from taskyard.worker.isolation.process_slot import ProcessSlot
from taskyard.worker.isolation.raw_output import RawOutput
from taskyard.worker.isolation.streams import Outlet, bind_output
from taskyard.worker.isolation.watch import CANCEL_GRACE_SECONDS, RunThread, Watch
from taskyard.worker.isolation.watchdog import Watchdog

MEASURED_SECONDS = 0.001  # what is shorter costs more to measure than to run


class Runners:
    """Everything an agent runs handlers with.

    `modules` are the task modules that a child process imports besides the shipped ones. `on_stuck(run, done)` is
    called once, from another thread, for a run whose thread can't be stopped; the agent should report `done` and
    replace itself. `on_hopeless(reason)` likewise if there is nothing to report, but coroutines can't be run any
    more. `raw_output` reads this process's descriptors 1 and 2, if anything does. `takes(type)` says what may come.
    """

    def __init__(
        self,
        registry: Registry,
        slots: int,
        output_limit_bytes: int,
        modules: tuple[str, ...],
        on_stuck: Callable[[Run, Done], None],
        on_hopeless: Callable[[str], None],
        raw_output: RawOutput | None = None,
        takes: Callable[[str], bool] = lambda task_type: True,
    ) -> None:
        self._registry = registry
        self._slots = slots
        self._output_limit_bytes = output_limit_bytes
        self._modules = modules
        self._on_stuck = on_stuck
        self._on_hopeless = on_hopeless
        self._raw_output = raw_output
        self._lock = threading.Lock()
        self._closed = False
        self._fork_server: ForkServer | None = None
        self._async: AsyncRunner | None = None
        self._watchdog = Watchdog(slots, on_stuck)
        self._process_slots = [ProcessSlot(self._live_fork_server) for _ in range(slots)]
        # an interpreter of its own, and so most of what an agent takes that runs all its tasks in threads
        if any(takes(one.name) for one in registry.types.values() if one.isolation is Isolation.PROCESS):
            self._live_fork_server()  # it imports while the agent starts

    def run(self, slot_index: int, run: Run, channel: Channel) -> AttemptEnd | None:
        """Runs a task until it is over. A slot runs one task at a time, in any thread.

        Returns None if the outcome does not count: the run was given up and reported by `on_stuck`, or it was
        killed by `close`.
        """
        try:
            task_type = self._registry.get(run.task_type)
        except UnknownTaskType:
            return cannot_run(run, f"it does not know type {run.task_type}")
        if task_type.isolation is Isolation.THREAD:
            return self._run_inline(slot_index, task_type, run, channel)
        if task_type.isolation is Isolation.ASYNC:
            done = self._async_runner().run(slot_index, task_type, run, channel)
        else:
            done = self._process_slots[slot_index].run(run, channel, task_type.memory_limit_mib)
        was_killed = self._closed and done is not None and done.failure is not None
        return None if was_killed else done

    @property
    def failed_starts(self) -> int:
        """Returns how many consecutive starts of handlers' processes have failed."""
        return sum(slot.failed_starts for slot in self._process_slots)

    def cancel(self, task_id: str, attempt: int) -> bool:
        """Stops a run, from any thread; returns at once. Returns False if it is not running here.

        A handler in a thread or process has CANCEL_GRACE_SECONDS to see `context.cancelled`; a coroutine gets a
        CancelledError at once.
        """
        for watch in self._watchdog.watches:
            if watch is not None and watch.matches(task_id, attempt):
                watch.cancel()
                self._watchdog.wake()
                return True
        if any(slot.cancel(task_id, attempt) for slot in self._process_slots):
            return True
        return self._async is not None and self._async.cancel(task_id, attempt)

    def close(self, kill: bool) -> None:
        """Ends all processes and threads. Without `kill` it first waits for tasks in processes.

        With `kill`, `run` returns None for them. A handler in a thread can't be killed and is left.
        """
        if kill:
            self._closed = True
        else:
            for slot in self._process_slots:
                with slot.busy:
                    slot.close()
            self._closed = True
        with self._lock:
            fork_server, runner = self._fork_server, self._async
        if fork_server is not None:
            fork_server.close()
        for slot in self._process_slots:
            with slot.busy:
                slot.close()
        if runner is not None:
            runner.close()
        self._watchdog.close()

    def _run_inline(self, slot_index: int, task_type: TaskType, run: Run, channel: Channel) -> AttemptEnd | None:
        watch = Watch(run, channel, RunThread(threading.get_ident()), CANCEL_GRACE_SECONDS)
        done = None
        counts = True
        bind_output(Outlet(watch.write))
        if self._raw_output is not None:
            self._raw_output.begin(watch.output)
        # See `watch`: the one exception that may be sent arrives inside this `try`, or never.
        try:
            self._watchdog.watches[slot_index] = watch
            if channel.is_cancelled():
                watch.cancel()
            cpu_start = thread_time()
            done = execute(task_type, run, context_of(run, watch), self._output_limit_bytes)
            counts = watch.end()
            if done.run_seconds >= MEASURED_SECONDS:
                done.cpu_seconds = thread_time() - cpu_start
        except HandlerStopped:
            counts = watch.end()
        self._watchdog.watches[slot_index] = None
        bind_output(None)
        if self._raw_output is not None:
            self._raw_output.end(watch.output)
        watch.output.close()
        return watch.verdict(done) if counts else None

    def _async_runner(self) -> AsyncRunner:
        if self._async is None:
            with self._lock:
                if self._async is None:
                    self._async = AsyncRunner(
                        self._slots, self._output_limit_bytes, self._on_stuck, self._on_hopeless, self._raw_output
                    )
        return self._async

    def _live_fork_server(self) -> ForkServer:
        with self._lock:
            if self._closed:
                raise ForkServerLost("the agent is stopping")
            if self._fork_server is None or not self._fork_server.is_alive():
                if self._fork_server is not None:
                    self._fork_server.close()
                self._fork_server = ForkServer(self._modules, self._output_limit_bytes)
            return self._fork_server
