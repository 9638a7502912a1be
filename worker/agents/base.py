"""BaseAgent: one boot of one agent. It reads orders, runs them in slots, and reports.

Subclass it and implement `execute` for an agent of another kind; `worker.agents.task_agent` runs registered types.

Threads: the caller of `run` reads the inbox; one per slot executes; one beats; one flushes the outbox late.
"""

from __future__ import annotations

import abc
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import structlog
from msgspec.structs import replace

from core.errors import Unavailable
from core.messages import Mailbox
from core.placement import QUEUE_AHEAD_LIMIT
from core.protocol import (
    AgentInfo,
    Cancel,
    Done,
    Drain,
    Gone,
    Heartbeat,
    Hello,
    KnownType,
    Order,
    Pair,
    Reply,
    Restart,
    Returned,
    Run,
    Started,
    Welcome,
    farewell_of,
)
from core.queue import Queue
from core.redis_client import reaching_redis
from worker.agents.channel import AgentChannel, Requests, refusal_of
from worker.agents.heart import Heart
from worker.agents.held import Held
from worker.agents.inbox import DELETE_COUNT, Inbox
from worker.agents.local_queue import LocalQueue, RunTimes
from worker.agents.outbox import Outbox
from worker.agents.spool import Spool
from worker.log_context import bind_attempt

RETRY_SECONDS = 0.2
SEEN_LIMIT = DELETE_COUNT * QUEUE_AHEAD_LIMIT  # as many runs as the inbox may still hold when it is read again

log = structlog.get_logger(__name__)


