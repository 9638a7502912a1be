"""What people do to single tasks: guarded transitions on their own connection."""

from __future__ import annotations

from core.database import Transaction, queries
from core.errors import IllegalTransition, TaskNotFound
from core.models import Task, Waiting
from core.states import CLAIMED, Priority
from core.store import reading, ticking


def cancel(tx: Transaction, task_id: str, actor: str, reason: str) -> tuple[Waiting, str | None, int]:
    """Cancels an open task and what waits for it.

    Returns (how it stood in the queue, the agent that runs it or None, its attempt). Raises
    TaskNotFound or IllegalTransition.
    """
    parameters = {"id": task_id, "actor": actor, "reason": reason}
    rows = tx.rows(queries("operators")["cancel"], parameters)
    if not rows:
        raise _refusal(tx, task_id, "cancel", ("open",))
    id_, state, attempt, agent_id = rows[0][0], rows[0][1], rows[0][7], rows[0][8]
    ticking.cancel_descendants(tx, [id_], actor)
    return Waiting.from_row(rows[0]), agent_id if state in CLAIMED else None, attempt


def retry(tx: Transaction, task_id: str, actor: str, reason: str) -> Waiting:
    """Makes a failed or cancelled task pending, with a new budget; raises TaskNotFound or IllegalTransition."""
    rows = tx.rows(queries("operators")["retry"], {"id": task_id, "actor": actor, "reason": reason})
    if not rows:
        raise _refusal(tx, task_id, "retry", ("failed", "cancelled"))
    return Waiting.from_row(rows[0])


def reprioritise(tx: Transaction, task_id: str, priority: Priority, actor: str) -> tuple[Waiting, bool, Priority]:
    """Changes the priority of a waiting task.

    Returns (how it waits now, whether it is in the queue at all, its earlier priority). Raises
    TaskNotFound or IllegalTransition.
    """
    parameters = {"id": task_id, "priority": int(priority), "actor": actor}
    rows = tx.rows(queries("operators")["reprioritise"], parameters)
    if not rows:
        raise _refusal(tx, task_id, "a change of priority", ("blocked", "scheduled", "pending"))
    return Waiting.from_row(rows[0]), rows[0][1] != "blocked", Priority(rows[0][7])


def _refusal(tx: Transaction, task_id: str, operation: str, allowed: tuple[str, ...]) -> Exception:
    task: Task | None = reading.find_task(tx, task_id)
    return IllegalTransition(task_id, task.state, operation, allowed) if task else TaskNotFound(task_id)
