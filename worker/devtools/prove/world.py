"""Runs servers, two workers and a host of agents as real processes, with every way to kill them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from taskyard.core.config import Settings, load_settings
from taskyard.core.embedded.postgres import PostgresServer
from taskyard.core.embedded.redis import RedisServer
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.errors import Unavailable
from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.migrations import migrate
from taskyard.core.postgres.store import tasks
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.core.submission.submit import open_submitter
from taskyard.core.task_types.registry import registry
from taskyard.worker import failpoints
from taskyard.worker.agents.launch import shown_launch
from taskyard.worker.devtools.own_credentials import own_urls
from taskyard.worker.devtools.prove import plan
from taskyard.worker.devtools.prove.orphans import orphans
from taskyard.worker.devtools.prove.server_kills import kill_postgres, kill_redis, postmaster_of
from taskyard.worker.devtools.prove.tasks import LEDGER_VARIABLE

WORKERS, AGENTS, SLOTS = 2, 3, 3
OWN = "own"  # kind of the one agent among them that has credentials of its own
PATIENCE_SECONDS = 60.0
CLEARING_SECONDS = 10.0  # what agents have read is removed once they have said so, by heartbeat
POLL_SECONDS = 0.01
MODULES = "taskyard.worker.devtools.prove.tasks,taskyard.worker.devtools.prove.workflows.handlers"
POOL = """
[[agents]]
kind = "{kind}"
count = {count}
types = ["prove.*", "diagnostic.*"]
max_concurrency = {slots}
"""


class World:
    """Everything that may die, in a folder of its own. `ledger` and `journal` are outside both servers."""

    slots = SLOTS  # of each agent
    tasks_per_second = 30.0

    def __init__(self, settings: Settings) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="prove-", dir=settings.data_dir)).absolute()
        self.ledger, self.journal = self.folder / "ledger.jsonl", self.folder / "accepted.jsonl"
        self._failpoints = self.folder / "failpoints"
        self._log = self.folder / "processes.log"
        self._postgres, self._redis = PostgresServer(self.folder), RedisServer(self.folder)
        self._workers: list[subprocess.Popen[bytes]] = []
        self._supervisors: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with ExitStack() as self._opened:  # what has been started ends if the rest does not come
            self.start()
            self._opened = self._opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def start(self) -> None:
        """Starts everything, and waits until it works; raises Unavailable."""
        self._failpoints.mkdir()
        self._opened.callback(self._postgres.stop)
        self._postgres.start()
        self._opened.callback(self._redis.stop)
        self._redis.start()
        self.database_url = self._postgres.url
        self.make_schema()
        registry.load(MODULES.split(","))
        self.endpoints = self.doors()
        self.prepare()
        self.settings = load_settings(
            database_url=self._postgres.url, redis_url=self._redis.url, data_dir=self.folder, task_modules=MODULES
        )
        self.database = Database(self._postgres.url)
        self._opened.callback(self.database.close)
        self.broker = Broker(connect_redis(self._redis.url), self.settings.namespace, self.settings.placement_of)
        self._opened.callback(self.broker.redis.close)
        self.submitter = open_submitter(self.settings, registry, self.endpoints.database_url, self.endpoints.redis_url)
        [own_url] = own_urls(self.database, self.broker, self.endpoints.redis_url, [f"{OWN}-1"])
        self._opened.callback(self.stop)
        self.own_variables = {"TASKYARD_REDIS_URL": own_url, "TASKYARD_METRICS_PORT": "0"}  # the other may have a port
        self._supervisors = [
            self.start_process("agent", AGENTS - 1), self.start_process("agent", 1, OWN, **self.own_variables)
        ]  # fmt: skip
        self.tend()
        self.wait(lambda: len(self._agents()) == AGENTS and self._leader() is not None, "workers and agents")

    def make_schema(self) -> None:
        """Makes the tables."""
        migrate(self.database_url)

    def doors(self) -> Endpoints:
        """Returns the URLs by which all processes but the counting one reach the servers, once these run."""
        return Endpoints(self._postgres.url, self._redis.url)

    def prepare(self) -> None:
        """Starts what agents need beside the servers; raises Unavailable."""

    def pool(self, kind: str, agents: int) -> str:
        """Returns the pool file of a host of agents."""
        return POOL.format(kind=kind, count=agents, slots=self.slots)

    def variables(self, command: str) -> dict[str, str]:
        """Returns additional variables for a process of `command` (run or agent)."""
        return {}

    def stop(self) -> list[str]:
        """Stops workers and agents as an operator would; returns what still runs of them afterwards."""
        processes = [*self._supervisors, *self._workers]
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._supervisors, self._workers = [], []
        return self._orphans()

    def remove(self) -> None:
        """Removes the folder with all records."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # what is there

    def wait(self, condition: Callable[[], bool], what: str, timeout_seconds: float = PATIENCE_SECONDS) -> float:
        """Returns the seconds until a condition holds; restarts workers meanwhile. Raises Unavailable after the
        timeout.
        """
        began = time.monotonic()
        while True:
            with suppress(Unavailable):
                if condition():
                    return time.monotonic() - began
            if time.monotonic() - began > timeout_seconds:
                raise Unavailable(f"{what} did not come within {timeout_seconds:g} s")
            self.tend()
            time.sleep(POLL_SECONDS)

    def tend(self) -> None:
        """Restarts workers that have died."""
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        while len(self._workers) < WORKERS:
            self._workers.append(self.start_process("run", 0))

    def leftovers(self) -> dict[str, int]:
        """Returns what is left in Redis once everything had time to go, by name; raises Unavailable."""
        with suppress(Unavailable):
            self.wait(lambda: not any(self.broker.leftovers().values()), "an empty Redis", CLEARING_SECONDS)
        return self.broker.leftovers()

    def open_tasks(self, agent_id: str | None = None) -> int:
        """Returns how many tasks have not ended, or how many of them an agent's boot has; raises Unavailable."""
        statement = queries("prove")["open_tasks"] if agent_id is None else queries("prove")["open_of_agent"]
        with self.database.transaction() as tx:
            return int(tx.rows(statement, {"agent": agent_id})[0][0])

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Returns the running processes, by kind."""
        postmaster = postmaster_of(self.folder)
        return {
            "workers": [psutil.Process(worker.pid) for worker in self._workers],
            "supervisor": [psutil.Process(supervisor.pid) for supervisor in self._supervisors],
            "agents": self._agents(),
            "redis": [psutil.Process(int(self.broker.redis.info("server")["process_id"]))],
            "postgres": [postmaster, *postmaster.children()],
        }

    # what may die

    def kill(self, kill: plan.Kill) -> str:
        """Kills as planned; restarts what does not come back by itself. Returns who died."""
        actions: dict[str, Callable[[plan.Kill], str]] = {
            plan.AGENT: self._kill_agent,
            plan.HANDLER: self._kill_handler,
            plan.WORKER: self._kill_worker,
            plan.REDIS: lambda one: kill_redis(self.broker.redis, self._redis, one.way),
            plan.POSTGRES: lambda one: kill_postgres(self.folder, self._postgres, one.way),
        }
        return actions[kill.kind](kill)

    def _kill_agent(self, kill: plan.Kill) -> str:
        agents = self._agents()
        if not agents:
            return ""
        victim = agents[int(kill.which * len(agents))]
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            launch = shown_launch(victim.cmdline())
            victim.kill()
            return f"{launch.name}:{launch.boot_id}" if launch is not None else f"process {victim.pid}"
        return ""

    def _kill_handler(self, kill: plan.Kill) -> str:
        children = self._handlers()
        if not children:
            return ""
        victim = children[int(kill.which * len(children))]
        with suppress(psutil.NoSuchProcess):
            victim.kill()
        return f"process {victim.pid}"

    def _kill_worker(self, kill: plan.Kill) -> str:
        if kill.way in failpoints.PLACES:
            failpoints.arm(self._failpoints, kill.way)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                dead = [worker.pid for worker in self._workers if worker.poll() is not None]
                if dead:
                    return f"worker {dead[0]}"
                time.sleep(POLL_SECONDS)
            failpoints.disarm(self._failpoints)
        pid = self._leader() or self._workers[0].pid
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"worker {pid}"

    # ours

    def _handlers(self) -> list[psutil.Process]:
        children = []
        for agent in self._agents():
            with suppress(psutil.NoSuchProcess):
                children += [child for fork_server in agent.children() for child in fork_server.children()]
        return children

    def _agents(self) -> list[psutil.Process]:
        agents = []
        for process in [child for one in self._supervisors for child in psutil.Process(one.pid).children()]:
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "taskyard.worker.agents.main" in process.cmdline():
                    agents.append(process)
        return sorted(agents, key=lambda process: process.cmdline()[-1])

    def _leader(self) -> int | None:
        with suppress(Unavailable), self.database.transaction() as tx:
            pid = int(tasks.leader(tx)[1].rpartition(":")[2] or 0)
            return pid if pid in {worker.pid for worker in self._workers if worker.poll() is None} else None
        return None

    def start_process(
        self, command: str, agents: int, kind: str = "prove", **variables: str
    ) -> subprocess.Popen[bytes]:
        """Starts a worker (run), or a host of agents (agent) that are named after their kind."""
        pool = self.folder / f"pool-{kind}-{agents}.toml"
        if not pool.exists():
            pool.write_text(self.pool(kind, agents), encoding="utf-8")
        environment = {
            **os.environ,
            "TASKYARD_DATABASE_URL": self.endpoints.database_url,
            "TASKYARD_REDIS_URL": self.endpoints.redis_url,
            "TASKYARD_DATA_DIR": str(self.folder),
            "TASKYARD_POOL_FILE": str(pool),
            "TASKYARD_TASK_MODULES": MODULES,
            "TASKYARD_LOG_LEVEL": "info",
            failpoints.VARIABLE: str(self._failpoints) if command == "run" else "",
            LEDGER_VARIABLE: str(self.ledger),
            **self.variables(command),
            **variables,
        }
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "taskyard", command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _orphans(self) -> list[str]:
        return orphans(self.ledger, self._is_ours)

    def _is_ours(self, process: psutil.Process) -> bool:
        """Returns False for a process that workers and agents have not started."""
        return True
