"""Stores many new tasks by COPY, while they are still being checked if need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.models import Lane, Submission, Waiting
from taskyard.core.postgres.arrays import names
from taskyard.core.postgres.database import DriverTransaction, queries
from taskyard.core.postgres.store import holds as holds_store
from taskyard.core.postgres.store.pending_limits import over_limit
from taskyard.core.postgres.store.submission import (
    PREDICTED_COLUMNS,
    Inserted,
    draining_refusal,
    insert,
    is_copyable,
)
from taskyard.core.scheduling.holds import Holds

COPIED_COLUMNS = (
    "id",
    "queue",
    "type",
    "title",
    "state",
    "priority",
    "input",
    "requires",
    "max_attempts",
    "timeout_seconds",
    "creator_agent_id",
    "created_by",
    *PREDICTED_COLUMNS,
)
EVENT_COLUMNS = ("task_id", "event", "to_state", "attempt", "actor", "agent_id", "queue", "type")
NULL = "\\N"  # in COPY's text format


class MustWait(Exception):
    """Raised for a submission that can be stored only once all of its transaction are known."""


def store(tx: DriverTransaction, submissions: Sequence[Submission]) -> Inserted:
    """Stores new tasks the fastest way that they allow."""
    return copy(tx, submissions) if all(map(is_copyable, submissions)) else insert(tx, submissions)


def copy(tx: DriverTransaction, submissions: Sequence[Submission]) -> Inserted:
    """Stores many new tasks that are all `is_copyable`; refuses those whose queue or type drains."""
    holds = holds_store.holds(tx)
    refused = {s.id: refusal for s in submissions if (refusal := draining_refusal(s, holds))} if holds.by_name else {}
    refused |= over_limit(tx, [s for s in submissions if s.id not in refused])
    waiting = _copied(tx, [s for s in submissions if s.id not in refused] if refused else submissions)
    return Inserted([refused.get(s.id) or s.id for s in submissions], waiting)


def copy_as_checked(tx: DriverTransaction, checked: Iterable[Submission | str | SubmissionError]) -> Inserted:
    """Stores many new tasks as `checked` yields them: the server works on the first ones meanwhile.

    Raises MustWait for a part that is no task or is not `is_copyable`, or may be refused; nothing is stored then.
    """
    holds = holds_store.holds(tx)
    waiting = _copied(tx, _accepted(checked, holds))
    return Inserted([one.id for one in waiting], waiting)


def _accepted(checked: Iterable[Submission | str | SubmissionError], holds: Holds) -> Iterator[Submission]:
    for one in checked:
        if not isinstance(one, Submission) or one.pending_limit or not is_copyable(one):
            raise MustWait
        if holds.by_name and draining_refusal(one, holds):
            raise MustWait
        yield one


def _copied(tx: DriverTransaction, submissions: Iterable[Submission]) -> list[Waiting]:
    """Copies tasks and their events; returns how they wait."""
    ready = tx.rows(queries("submission")["transaction_time"], {})[0][1]
    events: list[str] = []
    waiting: list[Waiting] = []
    tx.copy("tasks", COPIED_COLUMNS, _lines(submissions, ready, events, waiting))
    tx.copy("task_events", EVENT_COLUMNS, events)
    return waiting


def _lines(submissions: Iterable[Submission], ready: float, events: list[str], waiting: list[Waiting]) -> Iterator[str]:
    """Yields the tasks in COPY's text format; adds their events, in that format, and how they wait."""
    lanes: dict[tuple[str, str, tuple[str, ...]], tuple[Lane, str]] = {}
    actors: dict[tuple[str, str | None], tuple[str, str]] = {}
    for s in submissions:
        key, by = (s.queue, s.type, s.requires), (s.created_by, s.creator_agent_id)
        lane, tags = lanes.get(key) or lanes.setdefault(key, (Lane(*key), names(s.requires)))
        actor, agent = actors.get(by) or actors.setdefault(
            by, (escaped(by[0]), NULL if by[1] is None else escaped(by[1]))
        )
        title = NULL if s.title is None else escaped(s.title)
        body = s.input_json.replace("\\", "\\\\")
        waiting.append(Waiting(s.id, lane, s.priority, ready, False, s.head_start))
        events.append(f"{s.id}\tsubmitted\tpending\t0\t{actor}\t{agent}\t{s.queue}\t{s.type}\n")
        yield (
            f"{s.id}\t{s.queue}\t{s.type}\t{title}\tpending\t{s.priority}\t{body}\t{tags}\t"
            f"{s.max_attempts}\t{s.timeout_seconds}\t{agent}\t{actor}\t{predicted_text(s)}\n"
        )


def predicted_text(submission: Submission) -> str:
    """Returns a submission's values of PREDICTED_COLUMNS in COPY's text format."""
    size = NULL if submission.size is None else escaped(submission.size)
    predicted = submission.predicted
    if predicted is None:
        return f"{size}\t{NULL}\t{NULL}\t{NULL}\t{NULL}\t{NULL}"
    seconds = f"{predicted.typical!r}\t{predicted.low!r}\t{predicted.high!r}\t{predicted.mean!r}"
    return f"{size}\t{seconds}\t{predicted.head_start or NULL}"


def escaped(text: str) -> str:
    """Returns `text` escaped for COPY's text format."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
