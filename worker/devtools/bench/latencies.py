"""Measures latencies: from submission to start, round trips, agents coming and going."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import tasks
from taskyard.core.protocol import NULL, AgentInfo, Done, Run
from taskyard.core.redis.broker import Broker
from taskyard.core.redis.connection import connect_redis
from taskyard.worker.agents.base import BaseAgent
from taskyard.worker.attempts.channel import AgentChannel
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.limits import limit_commit
from taskyard.worker.devtools.bench.results import Result, percentile

RATES = (100, 500, 1_000)
LATENCY_SECONDS = 5.0
SUBMITTERS = 16
ROUNDTRIPS = 300
AGENT_CYCLES = 100


def measure_latency(environment: Environment) -> list[Result]:
    """Measures from the call of `submit` to the handler's start, at a fixed rate whatever the answer (open loop).

    Its limit is one commit of the two on the way.
    """
    results = []
    with environment.worker(), environment.agents():
        warm_up(environment)
        for rate in RATES:
            latencies = open_loop(environment, rate)
            what = f"submit → handler start at {rate:,}/s"
            results += [
                Result(f"latency_p50_{rate}", 1000 * percentile(latencies, 0.50), "ms", what),
                Result(f"latency_p99_{rate}", 1000 * percentile(latencies, 0.99), "ms", what),
            ]
    return results + limit_commit(environment, "latency")


def measure_roundtrip(environment: Environment) -> list[Result]:
    """Measures from `submit` to the result read back, one at a time; its limit is one commit of the three."""
    with environment.worker(), environment.agents():
        warm_up(environment)
        times = []
        for _ in range(ROUNDTRIPS):
            began = time.perf_counter()
            task_id = environment.submitter.submit("diagnostic.noop")
            ending = environment.submitter.result(task_id, timeout_seconds=10)
            times.append(time.perf_counter() - began)
            if ending.state != "completed":
                raise AssertionError(f"task {task_id} is {ending.state}")
    return [
        Result("roundtrip_p50", 1000 * percentile(times, 0.50), "ms", "submit → result read back"),
        Result("roundtrip_p99", 1000 * percentile(times, 0.99), "ms", "submit → result read back"),
        *limit_commit(environment, "roundtrip"),
    ]


def measure_agents(environment: Environment) -> list[Result]:
    """Measures from an agent's start to its welcome, and from its leaving to the record of it."""
    coming, leaving = [], []
    with environment.worker():
        environment.wait(lambda: _leads(environment), "the leader")
        for _ in range(AGENT_CYCLES):
            agent = _idle_agent(environment)
            began = time.perf_counter()
            agent.start()
            reader = threading.Thread(target=agent.run)
            reader.start()
            if not agent.welcomed.wait(10):
                raise AssertionError("an agent was not welcomed")
            coming.append(time.perf_counter() - began)
            began = time.perf_counter()
            agent.drain(0)
            agent.stop()
            environment.wait(partial(_has_left, environment, agent.info.id), "the end of an agent")
            leaving.append(time.perf_counter() - began)
            reader.join()
    return [
        Result("agent_register_p99", 1000 * percentile(coming, 0.99), "ms", "agent start → known to the dispatcher"),
        Result("agent_leave_p99", 1000 * percentile(leaving, 0.99), "ms", "agent stop → recorded as left"),
    ]


class _IdleAgent(BaseAgent):
    """An agent that never gets a task."""

    def execute(self, slot: int, run: Run, channel: AgentChannel) -> Done | None:
        return Done(run.task_id, run.attempt, NULL, None, time.time(), 0.0)


def _idle_agent(environment: Environment) -> _IdleAgent:
    boot_id = uuid.uuid4().hex[:12]
    info = AgentInfo(f"idle:{boot_id}", "idle", boot_id, "idle", socket.gethostname(), os.getpid(), ["none"], [], 3)
    settings = environment.settings
    return _IdleAgent(
        info,
        environment.broker,
        _own_queue(environment),
        ttl_seconds=settings.agent_ttl_seconds,
        data_dir=settings.data_dir,
    )


def _own_queue(environment: Environment) -> Broker:
    settings = environment.settings
    return Broker(connect_redis(environment.servers.redis_url), settings.namespace, settings.placement_of)


def _leads(environment: Environment) -> bool:
    with environment.database.transaction() as tx:
        return tasks.leader(tx)[0] > 0


def _has_left(environment: Environment, agent_id: str) -> bool:
    with environment.database.transaction() as tx:
        return any(agent.id == agent_id and agent.state == "left" for agent in tasks.agents(tx))


def warm_up(environment: Environment) -> None:
    """Runs some tasks, so that whatever runs them is there."""
    for _ in range(50):
        environment.submitter.result(environment.submitter.submit("diagnostic.noop"), timeout_seconds=10)


def open_loop(environment: Environment, rate: int) -> list[float]:
    """Submits at a rate for LATENCY_SECONDS; returns the seconds from each call to its handler's start."""
    called: dict[str, float] = {}
    start = time.time() + 0.1

    def submit(number: int) -> None:
        wait = start + number / rate - time.time()
        if wait > 0:
            time.sleep(wait)
        began = time.time()
        called[environment.submitter.submit("diagnostic.noop")] = began

    with ThreadPoolExecutor(SUBMITTERS) as pool:
        list(pool.map(submit, range(int(rate * LATENCY_SECONDS))))
    environment.wait(lambda: not environment.open_tasks(), "the end of the tasks")
    with environment.database.transaction() as tx:
        rows = tx.rows(queries("bench")["starts"], {"ids": list(called)})
    return [started - called[task_id] for task_id, started in rows]
