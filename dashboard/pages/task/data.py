"""Reads one task's data, and implements a viewer's commands to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from taskyard.core import explain
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.config import settings
from taskyard.core.edges import RetryScope
from taskyard.core.errors import Unavailable
from taskyard.core.explanation import Explanation
from taskyard.core.filters.search_filter import Sort
from taskyard.core.models import AuditEvent, LogEntry, Task
from taskyard.core.payload.typed_text import checked
from taskyard.core.postgres.database import Transaction
from taskyard.core.postgres.store import failures, related_tasks, search, task_logs, tasks
from taskyard.core.postgres.store.audit import EventCursor
from taskyard.core.postgres.store.related_tasks import SimilarFailure
from taskyard.core.postgres.store.task_logs import LogFilter, LogPage
from taskyard.core.postgres.store.workflows import WorkflowFilter
from taskyard.core.questions.question import Question
from taskyard.core.read_prediction import read_prediction
from taskyard.core.retry_outcome import RetryPreview, RetryResult
from taskyard.core.states import WAITING, TaskState
from taskyard.core.submission.open_servers import Servers
from taskyard.core.views import questions as question_views
from taskyard.core.views.attempts import Attempt, attempts_of
from taskyard.core.views.failures import failed_with
from taskyard.core.views.made_inputs import MadeInput, made_input_of
from taskyard.core.views.masking import masked_attempt, masked_history, masked_task
from taskyard.core.views.narrowing import check_seen, limited, seen_ids, seen_relatives
from taskyard.core.views.relatives import Relatives, relatives_of
from taskyard.core.views.workflows import page_of
from taskyard.dashboard.data.base import connections, forget
from taskyard.dashboard.data.readings import check, seen
from taskyard.dashboard.data.viewer import acting, actor

__all__ = ["Relatives"]

SIMILAR_SECONDS = 10.0
SIMILAR_SHOWN = 5
WORKFLOWS_SHOWN = 20
LOG_SEARCH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Details:
    """A task without its input and output, and its history; `now` is the database's time.

    `why` says what it waits for, None if it does not wait; `why_problem` is set if that is unknown now.
    """

    task: Task
    events: Sequence[AuditEvent]
    attempts: Sequence[Attempt]
    now: datetime
    why: Explanation | None = None
    why_problem: str = ""
    prediction: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """A task's input and output, and its last checkpoint."""

    input: Any
    output: Any
    checkpoint: Any


@dataclass(frozen=True, slots=True)
class Similar:
    """The number of tasks failed with the same error (a lower bound if not exact), and the newest others."""

    count: int
    is_exact: bool
    newest: Sequence[SimilarFailure]


@seen()
def details(servers: Servers, sight: Actor, task_id: str) -> Details | None:
    """Returns a task with its history; None if none that the viewer sees has this id."""
    with servers.database.transaction() as tx:
        found = tasks.tasks_of(tx, [task_id])
        if not found or not sight.sees(found[0].queue, found[0].type):
            return None
        events = tasks.history(tx, task_id)
        now = tasks.now(tx)
        prediction = read_prediction(tx, found[0])
    task = found[0]
    why, problem = None, ""
    if task.state in WAITING or task.state in (TaskState.CANCELLED, TaskState.SUSPENDED):
        try:
            why = explain.why(servers.database, servers.broker, servers.cache, task_id, settings().auth)
            why = None if task.state is TaskState.CANCELLED and not why.holds else why
        except Unavailable as error:
            problem = error.text
    attempts = [masked_attempt(attempt, sight) for attempt in attempts_of(task, events)]
    return Details(masked_task(task, sight), masked_history(events, sight), attempts, now, why, problem, prediction)


@seen(ttl_seconds=2.0, max_entries=50, needs=Permission.PAYLOAD_READ)
def log_page(servers: Servers, sight: Actor, task_id: str, before: str) -> LogPage:
    """Returns the newest entries of a task's log, or those before the position of an earlier page (as text, "" for
    none).
    """
    with servers.database.transaction() as tx:
        if not seen_ids(tx, sight, [task_id]):
            return LogPage((), None)
        return task_logs.newest(tx, task_id, before=EventCursor.parse(before) if before else None)


