"""What the Task page shows of one task, and what a viewer may do to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskyard.core import explain
from taskyard.core.errors import Unavailable
from taskyard.core.explain import Explanation
from taskyard.core.ids import parsed_id
from taskyard.core.models import AuditEvent, Task
from taskyard.core.postgres.store import failures, related_tasks, task_logs, tasks
from taskyard.core.postgres.store.audit import EventCursor
from taskyard.core.postgres.store.related_tasks import Related, SimilarFailure
from taskyard.core.postgres.store.task_logs import LogEntry, LogPage
from taskyard.core.states import WAITING
from taskyard.dashboard.data.attempts import Attempt, attempts_of
from taskyard.dashboard.data.base import Servers, connections, forget, shared
from taskyard.dashboard.data.texts import checked
from taskyard.dashboard.data.viewer import acting

SIMILAR_SECONDS = 10.0
SIMILAR_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Details:
    """A task without its input and output, and its life; `now` is the database's time.

    `why` says what it waits for, None if it does not wait; `why_problem` is set where nobody can say now.
    """

    task: Task
    events: Sequence[AuditEvent]
    attempts: Sequence[Attempt]
    now: datetime
    why: Explanation | None = None
    why_problem: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """What went in and came out of a task, and what its last attempt saved."""

    input: Any
    output: Any
    checkpoint: Any


@dataclass(frozen=True, slots=True)
class Similar:
    """How many tasks are failed by a failure (that many or more if not exact), and the newest others."""

    count: int
    is_exact: bool
    newest: Sequence[SimilarFailure]


@dataclass(frozen=True, slots=True)
class Relatives:
    """Who submitted a task, what it submitted, what it waits for and what waits for it; `workflow_id` is the root's."""

    parents: Sequence[Related]
    children: Sequence[Related]
    awaited: Sequence[Related]
    dependants: Sequence[Related]
    workflow_id: str | None

    @property
    def is_alone(self) -> bool:
        """Whether there are none."""
        return not (self.parents or self.children or self.awaited or self.dependants or self.workflow_id)


@shared()
def details(servers: Servers, task_id: str) -> Details | None:
    """A task with its history; None if there is none with this id."""
    with servers.database.transaction() as tx:
        found = tasks.tasks_of(tx, [task_id])
        if not found:
            return None
        events = tasks.history(tx, task_id, with_log=False)
        now = tasks.now(tx)
    task = found[0]
    why, problem = None, ""
    if task.state in WAITING:
        try:
            why = explain.why(servers.database, servers.broker, servers.cache, task_id)
        except Unavailable as error:
            problem = error.text
    return Details(task, events, attempts_of(task, events), now, why, problem)


@shared(ttl_seconds=2.0, max_entries=50)
def log_page(servers: Servers, task_id: str, before: str) -> LogPage:
    """The newest entries of a task's log, or those before a place that an earlier page gave (as text, "" for none)."""
    with servers.database.transaction() as tx:
        return task_logs.newest(tx, task_id, before=EventCursor.parse(before) if before else None)


def whole_log(task_id: str) -> Iterator[LogEntry]:
    """Every entry of a task's log in order, some in memory at a time; raises Unavailable, Busy or ConfigurationError.

    It holds a connection until it is closed.
    """
    with connections().database.transaction() as tx:
        yield from task_logs.whole(tx, task_id)


@shared(ttl_seconds=60.0, max_entries=8)  # each may have some megabytes
def payload(servers: Servers, task_id: str, attempt: int, state: str) -> Payload | None:
    """What went in and came out, as of an attempt and a state: it changes with them only, but for checkpoints."""
    with servers.database.transaction() as tx:
        task = tasks.find_task(tx, task_id)
    return None if task is None else Payload(task.input, task.output, task.checkpoint)


@shared(ttl_seconds=SIMILAR_SECONDS)
def similar(servers: Servers, fingerprint: str, besides: str) -> Similar:
    """Who is failed by the same failure now, besides one task."""
    with servers.database.transaction() as tx:
        count = failures.failed_now(tx, [fingerprint]).get(fingerprint, 0)
        newest = related_tasks.similar_failures(tx, fingerprint, besides=besides, limit=SIMILAR_SHOWN)
    return Similar(count, count < failures.MAX_FAILED, tuple(newest))


@shared(ttl_seconds=2.0)
def relatives(servers: Servers, task_id: str) -> Relatives | None:
    """The tasks that belong to it; None if it is gone."""
    with servers.database.transaction() as tx:
        found = tasks.tasks_of(tx, [task_id])
        if not found:
            return None
        task = found[0]
        children = related_tasks.submitted_by(tx, task_id)
        return Relatives(
            parents=tuple(map(_shortly, tasks.tasks_of(tx, _parent_ids(task)))),
            children=tuple(children),
            awaited=tuple(Related(one.id, one.type, None, one.state) for one in tasks.unfinished_parents(tx, task_id)),
            dependants=tuple(related_tasks.waiting_for(tx, task_id)),
            workflow_id=task.workflow_id or (task.id if children else None),
        )


def retry(task_id: str, reason: str) -> None:
    """Makes a failed or cancelled task pending again; raises NotPermitted, IllegalTransition and others."""
    acting().retry(task_id, checked("reason", reason, is_required=False))
    forget()


def count_open_below(task_id: str) -> int:
    """How many unfinished tasks live on if this one is cancelled alone; raises Unavailable."""
    with connections().database.transaction() as tx:
        return len(related_tasks.open_below(tx, task_id))


def cancel_tree(task_id: str, reason: str) -> int:
    """Cancels a task and all unfinished ones below it; returns how many below. Raises as `cancel` does."""
    count = acting().cancel_tree(task_id, checked("reason", reason, is_required=False))
    forget()
    return count


def cancel(task_id: str, reason: str) -> None:
    """Cancels an open task; raises IllegalTransition and others of TaskyardError."""
    acting().cancel(task_id, checked("reason", reason, is_required=False))
    forget()


def reprioritise(task_id: str, priority: str, reason: str) -> None:
    """Changes the priority of a waiting task; raises IllegalTransition and others of TaskyardError."""
    why = checked("reason", reason, is_required=False)
    acting().reprioritise(task_id, priority, why)
    forget()


def _parent_ids(task: Task) -> list[str]:
    """The task that submitted it, as its key says: whoever it names as its submitter."""
    known = parsed_id((task.idempotency_key or "").partition("/")[0])
    return [known] if known and task.workflow_id else []


def _shortly(task: Task) -> Related:
    return Related(task.id, task.type, task.title, task.state.value)
