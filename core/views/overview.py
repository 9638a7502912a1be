"""Reads the installation as a whole: the last minutes, and charts of a range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import history, tasks
from taskyard.core.postgres.store.history import Filter, Point
from taskyard.core.postgres.store.rollups import MINUTE
from taskyard.core.telemetry.heat import Heat, heat_of
from taskyard.core.telemetry.live_snapshot import LaneDepth, LiveSnapshot
from taskyard.core.telemetry.queue_figures import Counted
from taskyard.core.views.foremost import Foremost, foremost
from taskyard.core.views.overview_marks import Mark, overview_marks
from taskyard.core.views.queues import counts_of
from taskyard.core.views.seeing import Sees, everything

SPARK_MINUTES = 15
COUNTING_SECONDS = 5.0  # until a minute that is over is counted to its end


@dataclass(frozen=True, slots=True)
class OverviewNow:
    """The installation at this moment; `live` is None without a leader.

    `minutes` are the last SPARK_MINUTES, oldest first: (submitted, ended, failed attempts).
    """

    live: LiveSnapshot | None
    has_tasks: bool
    waiting: Mapping[str, int]
    oldest_seconds: float | None
    minutes: Sequence[tuple[int, int, int]]
    recent: Point


@dataclass(frozen=True, slots=True)
class Charts:
    """A range in steps of `step_seconds`; every series has one value for each of `at` (epoch seconds).

    The first step has the range's beginning in it; `total` leaves out what was before.
    """

    at: Sequence[float]
    step_seconds: int
    arrived: Sequence[float]
    completed: Sequence[float]
    failed: Sequence[float]
    retried: Sequence[float]
    wait_p50: Sequence[float | None]
    wait_p99: Sequence[float | None]
    run_p50: Sequence[float | None]
    run_p99: Sequence[float | None]
    oldest: Sequence[float | None]
    failures: Mapping[str, Sequence[float]]
    load: Foremost  # by agent
    depth: Foremost  # tasks that wait, by queue
    total: Point
    wait_heat: Heat
    run_heat: Heat
    whole_steps: int  # of `at`; those after them are not over, or not counted to their end
    marks: Sequence[Mark]


def overview_now(
    tx: Transaction,
    snapshot: LiveSnapshot | None,
    until: float,
    filters: Sequence[Filter] | None = None,
    sees: Sees = everything,
) -> OverviewNow:
    """Returns the live snapshot and the last minutes before `until` (epoch seconds); raises Unavailable.

    What waits is counted here without a leader, of what `sees` lets through. With `filters` the minutes are the sums
    of these parts of all tasks.
    """
    counted = counts_of(tx, snapshot, sees)
    since = (until // MINUTE - SPARK_MINUTES) * MINUTE
    by_start = summed(tx, since, until, MINUTE, filters)
    points = [by_start[at] for at in sorted(by_start)]
    has_tasks = bool(points) or tasks.has_tasks(tx)
    steps = [by_start.get(since + MINUTE * n, Point(0.0)) for n in range(SPARK_MINUTES + 1)]
    return OverviewNow(
        live=snapshot,
        has_tasks=has_tasks,
        waiting=waiting_by_priority(counted.lanes),
        oldest_seconds=oldest_seconds(counted),
        minutes=[(p.submitted, p.completed + p.failed + p.cancelled, p.failed + p.retried) for p in steps],
        recent=history.total(points[-5:]),
    )


def waiting_by_priority(lanes: Iterable[LaneDepth]) -> dict[str, int]:
    """Returns the number of ready tasks by priority."""
    waiting: dict[str, int] = {}
    for lane in lanes:
        for priority, count in lane.by_priority.items():
            waiting[priority] = waiting.get(priority, 0) + count
    return waiting


def oldest_seconds(counted: Counted) -> float | None:
    """Returns how long the oldest ready task has waited; None without one, or if unknown."""
    ready = [lane.oldest_ready_at for lane in counted.lanes if lane.oldest_ready_at is not None]
    return max(0.0, counted.at - min(ready)) if ready else None


def overview_charts(
    tx: Transaction, until: float, range_seconds: int, filters: Sequence[Filter] | None = None
) -> Charts:
    """Returns the charts of a range that ends at `until` (epoch seconds); raises Unavailable.

    With `filters` the figures are the sums of these parts of all tasks, and what is not counted by task, from `oldest`
    to `depth`, is empty.
    """
    step = history.step_for(range_seconds)
    first = (until - range_seconds) // step * step
    at = [first + step * n for n in range(int((until - first) // step) + 1)]
    points = summed(tx, first, until, step, filters)
    load, depth = Foremost(), Foremost()
    oldest: Sequence[float | None] = [None] * len(at)
    if filters is None:
        load = foremost(tx, "agent", "load_ratio", first, until, step, at)
        depth = foremost(tx, "queue", "waiting", first, until, step, at)
        waits = {
            start: most
            for start, _name, _sum, most, _of in history.foremost_samples(
                tx, "queue", "oldest_waiting_seconds", first, until, step, 0
            )
        }
        led = {start for start, *_rest in history.samples(tx, "dispatcher", first, until, step, "ticks_per_second")}
        oldest = [waits.get(t, 0.0 if t in led else None) for t in at]  # a leader samples waiting tasks only
    classes = sorted({error_class for point in points.values() for error_class in point.failures})
    minutes = step / MINUTE
    return Charts(
        at=at,
        step_seconds=step,
        arrived=[_point(points, t).submitted / minutes for t in at],
        completed=[_point(points, t).completed / minutes for t in at],
        failed=[_point(points, t).failed / minutes for t in at],
        retried=[_point(points, t).retried / minutes for t in at],
        wait_p50=_percentiles(points, at, "wait", 50),
        wait_p99=_percentiles(points, at, "wait", 99),
        run_p50=_percentiles(points, at, "run", 50),
        run_p99=_percentiles(points, at, "run", 99),
        oldest=oldest,
        failures={name: [float(_point(points, t).failures.get(name, 0)) for t in at] for name in classes},
        load=load,
        depth=depth,
        total=_total(tx, until - range_seconds, first + step, step, filters, points),
        wait_heat=heat_of([_point(points, t).wait for t in at]),
        run_heat=heat_of([_point(points, t).run for t in at]),
        whole_steps=sum(t + step + COUNTING_SECONDS <= until for t in at),
        marks=() if filters is not None else overview_marks(tx, first, until, step),
    )


def _total(
    tx: Transaction,
    since: float,
    second: float,
    step_seconds: int,
    filters: Sequence[Filter] | None,
    points: Mapping[float, Point],
) -> Point:
    """Returns the sum of a range that begins at `since` (epoch seconds), within the step before the `second` one."""
    begin = history.begin_of(since)
    first = summed(tx, begin, second, step_seconds, filters, whole_steps=False) if begin < second else {}
    return history.total([*first.values(), *(points[at] for at in sorted(points) if at >= second)])


def summed(
    tx: Transaction,
    since: float,
    until: float,
    step_seconds: int,
    filters: Sequence[Filter] | None,
    *,
    whole_steps: bool = True,
) -> dict[float, Point]:
    """Returns the figures of each step by its beginning: of all tasks, or the sums of these parts of them.

    Without `whole_steps` the first begins at `since`.
    """
    points: dict[float, Point] = {}
    for only in (Filter(),) if filters is None else filters:
        for point in history.series(tx, since, until, step_seconds, only, whole_steps=whole_steps):
            points.setdefault(point.at, Point(point.at)).add(point)
    return points


def _point(points: Mapping[float, Point], at: float) -> Point:
    return points.get(at) or Point(at)


def _percentiles(
    points: Mapping[float, Point], at: Sequence[float], measure: str, percent: float
) -> list[float | None]:
    return [getattr(_point(points, t), measure).percentile(percent) for t in at]
