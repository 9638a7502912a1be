"""Defines BaseAgent, one boot of one agent: it reads orders, runs them in slots, and reports.

Subclass it and implement `execute` for another kind of agent; `worker.agents.task_agent` runs registered types.
Threads: the caller of `run` reads the inbox; one per slot executes; one sends heartbeats; one flushes late.
"""

from __future__ import annotations

import abc
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from taskyard.core.errors import Unavailable
from taskyard.core.protocol import (
    AgentInfo,
    AttemptEnd,
    Cancel,
    Deregister,
    Done,
    Drain,
    Heartbeat,
    KnownType,
    Order,
    Pair,
    Register,
    Released,
    Reply,
    Restart,
    Run,
    Welcome,
    farewell_of,
)
from taskyard.core.redis.connection import reaching_redis
from taskyard.core.redis.ports import AgentPort
from taskyard.worker.agents.class_guard import guarded
from taskyard.worker.agents.early_starts import EarlyStarts
from taskyard.worker.agents.health import SILENT_SECONDS
from taskyard.worker.agents.heartbeat import HeartbeatSender
from taskyard.worker.agents.held_orders import HeldOrders, SeenOrders
from taskyard.worker.agents.inbox import Inbox
from taskyard.worker.agents.local_queue import LocalQueue, RunTimes
from taskyard.worker.agents.mail import AgentMail
from taskyard.worker.agents.outbox import Outbox
from taskyard.worker.agents.places import Places
from taskyard.worker.agents.problems import problems_of
from taskyard.worker.agents.slot_threads import SlotThreads
from taskyard.worker.agents.spool import Spool
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.requests import PendingRequests

RETRY_SECONDS = 0.2
UNABLE_AFTER = 3  # consecutive attempts that it could not start for lack of descriptors, threads, memory, disk

log = structlog.get_logger(__name__)


