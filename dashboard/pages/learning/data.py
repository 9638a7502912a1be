"""Reads what is learned of run times, and how predictions held over a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.access.identity import Actor
from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.store.rollups import HOUR
from taskyard.core.submission.open_servers import Servers
from taskyard.core.telemetry.learning_live import LearningLive
from taskyard.core.views import learning as view
from taskyard.core.views.learning import (
    GOAL,
    MAX_TASKS,
    MIN_TASKS,
    CoverageMap,
    DayHeld,
    Ended,
    Held,
    LastEnded,
    TypeHeld,
    Verdict,
    by_type,
    by_type_of_tasks,
    coverage_map,
    of_types,
    place_shares,
    total_of,
    verdict_of,
)
from taskyard.core.views.seeing import sees_all_queues
from taskyard.dashboard.data import base
from taskyard.dashboard.data.base import Reading
from taskyard.dashboard.data.readings import seen
from taskyard.dashboard.data.viewer import viewer

__all__ = [
    "GOAL",
    "MAX_TASKS",
    "MIN_TASKS",
    "CoverageMap",
    "DayHeld",
    "Ended",
    "Held",
    "LastEnded",
    "Results",
    "TypeHeld",
    "Verdict",
    "by_type",
    "by_type_of_tasks",
    "counts_results",
    "coverage_map",
    "known_types",
    "now",
    "of_types",
    "place_shares",
    "results",
    "total_of",
    "verdict_of",
]

UTC_NAME = "UTC"


@dataclass(frozen=True, slots=True)
class Days:
    """How predictions held by type and day of `zone`; None for those who do not see all queues."""

    held: Sequence[DayHeld] | None
    zone: str


@dataclass(frozen=True, slots=True)
class Now:
    """What the leader has learned; None if nobody leads, or a leader of an older release."""

    learning: LearningLive | None


@dataclass(frozen=True, slots=True)
class Results:
    """How the predictions of some types held over a range: `days` are of these types, see `Days`."""

    days: Sequence[DayHeld] | None
    zone: str
    ended: Ended

    @property
    def types(self) -> list[TypeHeld]:
        """Returns the results by type: of the whole range, or of single tasks where nothing else is known."""
        return by_type(self.days) if self.days else by_type_of_tasks(self.ended.tasks)


@seen()
def now(servers: Servers, sight: Actor) -> Now:
    """Returns what the leader has learned; nothing to those who see a part of all tasks only: it is of all."""
    live = None if sight.is_narrowed else base.live(servers)
    return Now(None if live is None else live.learning)


def counts_results() -> bool:
    """Returns True if the viewer may see results by day: they are not counted by queue."""
    return sees_all_queues(viewer())


def results(range_seconds: int, types: Sequence[str], zone: str) -> Reading[Results]:
    """Returns how the predictions of some types (none: of all) held over a range, by days of a time zone."""
    held, ended = _days(range_seconds, zone), _ended(range_seconds, types)
    if held.value is None:
        return Reading(None, held.at, held.problems)
    if ended.value is None:
        return Reading(None, ended.at, ended.problems)
    days = None if held.value.held is None else of_types(held.value.held, types)
    return Reading(Results(days, held.value.zone, ended.value), min(held.at, ended.at))


def known_types(range_seconds: int, zone: str) -> list[str]:
    """Returns the types that the viewer can choose from: those with results in a range."""
    held, ended = _days(range_seconds, zone).value, _ended(range_seconds, ()).value
    names = {day.type for day in (held and held.held) or ()} | {task.type for task in (ended.tasks if ended else ())}
    return sorted(names)


def _days(range_seconds: int, zone: str) -> Reading[Days]:
    return (_days_fast if range_seconds <= HOUR else _days_slow)(range_seconds, zone)


def _ended(range_seconds: int, types: Sequence[str]) -> Reading[Ended]:
    return (_ended_fast if range_seconds <= HOUR else _ended_slow)(range_seconds, tuple(types))


def _read_days(servers: Servers, sight: Actor, range_seconds: int, zone: str) -> Days:
    until = base.now().timestamp()
    try:
        with servers.database.transaction() as tx:
            return Days(view.days_of(tx, sight, until, range_seconds, zone), zone)
    except SubmissionError:  # a zone of the browser that PostgreSQL's own list does not have
        with servers.database.transaction() as tx:
            return Days(view.days_of(tx, sight, until, range_seconds, UTC_NAME), UTC_NAME)


def _read_ended(servers: Servers, sight: Actor, range_seconds: int, types: tuple[str, ...]) -> Ended:
    with servers.database.transaction() as tx:
        return view.ended_of(tx, sight, base.now().timestamp(), range_seconds, types)


_days_fast = seen(ttl_seconds=5.0)(_read_days)
_days_slow = seen(ttl_seconds=30.0)(_read_days)
_ended_fast = seen(ttl_seconds=5.0)(_read_ended)
_ended_slow = seen(ttl_seconds=15.0)(_read_ended)
