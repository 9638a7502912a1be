"""Stores the children of running tasks, in the tick's transaction."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.postgres.database import DriverTransaction
from taskyard.core.postgres.store import submission, tick
from taskyard.core.protocol import Reply
from taskyard.worker.dispatch.batch import Batch, Child, Committed
from taskyard.worker.dispatch.claim_holders import NOT_CURRENT
from taskyard.worker.dispatch.savepoints import each


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


def _of_current(tx: DriverTransaction, wanted: Sequence[Child], left: list[Child], committed: Committed) -> list[Child]:
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