class BaseAgent(Places, abc.ABC):
    """Lifecycle: start → (execute …) → drain → stop; `health` at any time."""

    known_types: list[KnownType] | None = None  # types that it declares; None: its patterns decide alone
    ends_are_sound = False  # whether what `execute` returns need not be checked

    def __init__(
        self,
        info: AgentInfo,
        broker: AgentPort,
        heartbeat_broker: AgentPort,
        *,
        ttl_seconds: float,
        data_dir: Path,
        proof: str = "",
    ) -> None:
        """`heartbeat_broker` has its own connections; results wait in `data_dir`; `proof` is that of its farewell."""
        self.info = replace(info, farewell=farewell_of(proof)) if proof else info
        self._proof = proof
        self.mail = AgentMail(broker.mailbox(info.name), info.name, lambda pair: pair in self._slots.running)
        self._run_times = RunTimes()
        self._waiting = LocalQueue(self._run_times.batch_limit)
        self.early_starts = EarlyStarts(self, self._waiting, broker)
        self.requests, self._held = PendingRequests(), HeldOrders(self.early_starts.forget)
        self.outbox = Outbox(broker, (self._held.forget, self.mail.note_arrival), Spool(data_dir, info.id))
        self.heartbeat = HeartbeatSender(self, heartbeat_broker, ttl_seconds)
        self.welcomed, self._seen, self._inbox = threading.Event(), SeenOrders(), Inbox(broker)
        self.is_draining, self._stop_reading = False, threading.Event()
        self._slots: SlotThreads = SlotThreads(self, self._waiting, self._run_times, info.max_concurrency)
        self._read_at = time.monotonic()
        self.must_be_replaced = False  # asked to drain; it still reads then, unless it was fenced

    @abc.abstractmethod
    def execute(self, slot: int, run: Run, channel: AgentChannel) -> AttemptEnd | None:
        """Runs one attempt to its end; returns None if its end was reported otherwise."""

    def stop_execution(self, run_pair: Pair) -> None:
        """Called when a running attempt is cancelled, from any thread."""

    def close_execution(self) -> None:
        """Called once at the end: everything that attempts started must stop."""

    # lifecycle

    def start(self) -> None:
        """Starts the heartbeat and registers the agent. Raises Unavailable; may be called again."""
        self.heartbeat.send()
        self.outbox.send(Register(self.info, self.known_types))
        self.heartbeat.start()
        self._slots.start()

    def run(self) -> None:
        """Reads the inbox until `drain` or `stop`."""
        while not self._stop_reading.is_set():
            try:
                self._read()
                self._slots.hand_back_stalled()
                self._read_at = time.monotonic()
            except Unavailable as error:
                self.heartbeat.note_trouble(str(error))
                self._stop_reading.wait(RETRY_SECONDS)

    def finish(self, is_over: Callable[[], bool]) -> bool:
        """Hands back tasks not started, waits until the rest has ended or `is_over`; returns False if any has not."""
        self.is_draining = True
        self.heartbeat.send_if_possible()
        if waiting := self._waiting.close():
            self.hand_back(waiting)
        while (is_busy := self._slots.is_busy()) and not is_over() and not self.heartbeat.is_fenced:
            self._slots.stuck.report_due()
            time.sleep(0.02)
        return not is_busy

    def drain(self, grace_seconds: float) -> bool:
        """Hands back tasks not started, or not finished in time, at no cost. Returns False if any did not finish."""
        deadline = time.monotonic() + grace_seconds
        is_busy = not self.finish(lambda: time.monotonic() >= deadline)
        # ended attempts are reported first; returning them has no effect then
        unfinished = self._held.pairs() if is_busy else []
        guarded(self.close_execution)
        stuck = self._slots.stuck.report_all()
        if unfinished := [pair for pair in unfinished if pair not in stuck]:
            log.info("agent.handing_back", agent=self.info.id, tasks=len(unfinished))
            self.hand_back(unfinished)
        return not unfinished

    def stop(self) -> None:
        """Sends all reports, then deregisters the agent."""
        self._stop_reading.set()
        self.heartbeat.stop()  # before the farewell, which a late heartbeat would undo
        self.outbox.add(Deregister(self.info.id, "left", self._proof))
        if not self.outbox.close(timeout_seconds=5):
            log.warning("agent.unreported", agent=self.info.id)

    def health(self) -> Heartbeat:
        """Returns the contents of the next heartbeat."""
        position = self._inbox.position  # before `held`, which includes everything read up to here
        cpu_percent, memory_bytes = self.heartbeat.usage()
        return Heartbeat(
            agent=self.info,
            generation=self.heartbeat.generation,
            read_position=position.decode(),
            held=self._held.pairs(),
            running=len(self._slots.running),
            draining=self.is_draining,
            cpu_percent=cpu_percent,
            memory_bytes=memory_bytes,
            seats=self.seats(),
        )

    @property
    def is_given_up(self) -> bool:
        """Returns True if it reads no more orders."""
        return self._stop_reading.is_set()

    @property
    def takes_work(self) -> bool:
        """Returns True if it could start a task now, or is only waiting for free slots."""
        return self.welcomed.is_set() and not (self.is_draining or self.must_be_replaced)

    def is_unable(self) -> bool:
        """Returns True if this process can't run anything any more and has to be replaced, as far as is known."""
        is_mute = self.outbox.refused_seconds > SILENT_SECONDS and self.heartbeat.is_heard_lately(SILENT_SECONDS)
        return is_mute or self._slots.failed_in_a_row >= UNABLE_AFTER

    def problems(self) -> list[str]:
        """Returns why this agent does no work, one line each; empty if it reads its inbox, is heard and has a slot."""
        return problems_of(time.monotonic() - self._read_at, self.heartbeat, self.outbox, self._slots.usable)

    # the contents of the heartbeat

    def forget_orders(self) -> None:
        """Restarts the inbox after a wipe of Redis. Raises redis-py's errors."""
        self._inbox.resume(self.info.id)

    def renew(self) -> None:
        """Takes a new boot id after a whole TTL without a heartbeat, since this boot may have been given up (P12).

        Drops what was not started.
        """
        self.drop(self._waiting.clear())
        boot_id = uuid.uuid4().hex[:12]
        log.warning("agent.renewed", agent=self.info.id, boot_id=boot_id)
        self.info = replace(self.info, boot_id=boot_id, id=f"{self.info.name}:{boot_id}")
        self._inbox.restart()
        self.outbox.add(Register(self.info, self.known_types))

    def give_up(self) -> None:
        """Ends the process because this boot was fenced, or can't read any more."""
        self.must_be_replaced = True
        self._stop_reading.set()

    # orders

    def _read(self) -> None:
        agent_id = self.info.id
        with reaching_redis():
            entries = self._inbox.read(agent_id)
            if agent_id != self.info.id:
                return  # renewed meanwhile: the orders were for the boot before
            for entry, payload in entries:
                self._obey(self._inbox.orders(agent_id, entry, payload), agent_id)
            self._inbox.advance(agent_id, entries)

    def _obey(self, orders: Sequence[Order], agent_id: str) -> None:
        runs = []
        for order in orders:
            if type(order) is Run:
                runs.append(order)
            elif type(order) is Cancel:
                self._cancel((order.task_id, order.attempt))
            elif type(order) is Reply:
                self.requests.answer(order)
            elif type(order) is Welcome:
                self.welcomed.set()
            elif type(order) is Restart:
                self.must_be_replaced = True
        if runs:
            self._accept(runs, agent_id)
        drains = self.is_draining or any(type(order) is Drain for order in orders)
        if drains and (unstarted := [*self._waiting.clear(), *self._slots.withdraw_all()]):
            self.hand_back(unstarted, reason=self.why_unplaced())

    def _accept(self, orders: Sequence[Run], agent_id: str) -> None:
        """Stores new orders and hands them to the slots: all of them, or none if that fails."""
        found = {(run.task_id, run.attempt): run for run in orders if self._seen.is_new(run.task_id, run.attempt)}
        pairs, runs = list(found), list(found.values())
        try:
            self._seen.add(pairs)
            for pair in pairs:
                self._held.add(pair, agent_id)
            self.early_starts.send(agent_id, pairs if self._run_times.are_short(runs) else [])
            self._waiting.put(runs)
        except BaseException:  # if it is read again, it must not count as held here
            for pair in pairs:
                self._waiting.remove(pair)
            self.drop(pairs)
            raise

    def _cancel(self, pair: Pair) -> None:
        if self._waiting.remove(pair) or self._slots.withdraw(pair):
            self._held.forget([pair])
        elif (channel := self._slots.running.get(pair)) is not None:
            channel.cancelled = True
            guarded(self.stop_execution, pair)

    def report_stuck(self, run: Run, done: Done) -> None:
        """Reports an attempt that can't be stopped; the process must end after the other attempts."""
        log.warning("agent.stuck", agent=self.info.id, task=run.task_id, attempt=run.attempt, type=run.task_type)
        self._slots.abandon(run, done)
        self.must_be_replaced = True

    # held pairs

    def boot_of(self, pair: Pair) -> str:
        """Returns the boot that got the order for an attempt."""
        return self._held.boot_of(pair, self.info.id)

    def report_end(self, done: AttemptEnd, pair: Pair, *, flush_follows: bool) -> None:
        """Adds the end of an attempt to the outbox, in the name of the boot that got its order."""
        done.agent_id = self.boot_of(pair)
        self.outbox.add(done, pair, flush_follows=flush_follows)

    def drop(self, pairs: Sequence[Pair]) -> None:
        """Drops tasks that were never started, as if they had not been read."""
        self._seen.forget(pairs)
        self._held.forget(pairs)

    def hand_back(
        self, pairs: Sequence[Pair], task_type: str | None = None, reason: str = "", pause_seconds: float = 0.0
    ) -> None:
        """Hands attempts back at no cost; `task_type` is one that this agent can't run; see Released."""
        for agent_id, returned in self._held.by_boot(pairs, self.info.id).items():
            try:
                self.outbox.send(report := Released(agent_id, returned, task_type, reason, pause_seconds))
            except Unavailable:
                self.outbox.add(report)
        self._held.forget(pairs)
