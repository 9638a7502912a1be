"""Reads how predicted run times held: by type and day, and task by task."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from taskyard.core.access.identity import Actor
from taskyard.core.i18n import msg
from taskyard.core.learning.calibration import COVERAGE
from taskyard.core.learning.results import MIN_RESULTS, PLACES, Held
from taskyard.core.payload.culprits import refused
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.errors import values_refused
from taskyard.core.postgres.store import learning as store
from taskyard.core.postgres.store.learning import DayHeld, LastEnded
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.postgres.store.search_query import Pace
from taskyard.core.views.narrowing import known_names
from taskyard.core.views.seeing import sees_all_queues, sees_all_types, sees_type

__all__ = [
    "GOAL",
    "MAX_TASKS",
    "MIN_TASKS",
    "CoverageMap",
    "DayHeld",
    "Ended",
    "Held",
    "LastEnded",
    "TypeHeld",
    "Verdict",
]

GOAL = COVERAGE
NEAR_GOAL = 0.06  # intervals of simulated recorded workloads held 74 to 80 %: what is as near as that is fine
MIN_TASKS = 20  # fewer say nothing of a type's coverage on a day
MAX_TASKS = 2_000  # that are read one by one
SEARCH_SECONDS, FIRST_WINDOW_SECONDS = 1.0, 60.0  # for these: time spent, and the first span that is looked at


class Verdict(StrEnum):
    """Whether intervals hold as many results as they should."""

    TOO_FEW = "too_few"  # results
    FINE = "fine"
    TOO_NARROW = "too_narrow"
    TOO_WIDE = "too_wide"


@dataclass(frozen=True, slots=True)
class TypeHeld:
    """How the predictions of a type held."""

    type: str
    held: Held


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """How predictions held by type, those with most tasks first, and by day, without gaps; None: no task.

    `left_out` is how many types have fewer tasks than these.
    """

    types: Sequence[str]
    days: Sequence[date]
    cells: Sequence[Sequence[Held | None]]  # by type, then by day
    left_out: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The last tasks that completed with a prediction, at most MAX_TASKS, and since when (epoch seconds) all are known.

    If there are more, or the time to look for them was over, that is later than the beginning of the range.
    """

    tasks: Sequence[LastEnded] = ()
    since: float = 0.0
    is_whole: bool = field(default=True)


def verdict_of(coverage: float | None, tasks: int) -> Verdict:
    """Returns what to say of the share of so many results that were within their intervals."""
    if coverage is None or tasks < MIN_RESULTS:
        return Verdict.TOO_FEW
    if coverage < GOAL - NEAR_GOAL:
        return Verdict.TOO_NARROW
    return Verdict.TOO_WIDE if coverage > GOAL + NEAR_GOAL else Verdict.FINE


def days_of(tx: Transaction, actor: Actor, until: float, range_seconds: float, zone: str) -> Sequence[DayHeld] | None:
    """Returns how predictions of the actor's types held by days of a time zone; the hour in which the range begins
    counts whole. Hours belong to the day in which they begin.

    None for those who do not see all queues: results are not counted by queue. Raises SubmissionError if PostgreSQL
    does not know the zone.
    """
    if not sees_all_queues(actor):
        return None
    since = (until - range_seconds) // HOUR * HOUR
    with values_refused(
        lambda reason: refused("zone", zone, msg("a time zone of PostgreSQL ({reason})", reason=reason))
    ):
        rows = store.days(tx, _time_of(since), _time_of(until), zone)
    return [row for row in rows if sees_type(actor, row.type)]


def ended_of(tx: Transaction, actor: Actor, until: float, range_seconds: float, types: Sequence[str] = ()) -> Ended:
    """Returns the last tasks of some types, or of all, that completed in a range which ends at `until` (epoch seconds).

    It is read backwards in growing spans, since no index has tasks in the order of their ends.
    """
    queues: Sequence[str] | None = None
    only: Sequence[str] | None = [name for name in types if sees_type(actor, name)] if types else None
    if actor.is_narrowed:
        known_queues, known_types = known_names(tx, actor)
        queues = None if sees_all_queues(actor) else known_queues
        only = known_types if only is None and not sees_all_types(actor) else only
    since, end = until - range_seconds, until
    found: list[LastEnded] = []
    pace = Pace(SEARCH_SECONDS, FIRST_WINDOW_SECONDS)
    while end > since and len(found) < MAX_TASKS and (span := pace.next_size()) > 0:
        start = max(since, end - span)
        found += store.last_ended(tx, _time_of(start), _time_of(end), MAX_TASKS - len(found), only, queues)
        end = start
    return Ended(tuple(found), end, end <= since and len(found) < MAX_TASKS)


def of_types(days: Iterable[DayHeld], types: Collection[str]) -> list[DayHeld]:
    """Returns what is of some types; without any, all."""
    return [one for one in days if not types or one.type in types]


def by_type(days: Iterable[DayHeld]) -> list[TypeHeld]:
    """Returns the sums of all days, the types with most tasks first."""
    found: dict[str, Held] = {}
    for one in days:
        held = found.setdefault(one.type, Held())
        held += one.held
    return _most_first(TypeHeld(type_, held) for type_, held in found.items())


def by_type_of_tasks(tasks: Iterable[LastEnded]) -> list[TypeHeld]:
    """Returns how the predictions of single tasks held, the types with most tasks first; without places."""
    found: dict[str, Held] = {}
    for task in tasks:
        held = found.setdefault(task.type, Held())
        held.add(task.run_seconds, task.predicted_low, task.predicted_seconds, task.predicted_high)
    return _most_first(TypeHeld(type_, held) for type_, held in found.items())


def total_of(types: Iterable[TypeHeld]) -> Held:
    """Returns the sum of all types."""
    total = Held()
    for one in types:
        total += one.held
    return total


def place_shares(places: Sequence[int]) -> list[float]:
    """Returns the share of tasks in each tenth of their predicted distributions, 0.1 each if these are right."""
    tasks = sum(places)
    return [place / tasks if tasks else 0.0 for place in places] or [0.0] * PLACES


def coverage_map(days: Sequence[DayHeld], max_types: int) -> CoverageMap:
    """Returns how predictions held by type and day, of the `max_types` types with most tasks."""
    if not days:
        return CoverageMap((), (), (), 0)
    types = [one.type for one in by_type(days)]
    first, last = min(one.day for one in days), max(one.day for one in days)
    shown_days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    in_order = sorted(days, key=lambda one: one.type)
    by_day = {type_: {one.day: one.held for one in own} for type_, own in groupby(in_order, lambda one: one.type)}
    cells = [[by_day[type_].get(day) for day in shown_days] for type_ in types[:max_types]]
    return CoverageMap(types[:max_types], shown_days, cells, max(0, len(types) - max_types))


def _most_first(types: Iterable[TypeHeld]) -> list[TypeHeld]:
    return sorted(types, key=lambda one: (-one.held.tasks, one.type))


def _time_of(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)
