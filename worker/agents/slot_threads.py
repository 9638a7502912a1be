"""Runs the threads of an agent's slots: each takes runs, reports their start, and runs them one after the other.

A failure in one settles its own runs: the one that had begun ends as `crashed`, the others go back.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from taskyard.core.errors import ErrorClass, Unavailable
from taskyard.core.protocol import AttemptEnd, Done, Pair, Run, Started
from taskyard.core.threads import OnEscape, Supervised, count_escape, start_thread
from taskyard.worker.agents.class_guard import checked_end
from taskyard.worker.agents.early_starts import EarlyStarts
from taskyard.worker.agents.heartbeat import HeartbeatSender
from taskyard.worker.agents.local_queue import LocalQueue, RunTimes
from taskyard.worker.agents.mail import AgentMail
from taskyard.worker.agents.outbox import Outbox
from taskyard.worker.agents.stuck_attempts import StuckAttempts
from taskyard.worker.attempts.channel import AgentChannel, hindrance_of, refusal_of
from taskyard.worker.attempts.execution import failed
from taskyard.worker.attempts.ports import AttemptOwner
from taskyard.worker.logging.context import bind_attempt

RETRY_SECONDS = 0.2
HINDERED_SECONDS = 5.0  # for how long an agent gets no more tasks of a type that something hinders
UNPLACED_SECONDS = 30.0  # … for which the agent had no place
STALLED_SECONDS = 0.25  # of a run that was taken for a short one, until those behind it go back
DESCRIPTORS_GONE = (errno.EBADF, errno.ENOTSOCK)  # a task has closed the agent's descriptors: it can't continue

log = logging.getLogger(__name__)


class SlotOwner(AttemptOwner, Protocol):
    """The agent, as its slots need it; the methods are described at BaseAgent."""

    is_draining: bool
    early_starts: EarlyStarts
    ends_are_sound: bool
    heartbeat: HeartbeatSender
    mail: AgentMail
    outbox: Outbox

    def reserve(self, slot: int, task_type: str, is_wanted: Callable[[], bool]) -> str: ...

    def release(self, slot: int) -> None: ...

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> AttemptEnd | None: ...

    def boot_of(self, pair: Pair) -> str: ...

    def report_end(self, done: AttemptEnd, pair: Pair, *, flush_follows: bool) -> None: ...

    def drop(self, pairs: Sequence[Pair]) -> None: ...

    def hand_back(
        self, pairs: Sequence[Pair], task_type: str | None = None, reason: str = "", pause_seconds: float = 0.0
    ) -> None: ...

    def give_up(self) -> None: ...


@dataclass(slots=True)
class _Slot:
    """A thread's unfinished `runs`, the first of which has begun if `began_at` is set. `lock` is for changing both."""

    index: int
    runs: list[Run] = field(default_factory=list)
    began_at: float | None = None  # epoch seconds
    is_returning: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def task_type(self) -> str | None:
        """Returns the type of its runs; None without any."""
        with self.lock:
            return self.runs[0].task_type if self.runs else None

    def begin(self) -> bool:
        """Marks the first run as begun; returns False if there is none."""
        now = time.time()
        with self.lock:
            self.began_at = now if self.runs else None
        return self.began_at is not None

    def end(self) -> None:
        """Removes the run that had begun."""
        with self.lock:
            self.began_at = None
            del self.runs[0]

    def keep_from_starting(self, is_meant: Callable[[Pair], bool] = lambda pair: True) -> list[Run]:
        """Removes and returns those of the meant ones that have not begun; none while its thread returns them."""
        with self.lock:
            waiting = [] if self.is_returning else self.runs[0 if self.began_at is None else 1 :]
            found = [run for run in waiting if is_meant((run.task_id, run.attempt))]
            if found:
                self.runs[:] = [run for run in self.runs if run not in found]
        return found


