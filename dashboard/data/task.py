"""What the Task page shows of one task, and what a viewer may do to it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import explain
from core.errors import Unavailable
from core.explain import Explanation
from core.models import AuditEvent, Task
from core.states import WAITING
from core.store import failures, reading, relations
from core.store.relations import Relative, Relatives
from dashboard.data.attempts import Attempt, attempts_of
from dashboard.data.base import Servers, actor, connections, forget, shared
from dashboard.data.texts import checked

__all__ = ["Relative", "Relatives"]

LOG = "log"
SIMILAR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Details:
    """A task without its input and output, and its life; `now` is the database's time.

    `why` says what it waits for, None if it does not wait; `why_problem` is set where nobody can say now.
    """

    task: Task
    events: Sequence[AuditEvent]
    logs: Sequence[AuditEvent]
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


def parsed_id(text: str) -> str | None:
    """The task id in what a viewer typed or followed, None if it is none."""
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError:
        return None


@shared()
def details(servers: Servers, task_id: str) -> Details | None:
    """A task with its history; None if there is none with this id."""
    with servers.database.transaction() as tx:
        found = reading.tasks_of(tx, [task_id])
        if not found:
            return None
        history = reading.history(tx, task_id)
        now = reading.now(tx)
    task = found[0]
    why, problem = None, ""
    if task.state in WAITING:
        try:
            why = explain.why(servers.database, servers.queue, servers.cache, task_id)
        except Unavailable as error:
            problem = str(error)
    events = [event for event in history if event.event != LOG]
    logs = [event for event in history if event.event == LOG]
    return Details(task, events, logs, attempts_of(task, events), now, why, problem)


@shared(ttl_seconds=60.0, max_entries=50)
def payload(servers: Servers, task_id: str, attempt: int, state: str) -> Payload | None:
    """What went in and came out, as of an attempt and a state: it changes with them only, but for checkpoints."""
    with servers.database.transaction() as tx:
        task = reading.find_task(tx, task_id)
    return None if task is None else Payload(task.input, task.output, task.checkpoint)


@shared(ttl_seconds=SIMILAR_SECONDS)
def similar(servers: Servers, fingerprint: str) -> int:
    """How many tasks are failed by the same failure now, as far as `failures.MOST_FAILED` are looked at."""
    with servers.database.transaction() as tx:
        return failures.failed_now(tx, [fingerprint]).get(fingerprint, 0)


@shared(ttl_seconds=2.0)
def relatives(servers: Servers, task_id: str) -> Relatives | None:
    """The tasks that belong to it; None if it is gone."""
    with servers.database.transaction() as tx:
        found = reading.tasks_of(tx, [task_id])
        return relations.relatives(tx, found[0]) if found else None


def at_most(count: int) -> str:
    """A count of `similar` as text: where it stopped counting there may be more."""
    return f"{count:,}" + ("+" if count >= failures.MOST_FAILED else "")


def retry(task_id: str, reason: str) -> None:
    """Makes a failed or cancelled task pending again; raises IllegalTransition and others of TaskyardError."""
    connections().submitter.retry(task_id, actor=actor(), reason=checked("reason", reason, is_required=False))
    forget()


def cancel(task_id: str, reason: str) -> None:
    """Cancels an open task; raises IllegalTransition and others of TaskyardError."""
    connections().submitter.cancel(task_id, actor=actor(), reason=checked("reason", reason, is_required=False))
    forget()


def reprioritise(task_id: str, priority: str, reason: str) -> None:
    """Changes the priority of a waiting task; raises IllegalTransition and others of TaskyardError."""
    why = checked("reason", reason, is_required=False)
    connections().submitter.reprioritise(task_id, priority, actor=actor(), reason=why)
    forget()
