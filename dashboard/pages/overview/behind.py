"""Finds the tasks behind a point of the Overview's charts, as the address of the Tasks page (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from taskyard.core.filters.search_filter import Sort
from taskyard.core.states import TaskState
from taskyard.core.views.overview import Charts

THROUGHPUT, LATENCY, FAILURES, RUN_TIME = range(4)  # as the page shows them
ENQUEUED, COMPLETED, FAILED = range(3)  # lines of throughput


def tasks_behind(charts: Charts, place: Mapping[str, int]) -> Mapping[str, str] | None:
    """Returns the parameters of the Tasks page for a clicked `panel`, `line` and `step`; None if it has no tasks.

    Tasks are found by the time of their submission, so what ended or started in a step may have been submitted
    before it: as long before as the step's longest latency and run time.
    """
    panel, line, step = (place.get(name, -1) for name in ("panel", "line", "step"))
    if not 0 <= step < len(charts.at):
        return None
    since, until = charts.at[step], charts.at[step] + charts.step_seconds
    if (panel, line) == (THROUGHPUT, ENQUEUED):
        return _query(since, until)
    before = sum(_longest(edges) for edges in (charts.wait_p99[step], charts.run_p99[step]))
    if panel == THROUGHPUT and line in (COMPLETED, FAILED):
        state = TaskState.COMPLETED if line == COMPLETED else TaskState.FAILED
        return _query(since - before, until, states=state, sort=Sort.FINISHED)
    if panel == FAILURES and 0 <= line < len(charts.failures):
        return _query(since - before, until, error_class=list(charts.failures)[line], sort=Sort.FINISHED)
    if panel in (LATENCY, RUN_TIME):
        return _query(since - before, until, sort=Sort.LONGEST if panel == RUN_TIME else Sort.OLDEST)
    return None


def _query(since: float, until: float, **others: str) -> dict[str, str]:
    return {"since": _shown(since), "until": _shown(until), **others}


def _shown(at: float) -> str:
    return datetime.fromtimestamp(at // 1, UTC).isoformat()


def _longest(seconds: float | None) -> float:
    return 2 * (seconds or 0.0)  # a percentile of a sketch is not the longest