class SlotThreads:
    """All slots of an agent; `running` has the channels of what they run."""

    def __init__(self, agent: SlotOwner, waiting: LocalQueue, run_times: RunTimes, count: int) -> None:
        self._agent, self._waiting, self._run_times = agent, waiting, run_times
        self._slots = [_Slot(index) for index in range(count)]
        self._threads: list[Supervised] = []
        self.running: dict[Pair, AgentChannel] = {}
        self.stuck = StuckAttempts(lambda done, pair: agent.report_end(done, pair, flush_follows=False))
        self.failed_in_a_row = 0  # attempts that could not be run at all
        self._last_trouble = ""

    @property
    def usable(self) -> int:
        """Returns how many slots could run something."""
        return len(self._slots) - len(self.stuck)

    def start(self) -> None:
        """Starts the threads. Raises RuntimeError if the system can't start all of them."""
        for slot in self._slots[len(self._threads) :]:
            self._threads.append(self._start(slot))

    def is_busy(self) -> bool:
        """Returns True if a slot works. Valid once the queue is closed: a slot's thread ends then, unless it is
        stuck.
        """
        return sum(thread.is_alive() for thread in self._threads) > len(self.stuck)

    def abandon(self, run: Run, done: Done) -> None:
        """Continues without an attempt that can't be stopped; called from another thread than its slot's."""
        pair = (run.task_id, run.attempt)
        self.stuck.add(run, done)
        if (channel := self.running.pop(pair, None)) is not None:
            channel.close()
        else:  # it has returned meanwhile
            self.stuck.leave(pair)
        self._agent.mail.end(pair, is_success=False)

    def _start(self, slot: _Slot) -> Supervised:
        return start_thread(
            f"slot-{slot.index}",
            lambda: self._work(slot),
            OnEscape.END_PROCESS,
            is_essential=True,
            mend=lambda error: self._settle(slot, error),
            is_over=lambda: self._agent.is_draining,
        )

    def _work(self, slot: _Slot) -> None:
        self._settle(slot, None)  # left over from an earlier round
        while self._waiting.take(slot.runs):
            try:
                if self._reserve(slot) and self._announce(slot):
                    self._run_all(slot)
                    self._agent.outbox.flush()
            finally:
                self._agent.release(slot.index)
            slot.runs.clear()

    def withdraw(self, pair: Pair) -> bool:
        """Keeps a run from starting that a slot has taken; returns False if there is none that has not begun."""
        return any(slot.keep_from_starting(lambda one: one == pair) for slot in self._slots if slot.runs)

    def withdraw_all(self) -> list[Pair]:
        """Keeps all runs from starting that slots have taken; returns them."""
        return [pair for slot in self._slots for pair in _pairs(slot.keep_from_starting())]

    def hand_back_stalled(self) -> None:
        """Hands back what waits behind a run that lasts longer than was expected: another slot may be free."""
        for slot in self._slots:
            began_at = slot.began_at
            if began_at is not None and len(slot.runs) > 1 and time.time() - began_at > STALLED_SECONDS:
                runs = slot.keep_from_starting()
                try:
                    self._agent.hand_back(_pairs(runs))
                except BaseException:
                    self._waiting.put(runs)
                    raise

    def _reserve(self, slot: _Slot) -> bool:
        """Waits until the agent can run the slot's runs; returns False if nothing of them is left to run."""
        agent, agent_id = self._agent, self._agent.info.id
        task_type = slot.task_type
        if task_type is None:
            return False

        def is_wanted() -> bool:
            return not agent.is_draining and agent.info.id == agent_id and bool(slot.runs)

        reason = agent.reserve(slot.index, task_type, is_wanted)
        if reason:
            self._return(slot, reason, UNPLACED_SECONDS)
        return bool(slot.runs)

    def _return(self, slot: _Slot, reason: str = "", pause_seconds: float = 0.0) -> None:
        """Hands back the runs of a slot, by its own thread: only then are they no more its own."""
        with slot.lock:
            slot.is_returning = True
        self._agent.hand_back(_pairs(slot.runs), None, reason, pause_seconds)
        slot.runs.clear()
        slot.is_returning = False

    def _announce(self, slot: _Slot) -> bool:
        """Reports the start and waits until that has arrived; without it nothing may run (P12)."""
        agent = self._agent
        agent_id = agent.info.id
        pairs = _pairs(slot.runs)
        while pairs and not agent.is_draining:
            is_of_another_boot = agent_id != agent.info.id or any(agent.boot_of(pair) != agent_id for pair in pairs)
            if not agent.heartbeat.is_heard or is_of_another_boot:
                agent.drop(pairs)
                return False
            try:
                if not agent.early_starts.have_arrived(pairs):
                    agent.outbox.send(Started(agent_id, pairs, time.time()))
                self._last_trouble = ""
                return True
            except Unavailable as error:
                if str(error) != self._last_trouble:  # logged once; the heartbeat reports its own errors
                    self._last_trouble = str(error)
                    log.warning("starts can't be reported: %s", error)
                time.sleep(RETRY_SECONDS)
        self._return(slot)
        return False

    def _run_all(self, slot: _Slot) -> None:
        is_alone = len(slot.runs) == 1
        while not self._agent.is_draining and slot.begin():
            self._execute(slot.index, slot.runs[0], is_alone=is_alone)
            slot.end()
        if slot.runs:
            self._return(slot)

    def _execute(self, index: int, run: Run, *, is_alone: bool) -> None:
        pair = (run.task_id, run.attempt)
        channel = self.running[pair] = AgentChannel(self._agent, run, self._agent.boot_of(pair))
        bind_attempt(run)
        began_at, began = time.time(), time.monotonic()
        done: AttemptEnd | None = None
        try:
            done = self._agent.execute(index, run, channel)
            if not self._agent.ends_are_sound:
                done = checked_end(run, done)
            self.failed_in_a_row = 0
        except BaseException as error:  # no descriptor, no thread, no memory, or a defect: only this attempt ends
            if self._agent.ends_are_sound or isinstance(error, OSError | MemoryError):  # not a class's own failure
                self.failed_in_a_row += 1
            if isinstance(error, OSError) and error.errno in DESCRIPTORS_GONE:
                self._agent.give_up()
            count_escape("slot")
            log.exception("attempt %d of task %s could not be run", run.attempt, run.task_id)
            done = _crashed(run, error, began_at, time.monotonic() - began)
        finally:
            bind_attempt(None)
            channel.close()
            self.running.pop(pair, None)
            self.stuck.leave(pair)
        self._agent.mail.end(pair, is_success=isinstance(done, Done) and done.failure is None)
        if done is not None and (reason := refusal_of(done)) is not None:
            self._agent.hand_back([pair], run.task_type, reason)
        elif done is not None and (reason := hindrance_of(done)) is not None:
            self._agent.hand_back([pair], None, reason, HINDERED_SECONDS)
        elif done is not None:
            self._run_times.note(run.task_type, done.run_seconds)
            self._agent.report_end(done, pair, flush_follows=is_alone)

    def _settle(self, slot: _Slot, error: BaseException | None) -> None:
        """Ends the runs of a failed round, so that the agent does not hold them for ever."""
        for pair in _pairs(slot.runs):
            self._waiting.remove(pair)  # it may still be there, if taking it was interrupted
            self.running.pop(pair, None)
            self._agent.mail.end(pair, is_success=False)
        bind_attempt(None)
        if slot.began_at is not None and slot.runs:
            run = slot.runs[0]
            done = _crashed(run, error, slot.began_at, max(0.0, time.time() - slot.began_at))
            self._agent.report_end(done, (run.task_id, run.attempt), flush_follows=False)
            slot.end()
        slot.began_at = None
        self._return(slot)
        self._agent.outbox.flush()  # an end whose flush was to follow


def _pairs(runs: list[Run]) -> list[Pair]:
    return [(run.task_id, run.attempt) for run in runs]


def _crashed(run: Run, error: BaseException | None, began_at: float, seconds: float) -> Done:
    reason = f"{type(error).__name__}: {error}".removesuffix(": ") if error is not None else "its slot failed"
    return failed(run, ErrorClass.CRASHED, f"the agent failed to run it: {reason}", began_at, seconds)
