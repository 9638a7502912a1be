"""The engine for tests: dispatchers in threads, and agents in threads or as real processes.

Everything is the product's own code on real servers; only the handlers are the tests'.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
import redis
import structlog
from pydantic import BaseModel, ConfigDict
from sqlalchemy.engine import make_url

from taskyard.core.clock import Clock
from taskyard.core.config import ENV_PREFIX, Settings, load_settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.models import AuditEvent, Task
from taskyard.core.postgres.database import Database, connect_leader
from taskyard.core.postgres.store import task_logs, tasks
from taskyard.core.protocol import AgentInfo, Done, Run
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import Isolation, Registry, RetryPolicy, TaskType, registry
from taskyard.worker.agents import heartbeat, inbox
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.agents.pool import Pool
from taskyard.worker.agents.pool_config import AgentSpec
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.attempts.context import TaskContext
from taskyard.worker.attempts.execution import context_of, execute
from taskyard.worker.dispatch.dispatcher import ROSTER, SWEEP, Dispatcher
from taskyard.worker.dispatch.term import TermFactory
from tests.databases import Databases
from tests.outages import database_away
from tests.servers import REPOSITORY, wait_until

ASK_SECONDS = 0.2  # how often a test's scheduler asks for the periodic duties
HEARTBEAT_SECONDS = 0.2
READ_BLOCK_MS = 50
NO_BACKOFF = RetryPolicy(backoff_seconds=0.0)
ENDS = ("completed", "failed", "cancelled")


class Payload(BaseModel):
    """Any JSON object."""

    model_config = ConfigDict(extra="allow")


Handler = Callable[[Payload, TaskContext], Payload]


class InlineAgent(BaseAgent):
    """An agent whose handlers run in its slots' threads, without a watchdog."""

    def __init__(
        self, info: AgentInfo, broker: Broker, heartbeat_broker: Broker, settings: Settings, types: Registry
    ) -> None:
        super().__init__(
            info, broker, heartbeat_broker, ttl_seconds=settings.agent_ttl_seconds, data_dir=settings.data_dir
        )
        self._types = types
        self.ran: list[tuple[str, int]] = []

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        self.ran.append((run.task_id, run.attempt))
        return execute(self._types.get(run.task_type), run, context_of(run, channel), 1 << 20)


