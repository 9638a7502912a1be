"""Stores many new tasks by COPY, while they are still being checked if need be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from taskyard.core.errors import SubmissionError
from taskyard.core.new_task import Submission
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
    lane_of,
)
from taskyard.core.scheduling.holds import Holds
from taskyard.core.waiting_alike import WaitingAlike

# What most tasks of a call have in common comes last.
COPIED_COLUMNS = (
    "id",
    "input",
    "title",
    *PREDICTED_COLUMNS,
    "queue",
    "type",
    "state",
    "priority",
    "requires",
    "max_attempts",
    "timeout_seconds",
    "creator_agent_id",
    "created_by",
)
EVENT_COLUMNS = ("task_id", "event", "to_state", "attempt", "actor", "agent_id", "queue", "type")
NULL = "\\N"  # in COPY's text format
_UNPREDICTED = f"\t{NULL}" * (len(PREDICTED_COLUMNS) - 1)


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
    alike = _copied(tx, [s for s in submissions if s.id not in refused] if refused else submissions)
    return Inserted([refused.get(s.id) or s.id for s in submissions], [], alike=alike)


def copy_as_checked(tx: DriverTransaction, checked: Iterable[Submission | str | SubmissionError]) -> Inserted:
    """Stores many new tasks as `checked` yields them: the server works on the first ones meanwhile.

    Raises MustWait for a part that is no task or is not `is_copyable`, or may be refused; nothing is stored then.
    """
    holds = holds_store.holds(tx)
    ids: list[str | SubmissionError] = []
    alike = _copied(tx, _accepted(checked, holds, ids))
    return Inserted(ids, [], alike=alike)


def _accepted(
    checked: Iterable[Submission | str | SubmissionError], holds: Holds, ids: list[str | SubmissionError]
) -> Iterator[Submission]:
    """Yields those that can be stored without regard to others, and adds their ids."""
    for one in checked:
        if not isinstance(one, Submission) or one.pending_limit or not is_copyable(one):
            raise MustWait
        if holds.by_name and draining_refusal(one, holds):
            raise MustWait
        ids.append(one.id)
        yield one


def _copied(tx: DriverTransaction, submissions: Iterable[Submission]) -> list[WaitingAlike]:
    """Copies tasks and their events; returns how they wait."""
    ready = tx.rows(queries("submission")["transaction_time"], {})[0][1]
    events: list[str] = []
    kinds: dict[tuple[object, ...], _Kind] = {}
    tx.copy("tasks", COPIED_COLUMNS, _lines(submissions, events, kinds))
    tx.copy("task_events", EVENT_COLUMNS, events)
    return [
        WaitingAlike(kind.lane, kind.priority, ready, head_start, ids)
        for kind in kinds.values()
        for head_start, ids in kind.ids.items()
    ]


class _Kind:
    """What submissions have in common, most of all as the ends of lines; `ids` are theirs by their head start."""

    def __init__(self, first: Submission) -> None:
        self.lane, self.priority = lane_of(first), first.priority
        self.ids: defaultdict[float, list[str]] = defaultdict(list)
        by, agent = escaped(first.created_by), _text(first.creator_agent_id)
        self.task = (
            f"{first.queue}\t{first.type}\tpending\t{first.priority}\t{names(first.requires)}\t{first.max_attempts}\t"
            f"{first.timeout_seconds}\t{agent}\t{by}\n"
        )
        self.event = f"submitted\tpending\t0\t{by}\t{agent}\t{first.queue}\t{first.type}\n"


def _lines(
    submissions: Iterable[Submission], events: list[str], kinds: dict[tuple[object, ...], _Kind]
) -> Iterator[str]:
    """Yields the tasks in COPY's text format; adds their events, in that format, and their kinds."""
    for s in submissions:
        values = (
            s.queue,
            s.type,
            s.requires,
            s.priority,
            s.max_attempts,
            s.timeout_seconds,
            s.created_by,
            s.creator_agent_id,
        )
        kind = kinds.get(values) or kinds.setdefault(values, _Kind(s))
        kind.ids[s.head_start].append(s.id)
        events.append(f"{s.id}\t{kind.event}")
        body = s.input_json.replace("\\", "\\\\")
        yield f"{s.id}\t{body}\t{_text(s.title)}\t{predicted_text(s)}\t{kind.task}"


def predicted_text(submission: Submission) -> str:
    """Returns a submission's values of PREDICTED_COLUMNS in COPY's text format."""
    size = _text(submission.size)
    predicted = submission.predicted
    if predicted is None:
        return size + _UNPREDICTED
    seconds = f"{predicted.typical!r}\t{predicted.low!r}\t{predicted.high!r}\t{predicted.mean!r}"
    return f"{size}\t{seconds}\t{predicted.head_start or NULL}"


def _text(value: str | None) -> str:
    return NULL if value is None else escaped(value)


def escaped(text: str) -> str:
    """Returns `text` escaped for COPY's text format."""
    if text.isprintable() and "\\" not in text:
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
