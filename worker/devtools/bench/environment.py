"""Runs servers, worker and agents for one measurement, as separate processes like in real use."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.servers import EmbeddedServers
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.migrations import migrate
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import Submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker.devtools.own_credentials import own_urls
from taskyard.worker.engines.settings import EngineSettings

START_TIMEOUT_SECONDS = 30.0
ENGINE_TIMEOUT_SECONDS = 60.0  # its client may be slow
AGENTS = 2
POOL = """
[[agents]]
kind = "{kind}"
count = {count}
types = ["diagnostic.*", "bench.*"]
max_concurrency = {slots}
"""
SLOTS = 3


class Environment:
    """A migrated database, an empty Redis, a submitter; worker and agents on demand."""

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.data_dir)).absolute()
        self.servers = EmbeddedServers(self.folder)
        self._processes: list[psutil.Process] = []

    def __enter__(self) -> Self:
        self.servers.start()
        migrate(self.servers.database_url)
        registry.load()
        self.settings = load_settings(
            database_url=self.servers.database_url, redis_url=self.servers.redis_url, data_dir=self.folder
        )
        self.database = Database(self.servers.database_url, pool_size=20)
        self.broker = Broker(connect_redis(self.servers.redis_url), self.settings.namespace, self.settings.placement_of)
        self.submitter = Submitter(self.settings, registry, self.database, self.broker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self.servers.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def worker(self, modules: str = "", **variables: str) -> Iterator[psutil.Process]:
        """Runs a worker without agents of its own, and with more task modules, until the block ends."""
        more = {"TASKYARD_TASK_MODULES": modules} if modules else {}
        with self._process("run", 0, **more, **variables) as process:
            yield process

    @contextmanager
    def one_agent(self, kind: str, slots: int, modules: str, **variables: str) -> Iterator[psutil.Process]:
        """Runs one agent of a kind, once it sends heartbeats, until the block ends."""
        (self.folder / f"pool-{kind}-1.toml").write_text(POOL.format(kind=kind, count=1, slots=slots), encoding="utf-8")
        before = self._beating()
        with self._process("agent", 1, kind, TASKYARD_TASK_MODULES=modules, **variables) as process:
            self.wait(lambda: self._beating() > before, "the agent")
            yield process

    @contextmanager
    def agents(self, count: int = AGENTS, modules: str = "", **variables: str) -> Iterator[psutil.Process]:
        """Runs agents, with more task modules, once all of them send heartbeats, until the block ends."""
        more = {"TASKYARD_TASK_MODULES": modules} if modules else {}
        with self._process("agent", count, **more, **variables) as process:
            self.wait(lambda: len(self.agent_processes(process)) == count and self._beating() >= count, "agents")
            yield process

    @contextmanager
    def engine_agent(self, engine: EngineSettings | None, slots: int, modules: str) -> Iterator[psutil.Process]:
        """Runs one agent, whose seats are on an engine if one is given, until the block ends."""
        kind = f"{engine.name if engine is not None else 'plain'}{slots}"
        pool = POOL.format(kind=kind, count=1, slots=slots)
        if engine is not None:
            pool += f'[agents.engine]\nname = "{engine.name}"\naddress = "{engine.address}"\n'
        (self.folder / f"pool-{kind}-1.toml").write_text(pool, encoding="utf-8")
        before = self._beating()
        with self._process("agent", 1, kind, TASKYARD_TASK_MODULES=modules) as process:
            self.wait(lambda: self._beating() > before, "the agent", ENGINE_TIMEOUT_SECONDS)
            yield process

    @contextmanager
    def lone_agents(self, *, has_own: bool) -> Iterator[list[psutil.Process]]:
        """Runs as many agents, each with a supervisor of its own, and credentials of its own if it `has_own`."""
        kinds = [f"lone{number}" for number in range(AGENTS)]
        urls = [self.servers.redis_url] * AGENTS
        if has_own:
            urls = own_urls(self.database, self.broker, self.servers.redis_url, [f"{kind}-1" for kind in kinds])
        with ExitStack() as running:
            found = [
                running.enter_context(self._process("agent", 1, kind, TASKYARD_REDIS_URL=url))
                for kind, url in zip(kinds, urls, strict=True)
            ]
            self.wait(lambda: self._beating() >= AGENTS, "agents")
            yield found

    @staticmethod
    def agent_processes(supervisor: psutil.Process) -> list[psutil.Process]:
        return [p for p in supervisor.children() if "taskyard.worker.agents.main" in " ".join(p.cmdline())]

    def server_processes(self) -> dict[str, list[psutil.Process]]:
        """Returns the processes of PostgreSQL and of Redis."""
        found: dict[str, list[psutil.Process]] = {"postgres": [], "redis": []}
        pid = int((self.folder / "postgres" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        postmaster = psutil.Process(pid)
        found["postgres"] = [postmaster, *postmaster.children()]
        found["redis"] = [psutil.Process(int(self.broker.redis.info("server")["process_id"]))]
        return found

    def wait(self, condition: Callable[[], bool], what: str, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Waits for a condition; raises Unavailable after the timeout."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise Unavailable(f"bench: timeout of {timeout_seconds:g} s while waiting for {what}")
            time.sleep(0.01)

    def open_tasks(self) -> bool:
        """Returns True if any task has not ended."""
        with self.database.transaction() as tx:
            return bool(tx.rows(queries("bench")["has_open_tasks"], {})[0][0])

    def is_drained(self) -> bool:
        """Returns True if all tasks have ended; queries PostgreSQL only once Redis has none, to disturb less."""
        if any(self.broker.depths().values()) or self.broker.results_length():
            time.sleep(0.1)
            return False
        return not self.open_tasks()

    def settle(self) -> None:
        """Runs VACUUM and ANALYZE, so that autovacuum has no work left."""
        with self.database.statements() as tx:
            tx.rows(queries("bench")["vacuum"], {})

    def empty(self) -> None:
        """Removes every task and its traces, between repetitions.

        Redis gets a generation again, as if a leader had been there: the next worker would
        otherwise put everything into the queue a second time, because Redis looks wiped.
        """
        with self.database.transaction() as tx:
            tx.rows(queries("bench")["empty"], {})
        self.broker.redis.flushall()
        self.broker.lead(0)

    def variables(self) -> dict[str, str]:
        """Returns the settings of this environment's processes as environment variables."""
        return {
            "TASKYARD_DATABASE_URL": self.servers.database_url,
            "TASKYARD_REDIS_URL": self.servers.redis_url,
            "TASKYARD_DATA_DIR": str(self.folder),
            "TASKYARD_LOG_LEVEL": "warning",
            "TASKYARD_METRICS_PORT": "0",  # that of the user's installation may be in use
        }

    def _beating(self) -> int:
        return sum(1 for _ in self.broker.redis.scan_iter(f"{self.broker.keys.heartbeat('')}*", count=1_000))

    @contextmanager
    def _process(self, command: str, count: int, kind: str = "bench", **variables: str) -> Iterator[psutil.Process]:
        pool = self.folder / f"pool-{kind}-{count}.toml"
        if not pool.exists():
            pool.write_text(POOL.format(kind=kind, count=count, slots=SLOTS), encoding="utf-8")
        environment = {**os.environ, **self.variables(), "TASKYARD_POOL_FILE": str(pool), **variables}
        process = subprocess.Popen([sys.executable, "-m", "taskyard", command], env=environment)
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
