"""Drives submitter, leader and agent step by step in one thread, so that what they do depends on no timing."""

from __future__ import annotations

import time
from pathlib import Path

from msgspec import Raw

from taskyard.core.clock import Clock
from taskyard.core.config import Settings
from taskyard.core.postgres.database import Database
from taskyard.core.protocol import AgentInfo, Done, Heartbeat, Register, Run, Started, encode
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.agents.inbox import Inbox
from taskyard.worker.agents.local_queue import LocalQueue, RunTimes
from taskyard.worker.agents.outbox import Outbox
from taskyard.worker.agents.spool import Spool
from taskyard.worker.dispatch.dispatcher import ROSTER, Dispatcher
from taskyard.worker.dispatch.term import TermFactory

TYPE = "diagnostic.noop"
AGENT, BOOT = "costs-1", "0123456789ab"
TTL_SECONDS = 3600.0  # nobody sends another heartbeat
RUN_SECONDS = 1e-5  # of every attempt: slots take many of these at a time


class StillClock(Clock):
    """A monotonic clock that stands still: nothing that is done from time to time becomes due."""

    def monotonic(self) -> float:
        return 1_000_000.0


class Scene:
    """An installation whose parts act one after the other, as they are called, at any URLs."""

    def __init__(self, settings: Settings, database_url: str, redis_url: str, slots: int) -> None:
        self.ran = 0  # tasks, when the agent was here last
        self._clients = [connect_redis(redis_url) for _ in range(3)]
        brokers = [Broker(client, settings.namespace, settings.placement_of) for client in self._clients]
        self.database = Database(database_url, pool_size=1)
        self._sender = brokers[0]
        self._submitter = Submitter(settings, registry, self.database, brokers[0])
        clock = StillClock()
        self._terms = TermFactory(settings, registry, database_url, brokers[1], "costs", clock)
        self._dispatcher = Dispatcher(self._terms, clock)
        term = self._terms.begin()
        assert term is not None, "another leader is here"
        self._term = term
        self._agent = _Agent(brokers[2], settings.data_dir, slots)
        self._dispatcher.ask(ROSTER)
        self.tick()
        self._agent.read()

    def submit(self) -> None:
        """Submits one task."""
        self._submitter.submit(TYPE)
        self._read_answer()

    def submit_many(self, count: int) -> None:
        """Submits tasks in one call."""
        self._submitter.submit_many([{"type": TYPE} for _ in range(count)])
        self._read_answer()

    def _read_answer(self) -> None:
        """Reads the answer of Redis, for which a submitter does not wait."""
        sent = self._sender._raw_commands
        sent._idle.append(sent._take())

    def tick(self) -> None:
        """Runs a round of the leader until it is committed and published."""
        in_flight = self._dispatcher.tick(self._term, None)
        while in_flight is not None:
            in_flight = self._dispatcher.tick(self._term, in_flight)

    def run_tasks(self) -> None:
        """Reads the agent's orders, announces and runs the tasks, and reports their ends."""
        self.ran = self._agent.run_tasks()

    def close(self) -> None:
        """Ends the term and closes every connection."""
        self._agent.close()
        self._term.committer.close()
        self._term.workflows.close()
        self._terms.abandon()
        self.database.close()
        for client in self._clients:
            client.close()


class _Agent:
    """The parts of an agent that speak to Redis, but for its heartbeat; one slot takes all tasks."""

    def __init__(self, broker: Broker, folder: Path, slots: int) -> None:
        self._id = f"{AGENT}:{BOOT}"
        info = AgentInfo(self._id, AGENT, BOOT, "costs", "here", 1, [TYPE], [], slots)
        self._inbox = Inbox(broker)
        self._outbox = Outbox(broker, (), Spool(folder, self._id))
        run_times = RunTimes()
        run_times.note(TYPE, RUN_SECONDS)
        self._queue = LocalQueue(run_times.batch_limit)
        generation, _ = broker.heartbeat(self._id, b"{}", TTL_SECONDS)
        beat = Heartbeat(info, generation, "0-0", [], 0, False, 0.0, 0)
        broker.heartbeat(self._id, encode(beat), TTL_SECONDS)
        self._outbox.send(Register(info))

    def read(self) -> list[Run]:
        """Reads new orders, and returns the tasks among them."""
        entries = self._inbox.read(self._id)
        orders = [order for entry, payload in entries for order in self._inbox.orders(self._id, entry, payload)]
        self._inbox.advance(self._id, entries)
        return [order for order in orders if isinstance(order, Run)]

    def run_tasks(self) -> int:
        """Does what the threads of an agent do for its tasks, and deletes the orders; returns how many there were."""
        runs = self.read()
        self._queue.put(runs)
        left = len(runs)
        while left:
            taken: list[Run] = []
            self._queue.take(taken)
            left -= len(taken)
            self._outbox.send(Started(self._id, [(run.task_id, run.attempt) for run in taken], time.time()))
            for run in taken:
                done = Done(run.task_id, run.attempt, Raw(b"{}"), None, time.time(), RUN_SECONDS, agent_id=self._id)
                self._outbox.add(done, (run.task_id, run.attempt), flush_follows=True)
            self._outbox.flush()
        self._inbox.advance(self._id, [])
        return len(runs)

    def close(self) -> None:
        self._outbox.close(timeout_seconds=1)