class BaseAgent(abc.ABC):
    """Lifecycle: start → (execute …) → drain → stop; `health` at any time."""

    known_types: list[KnownType] | None = None  # what it says it can run; None: its patterns decide alone

    def __init__(
        self, info: AgentInfo, queue: Queue, heart_queue: Queue, *, ttl_seconds: float, data_dir: Path, proof: str = ""
    ) -> None:
        """`heart_queue` has connections of its own; results wait under `data_dir`; `proof` is that of its farewell."""
        self.info = replace(info, farewell=farewell_of(proof)) if proof else info
        self._proof = proof
        self.mailbox = Mailbox(queue.redis, queue.keys, info.name)
        self.requests = Requests()
        self._held = Held()
        self.outbox = Outbox(queue, self._held.forget, Spool(data_dir, info.id))
        self.welcomed = threading.Event()
        self._run_times = RunTimes()
        self._waiting = LocalQueue(self._run_times.batch_limit)
        self._heart = Heart(self, heart_queue, ttl_seconds)
        self._running: dict[Pair, AgentChannel] = {}
        self._seen: dict[str, int] = {}
        self._inbox = Inbox(queue)
        self._is_draining = False
        self._stop_reading = threading.Event()
        self._slots = [
            threading.Thread(target=self._slot, args=(index,), name=f"slot-{index}", daemon=True)
            for index in range(info.max_concurrency)
        ]
        self._stuck_slots = 0
        self.must_be_replaced = False  # told to drain; it still reads then, unless it was given up

    @abc.abstractmethod
    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        """Runs one attempt to its end, whatever happens; None if its end was reported otherwise."""

    def stop_execution(self, run_pair: Pair) -> None:
        """Called when a running attempt is cancelled; may come from any thread."""

    def close_execution(self) -> None:
        """Called once at the end: nothing that an attempt started may live on."""

    # lifecycle

    def start(self) -> None:
        """Registers: heartbeat and hello are on their way then. Raises Unavailable, and may be called again."""
        self._heart.beat()
        self.outbox.send(Hello(self.info, self.known_types))
        self._heart.start()
        for slot in self._slots:
            slot.start()

    def run(self) -> None:
        """Reads the inbox until `drain` or `stop`."""
        while not self._stop_reading.is_set():
            try:
                self._read()
            except Unavailable as error:
                self._heart.note_trouble(str(error))
                self._stop_reading.wait(RETRY_SECONDS)

    def drain(self, grace_seconds: float) -> bool:
        """Hands back what is unstarted, and what does not finish in time: no attempt is burnt. False if any did not."""
        self._is_draining = True
        self._heart.beat_if_possible()
        waiting = self._waiting.close()
        if waiting:
            self._hand_back(waiting)
        deadline = time.monotonic() + grace_seconds
        while (is_busy := self._is_busy()) and time.monotonic() < deadline:
            time.sleep(0.02)
        # what ended and is still to be reported goes first, and its return counts for nothing then
        unfinished = self._held.pairs() if is_busy else []
        self.close_execution()
        if unfinished:
            log.info("agent.handing_back", agent=self.info.id, tasks=len(unfinished))
            self._hand_back(unfinished)
        return not unfinished

    def stop(self) -> None:
        """Leaves: everything is reported, then the agent is gone."""
        self._stop_reading.set()
        self._heart.stop()  # before the farewell, which a late heartbeat would undo
        self.outbox.add(Gone(self.info.id, "left", self._proof))
        if not self.outbox.close(timeout_seconds=5):
            log.warning("agent.unreported", agent=self.info.id)

    def health(self) -> Heartbeat:
        """What the next heartbeat says."""
        position = self._inbox.position  # before `held`: what was read up to here is in it
        cpu_percent, memory_bytes = self._heart.usage()
        return Heartbeat(
            agent=self.info,
            generation=self._heart.generation,
            read_position=position.decode(),
            held=self._held.pairs(),
            running=len(self._running),
            draining=self._is_draining,
            cpu_percent=cpu_percent,
            memory_bytes=memory_bytes,
        )

    # what the heart tells

    def forget_orders(self) -> None:
        """Redis was wiped: the inbox begins anew. Raises redis-py's errors."""
        self._inbox.resume(self.info.id)

    def renew(self) -> None:
        """No heartbeat arrived for a whole TTL: the dispatcher may have given this boot up.

        Drops what was not started and goes on under a new boot id (P12).
        """
        self._drop(self._waiting.clear())
        boot_id = uuid.uuid4().hex[:12]
        log.warning("agent.renewed", agent=self.info.id, boot_id=boot_id)
        self.info = replace(self.info, boot_id=boot_id, id=f"{self.info.name}:{boot_id}")
        self._inbox.restart()
        self.outbox.add(Hello(self.info, self.known_types))

    def give_up(self) -> None:
        """This boot was fenced: the process must end."""
        self.must_be_replaced = True
        self._stop_reading.set()

    # orders

    def _read(self) -> None:
        agent_id = self.info.id
        with reaching_redis():
            entries = self._inbox.read(agent_id)
            if agent_id != self.info.id:
                return  # renewed meanwhile: what came was for the boot before
            for entry, payload in entries:
                self._obey(self._inbox.orders(agent_id, entry, payload), agent_id)
            self._inbox.advance(agent_id, entries)

    def _obey(self, orders: Sequence[Order], agent_id: str) -> None:
        runs = []
        for order in orders:
            if type(order) is Run:
                if self._seen.get(order.task_id, 0) < order.attempt:
                    self._seen[order.task_id] = order.attempt
                    self._held.add((order.task_id, order.attempt), agent_id)
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
            self._waiting.put(runs)
            while len(self._seen) > SEEN_LIMIT:
                del self._seen[next(iter(self._seen))]
        drains = self._is_draining or any(type(order) is Drain for order in orders)
        if drains and (unstarted := self._waiting.clear()):
            self._hand_back(unstarted)

    def _cancel(self, pair: Pair) -> None:
        if self._waiting.remove(pair):
            self._held.forget([pair])
            return
        channel = self._running.get(pair)
        if channel is not None:
            channel.cancelled = True
            self.stop_execution(pair)

    # slots

    def _slot(self, index: int) -> None:
        while (runs := self._waiting.take()) is not None:
            if not self._announce(runs):
                continue
            for position, run in enumerate(runs):
                if self._is_draining:
                    self._hand_back([(rest.task_id, rest.attempt) for rest in runs[position:]])
                    break
                self._execute(index, run, is_alone=len(runs) == 1)
            self.outbox.flush()

    def _is_busy(self) -> bool:
        """Whether a slot works. Asked once the queue is closed: a slot's thread ends then, unless it is stuck."""
        return sum(slot.is_alive() for slot in self._slots) > self._stuck_slots

    def _announce(self, runs: list[Run]) -> bool:
        """Reports the start and waits until that has arrived; without it nothing may run (P12)."""
        agent_id = self.info.id
        pairs = [(run.task_id, run.attempt) for run in runs]
        while not self._is_draining:
            if not self._heart.is_heard or agent_id != self.info.id:
                self._drop(pairs)
                return False
            try:
                self.outbox.send(Started(agent_id, pairs, time.time()))
                return True
            except Unavailable as error:
                self._heart.note_trouble(str(error))
                time.sleep(RETRY_SECONDS)
        self._hand_back(pairs)
        return False

    def _execute(self, index: int, run: Run, *, is_alone: bool) -> None:
        pair = (run.task_id, run.attempt)
        channel = self._running[pair] = AgentChannel(self, run, self._held.boot_of(pair, self.info.id))
        bind_attempt(run)
        try:
            done = self.execute(index, run, channel)
        finally:
            bind_attempt(None)
            self._running.pop(pair, None)
        if done is not None and (reason := refusal_of(done)) is not None:
            self._hand_back([pair], run.task_type, reason)
        elif done is not None:
            self._run_times.note(run.task_type, done.run_seconds)
            done.agent_id = channel.agent_id
            self.outbox.add(done, pair, flush_follows=is_alone)

    def report_stuck(self, run: Run, done: Done) -> None:
        """An attempt can't be stopped: its end is reported and the process must end after the others."""
        pair = (run.task_id, run.attempt)
        done.agent_id = self._held.boot_of(pair, self.info.id)
        self.outbox.add(done, pair)
        self._running.pop(pair, None)
        self._stuck_slots += 1
        self.give_up()

    # held pairs

    def _drop(self, pairs: Sequence[Pair]) -> None:
        for task_id, _ in pairs:
            self._seen.pop(task_id, None)
        self._held.forget(pairs)

    def _hand_back(self, pairs: Sequence[Pair], task_type: str | None = None, reason: str = "") -> None:
        for agent_id, returned in self._held.by_boot(pairs, self.info.id).items():
            try:
                self.outbox.send(report := Returned(agent_id, returned, task_type, reason))
            except Unavailable:
                self.outbox.add(report)
        self._held.forget(pairs)
