"""Reads which attempts agents ran: each of the last minutes from the audit log, by steps of any range from its
roll-ups.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.history import range_parameters, step_for
from taskyard.core.telemetry.timeline import AttemptEnd, Step

MAX_ENDS = 2_000
ENDS_LOOKED_AT = 10_000
FIRST_WINDOW_SECONDS = 2.0
MAX_AGENTS = 21  # one more than a timeline shows, so that it can say that there are more


@dataclass(frozen=True, slots=True)
class Ends:
    """The longest attempts that ended from `since` (epoch seconds) on, and how many ended in total."""

    attempts: list[AttemptEnd]
    total: int
    since: float


def ends(tx: Transaction, since: float, until: float, limit: int = MAX_ENDS) -> Ends:
    """Returns the `limit` longest attempts that ended in a range (epoch seconds).

    A busy range is cut short at its beginning, once about ENDS_LOOKED_AT ends have been read: it is read backwards in
    windows, each twice as long as the previous one.
    """
    found: list[tuple[float, AttemptEnd]] = []
    total, end, window = 0, until, FIRST_WINDOW_SECONDS
    while end > since and total < ENDS_LOOKED_AT:
        start = max(since, end - window)
        parameters = {"since": start, "until": end, "limit": limit}
        rows = tx.rows(queries("agents")["ends"], parameters)
        found += [(seconds, AttemptEnd(*attempt)) for *attempt, seconds, _ in rows]
        total += rows[0][-1] if rows else 0
        found = heapq.nlargest(limit, found, key=lambda one: one[0])
        end, window = start, 2 * window
    return Ends([attempt for _, attempt in found], total, end)


def steps(
    tx: Transaction,
    since: float,
    until: float,
    *,
    agent: str | None = None,
    queues: Sequence[str] | None = None,
    types: Sequence[str] | None = None,
) -> tuple[int, list[Step]]:
    """Returns the step in seconds, and what ended in each step of a range (epoch seconds), by agent and time.

    That is of one agent, or of the first MAX_AGENTS by name; None for queues and types means all of them.
    """
    step = step_for(until - since)
    parameters = range_parameters(tx, since, until, step)
    only = {
        "agent": agent,
        "agents": MAX_AGENTS,
        "queues": None if queues is None else list(queues),
        "types": None if types is None else list(types),
    }
    return step, [Step(*row) for row in tx.rows(queries("agents")["steps"], parameters | only)]