class RunningAgent:
    """An InlineAgent and the thread that reads its inbox."""

    def __init__(self, agent: InlineAgent, clients: Iterable[redis.Redis]) -> None:
        self.agent = agent
        self.clients = list(clients)
        self._reader = threading.Thread(target=agent.run, name=f"inbox {agent.info.name}", daemon=True)
        self._is_stopped = False
        agent.start()
        self._reader.start()

    @property
    def id(self) -> str:
        return self.agent.info.id

    @property
    def ran(self) -> list[tuple[str, int]]:
        """The (task, attempt) pairs whose handlers were started here."""
        return self.agent.ran

    def vanish(self) -> None:
        """Stops heartbeats and reading without a word, as if the host were gone; what runs goes on."""
        self.agent.heartbeat.stop()
        self.agent._stop_reading.set()
        self._reader.join()

    def stop(self, grace_seconds: float = 1.0) -> None:
        """Drains and leaves, as a process does on SIGTERM."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self.agent.drain(grace_seconds)
        self.agent.stop()
        self._reader.join()
        for client in self.clients:
            client.close()


class RunningWorker:
    """A dispatcher in a thread, and the scheduler that asks it for its duties."""

    def __init__(self, settings: Settings, registry: Registry, name: str) -> None:
        self._client = connect_redis(settings.redis_url)
        self.broker = Broker(self._client, settings.namespace, settings.placement_of)
        clock = Clock()
        self.terms = TermFactory(settings, registry, settings.database_url, self.broker, name, clock)
        self.dispatcher = Dispatcher(self.terms, clock)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self.dispatcher.run, self._ask)]
        for thread in self._threads:
            thread.start()

    @property
    def is_leading(self) -> bool:
        return self.dispatcher.is_leading.is_set()

    def stop(self) -> None:
        """Gives the lead up; nothing happens to tasks then."""
        self._stop.set()
        self.dispatcher.stop()
        for thread in self._threads:
            thread.join()
        self._client.close()

    def _ask(self) -> None:
        while not self._stop.wait(ASK_SECONDS):
            self.dispatcher.ask(ROSTER)
            self.dispatcher.ask(SWEEP)


class Engine:
    """One installation: its database, its namespace, and whatever runs in it."""

    def __init__(self, settings: Settings, registry: Registry | None = None) -> None:
        self.settings = settings
        self.registry = registry or Registry()
        self.database = Database(settings.database_url)
        self.redis = connect_redis(settings.redis_url)
        self.broker = Broker(self.redis, settings.namespace, settings.placement_of)
        self.submitter = Submitter(settings, self.registry, self.database, self.broker)
        self.logs: list[dict[str, Any]] = []
        self.workers: list[RunningWorker] = []
        self._running = contextlib.ExitStack()

    # what runs

    def worker(self, name: str = "test") -> RunningWorker:
        """Starts a dispatcher; the first one leads when this returns."""
        running = RunningWorker(self.settings, self.registry, name)
        self.workers.append(running)
        self._running.callback(running.stop)
        wait_until(lambda: self.leader() > 0 and self.broker.keys.epoch and self.redis.exists(self.broker.keys.epoch))
        return running

    def agent(
        self,
        name: str = "agent-1",
        *,
        types: Iterable[str] = ("*",),
        tags: Iterable[str] = (),
        max_concurrency: int = 3,
        agent_class: type[InlineAgent] = InlineAgent,
    ) -> RunningAgent:
        """Starts an agent in threads; it is registered when this returns."""
        boot_id = uuid.uuid4().hex[:12]
        info = AgentInfo(
            f"{name}:{boot_id}", name, boot_id, "test", "here", os.getpid(), list(types), list(tags), max_concurrency
        )
        clients = [connect_redis(self.settings.redis_url) for _ in range(2)]
        queues = [Broker(client, self.settings.namespace, self.settings.placement_of) for client in clients]
        running = RunningAgent(agent_class(info, *queues, self.settings, self.registry), clients)
        self._running.callback(running.stop)
        wait_until(running.agent.welcomed.is_set, message="the agent was not welcomed")
        return running

    @contextlib.contextmanager
    def pool(self, *specs: AgentSpec, grace_seconds: float = 5.0) -> Iterator[Pool]:
        """Agent processes kept running by the product's pool; all are registered when it is entered."""
        pool = Pool(specs, self.settings.redis_url, self.broker, grace_seconds, self.settings.data_dir)
        thread = threading.Thread(target=pool.run, name="pool", daemon=True)
        thread.start()
        try:
            wait_until(lambda: {s.name for s in specs} <= {a.name for a in self.online()}, 30)
            yield pool
        finally:
            pool.stop()
            thread.join()

    def stop(self) -> None:
        """Stops everything, the last started first."""
        self._running.close()
        self.database.close()
        self.redis.close()

    # types and tasks

    def define(
        self,
        name: str,
        handler: Handler,
        *,
        retry: RetryPolicy = NO_BACKOFF,
        timeout_seconds: float = 60.0,
        idempotent: bool = False,
    ) -> None:
        """A task type of this engine."""
        task_type = TaskType(name, handler, Payload, Payload, timeout_seconds, retry, Isolation.THREAD, frozenset(), "")
        self.registry.add(replace(task_type, idempotent=idempotent))

    def submit(self, type: str, input: Any = None, **options: Any) -> str:
        return self.submitter.submit(type, input, **options)

    def task(self, task_id: str) -> Task:
        with self.database.transaction() as tx:
            return tasks.get_task(tx, task_id)

    def history(self, task_id: str) -> list[AuditEvent]:
        """Its events in order, the lines of its log among them."""
        with self.database.transaction() as tx:
            events, lines = tasks.history(tx, task_id), list(task_logs.whole(tx, task_id))
        logged = [
            AuditEvent(
                line.at,
                "log",
                None,
                None,
                line.attempt,
                "",
                line.agent_id,
                {"level": line.level, "message": line.message},
            )
            for line in lines
        ]
        return sorted([*events, *logged], key=lambda event: event.at)

    def events(self, task_id: str) -> list[str]:
        return [event.event for event in self.history(task_id)]

    def wait_for(self, task_id: str, *states: str, timeout_seconds: float = 30) -> Task:
        """Waits until the task is in one of the states (any end if none is given)."""

        def reached() -> Task | None:
            task = self.task(task_id)
            return task if task.state in (states or ENDS) else None

        try:
            return wait_until(reached, timeout_seconds)
        except AssertionError:
            account = "\n".join(map(str, [self.task(task_id), *self.history(task_id), *self.online()]))
            raise AssertionError(f"not {states or ENDS} in {timeout_seconds} s: {account}") from None

    def wait_for_all(self, task_ids: Iterable[str], state: str = "completed", timeout_seconds: float = 30) -> None:
        for task_id in task_ids:
            assert self.wait_for(task_id, timeout_seconds=timeout_seconds).state == state

    def counts(self) -> dict[str, int]:
        with self.database.transaction() as tx:
            return tasks.state_counts(tx)

    def online(self) -> list[Any]:
        """The agents whose end is not recorded."""
        with self.database.transaction() as tx:
            return [agent for agent in tasks.agents(tx) if agent.left_at is None]

    def agent_state(self, agent_id: str) -> str | None:
        with self.database.transaction() as tx:
            return next((agent.state for agent in tasks.agents(tx) if agent.id == agent_id), None)

    def leader(self) -> int:
        """The epoch."""
        with self.database.transaction() as tx:
            return tasks.leader(tx)[0]

    def kill_leader_connection(self) -> None:
        """Ends the session that holds the leader's lock, as a network would."""
        with self.database.transaction() as tx:
            ended = tx.rows(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN pg_locks l USING (pid) "
                "WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'taskyard leader' "
                "AND a.datname = current_database()",
                {},
            )
        assert [tuple(row) for row in ended] == [(True,)]

    @contextlib.contextmanager
    def leader_connection(self) -> Iterator[psycopg2.extensions.connection]:
        """A connection as the leader has it."""
        connection = connect_leader(self.settings.database_url)
        try:
            yield connection
        finally:
            connection.close()

    @contextlib.contextmanager
    def postgresql_away(self) -> Iterator[None]:
        """This engine's database refuses connections, and those that there were are broken off."""
        url = make_url(self.settings.database_url)
        with database_away(self.settings.database_url, url.set(database="postgres").render_as_string(False)):
            yield
        self.database.close()

    def wipe_redis(self) -> None:
        """What FLUSHALL and SCRIPT FLUSH do, to this installation alone, at one instant."""
        self.redis.eval(
            "for _, key in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', key) end",
            0,
            f"{self.broker.keys.prefix}*",
        )
        self.redis.script_flush()

    def keys(self) -> set[str]:
        """The installation's keys in Redis, without their prefix."""
        prefix = self.broker.keys.prefix
        return {key.decode().removeprefix(prefix) for key in self.redis.scan_iter(f"{prefix}*", count=1000)}


