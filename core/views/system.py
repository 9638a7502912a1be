"""Reads servers, leadership and hosts: now, and over a range."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskyard.core.config import Settings
from taskyard.core.embedded.servers import resolve
from taskyard.core.errors import Unavailable
from taskyard.core.health.check import Check
from taskyard.core.health.checks import agent_user_checks, code_execution_check, database_checks, redis_checks
from taskyard.core.postgres.database import Database, Transaction
from taskyard.core.postgres.store import history, live_counts, system, tasks
from taskyard.core.redis.broker import Broker
from taskyard.core.telemetry.live_snapshot import DispatcherLive, LiveSnapshot
from taskyard.core.views.foremost import Foremost, foremost


@dataclass(frozen=True, slots=True)
class ServerNow:
    """One server as the dashboard reaches it; without a `problem` it is up.

    `latency_seconds` is that of one request. `figures` are named with their units.
    """

    version: str = ""
    started_at: datetime | None = None
    latency_seconds: float | None = None
    figures: Mapping[str, float] | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ServersNow:
    """Both servers."""

    postgresql: ServerNow
    redis: ServerNow


@dataclass(frozen=True, slots=True)
class Leadership:
    """The leader, and the ticks of the last second; `dispatcher` is None if none were published.

    `epoch`, `worker` and `since` are of the last term; it lasts if `is_led`. Epoch 0: there was none yet.
    """

    is_led: bool
    epoch: int
    worker: str
    since: datetime
    agents: int
    dispatcher: DispatcherLive | None


@dataclass(frozen=True, slots=True)
class Samples:
    """Means of samples, in steps.

    `values` has, by (source, metric) and then by name, one for each of `at` (epoch seconds): None where nothing was
    measured.
    """

    at: Sequence[float]
    values: Mapping[tuple[str, str], Mapping[str, Sequence[float | None]]]

    def of(self, source: str, metric: str) -> Mapping[str, Sequence[float | None]]:
        """Returns one metric's values by name."""
        return self.values.get((source, metric), {})

    def one(self, source: str, metric: str) -> Sequence[float | None]:
        """Returns the values of a metric that has one name."""
        return next(iter(self.of(source, metric).values()), [None] * len(self.at))


@dataclass(frozen=True, slots=True)
class HostCharts:
    """Samples of hosts, and the CPU (percent of a core) and memory (bytes) of processes, of which there are many."""

    hosts: Samples
    cpu: Foremost
    memory: Foremost


def servers_now(database: Database, broker: Broker, at: datetime) -> ServersNow:
    """Returns both servers as this process reaches them at a time; an absent one is a finding."""
    return ServersNow(_found(lambda: _postgresql(database), database.close), _found(lambda: _redis(broker, at)))


def server_versions(database: Database, broker: Broker) -> dict[str, str]:
    """Returns the servers' versions, and the revision of our schema, by name; raises Unavailable."""
    with database.statements() as tx:
        found = {"PostgreSQL": live_counts.server(tx).version, "Schema": system.schema_version(tx)}
    return {**found, "Redis": str(broker.server_info()["redis_version"])}


def server_checks(settings: Settings) -> list[Check]:
    """Returns the doctor's checks of the servers, and of who could run code here; each opens a connection."""
    endpoints = resolve(settings)
    found = [*database_checks(endpoints.database_url), *redis_checks(endpoints.redis_url, settings.namespace)]
    if all(check.ok for check in found):
        found += agent_user_checks(endpoints.database_url, endpoints.redis_url, settings.namespace)
    return [*found, code_execution_check(settings)]


def leadership_now(tx: Transaction, snapshot: LiveSnapshot | None) -> Leadership:
    """Returns the current or last leader."""
    epoch, worker, since = tasks.leader(tx)
    agents = len(snapshot.agents) if snapshot else 0
    return Leadership(tasks.is_led(tx), epoch, worker, since, agents, snapshot.dispatcher if snapshot else None)


def samples_of(tx: Transaction, until: float, range_seconds: int, sources: Sequence[str]) -> Samples:
    """Returns the samples of some sources in a range that ends at `until` (epoch seconds)."""
    step = history.step_for(range_seconds)
    first = (until - range_seconds) // step * step
    at = [first + step * n for n in range(int((until - first) // step) + 1)]
    found: dict[tuple[str, str], dict[str, dict[float, float]]] = {}
    for source in sources:
        for start, name, metric, mean, _least, _most in history.samples(tx, source, first, until, step):
            found.setdefault((source, metric), {}).setdefault(name, {})[start] = mean
    return Samples(
        at,
        {
            key: {name: [steps.get(t) for t in at] for name, steps in sorted(names.items())}
            for key, names in found.items()
        },
    )


def host_charts(tx: Transaction, until: float, range_seconds: int) -> HostCharts:
    """Returns the samples of hosts, and of processes on them, in a range that ends at `until` (epoch seconds)."""
    hosts = samples_of(tx, until, range_seconds, ("host",))
    step = history.step_for(range_seconds)
    cpu, memory = (
        foremost(tx, "process", metric, hosts.at[0], until, step, hosts.at)
        for metric in ("cpu_percent", "memory_bytes")
    )
    return HostCharts(hosts, cpu, memory)


def _found(look: Callable[[], ServerNow], forget_connections: Callable[[], object] | None = None) -> ServerNow:
    try:
        return look()
    except Unavailable as error:
        if forget_connections is not None:
            forget_connections()  # the pool's other connections lead to a server that is gone
        return ServerNow(problem=error.text)


def _postgresql(database: Database) -> ServerNow:
    with database.statements() as tx:
        latency = _timed(lambda: tasks.now(tx))
        found = live_counts.server(tx)
        size_bytes = live_counts.database_size_bytes(tx)
        started_at = system.started(tx)
    read = found.blocks_hit + found.blocks_read
    figures = {
        "connections": float(found.connections),
        "max_connections": float(found.max_connections),
        "cache_hit_ratio": found.blocks_hit / read if read else 1.0,
        "size_bytes": float(size_bytes),
        "deadlocks": float(found.deadlocks),
    }
    return ServerNow(found.version.split()[0], started_at, latency, figures)


def _redis(broker: Broker, at: datetime) -> ServerNow:
    latency = _timed(broker.ping)
    found: dict[str, Any] = broker.server_info()
    figures = {
        "clients": float(found["connected_clients"]),
        "memory_bytes": float(found["used_memory"]),
        "memory_peak_bytes": float(found["used_memory_peak"]),
        "memory_limit_bytes": float(found["maxmemory"]),
        "commands_per_second": float(found["instantaneous_ops_per_sec"]),
        "evicted_keys": float(found["evicted_keys"]),
    }
    started_at = at - timedelta(seconds=float(found["uptime_in_seconds"]))
    return ServerNow(str(found["redis_version"]), started_at, latency, figures)


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began
