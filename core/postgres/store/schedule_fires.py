"""Stores fire times of schedules, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.schedules import from_row
from taskyard.core.schedules.schedule import FireOutcome, Origin, Schedule
from taskyard.core.states import TaskState

MAX_FIRES = 500  # of a page


@dataclass(frozen=True, slots=True)
class Fire:
    """What becomes of a fire time."""

    schedule_id: str
    fire_time: datetime
    outcome: FireOutcome
    origin: Origin = Origin.TIME
    task_id: str | None = None
    reason: str | None = None

    @property
    def key(self) -> tuple[str, datetime]:
        return self.schedule_id, self.fire_time

    def refused(self, reason: str) -> Fire:
        """Returns it with its task not accepted."""
        return replace(self, outcome=FireOutcome.REFUSED, task_id=None, reason=reason)


@dataclass(frozen=True, slots=True)
class PastFire:
    """A recorded fire time; `state` is that of its task, None without one or when it is pruned."""

    fire_time: datetime
    outcome: FireOutcome
    origin: Origin
    task_id: str | None
    reason: str | None
    recorded_at: datetime
    state: TaskState | None
    run_seconds: float | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> PastFire:
        at, outcome, origin, task_id, reason, recorded_at, state, seconds = row
        known = None if state is None else TaskState(state)
        return cls(at, FireOutcome(outcome), Origin(origin), task_id, reason, recorded_at, known, seconds)

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "fire_time": self.fire_time.isoformat(),
            "outcome": self.outcome.value,
            "origin": self.origin.value,
            "task_id": self.task_id,
            "reason": self.reason,
            "recorded_at": self.recorded_at.isoformat(),
            "state": None if self.state is None else self.state.value,
            "run_seconds": self.run_seconds,
        }


@dataclass(frozen=True, slots=True)
class Late:
    """A schedule whose task has not completed when it was expected; `state` is its task's, None: not accepted."""

    name: str
    fire_time: datetime
    task_id: str | None
    state: TaskState | None


def due(tx: Transaction, limit: int) -> tuple[list[Schedule], datetime | None]:
    """Locks and returns schedules that are due and not locked, at most `limit`, and the database's time."""
    rows = tx.rows(queries("schedule_fires")["due"], {"limit": limit})
    return [from_row(row) for row in rows], rows[0][-1] if rows else None


def earliest(tx: Transaction) -> float | None:
    """Returns when the next schedule is due, in epoch seconds; None if none is."""
    found: float | None = tx.rows(queries("schedule_fires")["earliest"], {})[0][0]
    return found


def open_tasks(tx: Transaction, schedule_ids: Sequence[str]) -> dict[str, list[tuple[datetime, str]]]:
    """Returns the unfinished tasks of schedules as (fire time, task id), oldest first."""
    found: dict[str, list[tuple[datetime, str]]] = {}
    for id_, fire_time, task_id in tx.rows(queries("schedule_fires")["open_tasks"], {"ids": plain(schedule_ids)}):
        found.setdefault(id_, []).append((fire_time, task_id))
    return found


def add(tx: Transaction, fires: Sequence[Fire]) -> set[tuple[str, datetime]]:
    """Records fire times; returns the keys of those that had not been recorded before."""
    return _keys(tx.rows(queries("schedule_fires")["add_fires"], _columns(fires))) if fires else set()


def fill(tx: Transaction, fires: Sequence[Fire]) -> set[tuple[str, datetime]]:
    """Records fire times that are made up for; returns the keys of those that had submitted no task."""
    return _keys(tx.rows(queries("schedule_fires")["fill_fires"], _columns(fires))) if fires else set()


def note(tx: Transaction, fires: Sequence[Fire]) -> None:
    """Changes what became of recorded fire times."""
    if fires:
        columns = _columns(fires)
        del columns["origins"]
        tx.rows(queries("schedule_fires")["note_fires"], columns)


def move_on(tx: Transaction, times: dict[str, datetime | None]) -> None:
    """Sets when schedules fire next, by id; None: never again."""
    written = quoted(None if time is None else time.isoformat() for time in times.values())
    tx.rows(queries("schedule_fires")["move_on"], {"ids": plain(times), "times": written})


def fires(tx: Transaction, schedule_id: str, *, before: datetime | None = None, limit: int = 50) -> list[PastFire]:
    """Returns the newest fire times of a schedule, newest first."""
    parameters = {"id": schedule_id, "before": before, "limit": min(limit, MAX_FIRES)}
    return [PastFire.from_row(row) for row in tx.rows(queries("schedule_fires")["fires"], parameters)]


def last_fires(tx: Transaction, schedule_ids: Sequence[str], limit: int) -> dict[str, list[PastFire]]:
    """Returns the newest fire times of schedules by id, oldest first."""
    found: dict[str, list[PastFire]] = {id_: [] for id_ in schedule_ids}
    rows = tx.rows(queries("schedule_fires")["last_fires"], {"ids": plain(schedule_ids), "limit": limit})
    for id_, *row in rows:
        found[id_].append(PastFire.from_row(row))
    return found


def days(tx: Transaction, schedule_id: str, since: datetime, zone: str) -> dict[date, dict[str, int]]:
    """Returns by day how many fire times came to what: the state of the task, or the outcome without one."""
    found: dict[date, dict[str, int]] = {}
    parameters = {"id": schedule_id, "since": since, "zone": zone}
    for day, outcome, count in tx.rows(queries("schedule_fires")["days"], parameters):
        found.setdefault(day, {})[outcome] = count
    return found


def submitted_between(tx: Transaction, schedule_id: str, since: datetime, until: datetime) -> set[datetime]:
    """Returns the fire times of a span that submitted a task."""
    parameters = {"id": schedule_id, "since": since, "until": until}
    return {row[0] for row in tx.rows(queries("schedule_fires")["submitted_between"], parameters)}


def late(tx: Transaction, seconds: float) -> list[Late]:
    """Returns the schedules whose last task has not completed when it was expected: so long after its fire time,
    where the schedule does not say.
    """
    rows = tx.rows(queries("schedule_fires")["late"], {"seconds": seconds})
    return [Late(name, at, task_id, None if state is None else TaskState(state)) for name, at, task_id, state in rows]


def old_fires(tx: Transaction, days_old: int) -> int:
    """Returns how many fire times are older, those apart that are a schedule's last."""
    return int(tx.rows(queries("schedule_fires")["old_fires"], {"days": days_old})[0][0])


def prune(tx: Transaction, days_old: int, limit: int) -> int:
    """Removes at most `limit` of them; returns how many."""
    return int(tx.rows(queries("schedule_fires")["prune_fires"], {"days": days_old, "limit": limit})[0][0])


def _keys(rows: Sequence[tuple[Any, ...]]) -> set[tuple[str, datetime]]:
    return {(id_, at) for id_, at in rows}


def _columns(given: Sequence[Fire]) -> dict[str, str]:
    return {
        "schedules": plain(one.schedule_id for one in given),
        "fire_times": quoted(one.fire_time.isoformat() for one in given),
        "outcomes": plain(one.outcome.value for one in given),
        "origins": plain(one.origin.value for one in given),
        "tasks": plain(one.task_id for one in given),
        "reasons": quoted(one.reason for one in given),
    }
