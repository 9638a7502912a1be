"""Measures pages of searches and of the audit log with a million tasks, and bulk operations."""

from __future__ import annotations

import time
from collections.abc import Callable

from taskyard.core.filters.audit_filter import EventFilter
from taskyard.core.filters.search_filter import Sort, TaskFilter
from taskyard.core.postgres.database import queries
from taskyard.core.postgres.store import audit, search
from taskyard.core.states import TaskState
from taskyard.core.submission.bulk import Bulk
from taskyard.core.submission.bulk_operation import Action, Operation
from taskyard.worker.devtools.bench.environment import Environment
from taskyard.worker.devtools.bench.history import HISTORY, HISTORY_DAYS
from taskyard.worker.devtools.bench.results import Result, percentile
from taskyard.worker.devtools.seed import seed

REPEATS = 5
BULK_TASKS = 100_000
FAILED = (TaskState.FAILED,)
# What operators look for; the last ones match nothing, or little that is old, and spend their whole budget.
SEARCHES = (
    TaskFilter(),
    TaskFilter(states=FAILED),
    TaskFilter(states=(TaskState.PENDING, TaskState.IN_PROGRESS)),
    TaskFilter(states=FAILED, types=("code.run",), error_class="crashed"),
    TaskFilter(types=("testing.pytest",), since="24h"),
    TaskFilter(agent="seed-1"),
    TaskFilter(text="profile"),
    TaskFilter(states=FAILED, text="crashed"),
    TaskFilter(input_path="$.seeded == true"),
    TaskFilter(types=("none.such",)),
    TaskFilter(text="none such"),
    TaskFilter(output_path='$.value == "none such"'),
)
AUDIT_SEARCHES = (
    EventFilter(),
    EventFilter(only_operators=True),
    EventFilter(events=("failed",)),
    EventFilter(text="crashed", until="7d"),
    EventFilter(actor="nobody"),
)


def measure_search(environment: Environment) -> list[Result]:
    """Measures pages of every search in every order, of every filter of the audit log, then a bulk retry."""
    seed(environment.database, HISTORY, HISTORY_DAYS, lambda what, count: None)
    environment.settle()
    database = environment.database

    def page(only: TaskFilter, sort: Sort) -> Callable[[], object]:
        def read() -> None:
            with database.transaction() as tx:
                search.find(tx, only, sort=sort)

        return read

    def events(only: EventFilter) -> Callable[[], object]:
        def read() -> None:
            with database.transaction() as tx:
                audit.find_events(tx, only)

        return read

    by_age = _milliseconds([page(only, Sort.NEWEST) for only in SEARCHES])
    ordered = _milliseconds([page(only, sort) for only in SEARCHES for sort in Sort])
    log = _milliseconds([events(only) for only in AUDIT_SEARCHES])
    return [
        Result("search_newest_p50", percentile(by_age, 0.5), "ms", f"a page of {HISTORY:,} tasks, the newest first"),
        Result("search_newest_p95", percentile(by_age, 0.95), "ms", "the same; budget 150"),
        Result("search_p50", percentile(ordered, 0.5), "ms", "in every order"),
        Result("search_p95", percentile(ordered, 0.95), "ms", "in every order; budget 150"),
        Result("audit_p50", percentile(log, 0.5), "ms", "a page of the audit log of 3 million events"),
        Result("audit_p95", percentile(log, 0.95), "ms", "the same; budget 150"),
        Result("bulk_retry", _bulk_rate(environment), "tasks/s", f"{BULK_TASKS:,} failed tasks by a filter"),
    ]


def _milliseconds(reads: list[Callable[[], object]]) -> list[float]:
    taken = []
    for read in reads * REPEATS:
        began = time.perf_counter()
        read()
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def _bulk_rate(environment: Environment) -> float:
    with environment.database.transaction() as tx:
        tx.rows(queries("bench")["fail_some"], {"count": BULK_TASKS})
    environment.settle()
    bulk = Bulk(environment.database, environment.submitter.commands)
    began = time.perf_counter()
    result = bulk.run_matching(Operation(Action.RETRY, "bench", "measured"), TaskFilter(fingerprint="benchmark"))
    seconds = time.perf_counter() - began
    if result.done != BULK_TASKS:
        raise AssertionError(f"{result.done} of {BULK_TASKS} tasks retried")
    return result.done / seconds
