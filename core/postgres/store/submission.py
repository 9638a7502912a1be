"""Stores new tasks by an INSERT; `submission_copy` stores many of them faster, where it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from taskyard.core.edges import Condition, is_met
from taskyard.core.errors import IdempotencyConflict, SubmissionError
from taskyard.core.i18n import N_, msg
from taskyard.core.models import Lane, Waiting
from taskyard.core.new_task import Submission
from taskyard.core.payload.same_call import Stored
from taskyard.core.postgres.arrays import names, plain, quoted
from taskyard.core.postgres.database import Transaction, queries
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store.pending_limits import over_limit
from taskyard.core.scheduling.holds import Holds
from taskyard.core.states import TaskState
from taskyard.core.waiting_alike import WaitingAlike

PREDICTED_COLUMNS = ("size", "predicted_seconds", "predicted_low", "predicted_high", "predicted_mean", "head_start")
_STILL_POSSIBLE = {
    Condition.COMPLETED: N_("a task that can still complete, but it is {state}"),
    Condition.FAILED: N_("a task that can still fail, but it is {state}"),
}


class Inserted(NamedTuple):
    """The result of an insert. `ids` parallels the submissions: the task's id, or why there is none.

    `waiting` and `alike` are the new tasks to queue. `blocked` ones wait for parents that may end before the commit;
    call `dependants.check_again` after it.
    """

    ids: list[str | SubmissionError]
    waiting: list[Waiting]
    blocked: Sequence[str] = ()
    alike: Sequence[WaitingAlike] = ()


def insert(tx: Transaction, submissions: Sequence[Submission]) -> Inserted:
    """Stores new tasks. A known idempotency key returns the first task's id, or a conflict if the content differs."""
    if len(submissions) == 1 and is_copyable(submissions[0]):
        return _insert_one(tx, submissions[0])
    refused, parents = _read_parents(tx, submissions)
    refused |= over_limit(tx, [s for s in submissions if s.id not in refused])
    accepted = [s for s in submissions if s.id not in refused]
    rows = tx.rows(queries("submission")["insert_tasks"], _columns(accepted, parents)) if accepted else ()
    new = {row[0]: row for row in rows}
    edges = [edge for child, found in parents.items() if child in new for edge in found]
    if edges:
        tx.rows(queries("submission")["add_dependencies"], _edge_columns(edges))
    missing = [s for s in submissions if s.id not in new]
    taken = _taken_keys(tx, missing)
    draining = holds_store.holds(tx) if missing else Holds()
    waiting = [
        Waiting(s.id, lane_of(s), s.priority, row[2], row[1] == TaskState.SCHEDULED, s.head_start)
        for s in accepted
        if (row := new.get(s.id)) and row[1] != TaskState.BLOCKED
    ]
    ids = [s.id if s.id in new else _first(s, taken, draining, refused.get(s.id)) for s in submissions]
    return Inserted(ids, waiting, list({edge.child for edge in edges if edge.is_open}))


def _insert_one(tx: Transaction, s: Submission) -> Inserted:
    """Stores a task as `insert` does, one that is `is_copyable`: half the work in Python."""
    refusal = over_limit(tx, (s,)).get(s.id) if s.pending_limit else None
    if refusal is None:
        rows = tx.rows(queries("submission")["insert_task"], _values(s))
        if rows:
            return Inserted([s.id], [Waiting(s.id, lane_of(s), s.priority, rows[0][2], False, s.head_start)])
        refusal = draining_refusal(s, holds_store.holds(tx)) or _unseen(s)
    return Inserted([refusal], [])


def is_copyable(submission: Submission) -> bool:
    """Returns True if COPY suffices: no key to look up and no parents to wait for."""
    return (
        submission.idempotency_key is None
        and not submission.after
        and submission.parent_id is None
        and submission.run_at is None
        and submission.delay_seconds is None
    )


class _Edge(NamedTuple):
    """A new task's parent, and whether it has yet to wait for it."""

    parent: str
    child: str
    condition: Condition
    is_open: bool


def _read_parents(
    tx: Transaction, submissions: Sequence[Submission]
) -> tuple[dict[str, SubmissionError], dict[str, list[_Edge]]]:
    """Returns by id why a submission is refused, and the edges to its parents.

    Parents are read, not locked, so an open submission makes nothing wait. A parent that ends before the commit is
    found afterwards by its row in `task_dependencies`.
    """
    asked = list(dict.fromkeys(parent for s in submissions for parent in s.after))
    if not asked:
        return {}, {}
    states: dict[str, str] = dict(tx.rows(queries("submission")["parents"], {"ids": plain(asked)}))
    refused, edges = {}, {}
    for submission in submissions:
        if submission.after:
            try:
                edges[submission.id] = _edges(submission, states)
            except SubmissionError as error:
                refused[submission.id] = error
    return refused, edges


def _edges(submission: Submission, states: dict[str, str]) -> list[_Edge]:
    found = []
    for parent in dict.fromkeys(submission.after):
        state = states.get(parent)
        if state is None:
            raise SubmissionError("after", parent, msg("the id of an existing task"))
        is_done = is_met(submission.when, TaskState(state))
        if is_done is False:
            raise SubmissionError("after", parent, msg(_STILL_POSSIBLE[submission.when], state=TaskState(state)))
        found.append(_Edge(parent, submission.id, submission.when, not is_done))
    return found


