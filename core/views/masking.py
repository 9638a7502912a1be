"""Hides what those without the permission payload.read may not see: inputs, outputs, logs, and values in errors (pure).

A message of an error is hidden as a whole: nobody can tell which of its words are values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.models import AuditEvent, Task
from taskyard.core.postgres.store.audit import AuditEntry
from taskyard.core.postgres.store.failures import FailureGroup
from taskyard.core.postgres.store.submission_status import SubmissionStatus, Unsuccessful
from taskyard.core.reports import Report
from taskyard.core.reports.data.report import Mover
from taskyard.core.scheduling.hedging import failed_reason, failure_in
from taskyard.core.views.attempts import DROPPED, Attempt
from taskyard.core.views.seeing import sees_alert, sees_queue, sees_type

MASK = "…"
# What errors and events say without a value of a task.
_PLAIN_ERROR = frozenset({"class", "fingerprint"})
_PLAIN_DETAIL = _PLAIN_ERROR | {
    "action", "attempt", "beside", "bulk", "cancelled", "cancelled_agent", "done", "kind", "late_seconds",
    "mode", "name", "priority", "queue", "reason", "refunded", "role", "runs", "seconds", "since", "skipped",
    "tasks", "total", "type", "until", "via",
}  # fmt: skip


def reads_payloads(actor: Actor) -> bool:
    """Returns True if nothing is hidden from an actor."""
    return actor.may(Permission.PAYLOAD_READ)


def masked_tasks(found: Iterable[Task], actor: Actor) -> list[Task]:
    """Returns tasks as an actor may see them."""
    return [masked_task(task, actor) for task in found]


def masked_task(task: Task, actor: Actor) -> Task:
    """Returns a task as an actor may see it."""
    if reads_payloads(actor):
        return task
    said = None if task.progress_message is None else MASK
    return replace(
        task, input=None, output=None, checkpoint=None, error=masked_error(task.error), progress_message=said
    )


def masked_history(found: Iterable[AuditEvent], actor: Actor) -> list[AuditEvent]:
    """Returns the events of a task as an actor may see them."""
    if reads_payloads(actor):
        return list(found)
    return [replace(event, detail=masked_detail(event.event, event.detail)) for event in found]


def masked_attempt(attempt: Attempt, actor: Actor) -> Attempt:
    """Returns an attempt as an actor may see it."""
    return attempt if reads_payloads(actor) or not attempt.message else replace(attempt, message=MASK)


def masked_entry(entry: AuditEntry, actor: Actor) -> AuditEntry:
    """Returns an event of the audit log as an actor may see it."""
    return entry if reads_payloads(actor) else replace(entry, detail=masked_detail(entry.event, entry.detail))


def masked_group(group: FailureGroup, actor: Actor) -> FailureGroup:
    """Returns an error group as an actor may see it."""
    return group if reads_payloads(actor) else replace(group, message=MASK)


def masked_status(found: SubmissionStatus, actor: Actor) -> SubmissionStatus:
    """Returns the status of a submitted task as an actor may see it."""
    if reads_payloads(actor):
        return found
    said = None if found.progress_message is None else MASK
    return replace(found, error=masked_error(found.error), output=None, progress_message=said)


def masked_unsuccessful(found: Unsuccessful, actor: Actor) -> Unsuccessful:
    """Returns a task that did not succeed as an actor may see it."""
    return found if reads_payloads(actor) or found.message is None else replace(found, message=MASK)


def masked_error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns an error with its class and fingerprint only."""
    return None if error is None else _only(error, _PLAIN_ERROR)


def masked_detail(event: str, detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns an event's detail without what a handler or a submitter wrote."""
    if detail is None:
        return None
    shown = _only(detail, _PLAIN_DETAIL)
    if event == DROPPED and (failed := failure_in(str(shown.get("reason") or ""))) is not None:
        shown["reason"] = failed_reason(failed[0], MASK)
    return shown


def masked_report(report: Report, actor: Actor) -> Report:
    """Returns a report as an actor may see it: without messages of errors, and with alerts about its tasks only."""
    alerts = tuple(line for line in report.alerts if sees_alert(actor, line.kind, line.subject))
    queues = tuple(line for line in report.queues if sees_queue(actor, line.queue))
    types = tuple(line for line in report.types if sees_type(actor, line.type))
    movers = report.movers.items()
    report = replace(
        report,
        alerts=alerts,
        queues=queues,
        types=types,
        movers={measure: tuple(one for one in found if _sees_mover(actor, one)) for measure, found in movers},
        alerts_left_out=report.alerts_left_out if len(alerts) == len(report.alerts) else 0,
    )
    if reads_payloads(actor):
        return report
    return replace(report, failures=tuple(replace(line, message=MASK) for line in report.failures))


def _sees_mover(actor: Actor, mover: Mover) -> bool:
    return sees_queue(actor, mover.name) if mover.dimension == "queue" else sees_type(actor, mover.name)


def check_search(only: TaskFilter, actor: Actor) -> None:
    """Raises NotPermitted for a search by contents: an answer to it says what they are."""
    if only.input_path is not None or only.output_path is not None:
        actor.require(Permission.PAYLOAD_READ)


def check_bulk_search(only: TaskFilter, actor: Actor) -> None:
    """Raises NotPermitted for a bulk operation by contents; it looks for a text in errors, too."""
    check_search(only, actor)
    if only.text is not None:
        actor.require(Permission.PAYLOAD_READ)


def _only(values: Mapping[str, Any], plain: frozenset[str]) -> dict[str, Any]:
    return {name: value if name in plain else MASK for name, value in values.items()}
