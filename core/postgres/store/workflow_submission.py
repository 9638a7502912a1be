"""Stores a workflow with its tasks, edges and templates of inputs, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from taskyard.core.errors import IdempotencyConflict, SubmissionError
from taskyard.core.i18n import msg
from taskyard.core.models import Waiting
from taskyard.core.new_task import Submission
from taskyard.core.payload.culprits import in_field, together
from taskyard.core.postgres.arrays import names
from taskyard.core.postgres.database import DriverTransaction, Transaction, queries
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store.pending_limits import over_limit
from taskyard.core.postgres.store.submission import PREDICTED_COLUMNS, draining_refusal, lane_of
from taskyard.core.postgres.store.submission_copy import EVENT_COLUMNS, NULL, escaped, predicted_text
from taskyard.core.states import TaskState
from taskyard.core.workflows.checked import CheckedTask, CheckedWorkflow, Submitted

_TASK_COLUMNS = (
    "id", "queue", "type", "title", "state", "priority", "input", "requires", "max_attempts", "timeout_seconds",
    "run_at", "ready_at", "workflow_id", "workflow_key", "waiting_on", "creator_agent_id", "created_by", "created_at",
    "scheduled_for", *PREDICTED_COLUMNS,
)  # fmt: skip
_EDGE_COLUMNS = ("parent_id", "child_id", "condition")


class Inserted(NamedTuple):
    """A stored workflow, and the tasks that wait for an agent; none for one that an earlier call stored."""

    submitted: Submitted
    waiting: list[Waiting]
    is_new: bool


def insert(tx: DriverTransaction, workflow: CheckedWorkflow) -> Inserted:
    """Stores a workflow; a known idempotency key returns the first one. All or nothing.

    Raises SubmissionError whose `parts` are all refused tasks, and IdempotencyConflict.
    """
    first = find_first(tx, workflow) if workflow.idempotency_key is not None else None
    if first is None:
        _check_accepted(tx, workflow)
        if _add(tx, workflow):
            return Inserted(workflow.submitted(workflow.id, _ids(workflow)), _copy(tx, workflow), True)
        first = find_first(tx, workflow)
    if first is None:
        expected = msg("a new key: another transaction has just used this one")
        raise SubmissionError("idempotency_key", workflow.idempotency_key, expected)
    return Inserted(first, [], False)


def find_first(tx: Transaction, workflow: CheckedWorkflow) -> Submitted | None:
    """Returns the stored workflow of the same call; None without one. Raises IdempotencyConflict."""
    rows = tx.rows(queries("workflow_submission")["with_key"], {"key": workflow.idempotency_key})
    if not rows:
        return None
    workflow_id, content_hash = rows[0]
    if content_hash != workflow.content_hash:
        raise IdempotencyConflict.with_workflow(str(workflow.idempotency_key), workflow_id)
    ids = dict(tx.rows(queries("workflow_submission")["task_ids"], {"id": workflow_id}))
    known = {one.key: ids.get(one.key, "") for one in workflow.tasks}  # retention may have removed some
    return workflow.submitted(workflow_id, known)


def _ids(workflow: CheckedWorkflow) -> dict[str, str]:
    return {one.key: one.submission.id for one in workflow.tasks}


def _check_accepted(tx: Transaction, workflow: CheckedWorkflow) -> None:
    holds = holds_store.holds(tx)
    problems = []
    for one in workflow.tasks if holds.by_name else ():
        refusal = draining_refusal(one.submission, holds)
        if refusal is not None:
            problems.append(in_field(refusal, f"tasks.{one.key.replace('/', '.')}.{refusal.field}"))
    if not problems:
        problems = list(over_limit(tx, [one.submission for one in workflow.tasks]).values())[:1]
    if problems:
        raise together(problems)


def _add(tx: Transaction, workflow: CheckedWorkflow) -> bool:
    parameters = {
        "id": workflow.id,
        "kind": workflow.kind,
        "name": workflow.name,
        "title": workflow.title,
        "tasks": len(workflow.tasks),
        "key": workflow.idempotency_key,
        "hash": workflow.content_hash,
        "parent": workflow.parent_task_id,
        "created_by": workflow.created_by,
    }
    return bool(tx.rows(queries("workflow_submission")["add_workflow"], parameters))


def _copy(tx: DriverTransaction, workflow: CheckedWorkflow) -> list[Waiting]:
    now, now_seconds = tx.rows(queries("submission")["transaction_time"], {})[0]
    ids, waiting = _ids(workflow), []
    scheduled_for = NULL if workflow.scheduled_for is None else workflow.scheduled_for.isoformat()
    tasks, events, templates = [], [], []
    for one in workflow.tasks:
        s, waiting_on = one.submission, len(one.parents) + one.is_template
        due = _due(s, now_seconds)
        is_later = due is not None and due.timestamp() > now_seconds
        state = TaskState.BLOCKED if waiting_on else TaskState.SCHEDULED if is_later else TaskState.PENDING
        ready = due.isoformat() if is_later and due else now
        creator, by = _text(s.creator_agent_id), escaped(s.created_by)
        body = s.input_json.replace("\\", "\\\\")
        tasks.append(
            f"{s.id}\t{s.queue}\t{s.type}\t{_text(s.title)}\t{state.value}\t{s.priority}\t{body}\t{names(s.requires)}\t"
            f"{s.max_attempts}\t{s.timeout_seconds}\t{NULL if due is None else due.isoformat()}\t{ready}\t"
            f"{workflow.id}\t{one.key}\t{waiting_on}\t{creator}\t{by}\t{now}\t{scheduled_for}\t{predicted_text(s)}\n"
        )
        events.append(f"{s.id}\tsubmitted\t{state.value}\t0\t{by}\t{creator}\t{s.queue}\t{s.type}\n")
        if one.is_template:
            templates.append(f"{s.id}\t{body}\n")
        if not waiting_on:
            ready_seconds = due.timestamp() if is_later and due else now_seconds
            waiting.append(Waiting(s.id, lane_of(s), s.priority, ready_seconds, is_later, s.head_start))
    tx.copy("tasks", _TASK_COLUMNS, tasks)
    tx.copy("task_events", EVENT_COLUMNS, events)
    if edges := [line for one in workflow.tasks for line in _edge_lines(one, ids)]:
        tx.copy("task_dependencies", _EDGE_COLUMNS, edges)
    if templates:
        tx.copy("task_inputs", ("task_id", "template"), templates)
    return waiting


def _edge_lines(one: CheckedTask, ids: dict[str, str]) -> Iterator[str]:
    child = one.submission.id
    for parent, condition in one.parents.items():
        yield f"{ids[parent]}\t{child}\t{condition.value}\n"


def _due(submission: Submission, now_seconds: float) -> datetime | None:
    if submission.delay_seconds is not None:
        return datetime.fromtimestamp(now_seconds + submission.delay_seconds, UTC)
    return submission.run_at


def _text(value: str | None) -> str:
    return NULL if value is None else escaped(value)