def _edge_columns(edges: Sequence[_Edge]) -> dict[str, str]:
    return {
        "parents": plain(edge.parent for edge in edges),
        "children": plain(edge.child for edge in edges),
        "conditions": plain(edge.condition.value for edge in edges),
        "open": plain(edge.is_open for edge in edges),
    }


def _columns(submissions: Sequence[Submission], parents: dict[str, list[_Edge]]) -> dict[str, str]:
    return {
        "ids": plain(s.id for s in submissions),
        "queues": names(s.queue for s in submissions),
        "types": names(s.type for s in submissions),
        "titles": quoted(s.title for s in submissions),
        "priorities": plain(s.priority for s in submissions),
        "inputs": quoted(s.input_json for s in submissions),
        "requires": quoted(",".join(s.requires) for s in submissions),
        "max_attempts": plain(s.max_attempts for s in submissions),
        "timeouts": plain(s.timeout_seconds for s in submissions),
        "run_ats": quoted(s.run_at.isoformat() if s.run_at else None for s in submissions),
        "delays": plain(s.delay_seconds for s in submissions),
        "keys": quoted(s.idempotency_key for s in submissions),
        "hashes": quoted(call.content_hash if (call := s.call) else None for s in submissions),
        "parents": plain(s.parent_id for s in submissions),
        "waiting_on": plain(sum(edge.is_open for edge in parents.get(s.id, ())) for s in submissions),
        "creators": quoted(s.creator_agent_id for s in submissions),
        "created_by": quoted(s.created_by for s in submissions),
        "scheduled_for": quoted(s.scheduled_for.isoformat() if s.scheduled_for else None for s in submissions),
        "sizes": quoted(s.size for s in submissions),
        "predicted": plain(s.predicted and s.predicted.typical for s in submissions),
        "lows": plain(s.predicted and s.predicted.low for s in submissions),
        "highs": plain(s.predicted and s.predicted.high for s in submissions),
        "means": plain(s.predicted and s.predicted.mean for s in submissions),
        "head_starts": plain(s.head_start or None for s in submissions),
    }


def _values(s: Submission) -> dict[str, object]:
    predicted = s.predicted
    return {
        "id": s.id,
        "queue": s.queue,
        "type": s.type,
        "title": s.title,
        "priority": int(s.priority),
        "input": s.input_json,
        "requires": names(s.requires),
        "max_attempts": s.max_attempts,
        "timeout": s.timeout_seconds,
        "creator": s.creator_agent_id,
        "created_by": s.created_by,
        "size": s.size,
        "predicted": predicted and predicted.typical,
        "low": predicted and predicted.low,
        "high": predicted and predicted.high,
        "mean": predicted and predicted.mean,
        "head_start": s.head_start or None,
    }


def find_by_key(tx: Transaction, key: str) -> Stored | None:
    """Returns the task that holds an idempotency key."""
    return _find_by_keys(tx, [key]).get(key)


def _taken_keys(tx: Transaction, submissions: Sequence[Submission]) -> dict[str, Stored]:
    keys = [s.idempotency_key for s in submissions if s.idempotency_key is not None]
    return _find_by_keys(tx, keys) if keys else {}


def _find_by_keys(tx: Transaction, keys: Sequence[str]) -> dict[str, Stored]:
    rows = tx.rows(queries("submission")["find_by_keys"], {"keys": list(keys)})
    return {row[0]: Stored(*row[1:]) for row in rows}


def _first(
    submission: Submission, taken: dict[str, Stored], holds: Holds, refusal: SubmissionError | None
) -> str | SubmissionError:
    key, call = submission.idempotency_key, submission.call
    if key is None or call is None or key not in taken:
        return refusal or draining_refusal(submission, holds) or _unseen(submission)
    first = taken[key]
    if call.is_of(first):
        return first.id
    return IdempotencyConflict(key, first.id, call.difference(first), first.queue, first.type)


def _unseen(submission: Submission) -> SubmissionError:
    """Returns the error for a conflicting task that is not visible: it ended in between, or this snapshot is older."""
    key = submission.idempotency_key
    if key is None:
        return SubmissionError("queue", submission.queue, msg("one that accepts new tasks: it was draining until now"))
    expected = msg("a new key, or a READ COMMITTED transaction: another transaction has just used this one")
    return SubmissionError("idempotency_key", key, expected)


def draining_refusal(submission: Submission, holds: Holds) -> SubmissionError | None:
    """Returns the refusal of a submission whose queue or type drains; None if it is accepted."""
    hold = holds.against(submission.queue, submission.type)
    if hold is None:
        return None
    return SubmissionError(hold.kind.value, hold.name, msg("one that accepts new tasks: {hold}", hold=hold.text))


def lane_of(submission: Submission) -> Lane:
    """Returns the lane that a submission's task belongs to."""
    return Lane(submission.queue, submission.type, submission.requires)
