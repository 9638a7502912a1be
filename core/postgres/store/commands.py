"""What people do to tasks, one or many: guarded transitions on their own connection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from taskyard.core.errors import IllegalTransition, TaskNotFound
from taskyard.core.i18n import msg
from taskyard.core.models import Task, Waiting
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import dependants, tasks
from taskyard.core.postgres.store.dependants import Slice
from taskyard.core.states import CLAIMED, REPRIORITISABLE, RETRYABLE_STATES, Priority, TaskState


class Cancelled(NamedTuple):
    """How a task stood in the queue, and its attempt with the agent that runs it (None: nobody does)."""

    was: Waiting
    agent_id: str | None
    attempt: int


class Reprioritised(NamedTuple):
    """How a task waits now, whether it is in the queue at all, and its earlier priority."""

    waiting: Waiting
    is_queued: bool
    earlier: Priority


def cancel_many(tx: Transaction, ids: Sequence[str], actor: str, reason: str) -> tuple[list[Cancelled], Slice]:
    """Cancels those that are open, and a slice of what waits for them; returns them, and the slice.

    What is left of it then is for `dependants.cancel_below` in further transactions; the leader finds it, too.
    """
    parameters = {"ids": plain(ids), "actor": actor, "reason": reason}
    rows = tx.rows(queries("commands")["cancel"], parameters)
    below = dependants.cancel_below(tx, [row[0] for row in rows], actor)
    return [Cancelled(Waiting.from_row(row), row[8] if row[1] in CLAIMED else None, row[7]) for row in rows], below


def lock_open(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Of these tasks, the open ones whose rows nobody else holds; nobody changes them until the transaction's end."""
    return [row[0] for row in tx.rows(queries("commands")["lock_open"], {"ids": plain(ids)})]


def retry_many(tx: Transaction, ids: Sequence[str], actor: str, reason: str) -> list[Waiting]:
    """Makes those pending that failed or were cancelled, each with a new budget; returns them.

    One with a time to come of its submitter's becomes scheduled. Those whose parents have not completed are left out.
    """
    parameters = {"ids": plain(ids), "states": sorted(RETRYABLE_STATES), "actor": actor, "reason": reason}
    return [Waiting.from_row(row) for row in tx.rows(queries("commands")["retry"], parameters)]


def held_back(tx: Transaction, ids: Sequence[str]) -> set[str]:
    """Of these tasks, those that a retry leaves out: they waited for some that have not completed."""
    return {row[0] for row in tx.rows(queries("commands")["held_back"], {"ids": plain(ids)})}


def reprioritise_many(
    tx: Transaction, ids: Sequence[str], priority: Priority, actor: str, reason: str
) -> list[Reprioritised]:
    """Changes the priority of those that wait; returns them."""
    states = sorted(REPRIORITISABLE)
    parameters = {"ids": plain(ids), "states": states, "priority": int(priority), "actor": actor, "reason": reason}
    return [
        Reprioritised(Waiting.from_row(row), row[1] != TaskState.BLOCKED, Priority(row[7]))
        for row in tx.rows(queries("commands")["reprioritise"], parameters)
    ]


def cancel(tx: Transaction, task_id: str, actor: str, reason: str) -> tuple[Cancelled, Slice]:
    """`cancel_many` for one task; raises TaskNotFound or IllegalTransition."""
    done, below = cancel_many(tx, [task_id], actor, reason)
    if not done:
        raise _refusal(tx, task_id, msg("only unfinished tasks can be cancelled"))
    return done[0], below


def retry(tx: Transaction, task_id: str, actor: str, reason: str) -> Waiting:
    """`retry_many` for one task; raises TaskNotFound or IllegalTransition, which names the parent in the way."""
    done = retry_many(tx, [task_id], actor, reason)
    if not done:
        for parent, state in tx.rows(queries("commands")["unmet_parents"], {"id": task_id}):
            raise _refusal(tx, task_id, _needs_parent(parent, state))
        raise _refusal(tx, task_id, msg("only failed or cancelled tasks can be retried"))
    return done[0]


def reprioritise(tx: Transaction, task_id: str, priority: Priority, actor: str, reason: str = "") -> Reprioritised:
    """Changes the priority of a waiting task; raises TaskNotFound or IllegalTransition."""
    done = reprioritise_many(tx, [task_id], priority, actor, reason)
    if not done:
        needs = msg("only blocked, scheduled or pending tasks can change their priority")
        raise _refusal(tx, task_id, needs)
    return done[0]


def note_bulk(tx: Transaction, event: str, actor: str, detail: dict[str, object]) -> None:
    """Writes the audit row of an operation on many tasks: that it began, or what became of it."""
    tx.rows(queries("commands")["note_bulk"], {"event": event, "actor": actor, "detail": orjson.dumps(detail).decode()})


def _needs_parent(parent: str, state: str | None) -> str:
    if state is None:
        return msg("it waited for task {parent}, which does not exist any more: submit it anew", parent=parent)
    return msg(
        "it depends on task {parent}, which is {state}; only after that has completed can it be retried",
        parent=parent,
        state=TaskState(state),
    )


def _refusal(tx: Transaction, task_id: str, needs: str) -> Exception:
    task: Task | None = tasks.find_task(tx, task_id)
    return IllegalTransition(task_id, task.state, needs) if task else TaskNotFound(task_id)
