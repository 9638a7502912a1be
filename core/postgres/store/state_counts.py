"""Counts the tasks that match a filter by their state, as far as time allows."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.ids import time_of
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import tasks as tasks_store
from taskyard.core.postgres.store.search_names import find_named
from taskyard.core.postgres.store.search_query import assembled, bounded, parameters_of, windows
from taskyard.core.states import TERMINAL, TaskState

AT_MOST = 1_000_000
# Each of these has an index of its own, by which it is counted quickly whatever else there is.
_TOGETHER = (
    tuple(state for state in TaskState if state not in TERMINAL),
    (TaskState.FAILED,),
    tuple(state for state in TaskState if state in TERMINAL and state is not TaskState.FAILED),
)


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many tasks are in some states; a lower bound if it is not exact."""

    count: int
    is_exact: bool


def count_states(
    tx: Transaction, only: TaskFilter, *, budget_seconds: float, reads_errors: bool = True
) -> Mapping[TaskState, StateCount]:
    """Counts what matches all of a filter but its states; raises SubmissionError, Busy or Unavailable.

    What is counted quickly leaves its time to the rest.
    """
    found: dict[TaskState, StateCount] = {}
    deadline = time.monotonic() + budget_seconds
    with bounded(tx, only):
        now = tasks_store.now(tx)
        for number, states in enumerate(_TOGETHER):
            share_seconds = (deadline - time.monotonic()) / (len(_TOGETHER) - number)
            asked = parameters_of(replace(only, states=states), now, Sort.NEWEST, reads_errors=reads_errors)
            find_named(tx, only, asked)
            counts, is_exact = dict.fromkeys(states, 0), False
            for window in windows(tx, asked, goes_down=True, budget_seconds=share_seconds):
                parameters = {**asked, "low": window.low, "high": window.high, "limit": AT_MOST}
                for state, count in tx.rows(assembled(queries("search")["count_states"]), parameters):
                    counts[TaskState(state)] += count
                is_exact = window.is_last
            found.update({state: StateCount(count, is_exact) for state, count in counts.items()})
    return found


def count_of(counts: Mapping[TaskState, StateCount], states: Collection[TaskState]) -> StateCount:
    """Adds up the counts of these states, of all if there are none."""
    meant = [one for state, one in counts.items() if not states or state in states]
    return StateCount(sum(one.count for one in meant), all(one.is_exact for one in meant))


def oldest_at(tx: Transaction) -> datetime | None:
    """Returns when the first task that there still is was submitted; None without tasks."""
    rows = tx.rows(queries("search")["oldest"], {})
    return time_of(rows[0][0]) if rows else None
