"""Reads a task's related tasks: its submitter, its children, its parents and its dependants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from taskyard.core.ids import parsed_id
from taskyard.core.models import Task
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import related_tasks, tasks
from taskyard.core.postgres.store.related_tasks import Related
from taskyard.core.views.workflows import SeenWorkflow


@dataclass(frozen=True, slots=True)
class Relatives:
    """A task's submitter, its children, its parents and its dependants; `workflow_id` is the root's.

    `workflows` are those that its handler submitted; who shows them reads them as its viewer sees them.
    """

    parents: Sequence[Related]
    children: Sequence[Related]
    awaited: Sequence[Related]
    dependants: Sequence[Related]
    workflow_id: str | None
    workflows: Sequence[SeenWorkflow] = ()

    @property
    def is_alone(self) -> bool:
        """Returns True if there are none."""
        tasks = self.parents or self.children or self.awaited or self.dependants
        return not (tasks or self.workflows or self.workflow_id)


def relatives_of(tx: Transaction, task_id: str) -> Relatives | None:
    """Returns a task's related tasks, the first 100 of each kind; None if it is gone. Raises Unavailable."""
    found = tasks.tasks_of(tx, [task_id])
    if not found:
        return None
    task = found[0]
    children = related_tasks.submitted_by(tx, task_id)
    return Relatives(
        parents=tuple(map(_shortly, tasks.tasks_of(tx, _parent_ids(task)))),
        children=tuple(children),
        awaited=tuple(related_tasks.before_it(tx, task_id)),
        dependants=tuple(related_tasks.after_it(tx, task_id)),
        workflow_id=task.workflow_id or (task.id if children else None),
    )


def _parent_ids(task: Task) -> list[str]:
    """Returns the ids of the task that submitted it, by its key, whatever creator it names."""
    known = parsed_id((task.idempotency_key or "").partition("/")[0])
    return [known] if known and task.workflow_id else []


def _shortly(task: Task) -> Related:
    return Related(task.id, task.type, task.title, task.state.value)
