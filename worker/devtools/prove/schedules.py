"""Has schedules fire while processes die, and reads what became of their fire times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.store import schedules
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import MAX_CATCH_UP, ScheduleFields
from taskyard.core.schedules.what import AnyWhat, What, WorkflowWhat

PREFIX = "prove-"
INTERVAL_SECONDS = 1.0
TASK = What("prove.thread", {}, {})
WORKFLOW = WorkflowWhat("prove", None, {"a": {"type": "prove.thread"}, "b": {"type": "prove.thread", "after": ["a"]}})
SUBMITS: tuple[AnyWhat, ...] = (TASK, TASK, TASK, WORKFLOW, WORKFLOW)  # by one schedule each
ACTOR = "prove"


@dataclass(frozen=True, slots=True)
class Fires:
    """What the database has of schedules: the seconds of each one's fire times that submitted a task or a workflow,
    with its id; the ids of all that schedules submitted; and of all tasks of these, those of workflows included.
    """

    times: dict[str, list[tuple[float, str]]]
    submitted: list[str]
    tasks: list[str]


def start(database: Database) -> None:
    """Adds schedules that fire each second, and make up for everything that was missed; raises Unavailable."""
    rule: dict[str, Any] = {"interval_seconds": INTERVAL_SECONDS, "catch_up_limit": MAX_CATCH_UP}
    with database.transaction() as tx:
        for number, what in enumerate(SUBMITS):
            fields = ScheduleFields(what, catch_up=CatchUp.ALL, **rule)
            schedules.create(tx, f"{PREFIX}{number}", fields, ACTOR, may_run_code=False)


def stop(database: Database) -> bool:
    """Has them fire no more; raises Unavailable."""
    with database.transaction() as tx:
        for number in range(len(SUBMITS)):
            schedules.pause(tx, f"{PREFIX}{number}", ACTOR)
    return True


def are_submitted(database: Database) -> bool:
    """Returns True if no workflow of a fire time is still to be submitted; raises Unavailable."""
    with database.transaction() as tx:
        return tx.rows(queries("prove")["due_workflows"], {}) == [(0,)]


def read(database: Database) -> Fires:
    """Returns what became of their fire times; raises Unavailable."""
    with database.transaction() as tx:
        rows = tx.rows(queries("prove")["fire_times"], {})
        submitted = [row[0] for row in tx.rows(queries("prove")["scheduled"], {})]
        tasks = [row[0] for row in tx.rows(queries("prove")["scheduled_tasks"], {})]
    times: dict[str, list[tuple[float, str]]] = {}
    for name, at, id_ in rows:
        times.setdefault(name, []).append((_seconds(at), id_))
    return Fires(times, submitted, tasks)


def _seconds(at: datetime) -> float:
    return at.timestamp()
