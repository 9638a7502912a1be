"""Reads how agents did with each task type over a range, from the roll-ups of the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.history import begin_of, range_parameters
from taskyard.core.postgres.store.rollups import DAY
from taskyard.core.telemetry.histogram import Histogram


@dataclass(frozen=True, slots=True)
class AgentResult:
    """An agent's attempts of one type: how many ended which way, and their run times."""

    agent: str
    type: str
    completed: int
    failed: int
    run: Histogram


def agent_results(tx: Transaction, since: float, until: float) -> list[AgentResult]:
    """Returns each agent's results with each type in a range (epoch seconds), by agent and type.

    Whole days of it are read as such, for all the rest is added up.
    """
    parameters = range_parameters(tx, begin_of(since), until, DAY, whole_steps=False)
    return [
        AgentResult(agent, type_, completed, failed, Histogram(dict(zip(buckets, counts, strict=True)), seconds))
        for agent, type_, completed, failed, seconds, buckets, counts in tx.rows(
            queries("agents")["results"], parameters
        )
    ]
