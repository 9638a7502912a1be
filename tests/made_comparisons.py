"""Hourly comparisons of policies and what is known of agents, as the worker stores them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from taskyard.core.learning.factors import AgentFactors
from taskyard.core.postgres.database import Database
from taskyard.core.postgres.store import agent_factors, comparisons
from taskyard.core.postgres.store.comparisons import Comparison
from taskyard.core.simulation.figures import MIN_WAIT_SECONDS, Figures
from taskyard.core.simulation.simulate import Simulation, everywhere
from tests.unit.simulation_support import cluster_log

SPAN = timedelta(hours=6)
ACTING, OTHER = "least_loaded", "learned"


def compared(queue: str, mean: float = 60.0, hours_ago: float = 0.5, **changes: Any) -> Comparison:
    """A comparison of a queue in shadow mode: `mean` on record, the same replayed, half of it with the other policy."""
    at = datetime.now(UTC) - timedelta(hours=hours_ago)

    def waits(seconds: float) -> dict[str, float]:
        return {
            "count": 500, "mean": seconds, "p50": seconds / 2, "p95": 3 * seconds, "p99": 5 * seconds,
            "longest": 8 * seconds,
        }  # fmt: skip

    figures = {"recorded": waits(mean), "replayed": waits(mean), "learned": waits(mean / 2)}
    made = Comparison(at, queue, at - SPAN, at, 500, "least_loaded", "learned", True, True, figures)
    return made._replace(**changes)


def store(database: Database, made: Sequence[Comparison]) -> None:
    """Stores comparisons."""
    with database.transaction() as tx:
        for one in made:
            comparisons.add(tx, one)


def of_a_cluster(queue: str, hours: int) -> list[Comparison]:
    """Comparisons of the last hours: what two policies make of the work of a cluster that has much to do."""
    workload = cluster_log(0.75, seed=4, count=4_000)
    outcomes = {policy: Simulation(workload, everywhere(policy)).run() for policy in (ACTING, OTHER)}
    found, now, last = [], datetime.now(UTC), max(workload.ready)
    for ago in range(hours, 0, -1):
        end = last - 3_600 * ago
        some = [task for task, ready in enumerate(workload.ready) if end - SPAN.total_seconds() <= ready < end]
        waits = {
            policy: Figures.of([one.starts[task] - workload.ready[task] for task in some])
            for policy, one in outcomes.items()
        }
        figures = {
            "recorded": waits[ACTING].as_json(), "replayed": waits[ACTING].as_json(), OTHER: waits[OTHER].as_json()
        }  # fmt: skip
        at = now - timedelta(hours=ago - 0.5)
        has_waited = any(one.longest >= MIN_WAIT_SECONDS for one in waits.values())
        found.append(Comparison(at, queue, at - SPAN, at, len(some), ACTING, OTHER, True, has_waited, figures))
    return found


def factors_of(database: Database, agents: Sequence[str], types: Sequence[str], tasks: int = 100) -> None:
    """Stores what became of some tasks of each agent and type: each agent is slower than the one before it, but at
    every second type quicker.
    """
    factors = AgentFactors()
    for number in range(tasks):
        for column, type_ in enumerate(types):
            for place, name in enumerate(agents):
                if (number + place) % 12 == 11:
                    factors.note_failure(name, type_)
                else:
                    factors.note_success(name, type_, 10.0 * 1.4 ** (place if column % 2 == 0 else -place), 10.0)
    with database.transaction() as tx:
        agent_factors.save(tx, factors.take_changed())
