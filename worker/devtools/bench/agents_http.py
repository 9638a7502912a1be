"""Measures agents that come by the API beside agents at Redis: how fast waiting tasks are run and recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import psutil

from taskyard.core.access.identity import local_actor
from taskyard.core.access.permissions import Role
from taskyard.core.access.principals import Kind
from taskyard.core.config import ENV_PREFIX
from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import recovery
from taskyard.core.submission import authorized_access
from taskyard.worker.devtools.bench.environment import AGENTS, POOL, Environment
from taskyard.worker.devtools.bench.http import running_api
from taskyard.worker.devtools.bench.results import Result
from taskyard.worker.remote.api_link import TOKEN_VARIABLE

TASKS = 10_000
ROUND_TRIPS = 200
STOP_SECONDS = 15


def measure_agents_http(environment: Environment) -> list[Result]:
    """Measures a drain, and single tasks one after the other, with as many agents by Redis and by the API."""
    found: list[Result] = []
    with running_api(environment) as url:
        tokens = [_token(environment, f"edge-{number}") for number in range(AGENTS)]
        ways: dict[str, Any] = {
            "redis": lambda: environment.agents(AGENTS),
            "http": lambda: _remote_agents(environment, url, tokens),
        }
        for name, agents in ways.items():
            rate, milliseconds = _measured(environment, agents())
            words = f"{AGENTS} agents by {'Redis' if name == 'redis' else 'the API'}"
            found.append(Result(f"agents_{name}_drain", rate, "tasks/s", f"{TASKS:,} no-op tasks, {words}"))
            found.append(Result(f"agents_{name}_roundtrip", milliseconds, "ms", f"one task after the other, {words}"))
    return found


def _measured(environment: Environment, agents: AbstractContextManager[object]) -> tuple[float, float]:
    """Returns the tasks per second of a drain, and the mean milliseconds of a task from submission to end."""
    environment.empty()
    with environment.database.transaction() as tx:
        since = recovery.database_time(tx)
    environment.submitter.submit_many({"type": "diagnostic.noop"} for _ in range(TASKS))
    with agents, environment.worker():
        environment.wait(environment.is_drained, "the drain", 300)
        with environment.database.transaction() as tx:
            done, seconds, _ticks = tx.rows(queries("bench")["drain"], {"since": since})[0]
        if done != TASKS:
            raise AssertionError(f"{done} of {TASKS} tasks completed")
        began = time.monotonic()
        for _ in range(ROUND_TRIPS):
            environment.submitter.submit("diagnostic.noop")
            environment.wait(lambda: not environment.open_tasks(), "a task")
        return TASKS / seconds, 1000 * (time.monotonic() - began) / ROUND_TRIPS


def _token(environment: Environment, name: str) -> str:
    with environment.database.transaction() as tx:
        authorized_access.create(tx, local_actor(), name, Role.VIEWER, kind=Kind.AGENT)
        return authorized_access.make_token(tx, local_actor(), name)[0]


@contextmanager
def _remote_agents(environment: Environment, url: str, tokens: list[str]) -> Iterator[None]:
    """Runs one agent for each token, once all of them send heartbeats, until the block ends."""
    with ExitStack() as stack:
        for token in tokens:
            stack.enter_context(_remote_agent(environment, url, token))
        beating = environment.broker.redis.scard
        environment.wait(lambda: int(beating(environment.broker.keys.agents)) >= len(tokens), "agents")
        yield


@contextmanager
def _remote_agent(environment: Environment, url: str, token: str) -> Iterator[psutil.Process]:
    pool = environment.folder / "pool-1.toml"
    pool.write_text(POOL.format(kind="bench", count=1), encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    own = {"TASKYARD_DATA_DIR": str(environment.folder), "TASKYARD_LOG_LEVEL": "warning", "TASKYARD_METRICS_PORT": "0"}
    command = [sys.executable, "-m", "taskyard", "agent", "--url", url, "--pool", str(pool)]
    process = subprocess.Popen(command, env={**inherited, **own, TOKEN_VARIABLE: token})
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
