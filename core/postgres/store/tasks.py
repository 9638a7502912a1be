"""Reads what is displayed: tasks, their histories, counts, agents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from taskyard.core.errors import TaskNotFound
from taskyard.core.models import AgentRecord, AuditEvent, Lane, Task, Waiting
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store.task_columns import with_columns

HISTORY_EVENTS = 10_000


class LaneCount(NamedTuple):
    lane: Lane
    count: int  # type: ignore[assignment]  # in place of the method that every tuple has
    oldest: datetime


class Parent(NamedTuple):
    """An unfinished task that another one waits for, and for which end of it."""

    id: str
    type: str
    state: str
    condition: str = "completed"


class Stopper(NamedTuple):
    """A task that ended otherwise than a cancelled one waited for; no type and state: it no longer exists.

    `is_stopped`: its own parents keep it from starting, too.
    """

    id: str
    type: str | None
    state: str | None
    condition: str
    is_stopped: bool


class TaskResult(NamedTuple):
    """A task's state, with its output or error once it has one."""

    state: str
    output: Any
    error: dict[str, Any] | None


def find_task(tx: Transaction, task_id: str) -> Task | None:
    """Returns the task with this id, or None."""
    rows = tx.rows(with_columns(queries("tasks")["task"]), {"id": task_id})
    return Task.from_row(rows[0]) if rows else None


def get_task(tx: Transaction, task_id: str) -> Task:
    """Returns the task with this id; raises TaskNotFound."""
    task = find_task(tx, task_id)
    if task is None:
        raise TaskNotFound(task_id)
    return task


def list_tasks(
    tx: Transaction, *, state: str | None = None, type: str | None = None, queue: str | None = None, limit: int = 20
) -> list[Task]:
    """Returns the newest tasks that match, without their inputs and outputs."""
    parameters = {"state": state, "type": type, "queue": queue, "limit": limit}
    rows = tx.rows(with_columns(queries("tasks")["list_tasks"]), parameters)
    return [Task.from_row(row) for row in rows]


def tasks_of(tx: Transaction, ids: Sequence[str]) -> list[Task]:
    """Returns these tasks in this order, without their inputs, outputs and checkpoints.

    Tasks that don't exist are left out.
    """
    rows = tx.rows(with_columns(queries("tasks")["tasks"]), {"ids": plain(ids)})
    found = {task.id: task for task in map(Task.from_row, rows)}
    return [found[id_] for id_ in ids if id_ in found]


def history(tx: Transaction, task_id: str, *, limit: int = HISTORY_EVENTS) -> list[AuditEvent]:
    """Returns a task's last events in order, without its attempts' logs: see core.postgres.store.task_logs."""
    asked = {"id": task_id, "limit": limit}
    return [AuditEvent.from_row(row) for row in tx.rows(queries("tasks")["history"], asked)]


def last_return(tx: Transaction, task_id: str, attempt: int) -> str:
    """Returns why an attempt was handed back; empty if it was not."""
    rows = tx.rows(queries("tasks")["last_return"], {"id": task_id, "attempt": attempt})
    return str(rows[0][0] or "") if rows else ""


def endings(tx: Transaction, ids: Sequence[str]) -> dict[str, TaskResult]:
    """Returns the states and results of these tasks."""
    rows = tx.rows(queries("tasks")["outputs"], {"ids": plain(ids)})
    return {
        id_: TaskResult(state, orjson.loads(output) if output else None, orjson.loads(error) if error else None)
        for id_, state, output, error in rows
    }


def waiting(tx: Transaction, ids: Sequence[str]) -> list[Waiting]:
    """Returns the queue data of these tasks; those that don't wait are left out."""
    return [Waiting.from_row(row) for row in tx.rows(queries("tasks")["waiting"], {"ids": plain(ids)})]


def unfinished_parents(tx: Transaction, task_id: str) -> list[Parent]:
    """Returns the unfinished parents of a blocked task."""
    return [Parent(*row) for row in tx.rows(queries("tasks")["unfinished_parents"], {"id": task_id})]


def stoppers(tx: Transaction, task_id: str) -> list[Stopper]:
    """Returns the parents that keep a cancelled task from starting unless they run again, the first 20."""
    return [Stopper(*row) for row in tx.rows(queries("tasks")["stoppers"], {"id": task_id})]


def state_counts(tx: Transaction) -> dict[str, int]:
    """Returns how many tasks are in each state."""
    return dict(tx.rows(queries("tasks")["states"], {}))


def waiting_lanes(tx: Transaction) -> list[LaneCount]:
    """Returns the tasks waiting for an agent, lane by lane."""
    return [
        LaneCount(Lane(queue, type_, tuple(requires)), count, oldest)
        for queue, type_, requires, count, oldest in tx.rows(queries("tasks")["waiting_lanes"], {})
    ]


def agents(tx: Transaction) -> list[AgentRecord]:
    """Returns every known agent, present ones first."""
    return [AgentRecord.from_row(row) for row in tx.rows(queries("tasks")["agents"], {"every": True})]


def present_agents(tx: Transaction) -> list[AgentRecord]:
    """Returns the agents that have not left, by name."""
    return [AgentRecord.from_row(row) for row in tx.rows(queries("tasks")["agents"], {"every": False})]


def now(tx: Transaction) -> datetime:
    """Returns the database's time at the start of this transaction."""
    return tx.rows(queries("tasks")["now"], {})[0][0]  # type: ignore[no-any-return]


def leader(tx: Transaction) -> tuple[int, str, datetime]:
    """Returns (epoch, worker, since) of the current term; epoch 0 before the first."""
    return tx.rows(queries("tasks")["leader"], {})[0]


def is_led(tx: Transaction) -> bool:
    """Returns True if a worker leads now; the term of `leader` may be over."""
    return bool(tx.rows(queries("tasks")["is_led"], {})[0][0])


def has_tasks(tx: Transaction) -> bool:
    """Returns True if there is any task."""
    return bool(tx.rows(queries("tasks")["any_task"], {})[0][0])
