"""Implements operators' commands on tasks, one or many: guarded transitions on their own connection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from taskyard.core.edges import Condition, RetryScope
from taskyard.core.errors import IllegalTransition, TaskNotFound
from taskyard.core.i18n import N_, msg
from taskyard.core.models import Task, Waiting
from taskyard.core.postgres.arrays import plain
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import dependants, tasks
from taskyard.core.postgres.store.dependants import Slice
from taskyard.core.states import CLAIMED, REPRIORITISABLE, RETRYABLE_STATES, TERMINAL, Priority, TaskState

_NEEDS = {
    Condition.COMPLETED: N_(
        "it depends on task {parent}, which is {state}; only after that has completed can it be retried"
    ),
    Condition.ENDED: N_("it depends on task {parent}, which is {state}; only after that has ended can it be retried"),
    Condition.FAILED: N_("it depends on task {parent}, which is {state}; only if that fails can it be retried"),
}
_RETRY_BOTH = N_("{needs} (retry that with the scope downstream, or this with the scope chain)")
_MAY_WAIT = N_("{needs} (with the scope downstream it waits for that)")


class Cancelled(NamedTuple):
    """A cancelled task's place in its queue, and its attempt with the agent that runs it (None: not running)."""

    was: Waiting
    agent_id: str | None
    attempt: int


class Reprioritised(NamedTuple):
    """A task's queue data after a priority change, whether it is queued, and its earlier priority."""

    waiting: Waiting
    is_queued: bool
    earlier: Priority


def cancel_many(tx: Transaction, ids: Sequence[str], actor: str, reason: str) -> tuple[list[Cancelled], Slice]:
    """Cancels the unfinished ones and a slice of their dependants; returns both.

    Remaining dependants are left to `dependants.cancel_below` in later transactions; the leader finds them, too.
    """
    parameters = {"ids": plain(ids), "actor": actor, "reason": reason}
    rows = tx.rows(queries("commands")["cancel"], parameters)
    below = dependants.cancel_below(tx, [row[0] for row in rows], actor)
    return [Cancelled(Waiting.from_row(row), row[9] if row[1] in CLAIMED else None, row[8]) for row in rows], below


def lock_open(tx: Transaction, ids: Sequence[str]) -> list[str]:
    """Returns the unfinished tasks whose rows are not locked, and locks them until the end of the transaction."""
    return [row[0] for row in tx.rows(queries("commands")["lock_open"], {"ids": plain(ids)})]


def retry_many(tx: Transaction, ids: Sequence[str], actor: str, reason: str) -> list[Waiting]:
    """Makes failed or cancelled tasks pending, each with a new budget; returns them.

    A task whose requested start time is still ahead becomes scheduled, one whose input is still to be made of its
    parents' outputs blocked. Tasks whose parents have not ended as they wait for are left out.
    """
    return retry_as(tx, ids, actor, reason)


def retry_as(
    tx: Transaction,
    ids: Sequence[str],
    actor: str,
    reason: str,
    scope: RetryScope | None = None,
    starts: Sequence[str] | None = None,
) -> list[Waiting]:
    """Runs `retry_many`; with a scope the history says for the sake of which of `starts` each runs again."""
    who = {"actor": actor, "reason": reason, "scope": scope, "starts": None if starts is None else plain(starts)}
    parameters = {"ids": plain(ids), "states": sorted(RETRYABLE_STATES)}
    rows = tx.rows(queries("commands")["retry"], {**who, **parameters})
    reopen_workflows(tx, (row[8] for row in rows))
    return [Waiting.from_row(row) for row in rows]


def reopen_workflows(tx: Transaction, ids: Iterable[str | None]) -> None:
    """Notes that these workflows have not ended: tasks of theirs run again."""
    known = sorted({id_ for id_ in ids if id_ is not None})
    if known:
        tx.rows(queries("retries")["reopen_workflows"], {"ids": plain(known)})


def held_back(tx: Transaction, ids: Sequence[str]) -> set[str]:
    """Returns the tasks that a retry leaves out because they waited for tasks that have not completed."""
    return {row[0] for row in tx.rows(queries("commands")["held_back"], {"ids": plain(ids)})}


def reprioritise_many(
    tx: Transaction, ids: Sequence[str], priority: Priority, actor: str, reason: str
) -> list[Reprioritised]:
    """Changes the priority of waiting tasks; returns them."""
    states = sorted(REPRIORITISABLE)
    parameters = {"ids": plain(ids), "states": states, "priority": int(priority), "actor": actor, "reason": reason}
    return [
        Reprioritised(Waiting.from_row(row), row[1] != TaskState.BLOCKED, Priority(row[8]))
        for row in tx.rows(queries("commands")["reprioritise"], parameters)
    ]


def cancel(tx: Transaction, task_id: str, actor: str, reason: str) -> tuple[Cancelled, Slice]:
    """Runs `cancel_many` for one task; raises TaskNotFound or IllegalTransition."""
    done, below = cancel_many(tx, [task_id], actor, reason)
    if not done:
        raise _refusal(tx, task_id, msg("only unfinished tasks can be cancelled"))
    return done[0], below


def retry(tx: Transaction, task_id: str, actor: str, reason: str) -> Waiting:
    """Runs `retry_many` for one task; raises TaskNotFound or IllegalTransition, which names an incomplete parent."""
    done = retry_many(tx, [task_id], actor, reason)
    if not done:
        for parent, state, condition in tx.rows(queries("commands")["unmet_parents"], {"id": task_id}):
            raise _refusal(tx, task_id, needs_parent(parent, state and TaskState(state), Condition(condition)))
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
    """Writes the audit row of a bulk operation: its start or its result."""
    tx.rows(queries("commands")["note_bulk"], {"event": event, "actor": actor, "detail": orjson.dumps(detail).decode()})


def needs_parent(parent: str, state: TaskState | None, condition: Condition) -> str:
    """Returns why a task can't be retried: a parent's state; None if that is gone."""
    if state is None:
        return msg("it waited for task {parent}, which no longer exists: submit it again", parent=parent)
    needs = msg(_NEEDS[condition], parent=parent, state=state)
    if state in RETRYABLE_STATES:
        return msg(_RETRY_BOTH, needs=needs)
    return needs if state in TERMINAL else msg(_MAY_WAIT, needs=needs)


def _refusal(tx: Transaction, task_id: str, needs: str) -> Exception:
    task: Task | None = tasks.find_task(tx, task_id)
    return IllegalTransition(task_id, task.state, needs) if task else TaskNotFound(task_id)
