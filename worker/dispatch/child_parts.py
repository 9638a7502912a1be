"""Stores what running tasks submit, in the tick's transaction: children and workflows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import submission, tick, workflow_submission
from taskyard.core.protocol import Reply
from taskyard.worker.dispatch.batch import Batch, Child, ChildWorkflow, Committed
from taskyard.worker.dispatch.claim_holders import NOT_CURRENT
from taskyard.worker.dispatch.savepoints import each

Submitted = TypeVar("Submitted", Child, ChildWorkflow)


def submit_children(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    """Stores the children of running tasks, under a lock on their parents' rows (P17)."""
    current = _of_current(tx, batch.children, committed.left.children, committed)
    results: dict[str, str | SubmissionError] = {}

    def run(items: Sequence[Child]) -> None:
        inserted = submission.insert(tx, [child.submission for child in items])
        committed.waiting.extend(inserted.waiting)
        results.update(zip((child.request_id for child in items), inserted.ids, strict=True))

    for child in each(tx, current, run, committed.left.children):
        results[child.request_id] = SubmissionError("input", child, "what PostgreSQL can store")
    for child in current:
        result = results.get(child.request_id)
        if result is not None:
            refusal = str(result) if isinstance(result, SubmissionError) else None
            reply = Reply(child.request_id, None if refusal else result, refusal)
            committed.replies.append((child.agent_id, reply))


def submit_workflows(tx: DriverTransaction, batch: Batch, committed: Committed) -> None:
    """Stores the workflows that running tasks submit."""
    for one in _of_current(tx, batch.workflows, committed.left.workflows, committed):
        _submit_workflow(tx, one, committed)


def _submit_workflow(tx: DriverTransaction, one: ChildWorkflow, committed: Committed) -> None:
    found: list[workflow_submission.Inserted] = []
    refusal: str | None = "tasks: what PostgreSQL can't store"

    def run(items: Sequence[ChildWorkflow]) -> None:
        found.extend(workflow_submission.insert(tx, item.workflow) for item in items)

    try:
        is_left = len(committed.left.workflows)
        each(tx, [one], run, committed.left.workflows)
        if len(committed.left.workflows) > is_left:
            return
    except SubmissionError as error:
        refusal = str(error)
    value = None
    if found:
        committed.waiting += found[0].waiting
        value, refusal = found[0].submitted._asdict(), None
    committed.replies.append((one.agent_id, Reply(one.request_id, value, refusal)))


def _of_current(
    tx: DriverTransaction, wanted: Sequence[Submitted], left: list[Submitted], committed: Committed
) -> list[Submitted]:
    """Returns what current attempts submit, and locks their rows (P17).

    What belongs to a row that somebody else holds is added to `left`; other attempts get a refusal.
    """
    pairs = list({one.parent for one in wanted})
    locked = tick.lock_current(tx, pairs)
    missing = [pair for pair in pairs if pair not in locked]
    held = tick.still_current(tx, missing) if missing else {}
    for one in wanted:
        if one.parent in locked:
            continue
        if one.parent[0] in held:
            left.append(one)
        else:
            committed.replies.append((one.agent_id, Reply(one.request_id, None, f"submit: {NOT_CURRENT}")))
    return [one for one in wanted if one.parent in locked]