@seen(ttl_seconds=LOG_SEARCH_SECONDS, max_entries=50, needs=Permission.PAYLOAD_READ)
def log_matches(servers: Servers, sight: Actor, task_id: str, before: str, only: LogFilter) -> LogPage:
    """Like `log_page`, of those entries that match; as far back as a search gets in its time."""
    with servers.database.transaction() as tx:
        if not seen_ids(tx, sight, [task_id]):
            return LogPage((), None)
        return task_logs.matching(tx, task_id, only, before=EventCursor.parse(before) if before else None)


@seen(ttl_seconds=LOG_SEARCH_SECONDS, max_entries=50, needs=Permission.PAYLOAD_READ)
def log_around(servers: Servers, sight: Actor, task_id: str, at: str) -> LogPage:
    """Returns the entry at a place of a task's log, and those around it."""
    with servers.database.transaction() as tx:
        if not seen_ids(tx, sight, [task_id]):
            return LogPage((), None)
        return task_logs.around(tx, task_id, EventCursor.parse(at))


@seen(ttl_seconds=2.0, max_entries=50, needs=Permission.PAYLOAD_READ)
def log_end_of_next(servers: Servers, sight: Actor, task_id: str, place: str) -> str:
    """Returns the end of the page behind a place of a task's log; "" if that is the newest page."""
    with servers.database.transaction() as tx:
        end = task_logs.end_of_next(tx, task_id, EventCursor.parse(place)) if seen_ids(tx, sight, [task_id]) else None
    return "" if end is None else str(end)


def whole_log(task_id: str, who: Actor) -> Iterator[LogEntry]:
    """Yields every entry of a task's log in order, some in memory at a time.

    Raises NotPermitted, TaskNotFound, Unavailable, Busy or ConfigurationError. It holds a connection until it is
    closed.
    """
    check(who, Permission.PAYLOAD_READ)
    with connections().database.transaction() as tx:
        if who.is_narrowed:
            check_seen(who, tasks.tasks_of(tx, [task_id]), task_id)
        yield from task_logs.whole(tx, task_id)


@seen(ttl_seconds=60.0, max_entries=8, needs=Permission.PAYLOAD_READ)  # each may have some megabytes
def payload(servers: Servers, sight: Actor, task_id: str, attempt: int, state: str) -> Payload | None:
    """Returns input and output as of an attempt and a state.

    They change with these only, except checkpoints.
    """
    with servers.database.transaction() as tx:
        task = tasks.find_task(tx, task_id)
    if task is None or not sight.sees(task.queue, task.type):
        return None
    return Payload(task.input, task.output, task.checkpoint)


@seen(ttl_seconds=60.0, max_entries=8, needs=Permission.PAYLOAD_READ)
def made_input(servers: Servers, sight: Actor, task_id: str, state: str) -> MadeInput | None:
    """Returns what a task's input is made of as of a state; None if it was submitted as it is."""
    with servers.database.transaction() as tx:
        if not seen_ids(tx, sight, [task_id]):
            return None
        found = made_input_of(tx, task_id)
        if found is None:
            return None
        seen_now = seen_ids(tx, sight, [one.task_id for one in found.sources if one.task_id is not None])
    sources = [one if one.task_id in seen_now else one._replace(task_id=None) for one in found.sources]
    return replace(found, sources=sources)


@seen(ttl_seconds=SIMILAR_SECONDS)
def similar(servers: Servers, sight: Actor, fingerprint: str, besides: str) -> Similar:
    """Returns the tasks still failed with the same error that the viewer sees, besides one task."""
    with servers.database.transaction() as tx:
        if sight.is_narrowed:
            return _similar_seen(tx, sight, fingerprint, besides)
        count = failures.failed_now(tx, [fingerprint]).get(fingerprint, 0)
        newest = related_tasks.similar_failures(tx, fingerprint, besides=besides, limit=SIMILAR_SHOWN)
    return Similar(count, count < failures.MAX_FAILED, tuple(newest))


