"""Stores fire times of schedules, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson

from taskyard.core.postgres.arrays import plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import workflows
from taskyard.core.postgres.store.schedules import from_row
from taskyard.core.schedules.schedule import FireOutcome, Origin, Schedule
from taskyard.core.states import TaskState
from taskyard.core.stored_text import restored, written
from taskyard.core.workflows.states import WorkflowState, open_state

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
    workflow_id: str | None = None
    submit_at: datetime | None = None  # of a workflow that is due

    @property
    def key(self) -> tuple[str, datetime]:
        return self.schedule_id, self.fire_time

    def refused(self, reason: str) -> Fire:
        """Returns it with its task or workflow not accepted."""
        return Fire(self.schedule_id, self.fire_time, FireOutcome.REFUSED, self.origin, reason=reason)


@dataclass(frozen=True, slots=True)
class PastFire:
    """A recorded fire time; `state` is that of its task or workflow, None without one or when it is pruned.

    `reason` is translatable. `run_seconds` is how long its task ran, or its workflow took, if that has ended.
    """

    fire_time: datetime
    outcome: FireOutcome
    origin: Origin
    task_id: str | None
    workflow_id: str | None
    reason: str | None
    recorded_at: datetime
    state: TaskState | WorkflowState | None
    run_seconds: float | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> PastFire:
        at, outcome, origin, task_id, workflow_id, reason, message, recorded_at, of_task, of_workflow, seconds = row
        said = None if reason is None else restored(reason, message)
        state = None if of_workflow is None else WorkflowState(of_workflow)
        known = state if of_task is None else TaskState(of_task)
        return cls(at, FireOutcome(outcome), Origin(origin), task_id, workflow_id, said, recorded_at, known, seconds)

    def as_json(self) -> dict[str, Any]:
        """Returns it as a document."""
        return {
            "fire_time": self.fire_time.isoformat(),
            "outcome": self.outcome.value,
            "origin": self.origin.value,
            "task_id": self.task_id,
            "workflow_id": self.workflow_id,
            "reason": None if self.reason is None else str(self.reason),
            "recorded_at": self.recorded_at.isoformat(),
            "state": None if self.state is None else self.state.value,
            "run_seconds": self.run_seconds,
        }


class DueWorkflow(NamedTuple):
    """A fire time whose workflow is to be submitted, under an id that is known already."""

    schedule_id: str
    schedule: str
    fire_time: datetime
    workflow_id: str


@dataclass(frozen=True, slots=True)
class Late:
    """A schedule whose task or workflow (`kind`) has not completed when it was expected.

    `state` is its state, None: it was not accepted; `id` is None if it is not there.
    """

    name: str
    fire_time: datetime
    id: str | None
    state: str | None
    kind: str


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


def with_open_workflow(tx: Transaction, schedule_ids: Sequence[str]) -> set[str]:
    """Returns those of these schedules that have an unfinished workflow, or one that is due."""
    rows = tx.rows(queries("schedule_fires")["with_open_workflow"], {"ids": plain(schedule_ids)})
    return {row[0] for row in rows}


def due_workflows(tx: Transaction, limit: int) -> list[DueWorkflow]:
    """Returns fire times whose workflow is to be submitted now, the longest due first; locks nothing."""
    return [DueWorkflow(*row) for row in tx.rows(queries("schedule_fires")["due_workflows"], {"limit": limit})]


def lock_due(tx: Transaction, one: DueWorkflow) -> Fire | None:
    """Locks a fire time whose workflow is due; None if somebody else has it, or its workflow was submitted."""
    parameters = {"schedule": one.schedule_id, "fire_time": one.fire_time}
    rows = tx.rows(queries("schedule_fires")["lock_due"], parameters)
    if not rows:
        return None
    origin = Origin(rows[0][0])
    return Fire(one.schedule_id, one.fire_time, FireOutcome.SUBMITTED, origin, workflow_id=one.workflow_id)


def lock_earlier(tx: Transaction, one: DueWorkflow) -> list[Fire]:
    """Locks the fire times before one whose workflow is unfinished, or due; those that somebody holds are left."""
    parameters = {"schedule": one.schedule_id, "fire_time": one.fire_time}
    rows = tx.rows(queries("schedule_fires")["lock_earlier"], parameters)
    return [Fire(one.schedule_id, at, FireOutcome(outcome), workflow_id=id_) for at, outcome, id_ in rows]


def half_cancelled(tx: Transaction, limit: int) -> list[tuple[str, str, str]]:
    """Returns the ids of unfinished workflows that later fire times have replaced, with their schedule and why."""
    rows = tx.rows(queries("schedule_fires")["half_cancelled"], {"limit": limit})
    return [(id_, name, reason) for id_, name, reason in rows]


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
    rows = tx.rows(queries("schedule_fires")["fires"], parameters)
    return _with_open_states(tx, [PastFire.from_row(row) for row in rows])


def last_fires(tx: Transaction, schedule_ids: Sequence[str], limit: int) -> dict[str, list[PastFire]]:
    """Returns the newest fire times of schedules by id, oldest first."""
    found: dict[str, list[PastFire]] = {id_: [] for id_ in schedule_ids}
    rows = tx.rows(queries("schedule_fires")["last_fires"], {"ids": plain(schedule_ids), "limit": limit})
    fires = _with_open_states(tx, [PastFire.from_row(row[1:]) for row in rows])
    for row, fire in zip(rows, fires, strict=True):
        found[row[0]].append(fire)
    return found


def days(tx: Transaction, schedule_id: str, since: datetime, zone: str) -> dict[date, dict[str, int]]:
    """Returns by day how many fire times came to what: the state of the task or workflow, or the outcome without."""
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
    """Returns the schedules whose last task or workflow has not completed when it was expected: so long after its
    fire time, where the schedule does not say.
    """
    rows = tx.rows(queries("schedule_fires")["late"], {"seconds": seconds})
    return [Late(*row) for row in rows]


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
        "workflows": plain(one.workflow_id for one in given),
        "submit_ats": quoted(None if one.submit_at is None else one.submit_at.isoformat() for one in given),
        "reasons": quoted(None if one.reason is None else str(one.reason) for one in given),
        "messages": quoted(None if one.reason is None else _message(one.reason) for one in given),
    }


def _message(reason: str) -> str | None:
    made_of = written(reason)
    return None if made_of is None else orjson.dumps(made_of).decode()


def _with_open_states(tx: Transaction, fires: Sequence[PastFire]) -> list[PastFire]:
    """Returns fire times with what unfinished workflows are: running or stuck."""
    ids = [one.workflow_id for one in fires if one.state is WorkflowState.RUNNING and one.workflow_id is not None]
    figures = workflows.figures(tx, ids) if ids else {}
    return [
        replace(one, state=open_state(figures[one.workflow_id])) if one.workflow_id in ids else one for one in fires
    ]
