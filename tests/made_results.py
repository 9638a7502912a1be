"""Tasks that completed with a prediction, and results by the hour as the leader counts them."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from taskyard.core.learning.results import Held
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import learning, recovery, tick
from taskyard.core.submission.submit import Submitter

AGENT_ID = "predictable:p1"
AGENT: Mapping[str, Any] = {
    "id": AGENT_ID, "boot_id": "p1", "name": "predictable", "kind": "task", "host": "here", "pid": 1, "types": ["*"],
    "tags": [], "max_concurrency": 3, "state": "online",
}  # fmt: skip
HOUR = 3600


class Run(NamedTuple):
    """A run in seconds, and what was predicted; `ago_seconds` is when it ended."""

    type: str
    ran: float
    predicted: float
    low: float
    high: float
    queue: str = "default"
    ago_seconds: float = 0.0


def complete(submitter: Submitter, database: Database, runs: Sequence[Run]) -> list[str]:
    """Tasks that ran so; returns their ids."""
    ids = submitter.submit_many([{"type": "diagnostic.noop", "queue": run.queue} for run in runs])
    now = time.time()
    with database.transaction() as tx:
        recovery.register_agents(tx, [dict(AGENT)])
        claims = tick.claim(tx, ids, [AGENT_ID] * len(ids))
        assert len(claims) == len(ids)
        tick.complete(tx, [tick.Completion(one, 1, "{}", now, 0.0) for one in ids])
        rows = [(one, *run) for one, run in zip(ids, runs, strict=True)]
        columns = list(zip(*rows, strict=True))
        names = ("ids", "types", "ran", "predicted", "low", "high", "queues", "ago")
        tx.rows(
            """
            UPDATE tasks t SET type = r.type, predicted_seconds = r.predicted, predicted_low = r.low,
                predicted_high = r.high, finished_at = t.finished_at - make_interval(secs => r.ago),
                started_at = t.finished_at - make_interval(secs => r.ago + r.ran)
            FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(ran)s::float8[], %(predicted)s::float8[],
                %(low)s::float8[], %(high)s::float8[], %(ago)s::float8[])
                AS r(id, type, ran, predicted, low, high, ago)
            WHERE t.id = r.id
            """,
            {name: list(column) for name, column in zip(names, columns, strict=True)},
        )
    return ids


def held(tasks: int, below: int, above: int, factor: float = 1.2, bias: float = 1.0, shape: str = "flat") -> Held:
    """Results of so many tasks; the distributions are right (flat), too narrow (ends) or too long (first)."""
    weights = {"flat": [1] * 10, "ends": [4, 2, 1, 1, 1, 1, 1, 1, 2, 4], "first": [10, 8, 6, 4, 3, 2, 2, 1, 1, 1]}[
        shape
    ]
    places = [tasks * weight // sum(weights) for weight in weights]
    places[0] += tasks - sum(places)
    return Held(tasks, below, above, tasks * math.log(factor), tasks * math.log(bias), places)


def count(database: Database, hours: Mapping[tuple[float, str], Held]) -> None:
    """Stores results by hours before the present one, and type."""
    this_hour = time.time() // HOUR * HOUR
    with database.transaction() as tx:
        learning.add_hours(tx, {(this_hour - ago * HOUR, type_): one for (ago, type_), one in hours.items()})


def some_runs(type_: str, number: int, typical: float, spread: float, rng: random.Random, **more: Any) -> list[Run]:
    """Runs whose lengths are spread as a lognormal distribution, with predictions that hold 80 % of them."""
    return [
        Run(type_, typical * rng.lognormvariate(0, spread), typical, typical * 2.718 ** (-1.28 * spread),
            typical * 2.718 ** (1.28 * spread), **more)
        for _ in range(number)
    ]  # fmt: skip