def _similar_seen(tx: Transaction, sight: Actor, fingerprint: str, besides: str) -> Similar:
    only = limited(tx, failed_with(fingerprint), sight)
    if only is None:
        return Similar(0, True, ())
    matching = search.count_matching(tx, only, at_most=failures.MAX_FAILED)
    found = search.find(tx, only, sort=Sort.FINISHED, limit=SIMILAR_SHOWN + 1).tasks
    newest = [
        SimilarFailure(task.id, task.type, task.title, task.state, task.assigned_agent_id, task.finished_at)
        for task in found
        if task.id != besides and task.finished_at is not None
    ]
    return Similar(matching.count, matching.is_exact, tuple(newest[:SIMILAR_SHOWN]))


@seen()
def asked(servers: Servers, sight: Actor, task_id: str) -> Sequence[Question]:
    """Returns what a task has asked people, an open question first."""
    with servers.database.transaction() as tx:
        return question_views.of_task(tx, sight, task_id, settings().auth)


@seen(ttl_seconds=2.0)
def relatives(servers: Servers, sight: Actor, task_id: str) -> Relatives | None:
    """Returns those of its related tasks that the viewer sees; None if it is gone."""
    with servers.database.transaction() as tx:
        found = relatives_of(tx, task_id) if seen_ids(tx, sight, [task_id]) else None
        if found is None:
            return None
        submitted = page_of(tx, sight, WorkflowFilter(parent=task_id), limit=WORKFLOWS_SHOWN)
        return replace(seen_relatives(tx, sight, found), workflows=tuple(submitted.workflows))


def retry(task_id: str, reason: str, scope: str = RetryScope.THIS) -> RetryResult:
    """Makes a failed or cancelled task run again, and others as the scope says.

    Raises NotPermitted, IllegalTransition and others.
    """
    done = acting().retry(task_id, checked("reason", reason, is_required=False), scope)
    forget()
    return done


def preview_retry(task_id: str, scope: str) -> RetryPreview:
    """Returns what `retry` would do; raises as that does."""
    return acting().preview_retry(task_id, scope)


def has_neighbours(task_id: str) -> bool:
    """Returns True if a task was submitted to start after others, or others after it; raises Unavailable."""
    with connections().database.transaction() as tx:
        return bool(related_tasks.before_it(tx, task_id, 1) or related_tasks.after_it(tx, task_id, 1))


def is_guarded(task_type: str) -> bool:
    """Returns True if retrying a task of a type needs the permission code.submit; raises Unavailable."""
    return acting().is_guarded(task_type)


def count_open_below(task_id: str) -> int:
    """Returns how many unfinished descendants live on if this one is cancelled alone, of those that the viewer sees.

    Raises Unavailable.
    """
    who = actor()
    with connections().database.transaction() as tx:
        return len(seen_ids(tx, who, related_tasks.open_below(tx, task_id)))


def cancel_tree(task_id: str, reason: str) -> int:
    """Cancels a task and all unfinished descendants; returns the number of descendants. Raises as `cancel` does."""
    count = acting().cancel_tree(task_id, checked("reason", reason, is_required=False))
    forget()
    return count


def cancel(task_id: str, reason: str) -> None:
    """Cancels an unfinished task; raises IllegalTransition and others of TaskyardError."""
    acting().cancel(task_id, checked("reason", reason, is_required=False))
    forget()


def reprioritise(task_id: str, priority: str, reason: str) -> None:
    """Changes the priority of a waiting task; raises IllegalTransition and others of TaskyardError."""
    why = checked("reason", reason, is_required=False)
    acting().reprioritise(task_id, priority, why)
    forget()
