"""Has schedules fire while processes die, and reads what became of their fire times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from taskyard.core.postgres.database import Database, queries
from taskyard.core.postgres.store import schedules
from taskyard.core.schedules.due import CatchUp
from taskyard.core.schedules.schedule import MAX_CATCH_UP, ScheduleFields
from taskyard.core.schedules.what import What

PREFIX = "prove-"
COUNT, INTERVAL_SECONDS = 5, 1.0
ACTOR = "prove"


@dataclass(frozen=True, slots=True)
class Fires:
    """What the database has of schedules: the seconds of each one's fire times that submitted a task, with the task's
    id, and the ids of all tasks that schedules submitted.
    """

    times: dict[str, list[tuple[float, str]]]
    tasks: list[str]


def start(database: Database) -> None:
    """Adds schedules that fire each second, and make up for everything that was missed; raises Unavailable."""
    what = What("prove.thread", {}, {})
    fields = ScheduleFields(what, interval_seconds=INTERVAL_SECONDS, catch_up=CatchUp.ALL, catch_up_limit=MAX_CATCH_UP)
    with database.transaction() as tx:
        for number in range(COUNT):
            schedules.create(tx, f"{PREFIX}{number}", fields, ACTOR, may_run_code=False)


def stop(database: Database) -> bool:
    """Has them fire no more; raises Unavailable."""
    with database.transaction() as tx:
        for number in range(COUNT):
            schedules.pause(tx, f"{PREFIX}{number}", ACTOR)
    return True


def read(database: Database) -> Fires:
    """Returns what became of their fire times; raises Unavailable."""
    with database.transaction() as tx:
        rows = tx.rows(queries("prove")["fire_times"], {})
        tasks = [row[0] for row in tx.rows(queries("prove")["scheduled_tasks"], {})]
    times: dict[str, list[tuple[float, str]]] = {}
    for name, at, task_id in rows:
        times.setdefault(name, []).append((_seconds(at), task_id))
    return Fires(times, tasks)


def _seconds(at: datetime) -> float:
    return at.timestamp()
