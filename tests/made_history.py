"""Recorded work of the last weeks, as a cluster ran it."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta

from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import recovery
from taskyard.core.simulation.simulate import Simulation, everywhere
from tests.unit.simulation_support import cluster_log

DAY = 86_400.0
ACTING = everywhere("least_loaded")


def put_history(database: Database, tasks: int) -> float:
    """Puts a cluster's work of the last days into the database, as it ran first come, first served; returns its begin.

    One agent is known, of the others there are attempts alone; one task was retried.
    """
    workload = cluster_log(0.9, seed=4, count=tasks)
    outcome = Simulation(workload, ACTING).run()
    begin = time.time() - max(map(sum, zip(outcome.starts, outcome.run_seconds, strict=True))) - 60
    days = int((time.time() - begin) / DAY) + 2
    rows = []
    for task, start in enumerate(outcome.starts):
        _, type_, creator, size = workload.key_names[workload.keys[task]]
        ready, started = begin + workload.ready[task], begin + start
        agent_id = f"{workload.agents[outcome.agents[task]].name}:boot"
        times = (ready, started, started + outcome.run_seconds[task])
        parts = (type_, creator.split("\n")[1], size.split("\n")[2])
        rows.append(
            (str(uuid.uuid4()), *parts, *times, agent_id, 3 if task % 50 == 0 else 1, outcome.run_seconds[task])
        )
    columns = [list(column) for column in zip(*rows, strict=True)]
    names = ("ids", "types", "creators", "sizes", "readies", "starts", "ends", "agents", "priorities", "seconds")
    with database.transaction() as tx:
        recovery.ensure_partitions(tx, datetime.now(UTC).date() - timedelta(days), days_ahead=days + 2)
        tx.rows(INSERT, dict(zip(names, columns, strict=True)))
        tx.rows(INSERT_AGENT, {"at": begin - 60})
    return begin


INSERT_AGENT = """
INSERT INTO agents (id, name, boot_id, kind, host, pid, types, tags, max_concurrency, state, registered_at)
VALUES ('agent-01:boot', 'agent-01', 'boot', 'k', 'h', 1, '{*}', '{}', 1, 'online', to_timestamp(%(at)s))
"""
INSERT = """
WITH given AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(creators)s::text[], %(sizes)s::text[],
        %(readies)s::float8[], %(starts)s::float8[], %(ends)s::float8[], %(agents)s::text[], %(priorities)s::int[],
        %(seconds)s::float8[])
        AS g(id, type, created_by, size, ready, started, ended, agent_id, priority, seconds)
), new AS (
    INSERT INTO tasks (id, queue, type, state, priority, input, attempt, max_attempts, timeout_seconds, ready_at,
        created_by, assigned_agent_id, created_at, assigned_at, started_at, finished_at, size)
    SELECT id, 'default', type, 'completed', priority, '{}', 1, 3, 1e6, to_timestamp(ready), created_by, agent_id,
        to_timestamp(ready), to_timestamp(started), to_timestamp(started), to_timestamp(ended), size
    FROM given
)
INSERT INTO task_events (task_id, at, event, from_state, to_state, attempt, actor, agent_id, queue, type, wait_seconds,
    run_seconds)
SELECT id, to_timestamp(ended), 'completed', 'in_progress', 'completed', 1, 'dispatcher', agent_id, 'default', type,
    started - ready, seconds
FROM given
"""
