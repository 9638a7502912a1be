"""Hides what those without the permission payload.read may not see: inputs, outputs, logs, and values in errors.

A message of an error is hidden as a whole: nobody can tell which of its words are values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from taskyard.api.models.tasks import HistoryEvent, TaskResult, TaskSummary
from taskyard.core.access.identity import Actor
from taskyard.core.access.permissions import Permission
from taskyard.core.filters.search_filter import TaskFilter
from taskyard.core.reports import Report

MASK = "…"
# What errors and events say without a value of a task.
_PLAIN_ERROR = frozenset({"class", "fingerprint"})
_PLAIN_DETAIL = _PLAIN_ERROR | {
    "action", "attempt", "bulk", "cancelled", "done", "kind", "mode", "name", "priority", "queue", "reason",
    "refunded", "role", "seconds", "skipped", "tasks", "total", "type", "until", "via",
}  # fmt: skip
Shown = TypeVar("Shown", bound=TaskSummary)
_PAYLOADS = ("input", "output", "checkpoint")


def reads_payloads(actor: Actor) -> bool:
    """Returns True if nothing is hidden from an actor."""
    return actor.may(Permission.PAYLOAD_READ)


def masked_task(found: Shown, actor: Actor) -> Shown:
    """Returns a task, or one with details, as an actor may see it."""
    if reads_payloads(actor):
        return found
    hidden: dict[str, Any] = {name: None for name in _PAYLOADS if name in type(found).model_fields}
    said = None if found.progress_message is None else MASK
    return found.model_copy(
        update={**hidden, "error": masked_error(found.error), "progress_message": said, "is_masked": True}
    )


def masked_result(found: TaskResult, actor: Actor) -> TaskResult:
    """Returns a task's result as an actor may see it."""
    if reads_payloads(actor):
        return found
    return found.model_copy(update={"output": None, "error": masked_error(found.error), "is_masked": True})


def masked_event(found: HistoryEvent, actor: Actor) -> HistoryEvent:
    """Returns an event of a task's history as an actor may see it."""
    if reads_payloads(actor):
        return found
    return found.model_copy(update={"detail": masked_detail(found.detail), "is_masked": True})


def masked_error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns an error with its class and fingerprint only."""
    return None if error is None else _only(error, _PLAIN_ERROR)


def masked_detail(detail: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Returns an event's detail without what a handler or a submitter wrote."""
    return None if detail is None else _only(detail, _PLAIN_DETAIL)


def masked_report(report: Report, actor: Actor) -> Report:
    """Returns a report without the messages of errors, for those who may not see them."""
    if reads_payloads(actor):
        return report
    return replace(report, failures=tuple(replace(line, message=MASK) for line in report.failures))


def check_search(only: TaskFilter, actor: Actor) -> None:
    """Raises NotPermitted for a search by contents: an answer to it says what they are."""
    if only.input_path is not None or only.output_path is not None:
        actor.require(Permission.PAYLOAD_READ)


def _only(values: Mapping[str, Any], plain: frozenset[str]) -> dict[str, Any]:
    return {name: value if name in plain else MASK for name, value in values.items()}
