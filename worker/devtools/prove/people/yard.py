"""Extends the world for acts: servers behind proxies, clocks that can be set, a task module that changes."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress

import psutil
import psycopg2
from sqlalchemy.engine import make_url

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import Endpoints
from taskyard.core.postgres.connections import connect_driver
from taskyard.core.postgres.database import queries
from taskyard.worker.agents.launch import shown_launch
from taskyard.worker.devtools.prove.faulty_servers import FaultyPostgres, FaultyRedis
from taskyard.worker.devtools.prove.people import modules
from taskyard.worker.devtools.prove.people.wall_clock import WallClock
from taskyard.worker.devtools.prove.world import MODULES, WORKERS, World

HOST = "127.0.0.1"
HALF_AGENTS = 2  # of the newer version, on a host of their own


class Yard(World):
    """A World whose surroundings can change."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.clock = WallClock(self.folder)
        self.modules = self.folder / "modules"
        self.newer_modules = self.folder / "newer-modules"
        self._ports = [_free_port() for _ in range(WORKERS + 1)]
        self._newer: subprocess.Popen[bytes] | None = None

    def doors(self) -> Endpoints:
        """Returns the proxies, which all processes but the counting one use."""
        self.clock.make()
        modules.write(self.modules, modules.OLDER)
        modules.write(self.newer_modules, modules.NEWER)
        self.redis_proxy = FaultyRedis(self._redis.url)
        self.postgres_proxy = FaultyPostgres(self._postgres.url)
        return Endpoints(self.postgres_proxy.url, self.redis_proxy.url)

    def variables(self, command: str) -> dict[str, str]:
        """Returns variables for its own task module, a health port, and a clock that can be set."""
        return {
            "TASKYARD_TASK_MODULES": f"{MODULES},{modules.NAME}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self.modules), os.environ.get("PYTHONPATH")))),
            "TASKYARD_METRICS_PORT": str(self._ports[WORKERS] if command == "agent" else self._free_worker_port()),
            **self.clock.variables(),
        }

    @property
    def health_urls(self) -> dict[str, str]:
        """Returns each process's health URL, by its name."""
        names = [*(f"worker {number + 1}" for number in range(WORKERS)), "agents"]
        return {name: f"http://{HOST}:{port}/healthz" for name, port in zip(names, self._ports, strict=True)}

    def agents(self) -> list[psutil.Process]:
        """Returns the agents' processes."""
        return self._agents()

    def worker_processes(self) -> list[psutil.Process]:
        """Returns the workers' processes."""
        return [psutil.Process(worker.pid) for worker in self._workers]

    def connect(self) -> psycopg2.extensions.connection:
        """Returns a connection like that of a user with psql, past the proxies."""
        ours = make_url(self._postgres.admin_url).set(database=make_url(self._postgres.url).database)
        return connect_driver(ours.render_as_string(hide_password=False), application_name="somebody's psql")

    # half a fleet

    def deploy_newer(self) -> None:
        """Starts a host of agents that have the newer module, beside the older ones."""
        if self._newer is not None:
            return
        older, self.modules = self.modules, self.newer_modules
        try:
            ports, self._ports = self._ports, [*self._ports[:WORKERS], 0]
            self._newer = self.start_process("agent", HALF_AGENTS, "newer")
        finally:
            self.modules, self._ports = older, ports

    def withdraw_newer(self) -> None:
        """Ends that host as an operator would."""
        if self._newer is not None:
            self._newer.terminate()
            try:
                self._newer.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self._newer.kill()
                self._newer.wait()
            self._newer = None

    def newer_environment(self) -> dict[str, str]:
        """Returns the environment of a submitter that has the newer module."""
        return {
            **os.environ,
            "TASKYARD_DATABASE_URL": self._postgres.url,
            "TASKYARD_REDIS_URL": self._redis.url,
            "TASKYARD_DATA_DIR": str(self.folder),
            "TASKYARD_TASK_MODULES": f"{MODULES},{modules.NAME}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(self.newer_modules), os.environ.get("PYTHONPATH")))),
        }

    def unfinished(self, task_ids: Sequence[str]) -> int:
        """Returns how many of these tasks have not ended; raises Unavailable."""
        with self.database.transaction() as tx:
            return int(tx.rows(queries("prove")["unfinished"], {"ids": list(task_ids)})[0][0])

    def restart_agent(self, which: float) -> None:
        """Kills one agent, which its supervisor restarts with the current modules."""
        agents = self._agents()
        if agents:
            with suppress(psutil.NoSuchProcess):
                agents[int(which * len(agents))].kill()

    def agent_ids(self) -> list[str]:
        """Returns name and boot of each running agent."""
        found = []
        for agent in self._agents():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if launch := shown_launch(agent.cmdline()):
                    found.append(f"{launch.name}:{launch.boot_id}")
        return found

    def stop(self) -> list[str]:
        """Ends the newer agents too."""
        self.withdraw_newer()
        return super().stop()

    def _free_worker_port(self) -> int:
        """Returns the port of the worker that is being started: one that no living worker has."""
        taken = set()
        for worker in self._workers:
            with suppress(psutil.Error):
                taken.add(psutil.Process(worker.pid).environ().get("TASKYARD_METRICS_PORT"))
        return next(port for port in self._ports[:WORKERS] if str(port) not in taken)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