@contextlib.contextmanager
def running_engine(settings: Settings, registry: Registry | None = None) -> Iterator[Engine]:
    """An engine without worker and agents; stops what the test starts. Fails if a dispatcher met a defect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heartbeat, "INTERVAL_SECONDS", HEARTBEAT_SECONDS)
        patch.setattr(inbox, "READ_BLOCK_MS", READ_BLOCK_MS)
        engine = Engine(settings, registry)
        configured = structlog.get_config()
        structlog.configure(processors=[structlog.processors.format_exc_info, _recorder(engine.logs)])
        try:
            yield engine
        finally:
            engine.stop()
            structlog.configure(**configured)
    defects = [entry for entry in engine.logs if entry["event"] == "dispatcher.failed"]
    assert not defects, defects[0].get("exception")


def set_agent_environment(patch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The environment that agent processes need to find an engine and the tests' task types."""
    patch.chdir(REPOSITORY)
    for name in ("namespace", "agent_ttl_seconds", "grace_seconds", "data_dir"):
        patch.setenv(f"{ENV_PREFIX}{name.upper()}", str(getattr(settings, name)))
    patch.setenv(f"{ENV_PREFIX}TASK_MODULES", "tests.task_types")


@contextlib.contextmanager
def engine_with_agent(
    server_endpoints: Endpoints, databases: Databases, data_dir: Path, spec: AgentSpec
) -> Iterator[Engine]:
    """An engine of the test types with one agent process, for a module whose tests leave it alive."""
    with databases.copy() as url, pytest.MonkeyPatch.context() as patch:
        settings = load_settings(
            database_url=url,
            redis_url=server_endpoints.redis_url,
            namespace=f"test-{uuid.uuid4().hex[:12]}",
            data_dir=data_dir,
        )
        set_agent_environment(patch, settings)
        registry.load(["tests.task_types"])
        with running_engine(settings, registry) as engine:
            engine.worker()
            with engine.pool(spec):
                patch.undo()
                yield engine
            engine.wipe_redis()


def _recorder(logs: list[dict[str, Any]]) -> Callable[..., Any]:
    def record(logger: object, method: str, entry: dict[str, Any]) -> dict[str, Any]:
        logs.append(dict(entry))
        print(method, entry, file=sys.__stderr__)  # pytest shows it for a test that fails; no command prints there
        raise structlog.DropEvent

    return record


@contextlib.contextmanager
def engine_for_processes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with a worker and the tests' own types, of whose servers agents in processes know, too."""
    set_agent_environment(monkeypatch, settings)
    registry.load(["tests.task_types"])
    with running_engine(settings, registry) as engine:
        engine.worker()
        yield engine
